"""Expressions as LLVM IR: one instruction per node, products fused into the sums that use them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from twin_service.solver import elementary
from twin_service.solver.expression import Expression, walk
from twin_service.solver.writer import LIBM, FunctionWriter

_PREDICATE = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_FLAGS = frozenset({*_PREDICATE, "and", "or", "not"})


def emit_roots(w: FunctionWriter, roots: Sequence[Expression], symbol: Callable[[str], str]) -> list[str]:
    """Values of `roots`; `symbol(name)` gives the value of a symbol."""
    return Emitter(w, roots, symbol).values(roots)


class Emitter:
    """Emits each node once. `roots` must hold all that will be asked for, so that uses are counted rightly."""

    def __init__(self, w: FunctionWriter, roots: Sequence[Expression], symbol: Callable[[str], str]) -> None:
        self.w, self._symbol = w, symbol
        self._value: dict[int, str] = {}
        self._keep = list(roots)
        uses = Counter(id(a) for node in walk(roots) for a in node.args)
        uses.update(id(r) for r in roots)
        self._fused = _fused(roots, uses)

    def values(self, roots: Sequence[Expression]) -> list[str]:
        skipped = set(self._fused.values())
        for node in walk(roots):
            if id(node) not in self._value and id(node) not in skipped:
                self._value[id(node)] = self._emit(node)
        return [self._real(r) for r in roots]

    def _emit(self, node: Expression) -> str:
        if node.op == "const":
            return self.w.number(node.value)
        if node.op == "symbol":
            return self._symbol(node.name)
        if id(node) in self._fused:
            return self._multiply_add(node)
        if node.op in _FLAGS:
            return self._condition(node)
        if node.op == "where":
            c, a, b = node.args
            return self.w.select(self._flag(c), self._real(a), self._real(b))
        args = [self._real(a) for a in node.args]
        return self._binary(node, args) if len(args) == 2 else self._unary(node.op, args[0])

    def _multiply_add(self, node: Expression) -> str:
        first, second = node.args
        product, other = (first, second) if id(first) == self._fused[id(node)] else (second, first)
        a, b, c = self._real(product.args[0]), self._real(product.args[1]), self._real(other)
        if node.op == "sub":
            if product is first:
                c = self.w.neg(c)
            else:
                a = self.w.neg(a)
        return self.w.fma(a, b, c)

    def _real(self, node: Expression) -> str:
        value = self._value[id(node)]
        if node.op not in _FLAGS:
            return value
        return self.w.select(value, self.w.number(1.0), self.w.number(0.0))

    def _flag(self, node: Expression) -> str:
        value = self._value[id(node)]
        return value if node.op in _FLAGS else self.w.compare("une", value, self.w.number(0.0))

    def _condition(self, node: Expression) -> str:
        if node.op == "not":
            return self.w.opposite(self._flag(node.args[0]))
        if node.op in ("and", "or"):
            return self.w.logic(node.op, self._flag(node.args[0]), self._flag(node.args[1]))
        a, b = (self._real(x) for x in node.args)
        return self.w.compare(_PREDICATE[node.op], a, b)

    def _binary(self, node: Expression, args: list[str]) -> str:
        w, (a, b), op = self.w, args, node.op
        if op in ("add", "sub", "mul", "div"):
            return w.binary(f"f{op}", a, b)
        if op in ("min", "max"):
            return w.select(w.compare("olt" if op == "min" else "ogt", a, b), a, b)
        if op == "mod":
            return w.fma(w.neg(b), w.intrinsic("floor", w.div(a, b)), a)
        return self._power(a, b, node.args[1])

    def _power(self, a: str, b: str, exponent: Expression) -> str:
        w = self.w
        if exponent.op == "const":
            n = exponent.value
            if n == 0.5:
                return w.intrinsic("sqrt", a)
            if n == -0.5:
                return w.div(w.number(1.0), w.intrinsic("sqrt", a))
            if n == math.floor(n) and 0 < abs(n) <= 32:
                raised = elementary.integer_power(w, a, int(abs(n)))
                return raised if n > 0 else w.div(w.number(1.0), raised)
        return elementary.power(w, a, b)

    def _unary(self, op: str, x: str) -> str:
        w = self.w
        if op == "neg":
            return w.neg(x)
        if op == "exp":
            return elementary.exp(w, x)
        if op == "log":
            return elementary.log(w, x)
        if op in ("sqrt", "floor", "ceil"):
            return w.intrinsic(op, x)
        if op == "abs":
            return w.intrinsic("fabs", x)
        assert op in LIBM, op
        return w.libm(op, x)


def _fused(roots: Sequence[Expression], uses: Counter[int]) -> dict[int, int]:
    """{sum: product that is computed within it}."""
    fused: dict[int, int] = {}
    for node in walk(roots):
        if node.op in ("add", "sub"):
            for a in reversed(node.args):
                if a.op == "mul" and uses[id(a)] == 1 and node.args[0] is not node.args[1]:
                    fused[id(node)] = id(a)
                    break
    return fused
