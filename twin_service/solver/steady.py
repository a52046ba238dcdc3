"""The state to which a repeated dose leads, by pulsing or by root finding; the two agree.

Let F(y) be the state one interval later, the dose entering on the way (at once without a lag). Pulsing repeats
y <- F(y); its error shrinks by the largest eigenvalue of F' each time, slowly when a half-life spans many intervals.
Root finding solves F(y) = y by Newton steps y <- y + (I - M)^-1 (F(y) - y), with M ~ F' by differences, and accepts
only a fixed point that pulsing would also keep: every eigenvalue of M inside the unit circle, and no state negative
that pulsing leaves positive.
A linear system has F(y) = M y + b, and the answer of one batch of runs from unit states is exact.
States that nothing depends on (areas under a curve) have no steady state; they are put back to their initial value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.solver.action import BOLUS, CHANGE, START, STOP
from twin_service.solver.intake import Run
from twin_service.solver.linear import linear_form
from twin_service.solver.plan import ActionPlan
from twin_service.solver.reference import accumulators, as_python
from twin_service.solver.system import System
from twin_service.solver.tolerances import Tolerances

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
FIRST_PULSES = 8
MAX_PULSES = 5000
MAX_NEWTON = 12
SLACK = 30.0
"""A Newton correction amplifies integration noise by 1/(1 - eigenvalue); this many tolerances are accepted."""


class SteadyFound(NamedTuple):
    """states (S, ns), whether each converged (S,), and the plan whose steady actions point at those rows."""

    states: Floats
    converged: Bools
    plan: ActionPlan
    who: NDArray[np.int64]


class _Pulsed(NamedTuple):
    """The repeated dose of each of S problems: parameters (S, np), time, state fed, amount and timing [h]."""

    parameters: Floats
    time: Floats
    target: NDArray[np.int64]
    amount: Floats
    duration: Floats
    interval: Floats
    wait: Floats


Solver = Callable[[Run], Floats]
"""Final states (N, ns) of a run."""


def steady_states(
    system: System, run: Run, tolerances: Tolerances, *, solver: Solver, method: str = "root"
) -> SteadyFound:
    """Steady states for every steady action of the plan; `method` is "root" or "pulse"."""
    plan = run.plan
    places = np.flatnonzero(plan.steady)
    who = np.searchsorted(plan.offset, places, side="right") - 1
    problem = _Problem(system, _pulsed(run, places, who), tolerances, solver)
    states, converged = problem.by_pulses() if method == "pulse" else problem.by_root()
    target = plan.target.copy()
    target[places] = np.arange(len(places))
    return SteadyFound(states, converged, plan._replace(target=target), who)


def pulse_run(run: Run, places: NDArray[np.int64], who: NDArray[np.int64], states: Floats) -> Run:
    """One interval of each steady action in `places` (of members `who`), from the given states."""
    return _one_interval(_pulsed(run, places, who), np.arange(len(places)), states)


def _pulsed(run: Run, places: NDArray[np.int64], who: NDArray[np.int64]) -> _Pulsed:
    plan = run.plan
    row = np.array([_row_at(run, int(i), int(a)) for i, a in zip(who, places, strict=True)], dtype=np.int64)
    return _Pulsed(
        run.parameters[who, row],
        plan.time[places],
        plan.target[places],
        plan.value[places],
        plan.duration[places],
        plan.interval[places],
        plan.wait[places],
    )


def _one_interval(p: _Pulsed, which: NDArray[np.int64], y: Floats) -> Run:
    start = p.time[which] - p.interval[which]
    return Run(
        p.parameters[which][:, None, :],
        p.time[which][:, None],
        np.zeros((len(which), 1), np.bool_),
        start,
        y,
        np.zeros(len(which), np.int64),
        _interval_plan(p, which, start),
    )


def _row_at(run: Run, member: int, action: int) -> int:
    plan = run.plan
    earlier = slice(plan.offset[member], action)
    rows = plan.target[earlier][plan.kind[earlier] == CHANGE]
    return int(rows[-1]) if len(rows) else int(run.row[member])


class _Problem:
    def __init__(self, system: System, pulsed: _Pulsed, tolerances: Tolerances, solver: Solver) -> None:
        self.pulsed, self.solver = pulsed, solver
        self.linear = linear_form(system) is not None
        self.moving = ~accumulators(system)
        self.start = as_python(system).initial(pulsed.time, pulsed.parameters)
        self.rtol = tolerances.rtol
        self.atol = np.array([s.atol for s in system.states]) * tolerances.atol_scale

    def weight(self, y: Floats) -> Floats:
        return np.asarray(self.rtol * np.abs(y) + self.atol)

    def pulse(self, y: Floats, which: NDArray[np.int64]) -> Floats:
        """F(y) for the problems `which`."""
        after = self.solver(_one_interval(self.pulsed, which, y))
        return np.where(self.moving, after, self.start[which])

    def by_pulses(self, most: int = MAX_PULSES, y: Floats | None = None) -> tuple[Floats, Bools]:
        """Repeat until nothing changes, with the rate of convergence taken into account."""
        y = np.array(self.start if y is None else y)
        converged = np.zeros(len(y), np.bool_)
        before = np.full(len(y), np.inf)
        for _ in range(most):
            left = np.flatnonzero(~converged & np.isfinite(y).all(axis=1))
            if not len(left):
                break
            after = self.pulse(y[left], left)
            change = np.max(np.abs(after - y[left]) / self.weight(after), axis=1, initial=0.0)
            ratio = np.clip(change / before[left], 0.0, 0.9999)
            converged[left] = change * np.maximum(1.0, ratio / (1.0 - ratio)) < 1.0
            before[left], y[left] = change, after
        return y, converged

    def by_line(self) -> tuple[Floats, Bools]:
        """Of a linear system F(y) = M y + b: one batch of unit runs gives M and b, and the answer is exact."""
        count, ns = self.start.shape
        units = np.zeros((count, ns + 1, ns))
        units[:, 1 + np.arange(ns), np.arange(ns)] = 1.0
        ends = self.pulse(units.reshape(-1, ns), np.repeat(np.arange(count), ns + 1)).reshape(count, ns + 1, ns)
        slopes = (ends[:, 1:] - ends[:, :1]).transpose(0, 2, 1)
        slopes[:, :, ~self.moving] = 0.0
        y, solved = _corrections(slopes, ends[:, 0])
        solved &= np.isfinite(y).all(axis=1)
        for k in np.flatnonzero(solved):
            solved[k] = float(np.max(np.abs(np.linalg.eigvals(slopes[k])))) < 1.0
        return y, solved

    def by_root(self) -> tuple[Floats, Bools]:
        """Newton on all problems at once; each stops by its own criterion."""
        if self.linear:
            return self.by_line()
        y, converged = self.by_pulses(FIRST_PULSES)
        left = np.flatnonzero(~converged & np.isfinite(y).all(axis=1))
        positive, smallest = y >= 0.0, np.full(len(y), np.inf)
        for step in range(MAX_NEWTON):
            if not len(left):
                break
            here, slopes = self._slopes(left, y[left])
            correction, solved = _corrections(slopes, here - y[left])
            size = np.max(np.abs(correction) / self.weight(y[left] + correction), axis=1)
            solved &= np.isfinite(size)
            stalled = (step > 2) & (smallest[left] <= SLACK) & (size >= 0.5 * smallest[left])
            done = solved & ((size < 1.0) | stalled)
            smallest[left] = np.minimum(smallest[left], size)
            y[left[solved]] += correction[solved]
            for k in np.flatnonzero(done):
                stable = float(np.max(np.abs(np.linalg.eigvals(slopes[k])))) < 1.0
                who = left[k]
                converged[who] = stable and bool(np.all(y[who][positive[who]] >= -self.atol[positive[who]]))
            left = left[solved & ~done]
        return y, converged

    def _slopes(self, which: NDArray[np.int64], y: Floats) -> tuple[Floats, Floats]:
        """F(y) (S, ns) and its derivative (S, ns, ns) by differences, all columns of all problems in one batch."""
        ns = y.shape[1]
        steps = np.maximum(1e-3 * np.abs(y), 1e3 * self.weight(y))
        starts = np.repeat(y[:, None, :], ns + 1, axis=1)
        columns = np.arange(ns)
        starts[:, 1 + columns, columns] += steps
        ends = self.pulse(starts.reshape(-1, ns), np.repeat(which, ns + 1)).reshape(len(which), ns + 1, ns)
        slopes = ((ends[:, 1:] - ends[:, :1]) / steps[:, :, None]).transpose(0, 2, 1)
        slopes[:, :, ~self.moving] = 0.0
        return ends[:, 0], slopes


def _corrections(slopes: Floats, residual: Floats) -> tuple[Floats, Bools]:
    """Solutions of (I - M) d = r for each problem, and which of them exist."""
    matrix = np.eye(residual.shape[1]) - slopes
    solved = np.isfinite(matrix).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(matrix))) > 0.0)
    matrix = np.where(solved[:, None, None], matrix, np.eye(residual.shape[1]))
    return np.asarray(np.linalg.solve(matrix, residual[:, :, None])[:, :, 0], np.float64), np.asarray(solved, np.bool_)


def _interval_plan(p: _Pulsed, which: NDArray[np.int64], start: Floats) -> ActionPlan:
    """One interval of each problem: its dose enters after the wait; infusions of earlier doses may still run."""
    rows: list[tuple[float, int, int, float]] = []
    offset = np.zeros(len(which) + 1, np.int64)
    for k, i in enumerate(which):
        rows += _interval_rows(p, int(i), float(start[k]))
        offset[k + 1] = len(rows)
    time, kind, index_, value = (np.array(c) for c in zip(*rows, strict=True))
    zero = np.zeros(len(rows))
    return ActionPlan(
        offset,
        time.astype(np.float64),
        kind.astype(np.int64),
        index_.astype(np.int64),
        value.astype(np.float64),
        zero,
        zero,
        zero,
        np.full(len(rows), -1),
    )


def _interval_rows(p: _Pulsed, i: int, start: float) -> list[tuple[float, int, int, float]]:
    index, amount, duration, interval = int(p.target[i]), float(p.amount[i]), float(p.duration[i]), float(p.interval[i])
    enters = float(p.wait[i])
    if duration == 0.0:
        return [(start + enters, BOLUS, index, amount)]
    rows: list[tuple[float, int, int, float]] = []
    while enters + duration > 0.0:
        rows.append((start + max(enters, 0.0), START, index, amount / duration))
        if enters + duration < interval:
            rows.append((start + enters + duration, STOP, index, amount / duration))
        enters -= interval
    return sorted(rows)
