"""What every question about one twin says: which twin, as of when, from when, for how long, with how many members."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import TwinName
from twin_service.service.view import View
from twin_service.service.wire.path import invalid
from twin_service.service.wire.quantity import time_us, twin_name
from twin_service.service.wire.regimen import horizon_of
from twin_service.settings import Settings
from twin_service.v1 import simulation_pb2, twin_pb2

Future = (
    simulation_pb2.SimulateRequest
    | simulation_pb2.RecommendRequest
    | simulation_pb2.SolveDosingRequest
    | simulation_pb2.AverageModelsRequest
)
Asked = Future | twin_pb2.GetTrajectoryRequest
MEMBERS_MIN = 8


@dataclass(frozen=True)
class Moment:
    """Which twin, resting on at least `min_revision` events, or as it was at a revision or a clinical time."""

    name: TwinName
    min_revision: int = 0
    as_of_revision: int = 0
    as_of_us: int | None = None


@dataclass(frozen=True)
class FutureSpan:
    """A stretch of the future: hours of the twin's course, and the clinical time at which it begins."""

    start_h: float
    horizon_h: float
    origin_us: int


def moment_of(request: Asked) -> Moment:
    as_of_us = None
    if isinstance(request, twin_pb2.GetTrajectoryRequest) and request.HasField("as_of_time"):
        as_of_us = time_us(request.as_of_time, "as_of_time")
    return Moment(twin_name(request.name), request.min_revision, request.as_of_revision, as_of_us)


def members_of(asked: int, settings: Settings) -> int:
    """Belief members of an answer; raises Refusal above the limit."""
    if asked > settings.members_max:
        said = f"{asked} members; at most {settings.members_max}"
        raise Refusal(RefusalCode.OUT_OF_RANGE, said, field="members", reason="TOO_MANY_MEMBERS")
    return max(asked, MEMBERS_MIN) if asked else settings.members_default


def span_of(
    request: simulation_pb2.SimulateRequest | simulation_pb2.RecommendRequest | simulation_pb2.AverageModelsRequest,
    view: View,
    settings: Settings,
) -> FutureSpan:
    start_h = start_of(request, view)
    return FutureSpan(start_h, horizon_of(request.horizon, settings), view.clock_us(start_h))


def start_of(request: Future, view: View) -> float:
    """Hour of the course at which the future parts."""
    us = time_us(request.start_time, "start_time") if request.HasField("start_time") else view.last_us
    start_h = view.folded.course.hours(us)
    if start_h < 0:
        raise invalid("lies before this twin's first hour", "start_time", "BAD_START")
    return start_h
