"""One function solves any system for any number of patients.

State and outputs at a time are limits from the left (before the doses at that time) unless `after_dose` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.engine import Computed
from twin_service.solver.intake import Run, admit
from twin_service.solver.ladder import solve
from twin_service.solver.reference import run_reference
from twin_service.solver.schedule import NOTHING, Schedule
from twin_service.solver.solution import Solution
from twin_service.solver.system import System
from twin_service.solver.tolerances import DEFAULT, Deadline, Tolerances

__all__ = ["DEFAULT", "Deadline", "Tolerances", "simulate", "simulate_reference", "simulate_stream", "warm"]


def simulate(
    system: System,
    parameters: ArrayLike,
    schedules: Schedule | Sequence[Schedule] = NOTHING,
    times_h: ArrayLike = (),
    *,
    start_h: ArrayLike = 0.0,
    state: ArrayLike | None = None,
    after_dose: ArrayLike | None = None,
    keep_states: bool = False,
    tolerances: Tolerances = DEFAULT,
    deadline: Deadline | None = None,
    threads: int = 1,
) -> Solution:
    """Solve `system` for N patients.

    parameters  (N, np), or (N, K, np) where row k holds from `Schedule.change_times_h[k-1]` on
    schedules   one for all patients or N
    times_h     (nt,) or (N, nt)   h, nondecreasing, not before the start
    start_h     scalar or (N,)     h; doses that enter from then on are applied, infusions that overlap it continue
    state       (N, ns)            state at the start; else the system's initial values from the first parameter row
    after_dose  bool like times_h  take the value after the doses and changes at that time

    Raises Refusal for input that is not finite or of the wrong shape. Numerical failure is an Outcome in the result.
    """
    run = _admitted(system, parameters, schedules, times_h, start_h=start_h, state=state, after_dose=after_dose)
    done = solve(system, run, tolerances=tolerances, keep_states=keep_states, deadline=deadline, threads=threads)
    return _solution(run, done, keep_states)


def simulate_reference(
    system: System,
    parameters: ArrayLike,
    schedules: Schedule | Sequence[Schedule] = NOTHING,
    times_h: ArrayLike = (),
    *,
    start_h: ArrayLike = 0.0,
    state: ArrayLike | None = None,
    after_dose: ArrayLike | None = None,
    keep_states: bool = False,
    tolerances: Tolerances = DEFAULT,
    deadline: Deadline | None = None,
) -> Solution:
    """The same as `simulate`, by SciPy's LSODA, one patient after another: slow, and an oracle."""
    run = _admitted(system, parameters, schedules, times_h, start_h=start_h, state=state, after_dose=after_dose)
    members = range(run.parameters.shape[0])
    states, outputs, final, outcomes = run_reference(system, run, members, tolerances, deadline=deadline)
    return _solution(run, Computed(states, outputs, final, outcomes, np.zeros(len(members), np.int64)), keep_states)


def simulate_stream(
    system: System,
    parameters: Iterable[ArrayLike],
    schedules: Schedule = NOTHING,
    times_h: ArrayLike = (),
    *,
    start_h: float = 0.0,
    after_dose: ArrayLike | None = None,
    tolerances: Tolerances = DEFAULT,
    deadline: Deadline | None = None,
    threads: int = 1,
) -> Iterator[Solution]:
    """Solve more patients than fit in memory: one Solution for each array (n_i, np) that `parameters` yields.

    Pass a generator that makes or reads a few thousand patients at a time; nothing is kept between its arrays.
    """
    for part in parameters:
        yield simulate(
            system,
            part,
            schedules,
            times_h,
            start_h=start_h,
            after_dose=after_dose,
            tolerances=tolerances,
            deadline=deadline,
            threads=threads,
        )


def warm(system: System) -> None:
    """Do now what the first run of `system` would have to wait for."""
    p = [q.value for q in system.parameters]
    simulate(system, [p], NOTHING, [1e-3])


def _admitted(
    system: System,
    parameters: ArrayLike,
    schedules: Schedule | Sequence[Schedule],
    times_h: ArrayLike,
    *,
    start_h: ArrayLike,
    state: ArrayLike | None,
    after_dose: ArrayLike | None,
) -> Run:
    if system.events:
        raise Refusal(
            RefusalCode.UNSUPPORTED,
            f"system {system.name!r} has state events ({system.events[0].name}); use the hybrid driver",
            reason="EVENTS_UNSUPPORTED",
        )
    return admit(system, parameters, schedules, times_h, start_h=start_h, state=state, after_dose=after_dose)


def _solution(run: Run, done: Computed, keep_states: bool) -> Solution:
    failed = [not o.ok for o in done.outcomes]
    if any(failed):
        done.outputs[failed], done.final[failed] = np.nan, np.nan
        if keep_states:
            done.states[failed] = np.nan
    return Solution(run.times_h, done.outputs, done.final, tuple(done.outcomes), done.states if keep_states else None)
