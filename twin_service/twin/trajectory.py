"""What the twin holds to be true over time: bands of any output, past (smoothed by all data) and future."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import renewed
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.bands import QUANTILES, Bands, outputs_of, summarize
from twin_service.solver.simulate import Deadline
from twin_service.twin.fold import Folded, prior_belief
from twin_service.twin.observe import standard_draws
from twin_service.twin.propagate import propagate

FloatArray = NDArray[np.float64]


def trajectory(
    folded: Folded,
    times_h: Sequence[float] | FloatArray,
    outputs: Sequence[str] = (),
    *,
    members: int = 128,
    deadline: Deadline | None = None,
) -> Bands:
    """Bands of `outputs` (all observables when empty) at `times_h`, with the doses recorded so far and no others.

    Past values are smoothed: they use the belief after all data, not the belief of their own time.
    """
    names = resolve_outputs(folded, outputs)
    times = np.asarray(times_h, dtype=np.float64)
    if not len(times) or np.any(np.diff(times) < 0) or not np.all(np.isfinite(times)) or times[0] < 0:
        raise Refusal(
            RefusalCode.INVALID,
            "times must be finite, nondecreasing and not before the twin's start",
            field="times",
            reason="BAD_TIME_GRID",
        )
    eta = belief_members(folded, members)
    run = propagate(folded.model, folded.course, eta, times, footing=folded.footing_for(names), deadline=deadline)
    index = folded.model.system.output_index
    return Bands(
        times,
        tuple(summarize(folded.model, n, run.outputs[:, :, index[n]]) for n in names),
        QUANTILES,
        run.outcome,
        members,
    )


def belief_members(folded: Folded, count: int, *, forecast: bool = False) -> FloatArray:
    """(count, nx) members of the current belief; the same twin gives the same members.

    For forecasts, occasion effects return to their prior: what was special about a past occasion says nothing of the
    next one.
    """
    draws = standard_draws(str(folded.person.name), len(folded.model.effects), count)[:, :-1]
    occasions = [i for i, e in enumerate(folded.model.effects) if e.occasion]
    if forecast and occasions:
        return renewed(folded.belief, prior_belief(folded.model), occasions).members(draws)
    return folded.belief.members(draws)


def resolve_outputs(folded: Folded, names: Sequence[str]) -> list[str]:
    """Output names for analytes or outputs asked for; all observables when none is. Refuses unknown ones by name."""
    return outputs_of(folded.model, names)
