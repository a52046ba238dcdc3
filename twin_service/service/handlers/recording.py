"""Recording events: checked and converted, made durable all or none, acknowledged, and only then assimilated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.record.events import Event
from twin_service.record.person import Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.service.handlers.context import Service, act, allowed_twin, apply_once, window
from twin_service.service.handlers.route import duplex, read, write
from twin_service.service.wire import paging
from twin_service.service.wire.path import moved
from twin_service.service.wire.recording import (
    Batch,
    CorrectEventRequest,
    CorrectEventResponse,
    ListEventsRequest,
    ListEventsResponse,
    Recorded,
    RecordEventsRequest,
    RecordEventsResponse,
    RetractEventRequest,
    RetractEventResponse,
    StreamEventsRequest,
    StreamEventsResponse,
    amendment_of,
    batch_of,
    check_size,
    listed,
    listing_of,
    own_field,
    recorded,
    within,
)
from twin_service.service.wire.rpc import rpc
from twin_service.service.work.holding import keep_held, sort_out
from twin_service.store.append import append_to, id_reused
from twin_service.store.repository import read_events
from twin_service.store.twins import Act, get_twin


def record(service: Service, request: RecordEventsRequest) -> RecordEventsResponse:
    """Durable when this returns. Raises Refusal with the path of every field to blame; then nothing is recorded.

    Asked to take what can be taken, nothing of an event's own is refused: its receipt says what became of it.
    """
    name = allowed_twin(request.name)
    check_size(request, service.settings.events_per_request_max)
    appended: list[tuple[Event, bool]] = []

    def prepare() -> Callable[[Connection], RecordEventsResponse]:
        model, person = service.engine.person(service.engine.row(name))
        batch = batch_of(request, model, window(service))
        what = _Recording(batch, model, person, act("record"))

        def work(connection: Connection) -> RecordEventsResponse:
            response, new = _append(service, connection, name, what)
            appended[:] = new
            return response

        return work

    if request.validate_only:
        return _dry(service, name, prepare())
    response = apply_once(service, request, (name.tenant, name.patient), kind=RecordEventsResponse, prepare=prepare)
    for event, duplicate in appended:
        (service.metrics.duplicates if duplicate else service.metrics.events.labels(event.payload.kind)).inc()
    service.engine.recorded(name)
    return response


class _Recording(NamedTuple):
    """A batch as read for a model, whose it is, and who records it."""

    batch: Batch
    model: PatientModel
    person: Person
    act: Act


def _append(
    service: Service, connection: Connection, name: TwinName, what: _Recording
) -> tuple[RecordEventsResponse, list[tuple[Event, bool]]]:
    """Record what is not held, and keep what is; the response, and each event recorded with whether it was known."""
    settings, batch = service.settings, what.batch
    known = service.store.known.of(connection, name)
    window_h = settings.duplicate_window_min / 60.0
    done = sort_out(batch.events, batch.confirmed, known, what.person, window_h=window_h)
    events = [e for i in done.taken if (e := batch.events[i]) is not None]
    limit = settings.events_per_twin_max
    if done.released:
        append_to(connection, known, done.released, replace(what.act, action="release"), twin_limit=limit)
    found = append_to(connection, known, events, what.act, twin_limit=limit)
    if found.reused and not batch.possible:
        raise id_reused("id").at(f"events[{done.taken[found.reused[0]]}]")
    found = replace(found, twin=keep_held(connection, known, done.new_rows, what.act))
    response = recorded(batch, Recorded(done.taken, found, done.held, done.judged), what.model)
    new = [(e, d) for e, d, r in zip(events, found.duplicates, found.revisions, strict=True) if r]
    return response, new


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
