"""What happens at an instant: triggers turn, events wait, and those that are due execute one by one.

An event fires when its trigger turns from false to true and executes `delay` later. Of several that are due the one
with the highest priority goes first, ties drawn at random; those without priority come last, in their order. Each
execution may turn other triggers at once. An event that is not persistent is withdrawn when its trigger turns false
before it has executed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Verdict
from twin_service.solver.evaluate import scalar_function
from twin_service.solver.reference import Stop
from twin_service.solver.system import StateEvent, System

Floats = NDArray[np.float64]
_MOST_AT_ONCE = 10_000


class Pending(NamedTuple):
    time: float
    event: int
    values: tuple[float, ...] | None


@dataclass(frozen=True)
class SystemPoint:
    """Time, states and parameters."""

    t: float
    y: Floats
    p: Floats

    @property
    def values(self) -> list[float]:
        return [self.t, *self.y.tolist(), *self.p.tolist()]


class Calendar:
    """The events of one run: which triggers hold, and what is waiting."""

    def __init__(self, system: System, rng: np.random.Generator) -> None:
        self.rng = rng
        names = ["time", *(s.name for s in system.states), *(q.name for q in system.parameters)]
        self.system, self.names = system, names
        self.triggers = scalar_function([e.trigger for e in system.events], names)
        self.rules = [_Rules(e, names) for e in system.events]
        self.holds = [e.initially_true for e in system.events]
        self.waiting: list[Pending] = []

    def next_time(self) -> float:
        return min((w.time for w in self.waiting), default=float("inf"))

    def settle(self, point: SystemPoint) -> SystemPoint:
        """Execute everything that is due at this instant."""
        for _ in range(_MOST_AT_ONCE):
            self._turn(point)
            due = [w for w in self.waiting if w.time <= point.t]
            if not due:
                return point
            chosen = self._choose(due, point)
            self.waiting.remove(chosen)
            point = self._execute(chosen, point)
        name = self.system.events[chosen.event].name
        raise Stop(
            Verdict.TOO_MANY_STEPS,
            f"model {self.system.name}, t = {point.t:.6g}: event {name} and others "
            f"trigger each other without end ({_MOST_AT_ONCE} executions at one instant)",
        )

    def _choose(self, due: list[Pending], point: SystemPoint) -> Pending:
        """The one of highest priority; among equals at random, among those without priority the first."""
        priorities = [self.rules[w.event].priority(point) for w in due]
        highest = max(priorities)
        best = [w for w, priority in zip(due, priorities, strict=True) if priority == highest]
        return best[0] if len(best) == 1 or highest == -np.inf else best[int(self.rng.integers(len(best)))]

    def _turn(self, point: SystemPoint) -> None:
        for i, (value, event) in enumerate(zip(self.triggers(*point.values), self.system.events, strict=True)):
            now = bool(value) and value == value
            if now and not self.holds[i]:
                self.waiting.append(self._fire(i, event, point))
            elif self.holds[i] and not now and not event.persistent:
                self.waiting = [w for w in self.waiting if w.event != i]
            self.holds[i] = now

    def _fire(self, i: int, event: StateEvent, point: SystemPoint) -> Pending:
        delay = self.rules[i].delay(point)
        if not (0.0 <= delay < float("inf")):
            raise Stop(
                Verdict.NOT_FINITE,
                f"model {self.system.name}, t = {point.t:.6g}: the delay of event "
                f"{event.name} is {delay:g}; it must be finite and not negative",
            )
        return Pending(point.t + delay, i, self.rules[i].values(point) if event.values_at_trigger else None)

    def _execute(self, pending: Pending, point: SystemPoint) -> SystemPoint:
        rules, event = self.rules[pending.event], self.system.events[pending.event]
        values = dict(zip(event.assignments, pending.values or rules.values(point), strict=True))
        factors = dict(zip(event.factors, rules.factors(point), strict=True))
        return self._assign(point, {k: v * factors[k] if k in factors else v for k, v in values.items()})

    def _assign(self, point: SystemPoint, values: dict[str, float]) -> SystemPoint:
        y, p = point.y.copy(), point.p.copy()
        for name, value in values.items():
            if name in self.system.state_index:
                y[self.system.state_index[name]] = value
            else:
                p[self.system.parameter_index[name]] = value
        return replace(point, y=y, p=p)


class _Rules:
    """The expressions of one event as functions of a point."""

    def __init__(self, event: StateEvent, names: list[str]) -> None:
        self._delay = scalar_function([event.delay], names)
        self._priority = None if event.priority is None else scalar_function([event.priority], names)
        self._values = scalar_function(list(event.assignments.values()), names)
        self._factors = scalar_function(list(event.factors.values()), names)

    def delay(self, point: SystemPoint) -> float:
        return float(self._delay(*point.values)[0])

    def priority(self, point: SystemPoint) -> float:
        """The event's priority now; events without one come last."""
        value = -np.inf if self._priority is None else float(self._priority(*point.values)[0])
        return -np.inf if np.isnan(value) else value

    def values(self, point: SystemPoint) -> tuple[float, ...]:
        return tuple(float(v) for v in self._values(*point.values))

    def factors(self, point: SystemPoint) -> tuple[float, ...]:
        return tuple(float(v) for v in self._factors(*point.values))
