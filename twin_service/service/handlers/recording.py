"""Recording events: checked and converted, made durable all or none, acknowledged, and only then assimilated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import Connection

from twin_service.outcome import Refusal
from twin_service.record.events import Event
from twin_service.record.person import TwinName
from twin_service.record.timeline import Timeline
from twin_service.service.handlers.context import Service, act, allowed_twin, apply_once, window
from twin_service.service.handlers.route import duplex, read, write
from twin_service.service.wire import paging
from twin_service.service.wire.path import moved
from twin_service.service.wire.recording import (
    CorrectEventRequest,
    CorrectEventResponse,
    ListEventsRequest,
    ListEventsResponse,
    RecordEventsRequest,
    RecordEventsResponse,
    RetractEventRequest,
    RetractEventResponse,
    StreamEventsRequest,
    StreamEventsResponse,
    amendment_of,
    check_batch,
    events_of,
    listed,
    listing_of,
    own_field,
    recorded,
    within,
)
from twin_service.service.wire.rpc import rpc
from twin_service.store.repository import append_events, read_events
from twin_service.store.twins import get_twin


def record(service: Service, request: RecordEventsRequest) -> RecordEventsResponse:
    """Durable when this returns. Raises Refusal with the path of the first field to blame; then nothing is recorded."""
    name = allowed_twin(request.name)
    check_batch(request, service.settings.events_per_request_max)
    appended: list[tuple[Event, bool]] = []

    def prepare() -> Callable[[Connection], RecordEventsResponse]:
        model, _ = service.engine.person(service.engine.row(name))
        events = events_of(request, model, window(service))
        done = act("record")
        limit = service.settings.events_per_twin_max

        def work(connection: Connection) -> RecordEventsResponse:
            found = append_events(connection, name, events, done, twin_limit=limit)
            appended[:] = zip(events, found.duplicates, strict=True)
            return recorded(events, found, model)

        return work

    if request.validate_only:
        return _dry(service, name, prepare())
    response = apply_once(service, request, (name.tenant, name.patient), kind=RecordEventsResponse, prepare=prepare)
    for event, duplicate in appended:
        (service.metrics.duplicates if duplicate else service.metrics.events.labels(event.payload.kind)).inc()
    service.engine.recorded(name)
    return response


def stream(service: Service, requests: Iterable[StreamEventsRequest]) -> Iterator[StreamEventsResponse]:
    """One acknowledgement for each batch, as it becomes durable."""
    for number, request in enumerate(requests):
        try:
            result = record(service, request.batch)
        except Refusal as refusal:
            raise _numbered(refusal, number) from None
        yield StreamEventsResponse(request_id=request.batch.request_id, result=result)


def correct(service: Service, request: CorrectEventRequest) -> CorrectEventResponse:
    done = _amend(service, request)
    return CorrectEventResponse(
        receipt=done.receipts[0], timeline_revision=done.timeline_revision, belief_revision=done.belief_revision
    )


def retract(service: Service, request: RetractEventRequest) -> RetractEventResponse:
    done = _amend(service, request)
    return RetractEventResponse(
        receipt=done.receipts[0], timeline_revision=done.timeline_revision, belief_revision=done.belief_revision
    )


def list_(service: Service, request: ListEventsRequest) -> ListEventsResponse:
    """Events in clinical order; those said to have been wrong are listed too, marked."""
    name = allowed_twin(request.name)
    wanted = listing_of(request)
    row, stored = service.store.read(lambda c: (get_twin(c, name), read_events(c, name)))
    timeline = Timeline.of(s.event for s in stored)
    question = ("events", str(name), wanted.low_us, wanted.high_us)
    page = paging.page_of(within(timeline.events, wanted), request, service.settings, *question)
    return ListEventsResponse(
        events=listed(page.rows, timeline, {s.event.id: s for s in stored}),
        next_page_token=page.more,
        timeline_revision=row.timeline_revision,
    )


def _amend(service: Service, request: CorrectEventRequest | RetractEventRequest) -> RecordEventsResponse:
    """A correction or retraction is recorded like any event; its field paths are those of its own request."""
    try:
        return record(service, amendment_of(request))
    except Refusal as refusal:
        raise moved(refusal, own_field(refusal.field)) from None


class _DryRun(Exception):
    def __init__(self, response: RecordEventsResponse) -> None:
        super().__init__()
        self.response = response


def _dry(service: Service, name: TwinName, work: Callable[[Connection], RecordEventsResponse]) -> RecordEventsResponse:
    """Everything but the commit: the transaction is rolled back when its response is known."""

    def job(connection: Connection) -> RecordEventsResponse:
        raise _DryRun(work(connection))

    try:
        return service.store.write(job)
    except _DryRun as done:
        return done.response


def _numbered(refusal: Refusal, number: int) -> Refusal:
    """The refusal of one batch of a stream; the first batch needs no number."""
    under = refusal.at("batch")
    if number:
        under.details["batch_number"] = str(number)
    return under


ROUTES = (
    write(rpc(RecordEventsRequest, RecordEventsResponse), record),
    duplex(rpc(StreamEventsRequest, StreamEventsResponse), stream),
    read(rpc(ListEventsRequest, ListEventsResponse), list_),
    write(rpc(CorrectEventRequest, CorrectEventResponse), correct),
    write(rpc(RetractEventRequest, RetractEventResponse), retract),
)
