"""CohortService on the wire."""

from __future__ import annotations

from typing import Any

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service import call as calls
from twin_service.service import cohorts, paging, tenancy
from twin_service.service.rooms import Rooms
from twin_service.solver.tolerances import Deadline
from twin_service.store.operations import list_operations
from twin_service.v1 import cohort_pb2, cohort_pb2_grpc, common_pb2


class CohortServicer(cohort_pb2_grpc.CohortServiceServicer):
    """Virtual populations, and the operations that work them out."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def GeneratePopulation(self, request: Any, context: Any) -> cohort_pb2.GeneratePopulationResponse:
        return cohorts.generate(self._rooms, request, _allowed(request.parent))

    def SimulatePopulation(self, request: Any, context: Any) -> cohort_pb2.SimulatePopulationResponse:
        return cohorts.simulate(self._rooms, request, _allowed(request.population))

    def GetPopulationResult(self, request: Any, context: Any) -> cohort_pb2.GetPopulationResultResponse:
        return cohorts.result(self._rooms, request.operation, _allowed(request.operation))

    def GetOperation(self, request: Any, context: Any) -> cohort_pb2.GetOperationResponse:
        key = cohorts.key_of(request.name)
        row = self._rooms.operations.find(key)
        return cohort_pb2.GetOperationResponse(operation=cohorts.operation(row, self._rooms.operations.share(key)))

    def ListOperations(self, request: Any, context: Any) -> cohort_pb2.ListOperationsResponse:
        tenant = _allowed(request.parent)
        size = paging.page_size(request.page_size, self._rooms.settings)
        after = _place(request.page_token, tenant)
        rows = self._rooms.store.read(lambda c: list_operations(c, tenant, after, size + 1))
        last = rows[size - 1] if len(rows) > size else None
        return cohort_pb2.ListOperationsResponse(
            operations=[self._told(r.tenant, r) for r in rows[:size]],
            next_page_token=paging.token(f"{last.created_us} {last.operation}", "operations", tenant) if last else "",
        )

    def WaitOperation(self, request: Any, context: Any) -> cohort_pb2.WaitOperationResponse:
        key, call = cohorts.key_of(request.name), calls.current()
        deadline = call.deadline
        if request.HasField("timeout"):
            seconds = request.timeout.ToTimedelta().total_seconds()
            if seconds < 0:
                raise Refusal(
                    RefusalCode.INVALID, "expected a wait of 0 s or more", field="timeout", reason="BAD_TIMEOUT"
                )
            deadline = Deadline(min(seconds, max(0.0, call.deadline.remaining_s - ANSWER_S)))
        row = self._rooms.operations.wait(key, deadline)
        return cohort_pb2.WaitOperationResponse(operation=self._told(key[0], row))

    def CancelOperation(self, request: Any, context: Any) -> cohort_pb2.CancelOperationResponse:
        key = cohorts.key_of(request.name)
        return cohort_pb2.CancelOperationResponse(operation=self._told(key[0], self._rooms.operations.cancel(key)))

    def _told(self, tenant: str, row: Any) -> common_pb2.Operation:
        return cohorts.operation(row, self._rooms.operations.share((tenant, row.operation)))


ANSWER_S = 0.2
"""Left of a call's deadline to tell the caller that the operation still runs [s]."""


def _allowed(name: str) -> str:
    tenant = tenancy.tenant_of(name)
    calls.current().allow(tenant)
    return tenant


def _place(token: str, tenant: str) -> tuple[int, str] | None:
    text = paging.place(token, "operations", tenant)
    if not text:
        return None
    created, _, operation = text.partition(" ")
    return int(created), operation
