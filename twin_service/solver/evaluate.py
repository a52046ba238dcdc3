"""Expressions as Python: scalar functions for the reference path, NumPy functions for whole populations.

Each node of the graph becomes one assignment, so a common subexpression is computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from twin_service.solver.expression import Expression, walk

Function = Callable[..., list[Any]]

_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
}
_SCALAR: dict[str, Any] = {
    **{
        k: getattr(math, k)
        for k in (
            "exp",
            "log",
            "sqrt",
            "tanh",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "asinh",
            "acosh",
            "atanh",
        )
    },
    "pow": math.pow,
    "abs": abs,
    "min": min,
    "max": max,
    "mod": lambda a, b: a % b,
    "floor": lambda a: float(math.floor(a)),
    "ceil": lambda a: float(math.ceil(a)),
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
    "not": lambda a: not a,
    "where": lambda c, a, b: a if c else b,
}
_ARRAY: dict[str, Any] = {
    **{
        k: getattr(np, k)
        for k in ("exp", "log", "sqrt", "tanh", "sin", "cos", "tan", "sinh", "cosh", "abs", "floor", "ceil")
    },
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "pow": np.power,
    "min": np.minimum,
    "max": np.maximum,
    "mod": np.mod,
    "where": np.where,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
}


def array_function(roots: Sequence[Expression], names: Sequence[str]) -> Function:
    """`f(*arrays)`, one array or number per name, giving one value per root; invalid operations give NaN or inf."""
    return _array_function(tuple(roots), tuple(names))


@lru_cache(maxsize=1024)
def _array_function(roots: tuple[Expression, ...], names: tuple[str, ...]) -> Function:
    """Equal expressions are one object, so that the same question is not compiled twice."""
    raw = _define(roots, names, _ARRAY)

    def call(*values: Any) -> list[Any]:
        with np.errstate(all="ignore"):
            return raw(*(np.asarray(v, dtype=np.float64) for v in values))

    return call


def scalar_function(roots: Sequence[Expression], names: Sequence[str]) -> Function:
    """`f(*numbers)` giving one number per root; where `math` raises, NumPy's NaN or inf is given instead."""
    fast, safe = _define(roots, names, _SCALAR), array_function(roots, names)

    def call(*values: float) -> list[Any]:
        try:
            return fast(*values)
        except (ValueError, ZeroDivisionError, OverflowError):
            return [float(x) for x in safe(*values)]

    return call


def _define(roots: Sequence[Expression], names: Sequence[str], functions: dict[str, Any]) -> Function:
    argument = {name: f"a{i}" for i, name in enumerate(names)}
    term: dict[int, str] = {}
    lines = []
    # Of two NumPy numbers 1/0 is inf; of two Python numbers it raises.
    number = "np_float" if functions is _ARRAY else ""
    for i, node in enumerate(walk(roots)):
        if node.op == "const":
            term[id(node)] = f"{number}({node.value!r})" if math.isfinite(node.value) else f"float('{node.value}')"
        elif node.op == "symbol":
            term[id(node)] = argument[node.name]
        else:
            term[id(node)] = f"x{i}"
            lines.append(f"    x{i} = {_term(node, [term[id(a)] for a in node.args])}")
    body = "\n".join([*lines, f"    return [{', '.join(term[id(r)] for r in roots)}]"])
    space: dict[str, Any] = {f"f_{k}": v for k, v in functions.items()} | {"np_float": np.float64}
    exec(f"def f({', '.join(argument.values())}):\n{body}\n", space)
    return space["f"]  # type: ignore[no-any-return]


def _term(node: Expression, args: list[str]) -> str:
    if node.op == "neg":
        return f"-{args[0]}"
    if node.op in _INFIX:
        return f"{args[0]} {_INFIX[node.op]} {args[1]}"
    return f"f_{node.op}({', '.join(args)})"
