"""TwinService on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import any_pb2

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import TwinName
from twin_service.service import (
    averaging,
    courses,
    dosing,
    futures,
    protocols,
    recommending,
    recording,
    toxicity,
    trials,
    twins,
    watching,
)
from twin_service.service import call as calls
from twin_service.service.rooms import Rooms, remember, response_digest
from twin_service.store.requests import get_answer
from twin_service.v1 import common_pb2, simulation_pb2, trial_pb2, twin_pb2, twin_pb2_grpc

# Questions that can be asked again: the request's type and the function that computes the answer from a view.
AGAIN: dict[str, tuple[Any, Any]] = {
    "GetTrajectory": (twin_pb2.GetTrajectoryRequest, courses.get_trajectory),
    "Simulate": (simulation_pb2.SimulateRequest, futures.simulate),
    "Compare": (simulation_pb2.CompareRequest, futures.compare),
    "Recommend": (simulation_pb2.RecommendRequest, recommending.recommend),
    "SimulateProtocol": (simulation_pb2.SimulateProtocolRequest, protocols.simulate_protocol),
    "SolveDosing": (simulation_pb2.SolveDosingRequest, dosing.solve),
    "AverageModels": (simulation_pb2.AverageModelsRequest, averaging.average_models),
    "ForecastControlArm": (trial_pb2.ForecastControlArmRequest, trials.forecast_control_arm),
    "AnalyzeTrial": (trial_pb2.AnalyzeTrialRequest, trials.analyze),
    "AssessToxicity": (trial_pb2.AssessToxicityRequest, toxicity.assess_toxicity),
}


class TwinServicer(twin_pb2_grpc.TwinServiceServicer):
    """Each method answers one RPC; errors are turned into statuses at the door."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def CreateTwin(self, request: Any, context: Any) -> twin_pb2.CreateTwinResponse:
        return twins.create(self._rooms, request)

    def GetTwin(self, request: Any, context: Any) -> twin_pb2.GetTwinResponse:
        return twins.get(self._rooms, request)

    def ListTwins(self, request: Any, context: Any) -> twin_pb2.ListTwinsResponse:
        return twins.list_(self._rooms, request)

    def UpdateTwin(self, request: Any, context: Any) -> twin_pb2.UpdateTwinResponse:
        return twins.update(self._rooms, request)

    def DeleteTwin(self, request: Any, context: Any) -> twin_pb2.DeleteTwinResponse:
        return twins.delete(self._rooms, request)

    def RecordEvents(self, request: Any, context: Any) -> twin_pb2.RecordEventsResponse:
        return recording.record(self._rooms, request)

    def StreamEvents(self, request_iterator: Any, context: Any) -> Iterator[twin_pb2.StreamEventsResponse]:
        return recording.stream(self._rooms, request_iterator)

    def ListEvents(self, request: Any, context: Any) -> twin_pb2.ListEventsResponse:
        return recording.list_(self._rooms, request)

    def CorrectEvent(self, request: Any, context: Any) -> twin_pb2.CorrectEventResponse:
        return recording.correct(self._rooms, request)

    def RetractEvent(self, request: Any, context: Any) -> twin_pb2.RetractEventResponse:
        return recording.retract(self._rooms, request)

    def WatchTwin(self, request: Any, context: Any) -> Iterator[twin_pb2.WatchTwinResponse]:
        return watching.watch(self._rooms, request)

    def GetTrajectory(self, request: Any, context: Any) -> twin_pb2.GetTrajectoryResponse:
        row, view = courses.view_for(self._rooms, request)
        response = courses.get_trajectory(self._rooms, request, row, view)
        remember(self._rooms, request, response, (row.tenant, row.patient))
        return response

    def ListForecasts(self, request: Any, context: Any) -> twin_pb2.ListForecastsResponse:
        return courses.list_forecasts(self._rooms, request)

    def GetAnswer(self, request: Any, context: Any) -> twin_pb2.GetAnswerResponse:
        _, tenant, _, answer_id = request.name.split("/")
        calls.current().allow(tenant)
        kept = self._rooms.store.read(lambda c: get_answer(c, tenant, answer_id))
        method = kept.method.rpartition("/")[2]
        if method not in AGAIN:
            raise Refusal(RefusalCode.UNSUPPORTED, f"answers of {method} are kept but not listed", reason="NO_REPLAY")
        kind, compute = AGAIN[method]
        question = kind.FromString(kept.request)
        packed = any_pb2.Any()
        packed.Pack(question)
        response = twin_pb2.GetAnswerResponse(
            method=kept.method,
            request=packed,
            response_digest=kept.response_digest,
            basis=common_pb2.Basis.FromString(kept.basis),
        )
        if request.reproduce and not kept.patient:
            again = compute(self._rooms, question)
        elif request.reproduce:
            moment = courses.moment_of(question)
            row, view = self._rooms.engine.as_of(
                TwinName(tenant, kept.patient),
                calls.current().deadline,
                revision=kept.timeline_revision,
                time_us=moment,
            )
            again = compute(self._rooms, question, row, view)
        if request.reproduce:
            response.reproduced.Pack(again)
            response.identical = response_digest(again) == kept.response_digest
        return response
