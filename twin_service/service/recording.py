"""Recording events: checked and converted, made durable all or none, acknowledged, and only then assimilated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import Connection

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import Correction, Event, ImageMeasured, LabMeasured, Retraction
from twin_service.record.person import TwinName
from twin_service.record.timeline import Timeline
from twin_service.service import paging, translate
from twin_service.service.rooms import Rooms, act, apply_once, window
from twin_service.service.twins import allowed_name
from twin_service.store.repository import Appended, append_events, read_events
from twin_service.store.twins import get_twin
from twin_service.v1 import event_pb2, twin_pb2


def record(rooms: Rooms, request: twin_pb2.RecordEventsRequest) -> twin_pb2.RecordEventsResponse:
    """Durable when this returns. Raises Refusal with the path of the first field to blame; then nothing is recorded."""
    name = allowed_name(request.name)
    _check_batch(request.events, rooms.settings.events_per_request_max)
    appended: list[tuple[Event, bool]] = []

    def prepare() -> Callable[[Connection], twin_pb2.RecordEventsResponse]:
        model, _ = rooms.engine.person(rooms.engine.row(name))
        span = window(rooms)
        events = [translate.event(e, model, span, f"events[{i}]") for i, e in enumerate(request.events)]
        done = act("record")
        limit = rooms.settings.events_per_twin_max

        def work(connection: Connection) -> twin_pb2.RecordEventsResponse:
            found = append_events(connection, name, events, done, twin_limit=limit)
            appended[:] = zip(events, found.duplicates, strict=True)
            return _response(events, found, model)

        return work

    if request.validate_only:
        return _dry(rooms, name, prepare())
    response = apply_once(
        rooms, request, (name.tenant, name.patient), kind=twin_pb2.RecordEventsResponse, prepare=prepare
    )
    for event, duplicate in appended:
        (rooms.metrics.duplicates if duplicate else rooms.metrics.events.labels(event.payload.kind)).inc()
    rooms.engine.recorded(name)
    return response


def stream(rooms: Rooms, requests: Iterable[twin_pb2.StreamEventsRequest]) -> Iterator[twin_pb2.StreamEventsResponse]:
    """One acknowledgement for each batch, as it becomes durable."""
    for number, request in enumerate(requests):
        try:
            result = record(rooms, request.batch)
        except Refusal as refusal:
            raise refusal.at("batch") if number == 0 else _numbered(refusal, number) from None
        yield twin_pb2.StreamEventsResponse(request_id=request.batch.request_id, result=result)


def correct(rooms: Rooms, request: twin_pb2.CorrectEventRequest) -> twin_pb2.CorrectEventResponse:
    event = event_pb2.Event(
        id=request.event_id, time=request.time, source=request.source, correction=request.correction
    )
    done = _amend(rooms, request, event)
    return twin_pb2.CorrectEventResponse(
        receipt=done.receipts[0], timeline_revision=done.timeline_revision, belief_revision=done.belief_revision
    )


def retract(rooms: Rooms, request: twin_pb2.RetractEventRequest) -> twin_pb2.RetractEventResponse:
    event = event_pb2.Event(
        id=request.event_id, time=request.time, source=request.source, retraction=request.retraction
    )
    done = _amend(rooms, request, event)
    return twin_pb2.RetractEventResponse(
        receipt=done.receipts[0], timeline_revision=done.timeline_revision, belief_revision=done.belief_revision
    )


def list_(rooms: Rooms, request: twin_pb2.ListEventsRequest) -> twin_pb2.ListEventsResponse:
    """Events in clinical order; those said to have been wrong are listed too, marked."""
    name = allowed_name(request.name)
    low = translate.time_us(request.start_time, "start_time") if request.HasField("start_time") else None
    high = translate.time_us(request.end_time, "end_time") if request.HasField("end_time") else None
    question = ("events", str(name), low, high)
    size = paging.page_size(request.page_size, rooms.settings)
    start = int(paging.place(request.page_token, *question) or 0)
    row, stored = rooms.store.read(lambda c: (get_twin(c, name), read_events(c, name)))
    timeline = Timeline.of(s.event for s in stored)
    places = {s.event.id: s for s in stored}
    unchanged = {(e.id, e.payload) for e in timeline.effective}
    inside = [e for e in timeline.events if (low is None or e.time_us >= low) and (high is None or e.time_us < high)]
    response = twin_pb2.ListEventsResponse(timeline_revision=row.timeline_revision)
    for event in inside[start : start + size]:
        place = places[event.id]
        amendment = isinstance(event.payload, Correction | Retraction)
        response.events.append(
            event_pb2.RecordedEvent(
                event=translate.event_out(event),
                arrival_time=translate.stamp(event.arrival_us),
                timeline_revision=place.revision,
                chain_digest=place.chain_digest,
                canonical_value=translate.canonical_value(event.payload),
                in_force=amendment or (event.id, event.payload) in unchanged,
            )
        )
    if start + size < len(inside):
        response.next_page_token = paging.token(str(start + size), *question)
    return response


def _amend(
    rooms: Rooms, request: twin_pb2.CorrectEventRequest | twin_pb2.RetractEventRequest, event: event_pb2.Event
) -> twin_pb2.RecordEventsResponse:
    """A correction or retraction is recorded like any event; its field paths are those of its own request."""
    batch = twin_pb2.RecordEventsRequest(name=request.name, events=[event], request_id=request.request_id)
    try:
        return record(rooms, batch)
    except Refusal as refusal:
        path = (
            refusal.field.removeprefix("events[0].").replace("id", "event_id")
            if refusal.field == "events[0].id"
            else refusal.field.removeprefix("events[0].")
        )
        raise Refusal(
            refusal.code, refusal.message, field=path, reason=refusal.reason, details=refusal.details
        ) from None


def _check_batch(events: Iterable[event_pb2.Event], limit: int) -> None:
    seen: dict[str, bytes] = {}
    for i, event in enumerate(events):
        if i >= limit:
            raise Refusal(
                RefusalCode.TOO_MUCH,
                f"more than {limit} events in one batch; send several batches",
                field="events",
                reason="BATCH_TOO_LARGE",
            )
        content = event.SerializeToString(deterministic=True)
        if seen.setdefault(event.id, content) != content:
            raise Refusal(
                RefusalCode.INVALID,
                "two events of this batch have one id and say different things",
                field=f"events[{i}].id",
                reason="EVENT_ID_REUSED",
            )


def _response(events: list[Event], found: Appended, model: PatientModel) -> twin_pb2.RecordEventsResponse:
    response = twin_pb2.RecordEventsResponse(
        timeline_revision=found.twin.timeline_revision, belief_revision=found.twin.belief_revision
    )
    for event, revision, duplicate in zip(events, found.revisions, found.duplicates, strict=True):
        response.receipts.add(
            event_id=event.id,
            duplicate=duplicate,
            timeline_revision=revision,
            canonical_value=translate.canonical_value(event.payload),
            notes=_notes(event, model),
        )
    return response


def _notes(event: Event, model: PatientModel) -> list[str]:
    p = event.payload
    if isinstance(p, LabMeasured | ImageMeasured) and p.analyte not in model.observables:
        covariates = [c.name for c in model.covariates if c.name == p.analyte or c.name.startswith(f"{p.analyte}_")]
        return (
            [f"used as the characteristic {covariates[0]}"]
            if covariates
            else ["recorded, but no part of this twin's model predicts it"]
        )
    return []


class _DryRun(Exception):
    def __init__(self, response: twin_pb2.RecordEventsResponse) -> None:
        super().__init__()
        self.response = response


def _dry(
    rooms: Rooms, name: TwinName, work: Callable[[Connection], twin_pb2.RecordEventsResponse]
) -> twin_pb2.RecordEventsResponse:
    """Everything but the commit: the transaction is rolled back when its response is known."""

    def job(connection: Connection) -> twin_pb2.RecordEventsResponse:
        raise _DryRun(work(connection))

    try:
        return rooms.store.write(job)
    except _DryRun as done:
        return done.response


def _numbered(refusal: Refusal, number: int) -> Refusal:
    details = {**refusal.details, "batch_number": str(number)}
    return Refusal(
        refusal.code, refusal.message, field=f"batch.{refusal.field}", reason=refusal.reason, details=details
    )
