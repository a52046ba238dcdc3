"""Operations that outlive a call: found, listed, waited for, cancelled."""

from __future__ import annotations

from twin_service.service.door import call as calls
from twin_service.service.door.lane import CallerScope
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import allowed_tenant, read, waiting, write
from twin_service.service.wire import paging
from twin_service.service.wire import population as wire
from twin_service.service.wire.population import (
    CancelOperationRequest,
    CancelOperationResponse,
    GetOperationRequest,
    GetOperationResponse,
    ListOperationsRequest,
    ListOperationsResponse,
    WaitOperationRequest,
    WaitOperationResponse,
    operation_out,
)
from twin_service.service.wire.rpc import rpc
from twin_service.solver.tolerances import Deadline
from twin_service.store.operations import OperationRow, list_operations

ANSWER_S = 0.2
"""Left of a call's deadline to tell the caller that the operation still runs [s]."""
Key = tuple[str, str]


def get(service: Service, request: GetOperationRequest) -> GetOperationResponse:
    row = service.operations.find(_key_of(request.name))
    return GetOperationResponse(operation=operation_out(row, _share(service, row)))


def list_(service: Service, request: ListOperationsRequest) -> ListOperationsResponse:
    """Newest first."""
    tenant = allowed_tenant(request.parent)
    size = paging.page_size(request.page_size, service.settings)
    after = _place(request.page_token, tenant)
    rows = service.store.read(lambda c: list_operations(c, tenant, after, size + 1))
    last = rows[size - 1] if len(rows) > size else None
    return ListOperationsResponse(
        operations=[operation_out(r, _share(service, r)) for r in rows[:size]],
        next_page_token=paging.token(f"{last.created_us} {last.operation}", "operations", tenant) if last else "",
    )


def wait(service: Service, request: WaitOperationRequest) -> WaitOperationResponse:
    """The operation once it ended, or as it is when the time is over."""
    key, deadline = _key_of(request.name), calls.current().deadline
    timeout_s = wire.timeout_s_of(request)
    if timeout_s is not None:
        deadline = Deadline(min(timeout_s, max(0.0, deadline.remaining_s - ANSWER_S)))
    row = service.operations.wait(key, deadline)
    return WaitOperationResponse(operation=operation_out(row, _share(service, row)))


def cancel(service: Service, request: CancelOperationRequest) -> CancelOperationResponse:
    row = service.operations.cancel(_key_of(request.name))
    return CancelOperationResponse(operation=operation_out(row, _share(service, row)))


def _share(service: Service, row: OperationRow) -> float:
    return service.operations.share((row.tenant, row.operation))


def _key_of(name: str) -> Key:
    """Tenant and id of an operation, if the caller may speak for the tenant."""
    tenant = name.split("/")[1] if name.startswith("tenants/") else ""
    calls.current().allow(tenant)
    return tenant, wire.id_of(name, tenant, "operations")


def _place(token: str, tenant: str) -> tuple[int, str] | None:
    text = paging.place(token, "operations", tenant)
    if not text:
        return None
    created, _, operation = text.partition(" ")
    return int(created), operation


ROUTES = (
    read(rpc(GetOperationRequest, GetOperationResponse), get, CallerScope.OPERATION),
    read(rpc(ListOperationsRequest, ListOperationsResponse), list_, CallerScope.OPERATION),
    waiting(rpc(WaitOperationRequest, WaitOperationResponse), wait),
    write(rpc(CancelOperationRequest, CancelOperationResponse), cancel, CallerScope.OPERATION),
)
