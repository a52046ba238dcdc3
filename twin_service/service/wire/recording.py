"""Batches of events on the wire: what is asked to be recorded, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import Correction, Event, ImageMeasured, LabMeasured, Retraction
from twin_service.record.timeline import Timeline
from twin_service.service.wire.event import canonical_value, event, event_out
from twin_service.service.wire.path import at, invalid
from twin_service.service.wire.quantity import stamp, time_us
from twin_service.service.wire.window import Window
from twin_service.store.repository import Appended, Stored
from twin_service.v1 import event_pb2
from twin_service.v1.twin_pb2 import (
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
)

__all__ = [
    "CorrectEventRequest",
    "CorrectEventResponse",
    "ListEventsRequest",
    "ListEventsResponse",
    "RecordEventsRequest",
    "RecordEventsResponse",
    "RetractEventRequest",
    "RetractEventResponse",
    "StreamEventsRequest",
    "StreamEventsResponse",
]


def check_batch(request: RecordEventsRequest, limit: int) -> None:
    """Refuses a batch that is too large, and one that says two things under one id."""
    seen: dict[str, bytes] = {}
    if len(request.events) > limit:
        said = f"more than {limit} events in one batch; send several batches"
        raise Refusal(RefusalCode.TOO_MUCH, said, field="events", reason="BATCH_TOO_LARGE")
    for i, one in enumerate(request.events):
        content = one.SerializeToString(deterministic=True)
        if seen.setdefault(one.id, content) != content:
            with at("events", i):
                raise invalid("two events of this batch have one id and say different things", "id", "EVENT_ID_REUSED")


def events_of(request: RecordEventsRequest, model: PatientModel, window: Window) -> list[Event]:
    found = []
    for i, one in enumerate(request.events):
        with at("events", i):
            found.append(event(one, model, window))
    return found


def recorded(events: Sequence[Event], found: Appended, model: PatientModel) -> RecordEventsResponse:
    response = RecordEventsResponse(
        timeline_revision=found.twin.timeline_revision, belief_revision=found.twin.belief_revision
    )
    for one, revision, duplicate in zip(events, found.revisions, found.duplicates, strict=True):
        response.receipts.add(
            event_id=one.id,
            duplicate=duplicate,
            timeline_revision=revision,
            canonical_value=canonical_value(one.payload),
            notes=_notes(one, model),
        )
    return response


def amendment_of(request: CorrectEventRequest | RetractEventRequest) -> RecordEventsRequest:
    """The event that the older RPCs wrap: a correction or a retraction is recorded like any other event."""
    made = event_pb2.Event(id=request.event_id, time=request.time, source=request.source)
    if isinstance(request, CorrectEventRequest):
        made.correction.CopyFrom(request.correction)
    else:
        made.retraction.CopyFrom(request.retraction)
    return RecordEventsRequest(name=request.name, events=[made], request_id=request.request_id)


def own_field(field: str) -> str:
    """A field of the wrapped event as a field of the request that wraps it."""
    inner = field.removeprefix("events[0].")
    return "event_id" if inner == "id" else inner


@dataclass(frozen=True)
class Listing:
    """Which events are wanted: those from `low_us` on and before `high_us`."""

    low_us: int | None
    high_us: int | None


def listing_of(request: ListEventsRequest) -> Listing:
    low = time_us(request.start_time, "start_time") if request.HasField("start_time") else None
    high = time_us(request.end_time, "end_time") if request.HasField("end_time") else None
    return Listing(low, high)


def within(events: Sequence[Event], wanted: Listing) -> list[Event]:
    low, high = wanted.low_us, wanted.high_us
    return [e for e in events if (low is None or e.time_us >= low) and (high is None or e.time_us < high)]


def listed(events: Sequence[Event], timeline: Timeline, places: dict[str, Stored]) -> list[event_pb2.RecordedEvent]:
    """Events with their places in the record; those said to have been wrong are listed too, marked."""
    unchanged = {(e.id, e.payload) for e in timeline.effective}
    return [
        event_pb2.RecordedEvent(
            event=event_out(e),
            arrival_time=stamp(e.arrival_us),
            timeline_revision=places[e.id].revision,
            chain_digest=places[e.id].chain_digest,
            canonical_value=canonical_value(e.payload),
            in_force=isinstance(e.payload, Correction | Retraction) or (e.id, e.payload) in unchanged,
        )
        for e in events
    ]


def _notes(one: Event, model: PatientModel) -> list[str]:
    p = one.payload
    if not isinstance(p, LabMeasured | ImageMeasured) or p.analyte in model.observables:
        return []
    used = [c.name for c in model.covariates if c.name == p.analyte or c.name.startswith(f"{p.analyte}_")]
    if used:
        return [f"used as the characteristic {used[0]}"]
    return ["recorded, but no part of this twin's model predicts it"]
