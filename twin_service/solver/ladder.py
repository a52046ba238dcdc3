"""Which method solves a run, and what happens when it fails: never wrong in silence.

Linear systems take the exact path. The rungs of all others: generated sparse code without pivoting; the same method
with a pivoted dense factorization; SciPy's LSODA; an Outcome that names model, time and state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Outcome, Verdict
from twin_service.solver.engine import Computed, model_of, run_compiled
from twin_service.solver.intake import Run
from twin_service.solver.linear import linear_form, run_linear
from twin_service.solver.reference import run_reference
from twin_service.solver.steady import SteadyFound, steady_states
from twin_service.solver.system import System
from twin_service.solver.tolerances import Deadline, Tolerances

Floats = NDArray[np.float64]


def solve(
    system: System, run: Run, *, tolerances: Tolerances, keep_states: bool, deadline: Deadline | None, threads: int
) -> Computed:
    """Solve every member by the best method that succeeds."""
    if not run.plan.steady.any():
        return _solve(system, run, (tolerances, keep_states, deadline, threads), None)
    found = find_steady(system, run, tolerances, deadline=deadline)
    done = _solve(system, run._replace(plan=found.plan), (tolerances, keep_states, deadline, threads), found.states)
    missed = np.flatnonzero(found.plan.steady)[~found.converged]
    for i, where in zip(found.who[~found.converged].tolist(), found.plan.time[missed].tolist(), strict=True):
        if done.outcomes[i].verdict is not Verdict.CANCELLED:
            done.outcomes[i] = Outcome(Verdict.NO_STEADY_STATE, f"model {system.name}, dose at t = {where:.6g} h")
    return done


def find_steady(
    system: System, run: Run, tolerances: Tolerances, *, deadline: Deadline | None, method: str = "root"
) -> SteadyFound:
    """Steady states of all steady doses, solved ten times tighter than the run that uses them."""
    tight = Tolerances(max(tolerances.rtol / 10, 1e-13), tolerances.atol_scale / 10, tolerances.max_steps)

    def final(pulse: Run) -> Floats:
        return _solve(system, pulse, (tight, False, deadline, 1), None).final

    return steady_states(system, run, tolerances, solver=final, method=method)


def _solve(
    system: System, run: Run, how: tuple[Tolerances, bool, Deadline | None, int], steady: Floats | None
) -> Computed:
    tolerances, keep_states, deadline, threads = how
    if not system.states:
        # outputs of time and parameters only: nothing to integrate, and nothing to generate code for
        everyone = range(run.parameters.shape[0])
        states, outputs, final, outcomes = run_reference(
            system, run, everyone, tolerances, deadline=deadline, steady=steady
        )
        return Computed(states, outputs, final, outcomes, np.zeros(len(everyone), np.int64))
    linear = linear_form(system)
    if linear is not None:
        return run_linear(system, linear, run, deadline=deadline, threads=threads, steady=steady)
    members = np.arange(run.parameters.shape[0])
    model = model_of(system, 1 if len(members) == 1 else 8)
    done = run_compiled(
        model,
        run,
        members,
        tolerances=tolerances,
        keep_states=keep_states,
        deadline=deadline,
        threads=threads,
        steady=steady,
    )
    _retry_pivoted(system, run, done, (tolerances, keep_states, deadline), steady)
    for i in _failed(done):
        _last_rung(system, run, i, done, (tolerances, deadline, keep_states), steady)
    return done


def _failed(done: Computed) -> list[int]:
    return [i for i, o in enumerate(done.outcomes) if not o.ok and o.verdict is not Verdict.CANCELLED]


def _retry_pivoted(
    system: System, run: Run, done: Computed, how: tuple[Tolerances, bool, Deadline | None], steady: Floats | None
) -> None:
    failed = _failed(done)
    if not failed:
        return
    tolerances, keep_states, deadline = how
    again = run_compiled(
        model_of(system, 1, pivoted=True),
        run,
        np.array(failed),
        tolerances=tolerances,
        keep_states=keep_states,
        deadline=deadline,
        steady=steady,
    )
    for i in failed:
        first, second = done.outcomes[i], again.outcomes[i]
        done.outcomes[i] = Outcome(Verdict.RETRIED, f"pivoted after: {first}") if second.ok else second
        done.outputs[i], done.final[i] = again.outputs[i], again.final[i]
        if keep_states:
            done.states[i] = again.states[i]


def _last_rung(
    system: System,
    run: Run,
    i: int,
    done: Computed,
    how: tuple[Tolerances, Deadline | None, bool],
    steady: Floats | None,
) -> None:
    tolerances, deadline, keep_states = how
    states, outputs, final, outcomes = run_reference(system, run, [i], tolerances, deadline=deadline, steady=steady)
    if not outcomes[0].ok:
        done.outcomes[i] = outcomes[0]
        return
    done.outputs[i], done.final[i] = outputs[0], final[0]
    if keep_states:
        done.states[i] = states[0]
    done.outcomes[i] = Outcome(Verdict.RETRIED, f"LSODA after: {done.outcomes[i]}")
