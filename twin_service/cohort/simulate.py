"""Regimens in a whole virtual population, block by block: bands over people, attainment, endpoints.

Means, attainment and endpoint probabilities rest on everyone. Quantiles of the bands rest on the first 20,000 people
who could be solved: people are drawn independently, so that the 5 % quantile is known to within 0.15 % of the ranks
(one standard error), and memory does not grow with the population.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twin_service.cohort.population import BLOCK, Population, block_rows, draw_block
from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Refusal, RefusalCode, Verdict
from twin_service.scenario.attainment import Attained
from twin_service.scenario.bands import QUANTILES, Bands, BandSeries, outputs_of
from twin_service.scenario.endpoints import Reached, crossed
from twin_service.scenario.grid import Grid, dosing_grid
from twin_service.scenario.regimen import Regimen, planned_doses
from twin_service.scenario.target import Target, measure
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Deadline, simulate
from twin_service.twin.simulate import WhatIf

Floats = NDArray[np.float64]
KEPT = 20_000
GRID_POINTS_MAX = 4000
STEPS = 200


@dataclass(frozen=True)
class _Question:
    """What is wanted of every regimen."""

    model: PatientModel
    names: tuple[str, ...]
    targets: tuple[Target, ...]


@dataclass
class _Tally:
    """One regimen, and what is kept of it while the blocks go by; all sums are over weights."""

    regimen: Regimen
    doses: tuple[Dose, ...]
    grid: Grid
    weight: float = 0.0
    mean: Floats | float = 0.0
    kept: list[NDArray[np.float32]] = field(default_factory=list)
    kept_weights: list[Floats] = field(default_factory=list)
    metrics: list[Floats] = field(default_factory=list)
    metric_weights: list[Floats] = field(default_factory=list)
    crossed: Floats | float = 0.0
    unsolved: int = 0


def simulate_population(
    population: Population,
    regimens: Sequence[Regimen],
    *,
    horizon_h: float,
    targets: Sequence[Target] = (),
    outputs: Sequence[str] = (),
    weights: Floats | None = None,
    threads: int = 1,
    deadline: Deadline | None = None,
    tell: Callable[[float], None] = lambda share: None,
) -> list[WhatIf]:
    """Each regimen in everyone for `horizon_h` hours from the first contact; `weights` (size,) or all the same.

    `tell` hears the share of the work that is done. Raises Refusal for an unknown drug, route or output, a horizon that
    is not positive, and when the deadline passes or the caller cancels.
    """
    if not np.isfinite(horizon_h) or horizon_h <= 0:
        raise _refuse(f"{horizon_h} h; expected a positive number of hours", "horizon")
    question = _Question(population.model, tuple(outputs_of(population.model, outputs)), tuple(targets))
    marks = [h for t in targets for h in t.marks_h]
    tallies = [_tally(population.model, r, horizon_h, marks) for r in regimens]
    for b in range(population.blocks):
        covariates, eta = draw_block(population, b)
        rows = block_rows(population.model, covariates, eta)
        w = np.ones(len(rows)) if weights is None else weights[b * BLOCK : b * BLOCK + len(rows)]
        for k, tally in enumerate(tallies):
            _go_on(deadline)
            run = simulate(
                population.model.system,
                rows,
                Schedule(tally.doses),
                tally.grid.clock_h,
                after_dose=tally.grid.after,
                threads=threads,
                deadline=deadline,
            )
            _go_on(deadline)
            _add(tally, question, run.outputs, w)
            tell((b * len(tallies) + k + 1) / (population.blocks * len(tallies)))
    return [_what_if(t, question, population.size) for t in tallies]


def _go_on(deadline: Deadline | None) -> None:
    if deadline is not None and deadline.expired:
        raise Refusal(RefusalCode.CANCELLED, "the simulation was broken off", reason="CANCELLED")


def weighted_quantiles(values: Floats, weights: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles (nq, m) of columns of `values` (N, m): the first value at which the weight reaches the level."""
    order = np.argsort(values, axis=0, kind="stable")
    share = np.cumsum(weights[order], axis=0)
    share /= share[-1]
    ordered = np.take_along_axis(values, order, axis=0)
    picks = [np.minimum((share < q - 1e-12).sum(axis=0), len(values) - 1) for q in levels]
    return np.stack([np.take_along_axis(ordered, p[None, :], axis=0)[0] for p in picks])


def _tally(model: PatientModel, regimen: Regimen, horizon_h: float, marks_h: Sequence[float]) -> _Tally:
    doses = planned_doses(model, regimen, 0.0)
    grid = dosing_grid(doses, 0.0, horizon_h, max(horizon_h / STEPS, 0.1), marks_h=marks_h)
    if len(grid.hours) > GRID_POINTS_MAX:
        raise Refusal(
            RefusalCode.TOO_MUCH,
            f"regimen {regimen.name!r} needs {len(grid.hours)} time points; at most {GRID_POINTS_MAX}: "
            "shorten the horizon",
            field="horizon",
        )
    return _Tally(regimen, doses, grid)


def _add(s: _Tally, q: _Question, found: Floats, weights: Floats) -> None:
    """Add one block's outputs (n, nt, ny)."""
    index = q.model.system.output_index
    solved = np.all(np.isfinite(found), axis=(1, 2))
    s.unsolved += int((~solved).sum())
    y, w = found[solved], weights[solved]
    wanted = y[:, :, [index[n] for n in q.names]]
    s.weight += float(w.sum())
    s.mean = s.mean + np.einsum("n,ntk->tk", w, wanted)
    room = KEPT - sum(map(len, s.kept))
    if room > 0:
        s.kept.append(wanted[:room].astype(np.float32))
        s.kept_weights.append(w[:room])
    if q.targets:
        hours = np.array([d.time_h for d in s.doses])
        outputs = [index[outputs_of(q.model, [t.output])[0]] for t in q.targets]
        s.metrics.append(
            np.stack(
                [measure(t, s.grid.hours, y[:, :, j], hours) for t, j in zip(q.targets, outputs, strict=True)], axis=1
            )
        )
        s.metric_weights.append(w)
    s.crossed = s.crossed + np.array([w @ crossed(e, y[:, :, index[e.output]]) for e in q.model.endpoints])


def _what_if(s: _Tally, q: _Question, size: int) -> WhatIf:
    outcome = Outcome()
    if s.unsolved:
        outcome = Outcome(Verdict.NOT_CONVERGED, f"{s.unsolved} of {size} people could not be solved")
    if not s.weight > 0.0:
        raise Refusal(
            RefusalCode.PRECONDITION, f"regimen {s.regimen.name!r}: nobody could be solved", reason="DID_NOT_SOLVE"
        )
    kept, w = np.concatenate(s.kept).astype(np.float64), np.concatenate(s.kept_weights)
    mean = np.asarray(s.mean) / s.weight
    units = {o.name: o.unit for o in q.model.system.outputs}
    series = tuple(
        BandSeries(n, units[n], mean[:, k], weighted_quantiles(kept[:, :, k], w, QUANTILES))
        for k, n in enumerate(q.names)
    )
    shares = np.atleast_1d(s.crossed) / s.weight
    reached = tuple(Reached(e, float(p)) for e, p in zip(q.model.endpoints, shares, strict=True))
    attained, joint = _attainment(s, q.targets)
    bands = Bands(s.grid.hours, series, QUANTILES, outcome, size - s.unsolved)
    return WhatIf(s.regimen, bands, attained, joint, reached, outcome)


def _attainment(s: _Tally, targets: Sequence[Target]) -> tuple[tuple[Attained, ...], float]:
    if not targets:
        return (), float("nan")
    m, w = np.concatenate(s.metrics), np.concatenate(s.metric_weights)
    inside = np.stack([(m[:, j] >= t.low) & (m[:, j] <= t.high) for j, t in enumerate(targets)], axis=1)
    q = weighted_quantiles(m, w, (0.05, 0.5, 0.95))
    total = w.sum()
    found = tuple(
        Attained(
            t,
            float(w @ inside[:, j] / total),
            float(w @ m[:, j] / total),
            float(q[0, j]),
            float(q[1, j]),
            float(q[2, j]),
        )
        for j, t in enumerate(targets)
    )
    return found, float(w @ inside.all(axis=1) / total)


def _refuse(message: str, field: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field, reason="BAD_HORIZON")
