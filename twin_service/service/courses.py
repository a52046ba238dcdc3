"""What a twin was, is and will be under the recorded doses, and what was expected of it before each measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import MICROSECONDS_PER_HOUR
from twin_service.scenario.bands import Bands, Series
from twin_service.scenario.target import forecast_hours
from twin_service.service import answers, paging, translate
from twin_service.service import call as calls
from twin_service.service.engine import View
from twin_service.service.rooms import Rooms
from twin_service.service.twins import allowed_name
from twin_service.settings import Settings
from twin_service.solver.tolerances import Deadline
from twin_service.store.twins import TwinRow
from twin_service.twin.fold import Folded, fold, prior_belief, without_future
from twin_service.twin.trajectory import resolve_outputs, trajectory
from twin_service.v1 import twin_pb2

GRID_STEPS = 200


def view_for(rooms: Rooms, request: twin_pb2.GetTrajectoryRequest) -> tuple[TwinRow, View]:
    """The twin a trajectory is asked of: the present one, or one as of a revision or a clinical time."""
    name, call = allowed_name(request.name), calls.current()
    moment = moment_of(request)
    if request.as_of_revision or moment is not None:
        return rooms.engine.as_of(name, call.deadline, revision=request.as_of_revision or None, time_us=moment)
    return rooms.engine.current(name, request.min_revision, call.deadline)


def moment_of(request: Any) -> int | None:
    """The clinical time a question looks back from, if it names one."""
    known = "as_of_time" in request.DESCRIPTOR.fields_by_name and request.HasField("as_of_time")
    return translate.time_us(request.as_of_time, "as_of_time") if known else None


def get_trajectory(
    rooms: Rooms, request: twin_pb2.GetTrajectoryRequest, row: TwinRow, view: View
) -> twin_pb2.GetTrajectoryResponse:
    """Bands on the asked grid with the measurements beside them."""
    deadline = calls.current().deadline
    members = members_of(request.members, rooms.settings)
    times = _grid(request, view, rooms.settings)
    found = _bands(request, view, times, members, deadline)
    response = twin_pb2.GetTrajectoryResponse(
        bands=answers.bands(found, view.folded.course.start_us),
        observations=answers.observations(view, times[0], times[-1]),
        basis=answers.basis(
            row, view, now_us=calls.current().now_us, members=members, assumptions=("no doses but the recorded ones",)
        ),
    )
    response.basis.verdict.CopyFrom(answers.verdict(found.outcome))
    return response


def list_forecasts(rooms: Rooms, request: twin_pb2.ListForecastsRequest) -> twin_pb2.ListForecastsResponse:
    name, call = allowed_name(request.name), calls.current()
    row, view = rooms.engine.current(name, request.min_revision, call.deadline)
    wanted = set(request.analytes)
    known = set(view.folded.model.observables)
    for i, analyte in enumerate(request.analytes):
        if analyte not in known:
            raise Refusal(
                RefusalCode.INVALID,
                f"this twin's model does not predict {analyte!r}; it predicts {', '.join(sorted(known))}",
                field=f"analytes[{i}]",
                reason="NO_SUCH_OUTPUT",
            )
    chosen = [f for f in view.folded.forecasts if not wanted or f.sample.analyte in wanted]
    question = ("forecasts", str(name), tuple(request.analytes))
    size = paging.page_size(request.page_size, rooms.settings)
    start = int(paging.place(request.page_token, *question) or 0)
    response = twin_pb2.ListForecastsResponse(
        forecasts=[answers.forecast(f, view) for f in chosen[start : start + size]],
        basis=answers.basis(row, view, now_us=call.now_us),
    )
    if start + size < len(chosen):
        response.next_page_token = paging.token(str(start + size), *question)
    return response


def members_of(asked: int, settings: Settings) -> int:
    """Belief members of an answer; raises Refusal above the limit."""
    if asked > settings.members_max:
        raise Refusal(
            RefusalCode.OUT_OF_RANGE,
            f"{asked} members; at most {settings.members_max}",
            field="members",
            reason="TOO_MANY_MEMBERS",
        )
    return max(asked, 8) if asked else settings.members_default


def last_us(view: View) -> int:
    """Clinical time of the last event in force; the epoch when there is none."""
    return max((e.time_us for e in view.timeline.effective), default=view.person.epoch_us)


def _grid(request: twin_pb2.GetTrajectoryRequest, view: View, settings: Settings) -> list[float]:
    """Hours of the course at which bands are wanted."""
    course = view.folded.course
    if request.times:
        hours = [course.hours(translate.time_us(t, f"times[{i}]")) for i, t in enumerate(request.times)]
        if len(hours) > settings.grid_points_max:
            raise _too_fine(len(hours), settings, "times")
        return hours
    start = course.hours(translate.time_us(request.start_time, "start_time")) if request.HasField("start_time") else 0.0
    end_us = last_us(view) + 24 * MICROSECONDS_PER_HOUR
    end = course.hours(translate.time_us(request.end_time, "end_time") if request.HasField("end_time") else end_us)
    if not 0 <= start < end or end - start > settings.horizon_max_h:
        raise Refusal(
            RefusalCode.INVALID,
            f"from hour {start:g} to hour {end:g} of this twin; expected a span that "
            f"starts at hour 0 or later and is at most {settings.horizon_max_h:g} h long",
            field="start_time",
            reason="BAD_TIME_GRID",
        )
    if not request.step_h:
        fine = forecast_hours(course.doses, start, end - start, (end - start) / GRID_STEPS)
        if len(fine) <= settings.grid_points_max:
            return [start + float(t) for t in fine]
    step = request.step_h or (end - start) / GRID_STEPS
    count = int((end - start) / step + 1e-9) + 1
    if count > settings.grid_points_max:
        raise _too_fine(count, settings, "step_h")
    grid = [start + i * step for i in range(count)]
    return grid if end - grid[-1] < 1e-9 * step else [*grid, end]


def _too_fine(count: int, settings: Settings, field: str) -> Refusal:
    return Refusal(
        RefusalCode.TOO_MUCH,
        f"{count} time points; at most {settings.grid_points_max}",
        field=field,
        reason="TOO_MANY_POINTS",
    )


def _bands(
    request: twin_pb2.GetTrajectoryRequest, view: View, times: Sequence[float], members: int, deadline: Deadline
) -> Bands:
    outputs = list(request.outputs)
    folded = view.folded
    if request.smoothing == twin_pb2.SMOOTHING_PRIOR:
        folded = replace(folded, belief=prior_belief(folded.model))
    if request.smoothing == twin_pb2.SMOOTHING_FILTERED:
        return _filtered(_whole(view, deadline), times, outputs, members, deadline)
    return trajectory(folded, times, outputs, members=members, deadline=deadline)


def _whole(view: View, deadline: Deadline) -> Folded:
    """The fold with every anchor: one that went on from stored anchors knows only the last ones."""
    folded = view.folded
    if len(folded.anchors) == len({s.time_h for s in folded.course.samples}):
        return folded
    return fold(folded.model, folded.person, view.timeline, deadline=deadline)


def _filtered(
    folded: Folded, times: Sequence[float], outputs: Sequence[str], members: int, deadline: Deadline
) -> Bands:
    """Each time sees the belief of its own time: one piece between two anchors."""
    resolve_outputs(folded, outputs)
    hours: NDArray[np.float64] = np.asarray(times, dtype=np.float64)
    anchors = np.array([a.time_h for a in folded.anchors])
    piece = np.searchsorted(anchors, hours, side="right")
    parts = [
        trajectory(
            without_future(folded, anchors[k - 1] if k else -np.inf),
            hours[piece == k],
            outputs,
            members=members,
            deadline=deadline,
        )
        for k in np.unique(piece)
    ]
    failed = next((p.outcome for p in parts if not p.outcome.ok), parts[0].outcome)
    series = tuple(
        Series(
            s.output,
            s.unit,
            np.concatenate([p.series[i].mean for p in parts]),
            np.concatenate([p.series[i].quantiles for p in parts], axis=1),
        )
        for i, s in enumerate(parts[0].series)
    )
    return Bands(hours, series, parts[0].levels, failed, members)
