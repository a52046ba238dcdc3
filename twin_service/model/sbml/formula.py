"""Expressions as SBML formulas: shared subexpressions become named assignment rules, so that text stays short."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from twin_service.solver.expression import Expression, walk

_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "pow": "^",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "and": "&&",
    "or": "||",
}
_CALLS = {
    "log": "ln",
    "ceil": "ceil",
    **{
        k: k
        for k in (
            "exp",
            "sqrt",
            "abs",
            "tanh",
            "sin",
            "cos",
            "tan",
            "floor",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "asinh",
            "acosh",
            "atanh",
            "min",
            "max",
        )
    },
}
_BOOLEAN = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"})
_RESERVED = frozenset(
    {
        "time",
        "avogadro",
        "pi",
        "exponentiale",
        "e",
        "true",
        "false",
        "inf",
        "infinity",
        "nan",
        "notanumber",
        "delay",
        "rateof",
        "piecewise",
        "and",
        "or",
        "not",
        "xor",
        "implies",
    }
)
_LONG = 40


class Names:
    """Ids for names: letters, digits and underscores, each once, no word of the formula language."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self._taken: set[str] = set()

    def add(self, name: str) -> str:
        """The id of a new name."""
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name) or "_"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        if plain.lower() in _RESERVED or plain.lower() in _CALLS.values():
            plain += "_"
        unique, n = plain, 2
        while unique in self._taken:
            unique, n = f"{plain}_{n}", n + 1
        self._taken.add(unique)
        self.ids.setdefault(name, unique)
        return unique


class FormulaWriter:
    """Formulas over the ids of `names`; `shared` collects (id, formula) of what was named on the way."""

    def __init__(self, names: Names, roots: Iterable[Expression]) -> None:
        self.names = names
        self.shared: list[tuple[str, str]] = []
        self._text: dict[int, str] = {}
        self._keep = list(walk(roots))
        uses: dict[int, int] = {}
        for node in self._keep:
            for a in node.args:
                uses[id(a)] = uses.get(id(a), 0) + 1
        for node in self._keep:
            self._write(node, shared=uses.get(id(node), 0) > 1)

    def formula(self, root: Expression) -> str:
        """A number."""
        return self._number(root)

    def condition(self, root: Expression) -> str:
        text = self._text[id(root)]
        return text if root.op in _BOOLEAN else f"({text} != 0)"

    def _write(self, node: Expression, *, shared: bool) -> None:
        text = self._node(node)
        if shared and len(text) > _LONG and node.op not in _BOOLEAN:
            own = self.names.add(f"shared_{len(self.shared) + 1}")
            self.shared.append((own, text))
            text = own
        self._text[id(node)] = text

    def _node(self, node: Expression) -> str:
        if node.op == "const":
            return literal(node.value)
        if node.op == "symbol":
            return "time" if node.name == "time" else self.names.ids[node.name]
        if node.op == "not":
            return f"!({self.condition(node.args[0])})"
        if node.op in ("and", "or"):
            both = f" {_INFIX[node.op]} ".join(self.condition(x) for x in node.args)
            return f"({both})"
        if node.op == "where":
            c, a, b = node.args
            return f"piecewise({self._number(a)}, {self.condition(c)}, {self._number(b)})"
        args = [self._number(a) for a in node.args]
        if node.op == "neg":
            return f"(-{args[0]})"
        if node.op == "mod":
            return f"({args[0]} - {args[1]} * floor({args[0]} / {args[1]}))"
        if node.op in _INFIX:
            return f"({args[0]} {_INFIX[node.op]} {args[1]})"
        return f"{_CALLS[node.op]}({', '.join(args)})"

    def _number(self, node: Expression) -> str:
        text = self._text[id(node)]
        return f"piecewise(1, {text}, 0)" if node.op in _BOOLEAN else text


def literal(value: float) -> str:
    """A number with all its digits."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "INF" if value > 0 else "(-INF)"
    return repr(value) if value >= 0 and math.copysign(1.0, value) > 0 else f"({value!r})"
