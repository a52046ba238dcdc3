"""Expressions: the one form in which a law exists.

A law is a plain function of numbers, arrays or symbols. Called with symbols it returns an `Expression`: an
immutable, hash-consed node, so that equal subexpressions are the same object and common subexpressions cost nothing.
Everything the solver needs (generated code, derivatives, sparsity, SBML) is read off this graph.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Union

Number = int | float
Operand = Union["Expression", int, float]  # noqa: UP007 (a forward reference cannot be joined by |)

UNARY: Final = frozenset(
    {
        "neg",
        "exp",
        "log",
        "sqrt",
        "abs",
        "tanh",
        "sin",
        "cos",
        "tan",
        "floor",
        "ceil",
        "not",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "asinh",
        "acosh",
        "atanh",
    }
)
BINARY: Final = frozenset(
    {"add", "sub", "mul", "div", "pow", "min", "max", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "mod"}
)
TERNARY: Final = frozenset({"where"})


class Expression:
    """One node: a constant, a symbol or an operation on other nodes. Compare by identity: equal nodes are one."""

    __slots__ = ("__weakref__", "_key", "args", "name", "op", "value")

    op: str
    args: tuple[Expression, ...]
    value: float
    name: str
    _key: tuple[object, ...]

    def __add__(self, other: Operand) -> Expression:
        return _binary("add", self, other)

    def __radd__(self, other: Operand) -> Expression:
        return _binary("add", other, self)

    def __sub__(self, other: Operand) -> Expression:
        return _binary("sub", self, other)

    def __rsub__(self, other: Operand) -> Expression:
        return _binary("sub", other, self)

    def __mul__(self, other: Operand) -> Expression:
        return _binary("mul", self, other)

    def __rmul__(self, other: Operand) -> Expression:
        return _binary("mul", other, self)

    def __truediv__(self, other: Operand) -> Expression:
        return _binary("div", self, other)

    def __rtruediv__(self, other: Operand) -> Expression:
        return _binary("div", other, self)

    def __pow__(self, other: Operand) -> Expression:
        return _binary("pow", self, other)

    def __rpow__(self, other: Operand) -> Expression:
        return _binary("pow", other, self)

    def __neg__(self) -> Expression:
        return apply("neg", self)

    def __pos__(self) -> Expression:
        return self

    def __lt__(self, other: Operand) -> Expression:
        return _binary("lt", self, other)

    def __le__(self, other: Operand) -> Expression:
        return _binary("le", self, other)

    def __gt__(self, other: Operand) -> Expression:
        return _binary("gt", self, other)

    def __ge__(self, other: Operand) -> Expression:
        return _binary("ge", self, other)

    def __bool__(self) -> bool:
        raise TypeError("a symbolic condition has no truth value: use functions.where(condition, a, b) instead of `if`")

    def __repr__(self) -> str:
        if self.op == "const":
            return repr(self.value)
        if self.op == "symbol":
            return self.name
        return f"{self.op}({', '.join(map(repr, self.args))})"

    def __reduce__(self) -> tuple[object, ...]:
        if self.op == "const":
            return (constant, (self.value,))
        if self.op == "symbol":
            return (symbol, (self.name,))
        return (_intern, (self.op, self.args, 0.0, ""))


_TABLE: weakref.WeakValueDictionary[tuple[object, ...], Expression] = weakref.WeakValueDictionary()


def _intern(op: str, args: tuple[Expression, ...], value: float, name: str) -> Expression:
    key: tuple[object, ...] = (op, tuple(map(id, args)), value.hex(), name)
    found = _TABLE.get(key)
    if found is not None:
        return found
    node = object.__new__(Expression)
    node.op, node.args, node.value, node.name, node._key = op, args, value, name, key
    return _TABLE.setdefault(key, node)


def constant(value: Number) -> Expression:
    return _intern("const", (), float(value), "")


def symbol(name: str) -> Expression:
    """The quantity called `name`: a state, a parameter or `time`."""
    return _intern("symbol", (), 0.0, name)


TIME: Final = symbol("time")


def expression(value: Operand) -> Expression:
    """`value` as a node; numbers become constants."""
    return value if isinstance(value, Expression) else constant(value)


def _binary(op: str, a: Operand, b: Operand) -> Expression:
    return apply(op, expression(a), expression(b))


def apply(op: str, *args: Expression) -> Expression:
    """The node `op(args)`, with constants folded and neutral elements removed (x+0, x*1, x*0, x/1, x**1)."""
    if all(a.op == "const" for a in args):
        folded = fold(op, *(a.value for a in args))
        if folded is not None:
            return constant(folded)
    simpler = _simplify(op, args)
    return _intern(op, args, 0.0, "") if simpler is None else simpler


def _is(node: Expression, value: float) -> bool:
    return node.op == "const" and node.value == value


def _simplify(op: str, args: tuple[Expression, ...]) -> Expression | None:
    if op == "neg" and args[0].op == "neg":
        return args[0].args[0]
    if op == "where" and args[0].op == "const":
        return args[1] if args[0].value else args[2]
    if len(args) != 2:
        return None
    a, b = args
    if op == "add":
        return b if _is(a, 0.0) else a if _is(b, 0.0) else None
    if op == "sub":
        return a if _is(b, 0.0) else -b if _is(a, 0.0) else constant(0.0) if a is b else None
    if op == "mul":
        if _is(a, 0.0) or _is(b, 0.0):
            return constant(0.0)
        return b if _is(a, 1.0) else a if _is(b, 1.0) else None
    if op == "div":
        return constant(0.0) if _is(a, 0.0) and not _is(b, 0.0) else a if _is(b, 1.0) else None
    if op == "pow":
        return a if _is(b, 1.0) else constant(1.0) if _is(b, 0.0) else None
    return None


def fold(op: str, *v: float) -> float | None:
    """`op` on numbers; None where the result is not a finite number, so that the fault stays visible at run time."""
    try:
        result = float(_NUMERIC[op](*v))
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        return None
    return result if math.isfinite(result) else None


_NUMERIC: Final[dict[str, Callable[..., Any]]] = {
    "neg": lambda a: -a,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "abs": abs,
    "tanh": math.tanh,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "floor": math.floor,
    "ceil": math.ceil,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "asinh": math.asinh,
    "acosh": math.acosh,
    "atanh": math.atanh,
    "not": lambda a: not a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "min": min,
    "max": max,
    "mod": lambda a, b: a % b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
    "where": lambda c, a, b: a if c else b,
}


def walk(roots: Iterable[Expression]) -> Iterator[Expression]:
    """Every node below `roots`, each once, arguments before the operations that use them."""
    seen: set[int] = set()
    stack: list[tuple[Expression, bool]] = [(r, False) for r in reversed(list(roots))]
    while stack:
        node, expanded = stack.pop()
        if id(node) in seen:
            continue
        if expanded:
            seen.add(id(node))
            yield node
            continue
        stack.append((node, True))
        stack.extend((a, False) for a in reversed(node.args) if id(a) not in seen)


def symbols_of(roots: Iterable[Expression]) -> set[str]:
    return {n.name for n in walk(roots) if n.op == "symbol"}


def substitute(roots: Iterable[Expression], values: dict[str, Expression]) -> list[Expression]:
    """`roots` with each symbol named in `values` replaced."""
    roots = list(roots)
    done: dict[int, Expression] = {}
    for node in walk(roots):
        if node.op == "symbol":
            done[id(node)] = values.get(node.name, node)
        elif node.args:
            done[id(node)] = apply(node.op, *(done[id(a)] for a in node.args))
        else:
            done[id(node)] = node
    return [done[id(r)] for r in roots]


Packed = list[tuple[str, tuple[int, ...], float, str]]


def pack(roots: Iterable[Expression]) -> tuple[Packed, list[int]]:
    """The graph as a flat list, arguments before operations, and the places of `roots` in it."""
    roots = list(roots)
    place: dict[int, int] = {}
    packed: Packed = []
    for node in walk(roots):
        place[id(node)] = len(packed)
        packed.append((node.op, tuple(place[id(a)] for a in node.args), node.value, node.name))
    return packed, [place[id(r)] for r in roots]


def unpack(packed: Packed) -> list[Expression]:
    """The nodes of a flat list, in its order."""
    nodes: list[Expression] = []
    for op, args, value, name in packed:
        nodes.append(_intern(op, tuple(nodes[a] for a in args), value, name))
    return nodes
