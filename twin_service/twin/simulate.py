"""What if: from the current belief, any number of named treatments forward in time. One history, many futures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.model.dialysis import dialysis_covariate, dialyzable
from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.scenario.attainment import Attained, TargetMetrics, attained, joint, metrics_of
from twin_service.scenario.bands import QUANTILES, Bands
from twin_service.scenario.endpoints import Reached, crossed, endpoint_probability
from twin_service.scenario.grid import Grid, dosing_grid
from twin_service.scenario.occasion import lasting, within_patient
from twin_service.scenario.regimen import Regimen, planned_doses
from twin_service.scenario.target import Target
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Deadline, simulate
from twin_service.twin.fold import Folded
from twin_service.twin.propagate import propagate
from twin_service.twin.responses import Category, CategoryQuestion, categorize, check, marks
from twin_service.twin.trajectory import belief_members, resolve_outputs
from twin_service.twin.within import banded, fresh_effects, levels, models_of

FloatArray = NDArray[np.float64]
GRID_POINTS_MAX = 4000


@dataclass(frozen=True)
class WhatIf:
    """One named regimen forward from `start_h`; bands' hours count from there. `joint_probability`: all targets met;
    `limits` are measured like targets and not part of it."""

    regimen: Regimen
    bands: Bands
    targets: tuple[Attained, ...]
    joint_probability: float
    endpoints: tuple[Reached, ...]
    outcome: Outcome
    categories: tuple[Category, ...] = ()
    limits: tuple[Attained, ...] = ()


@dataclass(frozen=True)
class FutureStart:
    """The members at the moment from which futures part: parameters in force, states, baseline outputs.

    rows    (N, np), or (N, K, np) where planned dialysis begins or ends at `changes_h`
    free    (N, ne) who reaches each endpoint within the horizon without any drug; None: not asked
    """

    time_h: float
    rows: FloatArray
    states: FloatArray
    baseline: FloatArray
    history: tuple[Dose, ...]
    outcome: Outcome
    free: NDArray[np.bool_] | None = None
    changes_h: tuple[float, ...] = ()


def start_from(
    folded: Folded,
    start_h: float,
    members: int,
    *,
    outputs: Iterable[str] | None = None,
    free_until_h: float = 0.0,
    deadline: Deadline | None = None,
) -> FutureStart:
    """Solve the shared history once. `start_h` counts from the start of the course; `outputs` are all that will be
    asked of what follows (None: anything). `free_until_h`: the horizon over which drug-free risks are wanted."""
    if not np.isfinite(start_h) or start_h < 0:
        raise Refusal(
            RefusalCode.INVALID,
            "the forecast must start at or after the twin's first event",
            field="start",
            reason="BAD_START",
        )
    persistence = within_patient(models_of(folded)).persistence
    eta = belief_members(folded, members, forecast=True)
    eta = lasting(eta, fresh_effects(folded, members), persistence)
    past = belief_members(folded, members)
    history = tuple(d for d in folded.course.doses if d.time_h < start_h)
    begun = propagate(folded.model, folded.course, past, [0.0], deadline=deadline)
    run = propagate(
        folded.model, folded.course, past, [max(start_h, 1e-9)], footing=folded.footing_for(outputs), deadline=deadline
    )
    rows, changes = rows_ahead(folded, eta, start_h)
    start = FutureStart(start_h, rows, run.final, begun.outputs[:, 0, :], history, run.outcome, changes_h=changes)
    if not free_until_h or not folded.model.endpoints:
        return start
    return replace(start, free=drug_free(folded, start, past, free_until_h, deadline))


def what_if(
    folded: Folded, regimens: Sequence[Regimen], *, start_h: float, horizon_h: float, **asked: Any
) -> list[WhatIf]:
    """All of `each_what_if`, with its questions."""
    return list(each_what_if(folded, regimens, start_h=start_h, horizon_h=horizon_h, **asked))


def each_what_if(
    folded: Folded,
    regimens: Sequence[Regimen],
    *,
    start_h: float,
    horizon_h: float,
    targets: Sequence[Target] = (),
    outputs: Sequence[str] = (),
    categories: Sequence[CategoryQuestion] = (),
    members: int = 256,
    step_h: float = 0.0,
    deadline: Deadline | None = None,
) -> Iterator[WhatIf]:
    """Bands, target attainment and endpoint probabilities of each regimen over `horizon_h` hours from `start_h`; the
    history is solved once, and each future is given as soon as it is known."""
    if not np.isfinite(horizon_h) or horizon_h <= 0:
        raise Refusal(
            RefusalCode.INVALID,
            f"horizon is {horizon_h} h; expected a positive number of hours",
            field="horizon",
            reason="BAD_HORIZON",
        )
    check(folded, categories, horizon_h)
    names = resolve_outputs(folded, outputs)
    start = start_from(
        folded,
        start_h,
        members,
        outputs=[*names, *(t.output for t in targets)],
        free_until_h=horizon_h,
        deadline=deadline,
    )
    for r in regimens:
        yield future(
            folded,
            start,
            r,
            horizon_h=horizon_h,
            targets=targets,
            names=names,
            categories=categories,
            step_h=step_h,
            deadline=deadline,
        )


def future(
    folded: Folded,
    start: FutureStart,
    regimen: Regimen,
    *,
    horizon_h: float,
    targets: Sequence[Target],
    names: Sequence[str],
    categories: Sequence[CategoryQuestion] = (),
    limits: Sequence[Target] = (),
    step_h: float = 0.0,
    grid: Grid | None = None,
    deadline: Deadline | None = None,
) -> WhatIf:
    """One regimen from `start`; doses still being infused or absorbed at the start go on."""
    run = solve(
        folded,
        start,
        regimen,
        grid=grid,
        horizon_h=horizon_h,
        targets=[*targets, *limits],
        step_h=step_h,
        marks_h=marks(categories),
        deadline=deadline,
    )
    return summarized(
        folded,
        start,
        regimen,
        run.grid,
        outputs=run.outputs,
        given_h=run.given_h,
        targets=targets,
        names=names,
        categories=categories,
        limits=limits,
        outcome=run.outcome,
    )


class Future(NamedTuple):
    """All members under one regimen: outputs (N, nt, no) on `grid`, and when doses are given."""

    grid: Grid
    outputs: FloatArray
    given_h: FloatArray
    outcome: Outcome


def solve(
    folded: Folded,
    start: FutureStart,
    regimen: Regimen,
    *,
    horizon_h: float,
    targets: Sequence[Target],
    grid: Grid | None = None,
    step_h: float = 0.0,
    marks_h: Sequence[float] = (),
    deadline: Deadline | None = None,
) -> Future:
    """The members of `start` under `regimen`; doses still being infused or absorbed at the start go on."""
    doses = planned_doses(folded.model, regimen, start.time_h)
    grid = grid or grid_for(
        regimen.name, doses, start.time_h, horizon_h, targets=targets, step_h=step_h, marks_h=marks_h
    )
    solution = simulate(
        folded.model.system,
        start.rows,
        Schedule(start.history + doses, start.changes_h),
        grid.clock_h,
        after_dose=grid.after,
        start_h=start.time_h,
        state=start.states,
        deadline=deadline,
    )
    failed = next((o for o in solution.outcomes if not o.ok), Outcome())
    return Future(grid, solution.outputs, np.array([d.time_h - start.time_h for d in doses]), failed)


FREE_STEPS = 100


def drug_free(
    folded: Folded, start: FutureStart, past: FloatArray, horizon_h: float, deadline: Deadline | None = None
) -> NDArray[np.bool_]:
    """Which members reach each endpoint within the horizon although they never had a drug, (N, ne).

    The same members from hour 0 on without any dose; what the drug adds is the difference to this.
    """
    model = folded.model
    bare = replace(folded.course, doses=())
    begun = propagate(model, bare, past, [max(start.time_h, 1e-9)], deadline=deadline)
    hours = np.linspace(0.0, horizon_h, FREE_STEPS + 1)
    run = simulate(
        model.system,
        start.rows,
        Schedule((), start.changes_h),
        start.time_h + hours,
        start_h=start.time_h,
        state=begun.final,
        deadline=deadline,
    )
    index = model.system.output_index
    return np.stack(
        [crossed(e, run.outputs[:, :, index[e.output]], start.baseline[:, index[e.output]]) for e in model.endpoints],
        axis=1,
    )


def grid_for(
    name: str,
    doses: Sequence[Dose],
    start_h: float,
    horizon_h: float,
    *,
    targets: Sequence[Target],
    step_h: float = 0.0,
    marks_h: Sequence[float] = (),
) -> Grid:
    """The hours at which the plan `name` is computed; refuses more than the service would hold in memory."""
    marks = [*marks_h, *(h for t in targets for h in t.marks_h), max(horizon_h - 24.0, 0.0)]
    grid = dosing_grid(doses, start_h, horizon_h, step_h or max(horizon_h / 200, 0.1), marks_h=marks)
    if len(grid.hours) > GRID_POINTS_MAX:
        raise Refusal(
            RefusalCode.TOO_MUCH,
            f"regimen {name!r} needs {len(grid.hours)} time points; at most "
            f"{GRID_POINTS_MAX}: shorten the horizon or lengthen the step",
            field="horizon",
        )
    return grid


def summarized(
    folded: Folded,
    start: FutureStart,
    regimen: Regimen,
    grid: Grid,
    *,
    outputs: FloatArray,
    given_h: FloatArray,
    targets: Sequence[Target],
    names: Sequence[str],
    outcome: Outcome,
    categories: Sequence[CategoryQuestion] = (),
    limits: Sequence[Target] = (),
) -> WhatIf:
    """Bands, attainment and endpoints of `outputs` (N, nt, no) of all members on `grid`."""
    index = folded.model.system.output_index
    metrics = [_metrics(folded, t, grid, outputs, given_h) for t in targets]
    reached = tuple(
        Reached(
            e,
            endpoint_probability(e, outputs[:, :, index[e.output]], start.baseline[:, index[e.output]]),
            float("nan") if start.free is None else float(np.mean(start.free[:, k])),
        )
        for k, e in enumerate(folded.model.endpoints)
    )
    series = tuple(banded(folded, n, outputs[:, :, index[n]]) for n in names)
    bands = Bands(grid.hours, series, QUANTILES, outcome, len(start.rows))
    answers = categorize(folded, categories, grid.hours, outputs)
    return WhatIf(
        regimen,
        bands,
        tuple(map(attained, metrics)),
        joint(metrics),
        reached,
        outcome,
        answers,
        tuple(attained(_metrics(folded, t, grid, outputs, given_h)) for t in limits),
    )


def _metrics(folded: Folded, target: Target, grid: Grid, outputs: FloatArray, given_h: FloatArray) -> TargetMetrics:
    """The target's metric for each member that could be solved in full."""
    name = resolve_outputs(folded, [target.output])[0]
    solved = np.all(np.isfinite(outputs), axis=(1, 2))
    values = levels(folded, name, outputs[:, :, folded.model.system.output_index[name]])
    return metrics_of(target, grid.hours, values[solved], given_h)


def rows_ahead(folded: Folded, eta: FloatArray, start_h: float) -> tuple[FloatArray, tuple[float, ...]]:
    """Parameters of members `eta` from `start_h` on, and the hours at which they change.

    Characteristics hold as they are then; only dialysis goes on as recorded: a session ends, planned ones come.
    """
    course = folded.course
    now = course.covariates[sum(t <= start_h for t in course.change_times_h)]
    cleared = [dialysis_covariate(d) for d in dialyzable(folded.model)]
    changes: list[float] = []
    rows = [now]
    for hour, later in zip(course.change_times_h, course.covariates[1:], strict=True):
        then = {**now, **{n: later[n] for n in cleared if n in later}}
        if hour > start_h and then != rows[-1]:
            changes.append(hour)
            rows.append(then)
    if not changes:
        return folded.model.members(now, eta), ()
    return np.stack([folded.model.members(r, eta) for r in rows], axis=1), tuple(changes)
