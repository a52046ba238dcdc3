"""The slow and certain path: one patient at a time through SciPy's LSODA.

It is the oracle of the compiled engine and the last rung of its failure ladder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import OK, Outcome, Verdict
from twin_service.solver.action import BOLUS, CHANGE, RESET, START, STEADY_ADD, STOP
from twin_service.solver.evaluate import Function, array_function, scalar_function
from twin_service.solver.intake import Run
from twin_service.solver.system import System
from twin_service.solver.tolerances import Deadline, Tolerances

Floats = NDArray[np.float64]


class PythonSystem:
    """A system as Python functions; `rates(t, y, p)` for one patient, `outputs` and `initial` for arrays."""

    def __init__(self, system: System) -> None:
        y, p = [s.name for s in system.states], [q.name for q in system.parameters]
        self.system = system
        self.rates: Function = scalar_function([s.rate for s in system.states], ["time", *y, *p])
        self._outputs = array_function([o.expression for o in system.outputs], ["time", *y, *p])
        self._initial = array_function([s.initial for s in system.states], ["time", *p])
        self.atol = np.array([s.atol for s in system.states])

    def initial(self, t: Any, p: Floats) -> Floats:
        """Initial states (..., ns) of parameters (..., np) at time t (...)."""
        return _stack(self._initial(t, *np.moveaxis(p, -1, 0)), p.shape[:-1])

    def outputs(self, t: Any, y: Floats, p: Floats) -> Floats:
        """Outputs (..., no) of states (..., ns) and parameters (..., np) at time t (...)."""
        return _stack(self._outputs(t, *np.moveaxis(y, -1, 0), *np.moveaxis(p, -1, 0)), y.shape[:-1])


def _stack(values: list[Any], shape: tuple[int, ...]) -> Floats:
    out = np.empty((*shape, len(values)))
    for i, v in enumerate(values):
        out[..., i] = v
    return out


@lru_cache(maxsize=64)
def python_system(digest: str, holder: _Holder) -> PythonSystem:
    return PythonSystem(holder.system)


class _Holder:
    """Keeps `lru_cache` keyed by the digest alone."""

    def __init__(self, system: System) -> None:
        self.system = system

    def __hash__(self) -> int:
        return hash(self.system.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Holder) and other.system.digest == self.system.digest


def as_python(system: System) -> PythonSystem:
    return python_system(system.digest, _Holder(system))


class Stop(Exception):
    """Raised inside a run when it cannot go on; carries the outcome."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        super().__init__(detail)
        self.outcome = Outcome(verdict, detail)


def run_reference(
    system: System,
    run: Run,
    members: Sequence[int],
    tolerances: Tolerances,
    *,
    deadline: Deadline | None = None,
    steady: Floats | None = None,
) -> tuple[Floats, Floats, Floats, list[Outcome]]:
    """States (m, nt, ns), outputs (m, nt, no), final (m, ns) and outcomes of the chosen members.

    `steady` holds the steady states, when they are known; otherwise they are found by pulsing.
    """
    python = as_python(system)
    nt = run.times_h.shape[1]
    states = np.full((len(members), nt, len(system.states)), np.nan)
    outputs = np.full((len(members), nt, len(system.outputs)), np.nan)
    final = np.full((len(members), len(system.states)), np.nan)
    outcomes = []
    for k, i in enumerate(members):
        patient = _Patient(python, run, i, (tolerances, deadline, steady))
        try:
            states[k], outputs[k], final[k] = patient.course()
            outcomes.append(OK)
        except Stop as stop:
            outcomes.append(stop.outcome)
    return states, outputs, final, outcomes


class _Patient:
    """The walk of one patient from action to action."""

    def __init__(
        self, python: PythonSystem, run: Run, i: int, how: tuple[Tolerances, Deadline | None, Floats | None]
    ) -> None:
        self.python, (self.tolerances, self.deadline, self.steady) = python, how
        self.rows, self.row = run.parameters[i], int(run.row[i])
        self.t = float(run.start_h[i])
        self.y = python.initial(self.t, run.parameters[i, 0]) if run.state is None else run.state[i].copy()
        self.rate = np.zeros(len(self.y))
        self.running = np.zeros(len(self.y), dtype=int)
        self.times, self.after = run.times_h[i], run.after_dose[i]
        self.actions = [[x[j] for x in run.plan[1:7]] for j in range(run.plan.offset[i], run.plan.offset[i + 1])]

    def course(self) -> tuple[Floats, Floats, Floats]:
        nt, ns = len(self.times), len(self.y)
        states, outputs = np.empty((nt, ns)), np.empty((nt, len(self.python.system.outputs)))
        final = self.y.copy()
        end = self.times[-1] if nt else self.t
        k = done = 0
        while True:
            boundary = min(self.actions[k][0], end) if k < len(self.actions) else end
            stop = done + int(np.searchsorted(self.times[done:], boundary, side="right"))
            before = [j for j in range(done, stop) if self.times[j] < boundary or not self.after[j]]
            states[before] = self._advance(boundary, self.times[before])
            self._observe(states, outputs, before)
            done += len(before)
            if boundary == end:
                final = self.y.copy()
            while k < len(self.actions) and self.actions[k][0] <= boundary:
                self._act(*self.actions[k][1:])
                k += 1
            after = list(range(done, stop))
            states[after] = self.y
            self._observe(states, outputs, after)
            done = stop
            if boundary >= end:
                return states, outputs, final

    def _observe(self, states: Floats, outputs: Floats, at: list[int]) -> None:
        if at:
            p = np.broadcast_to(self.rows[self.row], (len(at), self.rows.shape[1]))
            outputs[at] = self.python.outputs(self.times[at], states[at], p)
            if not np.isfinite(outputs[at]).all():
                j, o = np.argwhere(~np.isfinite(outputs[at]))[0]
                name = self.python.system.outputs[o].name
                raise self._stop(Verdict.NOT_FINITE, float(self.times[at][j]), f"output {name}")

    def _stop(self, verdict: Verdict, t: float, what: str) -> Stop:
        return Stop(verdict, f"model {self.python.system.name}, t = {t:.6g} h, {what}")

    def _act(self, kind: int, index: int, value: float, duration: float, interval: float) -> None:
        if kind == CHANGE:
            self.row = index
        elif kind == BOLUS:
            self.y[index] += value
        elif kind in (START, STOP):
            self.running[index] += 1 if kind == START else -1
            self.rate[index] = self.rate[index] + (value if kind == START else -value) if self.running[index] else 0.0
        elif kind == RESET:
            self.y = self.python.initial(self.t, self.rows[self.row])
        else:
            if self.steady is None:
                steady = self._steady(index, value, duration, interval)
            else:
                steady = self.steady[index].copy()
            self.y = self.y + steady if kind == STEADY_ADD else steady

    def _advance(self, end: float, at: Floats) -> Floats:
        """Integrate to `end`; states at the times `at`, all within."""
        if end <= self.t:
            return np.broadcast_to(self.y, (len(at), len(self.y)))
        grid = np.unique(np.concatenate([[self.t], at, [end]]))
        values = self._lsoda(grid)
        self.t, self.y = end, values[-1].copy()
        return values[np.searchsorted(grid, at)]

    def _lsoda(self, grid: Floats) -> Floats:
        from scipy.integrate import solve_ivp

        p = [float(x) for x in self.rows[self.row]]
        rates, rate, calls = self.python.rates, self.rate, [0]

        def f(t: float, y: Floats) -> Floats:
            calls[0] += 1
            if calls[0] % 16 == 0 and self.deadline is not None and self.deadline.expired:
                raise self._stop(Verdict.CANCELLED, t, "deadline")
            if calls[0] > 20 * self.tolerances.max_steps:
                raise self._stop(Verdict.TOO_MANY_STEPS, t, f"after {calls[0]} evaluations")
            dy = np.array(rates(t, *y.tolist(), *p)) + rate
            if not np.isfinite(dy).all() and calls[0] > 1:
                raise self._not_finite(t, dy)
            return dy

        first = np.array(rates(float(grid[0]), *self.y.tolist(), *p)) + rate
        if not np.isfinite(first).all():
            raise self._not_finite(float(grid[0]), first)
        atol = np.maximum(self.python.atol * self.tolerances.atol_scale, 1e-300)
        rtol = max(self.tolerances.rtol, 1e-12)
        r = solve_ivp(f, (grid[0], grid[-1]), self.y, method="LSODA", t_eval=grid, rtol=rtol, atol=atol)
        if not r.success or r.y.shape[1] != len(grid):
            raise self._stop(Verdict.STEP_TOO_SMALL, float(r.t[-1]) if len(r.t) else float(grid[0]), r.message)
        if not np.isfinite(r.y).all():
            raise self._not_finite(float(grid[-1]), r.y.sum(axis=1))
        return np.ascontiguousarray(r.y.T)

    def _not_finite(self, t: float, values: Floats) -> Stop:
        name = self.python.system.states[int(np.argmax(~np.isfinite(values)))].name
        return self._stop(Verdict.NOT_FINITE, t, f"state {name}")

    def _steady(self, index: int, value: float, duration: float, interval: float) -> Floats:
        """The state just before a dose, had it been repeated at its interval for ever: found by pulsing."""
        keep = self.t, self.y, self.rate
        start = self.python.initial(self.t, self.rows[self.row])
        y = start.copy()
        moving = ~accumulators(self.python.system)
        scale = self.python.atol * self.tolerances.atol_scale
        for _ in range(5000):
            before = y
            y = self._pulse(before, (index, value, duration, interval), keep[0])
            error = np.abs(y - before) / (self.tolerances.rtol * np.abs(y) + scale)
            if np.all(error[moving] < 0.1):
                self.t, self.y, self.rate = keep
                return np.where(moving, y, start)
        raise self._stop(Verdict.NO_STEADY_STATE, keep[0], f"dose every {interval:g} h")

    def _pulse(self, y: Floats, dose: tuple[int, float, float, float], end: float) -> Floats:
        """One interval with the dose at its begin; infusions longer than the interval overlap."""
        index, value, duration, interval = dose
        self.t, self.y = end - interval, y.copy()
        self.rate = np.zeros(len(y))
        if duration == 0.0:
            self.y[index] += value
        else:
            whole, rest = divmod(duration, interval)
            self.rate[index] = (whole + 1) * value / duration
            if rest > 0.0:
                self._advance(end - interval + rest, np.zeros(0))
            self.rate = np.zeros(len(y))
            self.rate[index] = whole * value / duration
        self._advance(end, np.zeros(0))
        return self.y


def accumulators(system: System) -> NDArray[np.bool_]:
    """States that nothing depends on, not even themselves (areas under a curve): they have no steady state."""
    from twin_service.solver.expression import symbols_of

    used = {name: symbols_of([s.rate]) for name, s in zip(system.state_index, system.states, strict=True)}
    kept = dict(used)
    while True:
        read = set().union(*kept.values()) if kept else set()
        fewer = {name: u for name, u in kept.items() if name in read}
        if len(fewer) == len(kept):
            return np.array([name not in kept for name in used])
        kept = fewer
