"""CohortService on the wire. This release has no cohort floor: every method says so, none pretends."""

from __future__ import annotations

from typing import Any

from twin_service.outcome import Refusal, RefusalCode
from twin_service.v1 import cohort_pb2_grpc


def _absent(what: str) -> Refusal:
    return Refusal(RefusalCode.UNSUPPORTED, f"{what} are not part of this release", reason="NOT_IN_THIS_RELEASE")


class CohortServicer(cohort_pb2_grpc.CohortServiceServicer):
    """Refuses with UNIMPLEMENTED and a reason, through the same door as every other answer."""

    def GeneratePopulation(self, request: Any, context: Any) -> Any:
        raise _absent("virtual populations")

    def SimulatePopulation(self, request: Any, context: Any) -> Any:
        raise _absent("virtual populations")

    def GetPopulationResult(self, request: Any, context: Any) -> Any:
        raise _absent("virtual populations")

    def GetOperation(self, request: Any, context: Any) -> Any:
        raise _absent("long-running operations")

    def ListOperations(self, request: Any, context: Any) -> Any:
        raise _absent("long-running operations")

    def WaitOperation(self, request: Any, context: Any) -> Any:
        raise _absent("long-running operations")

    def CancelOperation(self, request: Any, context: Any) -> Any:
        raise _absent("long-running operations")
