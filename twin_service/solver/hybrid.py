"""Systems with state events and discontinuities, to the floating-point number at which each happens.

Between switches the states are integrated by SciPy's LSODA (Radau where it fails) with dense output; each accepted
step is searched for the first change of any comparison, and the run restarts there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin_service.outcome import OK, Outcome, Verdict
from twin_service.solver.evaluate import scalar_function
from twin_service.solver.hybrid_queue import Calendar, SystemPoint
from twin_service.solver.hybrid_switch import Pattern, first_switch, switches
from twin_service.solver.reference import Stop
from twin_service.solver.system import System
from twin_service.solver.tolerances import Deadline

Floats = NDArray[np.float64]
_MOST_STEPS = 500_000


@dataclass(frozen=True)
class HybridSolution:
    """One run: states (nt, ns), parameters (nt, np) and outputs (nt, no); rows after a failure are NaN.

    At a time at which an event executes, the values are those after it.
    """

    times: Floats
    states: Floats
    parameters: Floats
    outputs: Floats
    outcome: Outcome


def simulate_hybrid(
    system: System,
    parameters: ArrayLike,
    times: ArrayLike,
    *,
    start: float = 0.0,
    rtol: float = 1e-9,
    atol: ArrayLike = 1e-12,
    max_step: float = float("inf"),
    deadline: Deadline | None = None,
    rng: np.random.Generator | None = None,
) -> HybridSolution:
    """Solve `system` for one parameter vector at nondecreasing `times`, none before `start`.

    rtol, atol   local error per step: rtol * |y| + atol, atol a number or one per state
    max_step     no step is longer, so that no pulse is stepped over
    rng          decides between simultaneous events of equal priority; without it every run draws the same
    """
    run = _Run(
        system,
        np.asarray(times, float),
        (rtol, atol, max_step, deadline),
        np.random.default_rng(0) if rng is None else rng,
    )
    try:
        run.course(run.beginning(np.asarray(parameters, float), start))
        outcome = OK
    except Stop as stop:
        outcome = stop.outcome
    return HybridSolution(run.times, run.states, run.parameters, run.outputs, outcome)


class _Run:
    def __init__(
        self,
        system: System,
        times: Floats,
        how: tuple[float, ArrayLike, float, Deadline | None],
        rng: np.random.Generator,
    ) -> None:
        self.system, self.times = system, times
        self.rtol, self.atol, self.max_step, self.deadline = how
        self.calendar = Calendar(system, rng)
        names = self.calendar.names
        rates = [s.rate for s in system.states]
        self._rates = scalar_function(rates, names)
        self._outputs = scalar_function([o.expression for o in system.outputs], names)
        atoms = switches([*rates, *(e.trigger for e in system.events)])
        self._pattern = scalar_function(atoms, names) if atoms else None
        shape = len(times)
        self.states = np.full((shape, len(system.states)), np.nan)
        self.parameters = np.full((shape, len(system.parameters)), np.nan)
        self.outputs = np.full((shape, len(system.outputs)), np.nan)
        self.done = self.steps = 0

    def beginning(self, p: Floats, start: float) -> SystemPoint:
        initial = scalar_function(
            [s.initial for s in self.system.states], ["time", *(q.name for q in self.system.parameters)]
        )
        y = np.array(initial(start, *p.tolist()), float)
        if not np.isfinite(y).all():
            raise self._stop(Verdict.NOT_FINITE, start, f"initial value of {self._name(~np.isfinite(y))}")
        return SystemPoint(start, y, p)

    def course(self, point: SystemPoint) -> None:
        end = float(self.times[-1])
        point = self.calendar.settle(point)
        self._emit(point)
        while point.t < end:
            point = self._advance(point, min(end, self.calendar.next_time()))
            point = self.calendar.settle(point)
            self._emit(point)

    def _emit(self, point: SystemPoint) -> None:
        while self.done < len(self.times) and self.times[self.done] <= point.t:
            self._record(SystemPoint(float(self.times[self.done]), point.y, point.p))

    def _record(self, point: SystemPoint) -> None:
        self.states[self.done], self.parameters[self.done] = point.y, point.p
        self.outputs[self.done] = [float(v) for v in self._outputs(*point.values)]
        self.done += 1

    def _advance(self, point: SystemPoint, boundary: float) -> SystemPoint:
        """Integrate from `point` to the boundary or to the first switch before it."""
        dy = self._derivative(point.p)(point.t, self._padded(point.y))
        if not np.isfinite(dy).all():
            raise self._stop(Verdict.NOT_FINITE, point.t, f"rate of {self._name(~np.isfinite(dy))}")
        try:
            return self._integrate(point, boundary, "LSODA")
        except _MethodFailed as failed:
            at = failed.point
        try:
            return self._integrate(at, boundary, "Radau")
        except _MethodFailed as failed:
            worst = np.abs(failed.point.y)
            what = f"state {self._name(worst >= worst.max()) if worst.size else '-'} ({failed.reason})"
            raise self._stop(Verdict.STEP_TOO_SMALL, failed.point.t, what) from None

    def _integrate(self, point: SystemPoint, boundary: float, method: str) -> SystemPoint:
        import scipy.integrate

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                solver = getattr(scipy.integrate, method)(
                    self._derivative(point.p),
                    point.t,
                    self._padded(point.y),
                    boundary,
                    rtol=max(self.rtol, 1e-12),
                    atol=self._atol(),
                    max_step=self.max_step,
                )
                while point.t < boundary:
                    point, stopped = self._step(solver, point, boundary)
                    if stopped:
                        break
            except (ValueError, FloatingPointError, OverflowError, np.linalg.LinAlgError) as error:
                raise _MethodFailed(point, str(error)) from None
        return point

    def _step(self, solver: Any, point: SystemPoint, boundary: float) -> tuple[SystemPoint, bool]:
        self.steps += 1
        if self.deadline is not None and self.deadline.expired:
            raise self._stop(Verdict.CANCELLED, point.t, "deadline")
        if self.steps > _MOST_STEPS:
            raise self._stop(Verdict.TOO_MANY_STEPS, point.t, f"after {self.steps} steps")
        message = solver.step()
        n = len(point.y)
        if solver.status == "failed" or not np.isfinite(solver.y).all() or solver.t <= point.t:
            raise _MethodFailed(point, str(message or "no further step"))
        dense = solver.dense_output()

        def state(t: float) -> Floats:
            if t == solver.t:
                return np.array(solver.y[:n])
            return point.y if t == point.t else np.array(dense(t)[:n])

        switch = self._first_switch(point, state, float(solver.t))
        reached = float(solver.t) if switch is None else switch
        stop = switch is not None or reached >= boundary
        while self.done < len(self.times) and (
            self.times[self.done] < reached or (not stop and self.times[self.done] <= reached)
        ):
            t = float(self.times[self.done])
            self._record(SystemPoint(t, state(t), point.p))
        return SystemPoint(reached, state(reached), point.p), stop

    def _first_switch(self, point: SystemPoint, state: Callable[[float], Floats], end: float) -> float | None:
        if self._pattern is None:
            return None
        function, p = self._pattern, point.p.tolist()

        def pattern(t: float, y: Floats) -> Pattern:
            return tuple(float(v) for v in function(t, *y.tolist(), *p))

        return first_switch(pattern, state, (point.t, end))

    def _derivative(self, p: Floats) -> Callable[[float, Floats], Floats]:
        rates, fixed, n = self._rates, p.tolist(), len(self.system.states)
        if n == 0:
            return lambda t, y: np.zeros(1)
        return lambda t, y: np.array(rates(t, *y.tolist(), *fixed), float)

    def _padded(self, y: Floats) -> Floats:
        return y if len(y) else np.zeros(1)

    def _atol(self) -> Any:
        return self.atol if np.ndim(self.atol) == 0 or np.size(self.atol) else 1e-12

    def _name(self, mask: NDArray[np.bool_]) -> str:
        return self.system.states[int(np.argmax(mask))].name

    def _stop(self, verdict: Verdict, t: float, what: str) -> Stop:
        return Stop(verdict, f"model {self.system.name}, t = {t:.6g}, {what}")


class _MethodFailed(Exception):
    def __init__(self, point: SystemPoint, reason: str) -> None:
        super().__init__(reason)
        self.point, self.reason = point, reason
