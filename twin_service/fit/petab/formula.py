"""Formulas of PEtab tables as expressions: arithmetic, powers and the usual functions, nothing else."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.expression import Expression, apply, constant, expression, symbol

_BINARY: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
}
_FUNCTIONS: Final[dict[str, Callable[..., Expression]]] = {
    "exp": lambda x: apply("exp", x),
    "log": lambda x: apply("log", x),
    "ln": lambda x: apply("log", x),
    "sqrt": lambda x: apply("sqrt", x),
    "abs": lambda x: apply("abs", x),
    "sin": lambda x: apply("sin", x),
    "cos": lambda x: apply("cos", x),
    "tanh": lambda x: apply("tanh", x),
    "pow": lambda x, y: apply("pow", x, y),
    "min": lambda x, y: apply("min", x, y),
    "max": lambda x, y: apply("max", x, y),
    "log10": lambda x: apply("log", x) / 2.302585092994046,
    "log2": lambda x: apply("log", x) / 0.6931471805599453,
}


def parse_formula(text: str, *, where: str) -> Expression:
    """The expression of `text`. Raises Refusal for anything that is not arithmetic on names and numbers."""
    try:
        return _node(ast.parse(text.replace("^", "**"), mode="eval").body)
    except (SyntaxError, KeyError, TypeError) as e:
        raise Refusal(
            RefusalCode.INVALID,
            f"{where}: cannot read {text!r} ({e}); expected arithmetic on names",
            field=where,
            reason="BAD_FORMULA",
        ) from e


def _node(n: ast.expr) -> Expression:
    if isinstance(n, ast.Constant) and isinstance(n.value, (int, float)):
        return constant(n.value)
    if isinstance(n, ast.Name):
        return symbol(n.id)
    if isinstance(n, ast.UnaryOp) and isinstance(n.op, (ast.USub, ast.UAdd)):
        return -_node(n.operand) if isinstance(n.op, ast.USub) else _node(n.operand)
    if isinstance(n, ast.BinOp):
        return apply(_BINARY[type(n.op)], expression(_node(n.left)), expression(_node(n.right)))
    if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and not n.keywords:
        return _FUNCTIONS[n.func.id](*(_node(a) for a in n.args))
    raise TypeError(f"{type(n).__name__} is not arithmetic")
