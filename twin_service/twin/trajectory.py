"""What the twin holds to be true over time: bands of any output, past (smoothed by all data) and future."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import renewed
from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.solver.simulate import Deadline
from twin_service.twin.fold import Folded, prior_belief
from twin_service.twin.observe import standard_draws
from twin_service.twin.propagate import propagate

FloatArray = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Series:
    """One output over time: mean and quantiles (nt,), (nq, nt), in the output's unit."""

    output: str
    unit: str
    mean: FloatArray
    quantiles: FloatArray


@dataclass(frozen=True)
class Bands:
    """Series of several outputs on one grid of hours from the start of the course."""

    times_h: FloatArray
    series: tuple[Series, ...]
    levels: tuple[float, ...]
    outcome: Outcome
    members: int


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
        times, tuple(summarize(folded, n, run.outputs[:, :, index[n]]) for n in names), QUANTILES, run.outcome, members
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


def outputs_of(model: PatientModel, names: Sequence[str]) -> list[str]:
    """The same for a model that is nobody's twin."""
    if not names:
        return list(dict.fromkeys(o.output for o in model.observables.values()))
    found: list[str] = []
    for i, name in enumerate(names):
        resolved = model.observables[name].output if name in model.observables else name
        if resolved not in model.system.output_index:
            known = ", ".join(sorted({*model.observables, *model.system.output_index}))
            raise Refusal(
                RefusalCode.INVALID,
                f"no output {name!r} in this twin's model; it has: {known}",
                field=f"outputs[{i}]",
                reason="NO_SUCH_OUTPUT",
            )
        found.append(resolved)
    return found


def summarize(folded: Folded, output: str, values: FloatArray) -> Series:
    """Mean and quantiles over the members that could be solved, values (N, nt)."""
    good = values[np.all(np.isfinite(values), axis=1)]
    unit = folded.model.system.outputs[folded.model.system.output_index[output]].unit
    if not len(good):
        nothing = np.full(values.shape[1], np.nan)
        return Series(output, unit, nothing, np.tile(nothing, (len(QUANTILES), 1)))
    return Series(output, unit, good.mean(axis=0), np.quantile(good, QUANTILES, axis=0))
