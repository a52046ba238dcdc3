"""Exact derivatives on the expression graph, by forward accumulation of sparse gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from twin_service.solver.expression import Expression, apply, constant, walk

ONE: Final = constant(1.0)
ZERO: Final = constant(0.0)
Gradient = dict[str, Expression]


def gradients(roots: Sequence[Expression], names: Sequence[str]) -> list[Gradient]:
    """For each root the derivatives that are not identically zero: {name: d root / d name}."""
    found = _accumulate(roots, {name: {name: ONE} for name in names})
    return [found[id(r)] for r in roots]


def directional(roots: Sequence[Expression], direction: Mapping[str, Expression]) -> list[Expression]:
    """d root = sum over names of (d root / d name) * direction[name], one expression per root."""
    found = _accumulate(roots, {name: {"": d} for name, d in direction.items()})
    return [found[id(r)].get("", ZERO) for r in roots]


def _accumulate(roots: Sequence[Expression], seeds: Mapping[str, Gradient]) -> dict[int, Gradient]:
    found: dict[int, Gradient] = {}
    for node in walk(roots):
        if node.op == "symbol":
            found[id(node)] = seeds.get(node.name, {})
        elif not node.args:
            found[id(node)] = {}
        else:
            found[id(node)] = _chain(node, [found[id(a)] for a in node.args])
    return found


def _chain(node: Expression, inner: list[Gradient]) -> Gradient:
    if not any(inner):
        return {}
    if node.op == "neg":
        return {k: -d for k, d in inner[0].items()}
    if node.op in ("add", "sub"):
        return _sum(inner[0], inner[1], minus=node.op == "sub")
    if node.op in ("where", "min", "max"):
        return _choice(node, inner)
    total: Gradient = {}
    for k, g in enumerate(inner):
        if g:
            slope = _partial(node, k)
            if slope is not ZERO:
                total = _sum(total, {name: slope * d for name, d in g.items()}, minus=False)
    return {k: d for k, d in total.items() if d is not ZERO}


def _choice(node: Expression, inner: list[Gradient]) -> Gradient:
    """The derivative of the piece in force; a product with 0 or 1 would let an undefined other piece through."""
    if node.op == "where":
        condition, (first, second) = node.args[0], inner[1:]
    else:
        a, b = node.args
        condition, (first, second) = (a < b if node.op == "min" else a > b), inner
    chosen = {k: apply("where", condition, first.get(k, ZERO), second.get(k, ZERO)) for k in {**first, **second}}
    return {k: d for k, d in chosen.items() if d is not ZERO}


def _sum(a: Gradient, b: Gradient, *, minus: bool) -> Gradient:
    total = dict(a)
    for k, d in b.items():
        if k in total:
            total[k] = total[k] - d if minus else total[k] + d
        else:
            total[k] = -d if minus else d
    return total


def _partial(node: Expression, k: int) -> Expression:
    """d node / d args[k]; piecewise functions are differentiated within their pieces."""
    if len(node.args) == 1:
        return _unary(node)
    a, b = node.args
    if node.op == "mul":
        return (b, a)[k]
    if node.op == "div":
        return ONE / b if k == 0 else -(node / b)
    if node.op == "pow":
        return _power(node, k)
    if node.op == "mod":
        return ONE if k == 0 else -apply("floor", a / b)
    return ZERO


def _power(node: Expression, k: int) -> Expression:
    a, b = node.args
    if k == 0:
        return b * a ** (b - ONE)
    # a**b * log(a) tends to 0 with a, where the product itself would be undefined.
    return apply("where", a > ZERO, node * apply("log", a), ZERO)


def _unary(node: Expression) -> Expression:
    (x,) = node.args
    op = node.op
    if op == "exp":
        return node
    if op == "log":
        return ONE / x
    if op == "sqrt":
        return constant(0.5) / node
    if op == "abs":
        return apply("where", x > ZERO, ONE, apply("where", x < ZERO, constant(-1.0), ZERO))
    if op == "tanh":
        return ONE - node * node
    if op in ("sin", "sinh"):
        return apply("cos" if op == "sin" else "cosh", x)
    if op in ("cos", "cosh"):
        return -apply("sin", x) if op == "cos" else apply("sinh", x)
    if op == "tan":
        return ONE + node * node
    return _inverse(op, x)


def _inverse(op: str, x: Expression) -> Expression:
    square = x * x
    if op in ("asin", "acos"):
        slope = ONE / apply("sqrt", ONE - square)
        return slope if op == "asin" else -slope
    if op in ("asinh", "acosh"):
        return ONE / apply("sqrt", square + ONE if op == "asinh" else square - ONE)
    if op in ("atan", "atanh"):
        return ONE / (ONE + square if op == "atan" else ONE - square)
    return ZERO  # floor, ceil, not: flat between their jumps
