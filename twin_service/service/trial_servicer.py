"""TrialService on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twin_service.service import call as calls
from twin_service.service import tenancy, toxicity, trials
from twin_service.service.rooms import Rooms, remember
from twin_service.v1 import trial_pb2, trial_pb2_grpc

R = TypeVar("R")


class TrialServicer(trial_pb2_grpc.TrialServiceServicer):
    """Answers that rest on the request alone; each is kept under its answer id."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def ForecastControlArm(self, request: Any, context: Any) -> trial_pb2.ForecastControlArmResponse:
        return self._answer(request, trials.forecast_control_arm)

    def AnalyzeTrial(self, request: Any, context: Any) -> trial_pb2.AnalyzeTrialResponse:
        return self._answer(request, trials.analyze)

    def AssessToxicity(self, request: Any, context: Any) -> trial_pb2.AssessToxicityResponse:
        return self._answer(request, toxicity.assess_toxicity)

    def _answer(self, request: Any, compute: Callable[[Rooms, Any], R]) -> R:
        tenant = tenancy.tenant_of(request.parent)
        calls.current().allow(tenant)
        response = compute(self._rooms, request)
        remember(self._rooms, request, response, (tenant, ""))
        return response
