"""Blocks of a virtual population as a recipe that travels: drawn, treated, summed up where they are solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.cohort.percentiles import StreamedPercentiles
from twin_service.cohort.pool import Pool, each_block
from twin_service.cohort.population import (
    BLOCK,
    CharacteristicCorrelation,
    CharacteristicSpread,
    Population,
    block_rows,
    check_population,
    draw_block,
)
from twin_service.record.person import ModelChoice
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.solver.tolerances import Deadline
from twin_service.twin.assemble import build

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PopulationBlocks:
    """People of `choice` given `doses`, seen at `times_h`; block b holds the same people on every engine."""

    choice: ModelChoice
    size: int
    doses: tuple[Dose, ...]
    times_h: tuple[float, ...]
    spreads: tuple[CharacteristicSpread, ...] = ()
    correlations: tuple[CharacteristicCorrelation, ...] = ()
    seed: int = 0

    @property
    def count(self) -> int:
        return -(-self.size // BLOCK)

    def prepare(self) -> Callable[[int], StreamedPercentiles]:
        model = build(self.choice)
        population = Population(model, self.size, self.spreads, self.seed, self.correlations)
        check_population(population)
        schedule, times = Schedule(self.doses), np.array(self.times_h)

        def solved(block: int) -> StreamedPercentiles:
            covariates, eta = draw_block(population, block)
            rows = block_rows(model, covariates, eta)
            values = simulate(model.system, rows, schedule, times).outputs.reshape(len(rows), -1)
            return StreamedPercentiles.like(values).add(values)

        return solved


def population_percentiles(
    blocks: PopulationBlocks,
    pool: Pool,
    levels: Sequence[float] = (0.05, 0.5, 0.95),
    *,
    deadline: Deadline | None = None,
    tell: Callable[[float], None] = lambda share: None,
) -> tuple[Floats, int]:
    """Percentiles (levels, times * outputs) over everyone, and how many could not be solved."""
    total: StreamedPercentiles | None = None
    for part in each_block(pool, blocks, blocks.count, deadline=deadline, tell=tell):
        total = part if total is None else total.merged(part)
    assert total is not None
    return total.quantiles(levels), total.failed
