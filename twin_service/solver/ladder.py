"""Which method solves a run, and what happens when it fails: never wrong in silence.

Rungs: the compiled sparse method; SciPy's LSODA; an Outcome that names model, time and state.
"""

from __future__ import annotations

import numpy as np

from twin_service.outcome import Outcome, Verdict
from twin_service.solver.engine import Computed, model_of, run_compiled
from twin_service.solver.intake import Run
from twin_service.solver.linear import linear_form, run_linear
from twin_service.solver.plan import STEADY, STEADY_ADD
from twin_service.solver.reference import run_reference
from twin_service.solver.system import System
from twin_service.solver.tolerances import Deadline, Tolerances


def solve(
    system: System, run: Run, *, tolerances: Tolerances, keep_states: bool, deadline: Deadline | None, threads: int
) -> Computed:
    """Solve every member by the best method that succeeds."""
    members = np.arange(run.parameters.shape[0])
    if not system.states or np.isin(run.plan.kind, (STEADY, STEADY_ADD)).any():
        states, outputs, final, outcomes = run_reference(system, run, list(members), tolerances, deadline)
        return Computed(states, outputs, final, outcomes, np.zeros(len(members), np.int64))
    linear = linear_form(system)
    if linear is not None:
        return run_linear(system, linear, run, deadline=deadline, threads=threads)
    done = run_compiled(model_of(system), run, members, tolerances=tolerances, keep_states=keep_states,
                        deadline=deadline, threads=threads)  # fmt: skip
    failed = [i for i, o in enumerate(done.outcomes) if not o.ok and o.verdict is not Verdict.CANCELLED]
    for i in failed:
        _last_rung(system, run, i, done, (tolerances, deadline, keep_states))
    return done


def _last_rung(
    system: System, run: Run, i: int, done: Computed, how: tuple[Tolerances, Deadline | None, bool]
) -> None:
    tolerances, deadline, keep_states = how
    states, outputs, final, outcomes = run_reference(system, run, [i], tolerances, deadline)
    if not outcomes[0].ok:
        done.outcomes[i] = outcomes[0]
        return
    done.outputs[i], done.final[i] = outputs[0], final[0]
    if keep_states:
        done.states[i] = states[0]
    done.outcomes[i] = Outcome(Verdict.RETRIED, f"LSODA after: {done.outcomes[i]}")
