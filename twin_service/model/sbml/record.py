"""The nouns: what an SBML file says, before and after it has become a system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from twin_service.solver.expression import Expression
from twin_service.solver.system import System


class SbmlQuantity(NamedTuple):
    """A species, compartment, parameter or stoichiometry: anything with an id that has a value.

    `value` is the attribute in the file; for a species it is an amount when `value_is_amount`. `by_amount` says that
    the species' id stands for its amount in formulas.
    """

    id: str
    name: str
    kind: str
    unit: str
    value: float
    constant: bool
    compartment: str = ""
    value_is_amount: bool = True
    by_amount: bool = True
    boundary: bool = False


class SpeciesPart(NamedTuple):
    """One species in one reaction: `sign` is -1 for a reactant; `stoichiometry` is an expression."""

    species: str
    sign: float
    stoichiometry: Expression


class Reaction(NamedTuple):
    id: str
    rate: Expression | None
    parts: tuple[SpeciesPart, ...]


class Happening(NamedTuple):
    """An event as written: each assignment gives the value of an id, not yet an amount."""

    id: str
    trigger: Expression
    assignments: tuple[tuple[str, Expression], ...]
    delay: Expression
    priority: Expression | None
    persistent: bool
    initially_true: bool
    values_at_trigger: bool


@dataclass
class Draft:
    """Everything read from one file; ids are symbols and nothing is resolved."""

    file: str
    name: str
    quantities: dict[str, SbmlQuantity] = field(default_factory=dict)
    local: dict[str, float] = field(default_factory=dict)
    starts: dict[str, Expression] = field(default_factory=dict)
    assigned: dict[str, Expression] = field(default_factory=dict)
    rates: dict[str, Expression] = field(default_factory=dict)
    residuals: list[tuple[str, Expression]] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    factors: dict[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True)
class SbmlModel:
    """A loaded file: `system` is ready to solve.

    quantities   by id, as the file has them
    varying      ids of species, compartments, parameters and stoichiometries that change in time
    warnings     contradictory units, one sentence each
    Outputs of the system: `id` is the value of the id in formulas; `amount id` and `concentration id` of each species.
    """

    file: str
    system: System
    quantities: Mapping[str, SbmlQuantity]
    varying: tuple[str, ...]
    reactions: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    literal_nonfinite: bool = False

    @property
    def species(self) -> tuple[str, ...]:
        return tuple(q.id for q in self.quantities.values() if q.kind == "species")
