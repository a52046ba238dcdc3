"""The balance sheet a body is written on: amounts move from one state to another, so that nothing is lost by design."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin_service.solver.expression import Expression, Operand, constant, expression, symbol
from twin_service.solver.system import Parameter, SystemState


@dataclass
class Sheet:
    """States with the terms of their rates, and the parameters used. Mutable while a block is being written."""

    rates: dict[str, list[Expression]] = field(default_factory=dict)
    units: dict[str, tuple[str, Expression, float]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    def state(self, name: str, unit: str = "umol", *, initial: float = 0.0, atol: float = 1e-9) -> Expression:
        """A new state, or the one of that name."""
        if name not in self.rates:
            self.rates[name] = []
            self.units[name] = (unit, constant(initial), atol)
        return symbol(name)

    def parameter(self, name: str, unit: str) -> Expression:
        self.parameters.setdefault(name, unit)
        return symbol(name)

    def add(self, target: str, rate: Operand) -> None:
        self.rates[target].append(expression(rate))

    def move(self, rate: Expression, source: str, target: str) -> None:
        """`rate` (umol/h) leaves `source` and enters `target`."""
        self.rates[source].append(-rate)
        self.rates[target].append(rate)

    def states(self) -> tuple[SystemState, ...]:
        return tuple(
            SystemState(n, u, _sum(self.rates[n]), initial, atol) for n, (u, initial, atol) in self.units.items()
        )

    def filled(self, values: dict[str, float]) -> tuple[Parameter, ...]:
        return tuple(Parameter(n, u, values[n]) for n, u in self.parameters.items())


def _sum(terms: list[Expression]) -> Expression:
    total = constant(0.0)
    for term in terms:
        # a + (-b) costs a negation; a - b does not
        total = total - term.args[0] if term.op == "neg" else total + term
    return total
