"""Batches of events on the wire: what is asked to be recorded, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin_service.model.plausibility import Judgement
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode, Refusals
from twin_service.record.events import Correction, DoseGiven, Event, ImageMeasured, LabMeasured, Retraction
from twin_service.record.timeline import Timeline
from twin_service.service.wire.event import canonical_value, event, event_out
from twin_service.service.wire.held import RELEASE, slips_out, tell_held
from twin_service.service.wire.path import Faults, at, invalid
from twin_service.service.wire.quantity import stamp, time_us
from twin_service.service.wire.window import AcceptedTimes
from twin_service.store.append import Appended, id_reused
from twin_service.store.held import HeldRow
from twin_service.store.repository import Stored
from twin_service.twin.reading import is_modelled
from twin_service.v1 import event_pb2, twin_pb2
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


HELD = twin_pb2.EVENT_STATE_HELD
REFUSED = twin_pb2.EVENT_STATE_REFUSED
TAKEN = twin_pb2.EVENT_STATE_TAKEN


@dataclass(frozen=True)
class Batch:
    """Events as far as they can be read. `faults` are by place in the request; `events` has None in their places."""

    events: tuple[Event | None, ...]
    ids: tuple[str, ...]
    faults: dict[int, tuple[Refusal, ...]]
    confirmed: frozenset[int]
    possible: bool


def check_size(request: RecordEventsRequest, limit: int) -> None:
    if len(request.events) > limit:
        said = f"more than {limit} events in one batch; send several batches"
        raise Refusal(RefusalCode.TOO_MUCH, said, field="events", reason="BATCH_TOO_LARGE")


def batch_of(request: RecordEventsRequest, model: PatientModel, window: AcceptedTimes) -> Batch:
    """Every event read, every fault gathered. Raises Refusal with all faults unless what can be taken is asked for."""
    possible = request.acceptance == twin_pb2.ACCEPTANCE_POSSIBLE
    seen: dict[str, bytes] = {}
    events: list[Event | None] = []
    found: dict[int, tuple[Refusal, ...]] = {}
    for i, one in enumerate(request.events):
        faults = Faults()
        events.append(None)
        with faults:
            _check_id(one, seen)
        with faults:
            events[i] = event(one, model, window, lenient=possible)
        if faults.found:
            found[i], events[i] = faults.found, None
    if found and not possible:
        raise _all_faults(found)
    confirmed = frozenset(i for i, one in enumerate(request.events) if one.confirm)
    return Batch(tuple(events), tuple(e.id for e in request.events), found, confirmed, possible)


def _check_id(one: event_pb2.Event, seen: dict[str, bytes]) -> None:
    content = one.SerializeToString(deterministic=True)
    if seen.setdefault(one.id, content) != content:
        raise invalid("two events of this batch have one id and say different things", "id", "EVENT_ID_REUSED")


def _all_faults(found: dict[int, tuple[Refusal, ...]]) -> Refusal:
    gathered = Faults()
    for i, faults in found.items():
        for fault in faults:
            with gathered, at("events", i):
                raise fault
    return Refusals(gathered.found) if len(gathered.found) > 1 else gathered.found[0]


@dataclass(frozen=True)
class Recorded:
    """What became of a batch: `taken` are the places handed to the store, in the order of `found`."""

    taken: Sequence[int]
    found: Appended
    held: Mapping[int, HeldRow]
    judged: Mapping[int, Judgement]


def recorded(batch: Batch, outcome: Recorded, model: PatientModel) -> RecordEventsResponse:
    """A receipt for each event of the request."""
    found = outcome.found
    response = RecordEventsResponse(
        timeline_revision=found.twin.timeline_revision, belief_revision=found.twin.belief_revision
    )
    placed = dict(zip(outcome.taken, zip(found.revisions, found.duplicates, strict=True), strict=True))
    reused = {outcome.taken[k] for k in found.reused}
    for i, one in enumerate(batch.events):
        receipt = response.receipts.add(event_id=batch.ids[i])
        if one is None:
            _told(receipt, batch.faults[i])
        elif i in reused:
            _told(receipt, (id_reused("id"),))
        elif i in outcome.held:
            receipt.state = HELD
            tell_held(receipt, outcome.held[i])
        else:
            _taken(receipt, one, placed[i], model)
            _warned(receipt, outcome.judged.get(i))
    return response


def _warned(receipt: twin_pb2.EventReceipt, judged: Judgement | None) -> None:
    """What is unusual about an event that was taken, confirmed or not."""
    if judged is not None:
        receipt.warnings.extend(judged.reasons)
        receipt.slips.extend(slips_out(judged.slips))
        receipt.duplicate_of = judged.duplicate_of


def _told(receipt: twin_pb2.EventReceipt, faults: Sequence[Refusal]) -> None:
    releases = [RELEASE.get(f.reason, "") for f in faults]
    receipt.state = HELD if all(releases) else REFUSED
    for f, release in zip(faults, releases, strict=True):
        receipt.faults.add(field=f.field, reason=f.reason, message=f.message, release=release)


def _taken(receipt: twin_pb2.EventReceipt, one: Event, placed: tuple[int, bool], model: PatientModel) -> None:
    receipt.state = TAKEN
    receipt.timeline_revision, receipt.duplicate = placed
    canonical = canonical_value(one.payload)
    if canonical is not None:
        receipt.canonical_value.CopyFrom(canonical)
    notes = _notes(one, model)
    receipt.notes.extend(notes)
    receipt.not_modelled = UNPREDICTED in notes or CO_MEDICATION in notes


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


UNPREDICTED = "recorded, but no part of this twin's model predicts it"
CO_MEDICATION = "recorded as a co-medication: no part of this twin's model takes this drug"


def _notes(one: Event, model: PatientModel) -> list[str]:
    p = one.payload
    if isinstance(p, DoseGiven):
        return [] if is_modelled(model, p) else [CO_MEDICATION]
    if not isinstance(p, LabMeasured | ImageMeasured) or p.analyte in model.observables:
        return []
    used = [c.name for c in model.covariates if c.name == p.analyte or c.name.startswith(f"{p.analyte}_")]
    return [f"used as the characteristic {used[0]}"] if used else [UNPREDICTED]
