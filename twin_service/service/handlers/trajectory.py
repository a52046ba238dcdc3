"""What a twin was, is and will be under the recorded doses, and what was expected of it before each measurement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twin_service.scenario.bands import Bands, BandSeries
from twin_service.service.door import call as calls
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import about_twin, read, subject_of
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire import paging
from twin_service.service.wire.quantity import twin_name
from twin_service.service.wire.question import Moment, moment_of
from twin_service.service.wire.rpc import rpc
from twin_service.service.wire.trajectory import (
    Eyes,
    GetTrajectoryRequest,
    GetTrajectoryResponse,
    ListForecastsRequest,
    ListForecastsResponse,
    TrajectoryRequest,
    course_of,
    forecasts_out,
    trajectory_out,
    wanted_forecasts,
)
from twin_service.solver.tolerances import Deadline
from twin_service.twin.fold import Folded, fold, prior_belief, without_future
from twin_service.twin.trajectory import resolve_outputs, trajectory


def get_trajectory(service: Service, request: GetTrajectoryRequest, subject: AskedTwin) -> GetTrajectoryResponse:
    call = calls.current()
    course = course_of(request, subject.view, service.settings)
    found = _bands(course, subject.view, call.deadline)
    return trajectory_out(found, course, subject, call.now_us)


def list_forecasts(service: Service, request: ListForecastsRequest) -> ListForecastsResponse:
    name = twin_name(request.name)
    subject = subject_of(service, Moment(name, request.min_revision))
    question = ("forecasts", str(name), tuple(request.analytes))
    page = paging.page_of(wanted_forecasts(request, subject.view), request, service.settings, *question)
    return forecasts_out(page.rows, subject, calls.current().now_us, page.more)


def _bands(course: TrajectoryRequest, view: View, deadline: Deadline) -> Bands:
    folded = view.folded
    if course.belief is Eyes.FILTERED:
        return _filtered(_whole(view, deadline), course, deadline)
    if course.belief is Eyes.PRIOR:
        folded = replace(folded, belief=prior_belief(folded.model))
    return trajectory(folded, course.times_h, course.outputs, members=course.members, deadline=deadline)


def _whole(view: View, deadline: Deadline) -> Folded:
    """The fold with every anchor: one that went on from stored anchors knows only the last ones."""
    folded = view.folded
    if len(folded.anchors) == len({s.time_h for s in folded.course.samples}):
        return folded
    return fold(folded.model, folded.person, view.timeline, deadline=deadline)


def _filtered(folded: Folded, course: TrajectoryRequest, deadline: Deadline) -> Bands:
    """Each time sees the belief of its own time: one piece between two anchors."""
    resolve_outputs(folded, course.outputs)
    hours: NDArray[np.float64] = np.asarray(course.times_h, dtype=np.float64)
    anchors = np.array([a.time_h for a in folded.anchors])
    piece = np.searchsorted(anchors, hours, side="right")
    parts = [
        trajectory(
            without_future(folded, anchors[k - 1] if k else -np.inf),
            hours[piece == k],
            course.outputs,
            members=course.members,
            deadline=deadline,
        )
        for k in np.unique(piece)
    ]
    failed = next((p.outcome for p in parts if not p.outcome.ok), parts[0].outcome)
    series = tuple(
        BandSeries(
            s.output,
            s.unit,
            np.concatenate([p.series[i].mean for p in parts]),
            np.concatenate([p.series[i].quantiles for p in parts], axis=1),
            _joined([p.series[i].readings for p in parts]),
        )
        for i, s in enumerate(parts[0].series)
    )
    return Bands(hours, series, parts[0].levels, failed, course.members)


def _joined(parts: list[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    """The bands of readings of all pieces; None where one piece has none."""
    known = [p for p in parts if p is not None]
    return np.concatenate(known, axis=1) if len(known) == len(parts) else None


ROUTES = (
    about_twin(rpc(GetTrajectoryRequest, GetTrajectoryResponse), moment_of, get_trajectory),
    read(rpc(ListForecastsRequest, ListForecastsResponse), list_forecasts),
)
