"""Take out of the inner loop what does not change within it.

Sums and products are regrouped so that factors and terms made of parameters only come together; those, and every other
subexpression of parameters only, are computed once per patient (and per change of parameters) and become symbols.
Division by such a part becomes multiplication by its reciprocal, and divisions by a common denominator share one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from twin_service.solver.derivative import ONE, ZERO
from twin_service.solver.expression import Expression, apply, symbol, walk

PREFIX = "\x00"


class Hoisted(NamedTuple):
    """roots use states, time and the symbols `names`; `constants[k]` is the meaning of `names[k]` in parameters."""

    roots: list[Expression]
    names: list[str]
    constants: list[Expression]


def hoist(roots: Sequence[Expression], moving: frozenset[str]) -> Hoisted:
    """Split `roots` at the border between parameters and the symbols in `moving` (states and time)."""
    roots = list(roots)
    moves = _moves(roots, moving)
    uses = Counter(id(a) for node in walk(roots) for a in node.args)
    uses.update(id(r) for r in roots)
    split = _Split(moves, uses)
    done = [split.rebuilt(r) for r in roots]
    return Hoisted(done, split.names, split.constants)


def _moves(roots: list[Expression], moving: frozenset[str]) -> dict[int, bool]:
    moves: dict[int, bool] = {}
    for node in walk(roots):
        moves[id(node)] = node.name in moving if node.op == "symbol" else any(moves[id(a)] for a in node.args)
    return moves


class _Split:
    def __init__(self, moves: dict[int, bool], uses: Counter[int]) -> None:
        self.moves, self.uses = moves, uses
        self.done: dict[int, Expression] = {}
        self.names: list[str] = []
        self.constants: list[Expression] = []
        self._number: dict[int, Expression] = {}

    def fixed(self, node: Expression) -> Expression:
        """A symbol that stands for `node`, which uses parameters only."""
        if node.op == "const":
            return node
        if id(node) not in self._number:
            name = f"{PREFIX}{len(self.names)}"
            self.names.append(name)
            self.constants.append(node)
            self._number[id(node)] = symbol(name)
        return self._number[id(node)]

    def rebuilt(self, root: Expression) -> Expression:
        stack = [root]
        while stack:
            node = stack[-1]
            if id(node) in self.done:
                stack.pop()
                continue
            parts = self._parts(node)
            missing = [p for p in parts if self.moves[id(p)] and id(p) not in self.done]
            if missing:
                stack.extend(missing)
                continue
            self.done[id(node)] = self._combine(node)
            stack.pop()
        return self.done[id(root)]

    def _parts(self, node: Expression) -> list[Expression]:
        if not self.moves[id(node)]:
            return []
        if node.op in ("mul", "div"):
            above, below = self._factors(node)
            return above + below
        if node.op in ("add", "sub", "neg"):
            return [t for t, _ in self._terms(node)]
        return list(node.args)

    def _inner(self, node: Expression, ops: tuple[str, ...]) -> bool:
        return node.op in ops and self.moves[id(node)] and self.uses[id(node)] == 1

    def _factors(self, node: Expression) -> tuple[list[Expression], list[Expression]]:
        """Factors above and below the fraction line, through products that are used nowhere else."""
        above: list[Expression] = []
        below: list[Expression] = []
        todo = [(node, True, True)]
        while todo:
            n, up, top = todo.pop()
            if n.op == "mul" and (top or self._inner(n, ("mul",))):
                todo += [(n.args[1], up, False), (n.args[0], up, False)]
            elif n.op == "div" and (top or self._inner(n, ("div",))):
                todo += [(n.args[1], not up, False), (n.args[0], up, False)]
            else:
                (above if up else below).append(n)
        return above, below

    def _terms(self, node: Expression) -> list[tuple[Expression, bool]]:
        """Terms with their signs (True: added), through sums that are used nowhere else."""
        terms: list[tuple[Expression, bool]] = []
        todo = [(node, True, True)]
        while todo:
            n, plus, top = todo.pop()
            if n.op in ("add", "sub") and (top or self._inner(n, ("add", "sub"))):
                todo += [(n.args[1], plus if n.op == "add" else not plus, False), (n.args[0], plus, False)]
            elif n.op == "neg" and (top or self._inner(n, ("neg",))):
                todo.append((n.args[0], not plus, False))
            else:
                terms.append((n, plus))
        return terms

    def _combine(self, node: Expression) -> Expression:
        if not self.moves[id(node)]:
            return self.fixed(node)
        if node.op in ("mul", "div"):
            return self._product(*self._factors(node))
        if node.op in ("add", "sub", "neg"):
            return self._total(self._terms(node))
        if not node.args:
            return node
        return apply(node.op, *(self._value(a) for a in node.args))

    def _value(self, node: Expression) -> Expression:
        return self.done[id(node)] if self.moves[id(node)] else self.fixed(node)

    def _product(self, above: list[Expression], below: list[Expression]) -> Expression:
        scale = ONE
        for f in above:
            if not self.moves[id(f)]:
                scale = scale * f
        for f in below:
            if not self.moves[id(f)]:
                scale = scale / f
        result = self.fixed(scale)
        for f in above:
            if self.moves[id(f)]:
                result = result * self.done[id(f)]
        for f in below:
            if self.moves[id(f)]:
                result = result * (ONE / self.done[id(f)])
        return result

    def _total(self, terms: list[tuple[Expression, bool]]) -> Expression:
        fixed = ZERO
        for t, plus in terms:
            if not self.moves[id(t)]:
                fixed = fixed + t if plus else fixed - t
        moving = [(self.done[id(t)], plus) for t, plus in terms if self.moves[id(t)]]
        moving.sort(key=lambda x: not x[1])
        result = self.fixed(fixed)
        for t, plus in moving:
            result = result + t if plus else result - t
        return result
