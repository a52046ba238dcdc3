"""Events held until someone confirms them: listed, and withdrawn; sending one again with `confirm` releases it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.handlers.context import Service, act, allowed_twin, apply_once
from twin_service.service.handlers.route import read, write
from twin_service.service.wire import paging
from twin_service.service.wire.held import (
    ListHeldEventsRequest,
    ListHeldEventsResponse,
    WithdrawHeldEventRequest,
    WithdrawHeldEventResponse,
    held_out,
)
from twin_service.service.wire.rpc import rpc
from twin_service.service.work.holding import keep_held
from twin_service.store.held import HeldRow, Waits


def list_(service: Service, request: ListHeldEventsRequest) -> ListHeldEventsResponse:
    """Those that wait; what was released or withdrawn is in the audit trail."""
    name = allowed_twin(request.name)
    rows = service.engine.held(service.engine.row(name))
    page = paging.page_of(rows, request, service.settings, "held", str(name))
    return ListHeldEventsResponse(events=[held_out(r) for r in page.rows], next_page_token=page.more)


def withdraw(service: Service, request: WithdrawHeldEventRequest) -> WithdrawHeldEventResponse:
    name = allowed_twin(request.name)

    def prepare() -> Callable[[Connection], WithdrawHeldEventResponse]:
        done = act("withdraw")

        def work(connection: Connection) -> WithdrawHeldEventResponse:
            known = service.store.known.of(connection, name)
            row = _waiting(known.held.get(request.event_id))
            response = WithdrawHeldEventResponse(event=held_out(row))
            keep_held(connection, known, {row.event_id: replace(row, state=Waits.WITHDRAWN)}, done)
            return response

        return work

    owner = (name.tenant, name.patient)
    response = apply_once(service, request, owner, kind=WithdrawHeldEventResponse, prepare=prepare)
    service.engine.tell()
    return response


def _waiting(row: HeldRow | None) -> HeldRow:
    if row is None:
        said = "no event of this id is or was held; ListHeldEvents names those that are"
        raise Refusal(RefusalCode.NOT_FOUND, said, field="event_id", reason="NOT_HELD")
    if row.state == Waits.RELEASED:
        said = "the event was released into the record; withdraw it with a retraction"
        raise Refusal(RefusalCode.PRECONDITION, said, field="event_id", reason="RELEASED")
    return row


ROUTES = (
    read(rpc(ListHeldEventsRequest, ListHeldEventsResponse), list_),
    write(rpc(WithdrawHeldEventRequest, WithdrawHeldEventResponse), withdraw),
)
