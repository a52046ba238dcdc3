"""What a twin was, is and will be, on the wire."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import MICROSECONDS_PER_HOUR
from twin_service.scenario.bands import Bands
from twin_service.scenario.grid import forecast_hours
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire import answer
from twin_service.service.wire.path import at, invalid
from twin_service.service.wire.quantity import time_us
from twin_service.service.wire.question import members_of
from twin_service.settings import Settings
from twin_service.twin.forecast import Forecast
from twin_service.v1 import twin_pb2
from twin_service.v1.twin_pb2 import (
    GetTrajectoryRequest,
    GetTrajectoryResponse,
    ListForecastsRequest,
    ListForecastsResponse,
)

__all__ = ["GetTrajectoryRequest", "GetTrajectoryResponse", "ListForecastsRequest", "ListForecastsResponse"]

GRID_STEPS = 200


class Eyes(enum.Enum):
    """Whose eyes see the course: of one who knows all, only what came before each time, or nothing."""

    SMOOTHED = enum.auto()
    FILTERED = enum.auto()
    PRIOR = enum.auto()


_BELIEF = {twin_pb2.SMOOTHING_PRIOR: Eyes.PRIOR, twin_pb2.SMOOTHING_FILTERED: Eyes.FILTERED}


@dataclass(frozen=True)
class TrajectoryRequest:
    """Outputs at hours of the twin's course."""

    times_h: tuple[float, ...]
    outputs: tuple[str, ...]
    belief: Eyes
    members: int


def course_of(request: GetTrajectoryRequest, view: View, settings: Settings) -> TrajectoryRequest:
    members = members_of(request.members, settings)
    belief = _BELIEF.get(request.smoothing, Eyes.SMOOTHED)
    return TrajectoryRequest(tuple(_grid(request, view, settings)), tuple(request.outputs), belief, members)


def trajectory_out(found: Bands, course: TrajectoryRequest, subject: AskedTwin, now_us: int) -> GetTrajectoryResponse:
    """Bands on the asked grid with the measurements beside them."""
    view = subject.view
    response = GetTrajectoryResponse(
        bands=answer.bands(found, view.folded.course.start_us),
        observations=answer.observations(view, course.times_h[0], course.times_h[-1]),
        basis=answer.basis(
            subject, now_us=now_us, members=course.members, assumptions=("no doses but the recorded ones",)
        ),
    )
    response.basis.verdict.CopyFrom(answer.verdict(found.outcome))
    return response


def wanted_forecasts(request: ListForecastsRequest, view: View) -> list[Forecast]:
    """Forecasts of the named analytes, or of all."""
    known = set(view.folded.model.observables)
    for i, analyte in enumerate(request.analytes):
        if analyte not in known:
            said = f"this twin's model does not predict {analyte!r}; it predicts {', '.join(sorted(known))}"
            with at("analytes", i):
                raise invalid(said, "", "NO_SUCH_OUTPUT")
    wanted = set(request.analytes)
    return [f for f in view.folded.forecasts if not wanted or f.sample.analyte in wanted]


def forecasts_out(found: Sequence[Forecast], subject: AskedTwin, now_us: int, more: str) -> ListForecastsResponse:
    return ListForecastsResponse(
        forecasts=[answer.forecast(f, subject.view) for f in found],
        basis=answer.basis(subject, now_us=now_us),
        next_page_token=more,
    )


def _grid(request: GetTrajectoryRequest, view: View, settings: Settings) -> list[float]:
    """Hours of the course at which bands are wanted."""
    course = view.folded.course
    if request.times:
        if len(request.times) > settings.grid_points_max:
            raise _too_fine(len(request.times), settings, "times")
        return [course.hours(time_us(t, f"times[{i}]")) for i, t in enumerate(request.times)]
    end_us = view.last_us + 24 * MICROSECONDS_PER_HOUR
    end = course.hours(time_us(request.end_time, "end_time") if request.HasField("end_time") else end_us)
    # one event of long ago (a genotype, a date of birth taken for a date) must not make the default refuse itself
    start = max(0.0, end - settings.horizon_max_h)
    if request.HasField("start_time"):
        start = course.hours(time_us(request.start_time, "start_time"))
    if not 0 <= start < end or end - start > settings.horizon_max_h:
        said = (
            f"from hour {start:g} to hour {end:g} of this twin; expected a span that "
            f"starts at hour 0 or later and is at most {settings.horizon_max_h:g} h long"
        )
        raise invalid(said, "start_time", "BAD_TIME_GRID")
    if not request.step_h:
        fine = forecast_hours(course.doses, start, end - start, (end - start) / GRID_STEPS)
        if len(fine) <= settings.grid_points_max:
            return [start + float(t) for t in fine]
    return _even_grid(start, end, request.step_h or (end - start) / GRID_STEPS, settings)


def _even_grid(start: float, end: float, step: float, settings: Settings) -> list[float]:
    # bounded before it is counted: a step of 1e-308 has no whole number of points
    points = (end - start) / step + 1e-9
    if not points < settings.grid_points_max:
        raise _too_fine(points + 1, settings, "step_h")
    grid = [start + i * step for i in range(int(points) + 1)]
    return grid if end - grid[-1] < 1e-9 * step else [*grid, end]


def _too_fine(count: float, settings: Settings, field: str) -> Refusal:
    said = f"{count:.0f} time points; at most {settings.grid_points_max}"
    return Refusal(RefusalCode.TOO_MUCH, said, field=field, reason="TOO_MANY_POINTS")
