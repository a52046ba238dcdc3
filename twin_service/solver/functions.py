"""The elementary functions that laws are written with: one name for numbers, arrays and symbols alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin_service.solver.expression import Expression, apply, expression

_NUMPY: dict[str, Any] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "floor": np.floor,
    "ceil": np.ceil,
    "min": np.minimum,
    "max": np.maximum,
    "where": np.where,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
}


def _call(op: str, *args: Any) -> Any:
    if any(isinstance(a, Expression) for a in args):
        return apply(op, *(expression(a) for a in args))
    return _NUMPY[op](*args)


def exp(x: Any) -> Any:
    return _call("exp", x)


def log(x: Any) -> Any:
    return _call("log", x)


def sqrt(x: Any) -> Any:
    return _call("sqrt", x)


def absolute(x: Any) -> Any:
    return _call("abs", x)


def tanh(x: Any) -> Any:
    return _call("tanh", x)


def sin(x: Any) -> Any:
    return _call("sin", x)


def cos(x: Any) -> Any:
    return _call("cos", x)


def minimum(a: Any, b: Any) -> Any:
    return _call("min", a, b)


def maximum(a: Any, b: Any) -> Any:
    return _call("max", a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where `condition` holds, else `b`; the symbolic form of `if`."""
    return _call("where", condition, a, b)


def equal(a: Any, b: Any) -> Any:
    return _call("eq", a, b)


def logical_and(a: Any, b: Any) -> Any:
    return _call("and", a, b)


def logical_or(a: Any, b: Any) -> Any:
    return _call("or", a, b)
