"""Following names: an id's value as an expression of base symbols, and what it is at the start.

Base symbols are what integrates or is stepped by events: amounts of species, and other quantities themselves. Rules
and reaction rates are inlined; nodes are shared, so that costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twin_service.model.sbml.record import Draft, SbmlQuantity
from twin_service.model.sbml.refusal import refuse
from twin_service.solver.derivative import directional
from twin_service.solver.expression import TIME, Expression, constant, substitute, symbol, symbols_of

_ZERO = constant(0.0)
_RATE_OF = "rateOf "


class Resolver:
    """Values of ids over base symbols; `solved` holds those that algebraic rules determine."""

    def __init__(self, draft: Draft, solved: Mapping[str, Expression] | None = None) -> None:
        self.draft, self.solved = draft, dict(solved or {})
        self.values: dict[str, Expression] = dict(solved or {})
        self.reactions = {r.id: r for r in draft.reactions}
        self._open: list[str] = []

    def value(self, name: str, owner: str = "model") -> Expression:
        """What the id stands for in a formula."""
        if name in self.values:
            return self.values[name]
        if name in self._open:
            loop = " -> ".join([*self._open[self._open.index(name) :], name])
            raise refuse(
                self.draft.file,
                f"rule of {name}",
                f"depends on itself ({loop})",
                "break the loop or write it as an algebraic rule",
                reason="SBML_LOOP",
            )
        self._open.append(name)
        self.values[name] = self._value(name, owner)
        self._open.pop()
        return self.values[name]

    def _value(self, name: str, owner: str) -> Expression:
        if name == "time" or name.startswith(_RATE_OF) or name in self.draft.local:
            return symbol(name)
        if name in self.reactions:
            rate = self.reactions[name].rate
            return constant(float("nan")) if rate is None else self.formula(rate, f"reaction {name}")
        quantity = self.draft.quantities.get(name)
        if quantity is None:
            raise refuse(self.draft.file, owner, f"uses {name!r}, which is not defined", "define it or correct the id")
        if name in self.draft.assigned:
            return self.formula(self.draft.assigned[name], f"rule of {name}")
        if quantity.kind == "species" and not quantity.by_amount:
            return symbol(name) / self.value(quantity.compartment, f"species {name}")
        return symbol(name)

    def formula(self, raw: Expression, owner: str) -> Expression:
        """A formula of the file over base symbols."""
        return substitute([raw], {n: self.value(n, owner) for n in sorted(symbols_of([raw]))})[0]

    def amount(self, name: str) -> Expression:
        quantity = self.draft.quantities[name]
        return self.value(name) if quantity.by_amount else self.value(name) * self.value(quantity.compartment)

    def concentration(self, name: str) -> Expression:
        quantity = self.draft.quantities[name]
        return self.value(name) / self.value(quantity.compartment) if quantity.by_amount else self.value(name)


class Motion:
    """How base symbols move; `rates` may hold symbols `rateOf x`, which `finish` replaces by derivatives."""

    def __init__(self, resolver: Resolver, rates: Mapping[str, Expression]) -> None:
        self.resolver, self.rates = resolver, rates
        self._found: dict[str, Expression] = {}
        self._open: list[str] = []

    def finish(self, formula: Expression) -> Expression:
        """`formula` with each `rateOf x` replaced by dx/dt = sum over base symbols b of (dx/db) db/dt + dx/dtime."""
        wanted = sorted(n for n in symbols_of([formula]) if n.startswith(_RATE_OF))
        return substitute([formula], {n: self._rate_of(n.removeprefix(_RATE_OF)) for n in wanted})[0]

    def _rate_of(self, name: str) -> Expression:
        if name in self._open:
            raise refuse(
                self.resolver.draft.file, f"rate of {name}", "depends on itself", "break the loop", reason="SBML_LOOP"
            )
        if name not in self._found:
            self._open.append(name)
            value = self.finish(self.resolver.value(name))
            raw = directional([value], {**self.rates, TIME.name: constant(1.0)})[0]
            self._found[name] = self.finish(raw)
            self._open.pop()
        return self._found[name]


class Starts:
    """Values at the start; a base symbol for which `keep` holds stays a symbol, all others are replaced."""

    def __init__(self, motion: Motion, keep: Callable[[str], bool]) -> None:
        self.motion, self.resolver, self.draft, self.keep = motion, motion.resolver, motion.resolver.draft, keep
        self._bases: dict[str, Expression] = {}
        self._open: list[str] = []

    def base(self, name: str) -> Expression:
        """A base symbol at the start."""
        if name == "time":
            return _ZERO
        if self.keep(name):
            return symbol(name)
        if name not in self._bases:
            if name in self._open:
                raise refuse(self.draft.file, f"initial value of {name}", "depends on itself", "break the loop")
            self._open.append(name)
            self._bases[name] = self.own(name)
            self._open.pop()
        return self._bases[name]

    def own(self, name: str) -> Expression:
        """The start of `name` from its own attribute or initial assignment, even where it is kept."""
        if name in self.draft.local:
            return constant(self.draft.local[name])
        quantity = self.draft.quantities[name]
        if name in self.draft.starts:
            value = self.raw(self.draft.starts[name], f"initial assignment of {name}")
            return value if quantity.kind != "species" or quantity.by_amount else value * self._size(quantity)
        value = constant(quantity.value)
        return value if quantity.kind != "species" or quantity.value_is_amount else value * self._size(quantity)

    def _size(self, quantity: SbmlQuantity) -> Expression:
        return self.closed(self.resolver.value(quantity.compartment))

    def raw(self, formula: Expression, owner: str) -> Expression:
        """A formula of the file at the start: an initial assignment outranks the attribute, rules hold."""
        return self.closed(self.resolver.formula(formula, owner))

    def closed(self, resolved: Expression) -> Expression:
        """A formula over base symbols at the start."""
        resolved = self.motion.finish(resolved)
        values = {n: self.base(n) for n in sorted(symbols_of([resolved]))}
        values[TIME.name] = _ZERO
        return substitute([resolved], values)[0]
