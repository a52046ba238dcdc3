"""One function carries every member of a belief along its own trajectory; filters, fits and forecasts all use it.

A course of years is not solved anew for every question. A run starts where its members are known to stand: at the last
mark of the course before the first time asked for, if these members were carried there before, or on a footing.
Every run is split at the same marks whether anything is remembered or not, so remembering never moves a bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Verdict
from twin_service.solver.simulate import Deadline, simulate
from twin_service.solver.system import System
from twin_service.twin.categories import observable_of
from twin_service.twin.course import Course
from twin_service.twin.remembered import Remembered

FloatArray = NDArray[np.float64]

_STATES: Remembered[FloatArray] = Remembered(bytes_max=256 * 2**20)


class Trajectories(NamedTuple):
    """outputs (N, nt, no) of N members at nt times; `final` (N, ns) their states at the last time."""

    outputs: FloatArray
    final: FloatArray
    outcome: Outcome


class Footing(Protocol):
    """States of members at `start_h` as a function of their effects, good from `time_h` on (see `footing`)."""

    @property
    def start_h(self) -> float: ...

    @property
    def time_h(self) -> float: ...

    def holds(self, eta: FloatArray) -> NDArray[np.bool_]:
        """Which members (N, nx) it is good for."""
        ...

    def states(self, eta: FloatArray) -> FloatArray:
        """(N, ns)"""
        ...


class _Stand(NamedTuple):
    """Where members are: their states (N, ns) at `time_h` before its doses; None: at the model's own start."""

    time_h: float
    states: FloatArray | None


def propagate(
    model: PatientModel,
    course: Course,
    eta: FloatArray,
    times_h: Sequence[float] | FloatArray,
    *,
    after_dose: Sequence[bool] | None = None,
    footing: Footing | None = None,
    deadline: Deadline | None = None,
    threads: int = 1,
) -> Trajectories:
    """Members `eta` (N, nx) along `course` to `times_h` (nt,), each a real solution of the model from hour 0.

    footing  states at an earlier time as a function of eta, for the members it holds for; the others, and all without
             one, are solved from hour 0: a redrawn member has no other consistent past, and regressed states would
             be states that no parameter value can produce
    """
    times = np.asarray(times_h, dtype=np.float64)
    after = None if after_dose is None else np.asarray(after_dose, dtype=bool)
    way = _Way(model, course, deadline, threads)
    usable = footing if footing is not None and footing.time_h <= times[0] else None
    held = usable.holds(eta) if usable is not None else np.zeros(len(eta), dtype=bool)
    if usable is None or not held.any():
        return _carried(way, eta, _standing(way, eta, float(times[0])), times, after)
    on_it = _carried(way, eta[held], _Stand(usable.start_h, usable.states(eta[held])), times, after)
    if held.all():
        return on_it
    rest = _carried(way, eta[~held], _standing(way, eta[~held], float(times[0])), times, after)
    outputs = np.empty((len(eta), *on_it.outputs.shape[1:]))
    final = np.empty((len(eta), on_it.final.shape[1]))
    outputs[held], outputs[~held] = on_it.outputs, rest.outputs
    final[held], final[~held] = on_it.final, rest.final
    return Trajectories(outputs, final, rest.outcome if on_it.outcome.ok else on_it.outcome)


class _Way(NamedTuple):
    model: PatientModel
    course: Course
    deadline: Deadline | None
    threads: int


def _standing(way: _Way, eta: FloatArray, until_h: float) -> _Stand:
    """Where members stand at the last mark up to `until_h`, going on from the last mark where they are remembered."""
    course, count = way.course, way.course.marks_until(until_h)
    if not count:
        return _Stand(0.0, None)
    who = hashlib.sha256(np.ascontiguousarray(eta).tobytes()).hexdigest()
    stand, ahead, keys = _Stand(0.0, None), 0, dict[int, tuple[str, str, str]]()
    for number in range(count, 0, -1):
        keys[number] = (way.model.digest, course.mark_digest(number), who)
        states = _STATES.get(keys[number])
        if states is not None:
            stand, ahead = _Stand(course.marks[number - 1], states), number
            break
    for number in range(ahead + 1, count + 1):
        mark = course.marks[number - 1]
        run = _carried(way, eta, stand, np.array([mark]), None)
        stand = _Stand(mark, run.final)
        if way.deadline is None or not way.deadline.expired:
            run.final.flags.writeable = False
            _STATES.keep(keys[number], run.final, run.final.nbytes)
    return stand


def _carried(
    way: _Way, eta: FloatArray, stand: _Stand, times: FloatArray, after: NDArray[np.bool_] | None
) -> Trajectories:
    """Members from where they stand to `times`; those that could not be solved so far stay not-a-number."""
    good = np.ones(len(eta), dtype=bool) if stand.states is None else np.isfinite(stand.states).all(axis=1)
    if not good.any():
        lost = Outcome(Verdict.NOT_FINITE, f"every member failed before {stand.time_h:g} h")
        system = way.model.system
        shape = (len(eta), len(times), len(system.outputs))
        return Trajectories(np.full(shape, np.nan), np.full((len(eta), len(system.states)), np.nan), lost)
    until, since = float(times[-1]), -np.inf if stand.states is None else stand.time_h
    prompt = prompt_inputs(way.model.system)
    solution = simulate(
        way.model.system,
        way.course.parameters(way.model, eta[good], until, since_h=since, prompt=prompt),
        way.course.schedule(until, since, prompt),
        times,
        start_h=stand.time_h,
        state=None if stand.states is None else stand.states[good],
        after_dose=after,
        deadline=way.deadline,
        threads=way.threads,
    )
    failed = next((o for o in solution.outcomes if not o.ok), None)
    if good.all():
        return Trajectories(solution.outputs, solution.final, failed or Outcome())
    outputs = np.full((len(eta), *solution.outputs.shape[1:]), np.nan)
    final = np.full((len(eta), solution.final.shape[1]), np.nan)
    outputs[good], final[good] = solution.outputs, solution.final
    lost = Outcome(Verdict.NOT_FINITE, f"{int((~good).sum())} of {len(eta)} members failed before {stand.time_h:g} h")
    return Trajectories(outputs, final, failed or lost)


def prompt_inputs(system: System) -> frozenset[str]:
    """Inputs whose doses enter at their own time and for their own duration, whatever the parameters."""
    return frozenset(u.name for u in system.inputs if u.lag.op == "const" and u.lag.value == 0.0 and u.duration is None)


def columns(model: PatientModel, analytes: Sequence[str]) -> NDArray[np.intp]:
    """Output column of each analyte."""
    index = model.system.output_index
    return np.array([index[observable_of(model, a).output] for a in analytes], dtype=np.intp)
