"""What if: from the current belief, any number of named treatments forward in time. One history, many futures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import Endpoint
from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Deadline, simulate
from twin_service.twin.fold import Folded
from twin_service.twin.propagate import propagate
from twin_service.twin.regimen import Regimen, Target, forecast_grid, measure, planned_doses
from twin_service.twin.trajectory import QUANTILES, Bands, belief_members, resolve_outputs, summarize

FloatArray = NDArray[np.float64]
GRID_POINTS_MAX = 4000


@dataclass(frozen=True)
class Attained:
    """One target under one regimen: probability of lying inside, and the metric's distribution over members."""

    target: Target
    probability: float
    mean: float
    q05: float
    q50: float
    q95: float


@dataclass(frozen=True)
class Reached:
    """Probability that an endpoint (a toxicity grade, a response) is reached within the horizon."""

    endpoint: Endpoint
    probability: float


@dataclass(frozen=True)
class WhatIf:
    """One named regimen forward from `start_h`; bands' hours count from there. `joint_probability`: all targets met."""

    regimen: Regimen
    bands: Bands
    targets: tuple[Attained, ...]
    joint_probability: float
    endpoints: tuple[Reached, ...]
    outcome: Outcome


@dataclass(frozen=True)
class Start:
    """The members at the moment from which futures part: parameters in force, states, baseline outputs."""

    time_h: float
    rows: FloatArray
    states: FloatArray
    baseline: FloatArray
    history: tuple[Dose, ...]
    outcome: Outcome


def start_from(folded: Folded, start_h: float, members: int, *, deadline: Deadline | None = None) -> Start:
    """Solve the shared history once. `start_h` counts from the start of the course."""
    if not np.isfinite(start_h) or start_h < 0:
        raise Refusal(
            RefusalCode.INVALID,
            "the forecast must start at or after the twin's first event",
            field="start",
            reason="BAD_START",
        )
    eta = belief_members(folded, members, forecast=True)
    past = belief_members(folded, members)
    history = tuple(d for d in folded.course.doses if d.time_h < start_h)
    run = propagate(folded.model, folded.course, past, [0.0, max(start_h, 1e-9)], deadline=deadline)
    rows = folded.model.members(folded.course.covariates[_segment(folded, start_h)], eta)
    return Start(start_h, rows, run.final, run.outputs[:, 0, :], history, run.outcome)


def what_if(
    folded: Folded,
    regimens: Sequence[Regimen],
    *,
    start_h: float,
    horizon_h: float,
    targets: Sequence[Target] = (),
    outputs: Sequence[str] = (),
    members: int = 256,
    step_h: float = 0.0,
    deadline: Deadline | None = None,
) -> list[WhatIf]:
    """Bands, target attainment and endpoint probabilities of each regimen over `horizon_h` hours from `start_h`."""
    if not np.isfinite(horizon_h) or horizon_h <= 0:
        raise Refusal(
            RefusalCode.INVALID,
            f"horizon is {horizon_h} h; expected a positive number of hours",
            field="horizon",
            reason="BAD_HORIZON",
        )
    start = start_from(folded, start_h, members, deadline=deadline)
    names = resolve_outputs(folded, outputs)
    return [
        future(folded, start, r, horizon_h=horizon_h, targets=targets, names=names, step_h=step_h, deadline=deadline)
        for r in regimens
    ]


def future(
    folded: Folded,
    start: Start,
    regimen: Regimen,
    *,
    horizon_h: float,
    targets: Sequence[Target],
    names: Sequence[str],
    step_h: float = 0.0,
    deadline: Deadline | None = None,
) -> WhatIf:
    """One regimen from `start`; doses still being infused or absorbed at the start go on."""
    model = folded.model
    doses = planned_doses(model, regimen, start.time_h)
    grid = forecast_grid(doses, start.time_h, horizon_h, step_h or max(horizon_h / 200, 0.1))
    if len(grid) > GRID_POINTS_MAX:
        raise Refusal(
            RefusalCode.TOO_MUCH,
            f"regimen {regimen.name!r} needs {len(grid)} time points; at most "
            f"{GRID_POINTS_MAX}: shorten the horizon or lengthen the step",
            field="horizon",
        )
    solution = simulate(
        model.system,
        start.rows,
        Schedule(start.history + doses),
        start.time_h + grid,
        start_h=start.time_h,
        state=start.states,
        deadline=deadline,
    )
    failed = next((o for o in solution.outcomes if not o.ok), Outcome())
    index = model.system.output_index
    dose_hours = np.array([d.time_h - start.time_h for d in doses])
    metrics = [_metric(folded, t, grid, solution.outputs, dose_hours) for t in targets]
    reached = tuple(
        Reached(e, endpoint_probability(e, solution.outputs[:, :, index[e.output]], start.baseline[:, index[e.output]]))
        for e in model.endpoints
    )
    bands = Bands(
        grid,
        tuple(summarize(folded, n, solution.outputs[:, :, index[n]]) for n in names),
        QUANTILES,
        failed,
        len(start.rows),
    )
    attained = tuple(_attained(t, m) for t, m in zip(targets, metrics, strict=True))
    return WhatIf(regimen, bands, attained, _joint(targets, metrics), reached, failed)


def endpoint_probability(endpoint: Endpoint, values: FloatArray, baseline: FloatArray) -> float:
    """Share of members whose `values` (N, nt) cross the threshold at any time; relative endpoints divide by the
    member's own `baseline` (N,)."""
    good = np.all(np.isfinite(values), axis=1)
    if not good.any():
        return float("nan")
    v = values[good] / baseline[good, None] if endpoint.relative_to_baseline else values[good]
    crossed = v < endpoint.threshold if endpoint.comparison == "below" else v > endpoint.threshold
    return float(np.mean(crossed.any(axis=1)))


def _metric(
    folded: Folded, target: Target, grid: FloatArray, outputs: FloatArray, dose_hours: FloatArray
) -> FloatArray:
    """The target's metric for each member that could be solved."""
    name = resolve_outputs(folded, [target.output])[0]
    values = outputs[:, :, folded.model.system.output_index[name]]
    solved = np.all(np.isfinite(outputs), axis=(1, 2))
    return measure(target, grid, values[solved], dose_hours)


def _inside(target: Target, metric: FloatArray) -> NDArray[np.bool_]:
    return (metric >= target.low) & (metric <= target.high)


def _attained(target: Target, metric: FloatArray) -> Attained:
    if not len(metric):
        return Attained(target, *[float("nan")] * 5)
    q = np.quantile(metric, (0.05, 0.5, 0.95))
    share = float(np.mean(_inside(target, metric)))
    return Attained(target, share, float(metric.mean()), float(q[0]), float(q[1]), float(q[2]))


def _joint(targets: Sequence[Target], metrics: Sequence[FloatArray]) -> float:
    """Share of members that meet every target at once; NaN without targets or members."""
    if not targets or not len(metrics[0]):
        return float("nan")
    return float(np.mean(np.all([_inside(t, m) for t, m in zip(targets, metrics, strict=True)], axis=0)))


def _segment(folded: Folded, start_h: float) -> int:
    return sum(t <= start_h for t in folded.course.change_times_h)
