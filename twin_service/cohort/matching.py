"""Weights that make a virtual population look like real patients before treatment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.cohort.plausible import OutputMeasure, PlausiblePatients
from twin_service.cohort.population import Population, block_rows, draw_block
from twin_service.cohort.weighting import MeasureTarget, VirtualPopulation, max_entropy
from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.scenario.bands import outputs_of
from twin_service.solver.schedule import NOTHING
from twin_service.solver.simulate import Deadline, simulate

Floats = NDArray[np.float64]
MATCHED_MAX = 200_000


@dataclass(frozen=True)
class Match:
    """Mean and SD of an analyte or output that real, untreated patients show `time_h` after the start."""

    output: str
    time_h: float
    mean: float
    sd: float


def matching_weights(
    population: Population,
    matches: Sequence[Match],
    *,
    deadline: Deadline | None = None,
    tell: Callable[[float], None] = lambda share: None,
) -> VirtualPopulation:
    """Maximum-entropy weights (size,) under which the untreated population shows `matches`; 0 for who is unsolved.

    Raises Refusal for an unknown output, an SD that is not positive, more than 200,000 people, and a cancelled run.
    """
    model = population.model
    if population.size > MATCHED_MAX:
        raise Refusal(
            RefusalCode.TOO_MUCH,
            f"{population.size} people; at most {MATCHED_MAX} can be weighted",
            field="size",
            reason="TOO_MANY_MEMBERS",
        )
    for i, m in enumerate(matches):
        if not (np.isfinite(m.mean) and np.isfinite(m.sd) and m.sd > 0 and np.isfinite(m.time_h) and m.time_h >= 0):
            raise Refusal(
                RefusalCode.INVALID,
                "expected a finite mean, a positive sd and a time at or after the start",
                field=f"matches[{i}]",
                reason="BAD_MATCH",
            )
    names = [outputs_of(model, [m.output])[0] for m in matches]
    times = np.unique([m.time_h for m in matches] + [0.0])
    rows = [np.searchsorted(times, m.time_h) for m in matches]
    columns = [model.system.output_index[n] for n in names]
    values, effects = [], []
    for b in range(population.blocks):
        if deadline is not None and deadline.expired:
            raise Refusal(RefusalCode.CANCELLED, "the matching was broken off", reason="CANCELLED")
        covariates, eta = draw_block(population, b)
        run = simulate(model.system, block_rows(model, covariates, eta), NOTHING, times, deadline=deadline)
        values.append(run.outputs[:, rows, columns])
        effects.append(eta)
        tell((b + 1) / population.blocks)
    return _weighted(np.concatenate(values), np.concatenate(effects), matches)


def _weighted(values: Floats, eta: Floats, matches: Sequence[Match]) -> VirtualPopulation:
    solved = np.all(np.isfinite(values), axis=1)
    measures = tuple(
        OutputMeasure(f"{m.output} at {m.time_h:g} h", m.output, "value", time_h=m.time_h) for m in matches
    )
    targets = [MeasureTarget(g.name, m.mean, m.sd) for g, m in zip(measures, matches, strict=True)]
    cloud = PlausiblePatients(eta[solved], values[solved], measures, len(values), Outcome())
    found = max_entropy(cloud, targets)
    weights = np.zeros(len(values))
    weights[solved] = found.weights
    return VirtualPopulation(
        found.cloud, weights, found.targets, found.ks, found.ess, found.correlation, found.method, found.outcome
    )
