"""A system in the form the generator works on: what moves, what is constant, its Jacobian and the pattern of its LU."""

from __future__ import annotations

from typing import NamedTuple

from twin_service.solver.derivative import ZERO, gradients
from twin_service.solver.expression import Expression, symbols_of
from twin_service.solver.hoist import hoist
from twin_service.solver.sparse import Factorization, Position, factorization
from twin_service.solver.system import System


class Form(NamedTuple):
    """Expressions over states, `time` and the hoisted symbols `constant_names`.

    rates     dy/dt without infusions, one per state
    jacobian  (row, column) -> d rate / d state, where not identically zero
    drift     row -> d rate / d time, where not identically zero
    outputs   one per output
    constants meaning of each hoisted symbol, in parameters only
    initial   one per state, in parameters and time
    fed       states that doses can be infused into
    """

    system: System
    rates: list[Expression]
    jacobian: dict[Position, Expression]
    drift: dict[int, Expression]
    outputs: list[Expression]
    constant_names: list[str]
    constants: list[Expression]
    initial: list[Expression]
    fed: list[int]
    lu: Factorization

    @property
    def is_linear(self) -> bool:
        """Whether rates are linear in the states with coefficients of parameters only, and free of time."""
        moving = {s.name for s in self.system.states} | {"time"}
        return (
            not self.drift and not symbols_of(self.jacobian.values()) & moving and "time" not in symbols_of(self.rates)
        )


def form(system: System) -> Form:
    """Differentiate, hoist and order `system`."""
    names = [s.name for s in system.states]
    index = system.state_index
    rates = [s.rate for s in system.states]
    slopes = gradients(rates, [*names, "time"])
    places: list[Position] = []
    entries: list[Expression] = []
    drift_rows: list[int] = []
    drifts: list[Expression] = []
    for i, gradient in enumerate(slopes):
        for name, d in gradient.items():
            if name == "time":
                drift_rows.append(i)
                drifts.append(d)
            else:
                places.append((i, index[name]))
                entries.append(d)
    outputs = [o.expression for o in system.outputs]
    n, m, k = len(rates), len(entries), len(drifts)
    split = hoist([*rates, *entries, *drifts, *outputs], frozenset([*names, "time"]))
    jacobian = {p: e for p, e in zip(places, split.roots[n : n + m], strict=True) if e is not ZERO}
    return Form(
        system,
        split.roots[:n],
        jacobian,
        dict(zip(drift_rows, split.roots[n + m : n + m + k], strict=True)),
        split.roots[n + m + k :],
        split.names,
        split.constants,
        [s.initial for s in system.states],
        sorted({index[u.state] for u in system.inputs}),
        factorization(n, jacobian),
    )
