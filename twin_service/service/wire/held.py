"""Held events on the wire, and why they are held as the store keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from twin_service.model.plausibility import Judgement, Slip
from twin_service.record.events import Correction, DoseGiven, Event
from twin_service.service.wire.event import event_out
from twin_service.service.wire.quantity import number, stamp
from twin_service.store.held import HeldRow, Waits
from twin_service.v1 import twin_pb2
from twin_service.v1.twin_pb2 import (
    HeldEvent,
    ListHeldEventsRequest,
    ListHeldEventsResponse,
    WithdrawHeldEventRequest,
    WithdrawHeldEventResponse,
)

__all__ = ["ListHeldEventsRequest", "ListHeldEventsResponse", "WithdrawHeldEventRequest", "WithdrawHeldEventResponse"]

SAID_TWICE, BAD_DOSE, BAD_VALUE, WITHDRAWN = ("LIKELY_DUPLICATE", "IMPLAUSIBLE_DOSE", "IMPLAUSIBLE_VALUE", "WITHDRAWN")
# What would release an event that is held; anything else must be changed before it is sent again.
RELEASE = {
    SAID_TWICE: "leave it out, or withdraw it; or, if both are true, send it again with confirm",
    BAD_DOSE: "correct the amount or its unit; or, if it is true, send it again with confirm",
    BAD_VALUE: "correct the value or its unit; or, if it is true, send it again with confirm",
    WITHDRAWN: "it was withdrawn; if it is true, send it again with confirm",
    "NO_SUCH_ROUTE": "correct the route; or update the twin to a model that takes it, then send it again",
}
TOLD_MAX = 10


def why_held(event: Event, judged: Judgement) -> bytes:
    """Why an event is held, as the store keeps it."""
    payload = event.payload.replacement if isinstance(event.payload, Correction) else event.payload
    reasons = list(judged.reasons)
    faults = []
    if judged.duplicate_of:
        faults.append([SAID_TWICE, reasons.pop()])
    if reasons:
        faults.insert(0, [BAD_DOSE if isinstance(payload, DoseGiven) else BAD_VALUE, "; ".join(reasons)])
    slips = [[s.name, s.factor, s.rate, s.meant, s.odds] for s in judged.slips]
    said = {"faults": faults, "duplicate_of": judged.duplicate_of, "slips": slips}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def tell_held(told: twin_pb2.EventReceipt | HeldEvent, row: HeldRow) -> None:
    """Say in a receipt or a list why `row` is held."""
    said = json.loads(row.said)
    if row.state == Waits.WITHDRAWN:
        message = "it was held and withdrawn"
        told.faults.add(reason=WITHDRAWN, message=message, release=RELEASE[WITHDRAWN])
    for reason, message in said["faults"]:
        told.faults.add(reason=reason, message=message, release=RELEASE[reason])
    told.duplicate_of = said["duplicate_of"]
    told.slips.extend(slips_out(Slip(*s) for s in said["slips"]))


def slips_out(slips: Iterable[Slip]) -> list[twin_pb2.LikelySlip]:
    return [
        twin_pb2.LikelySlip(name=s.name, factor=s.factor, meant=number(s.meant), odds=number(s.odds)) for s in slips
    ]


def held_out(row: HeldRow) -> HeldEvent:
    told = HeldEvent(event=event_out(row.event), arrival_time=stamp(row.arrival_us))
    tell_held(told, row)
    return told


def held_warnings(rows: Sequence[HeldRow]) -> list[str]:
    """A sentence for each event that an answer does not count because it is held."""
    found = []
    for row in rows[:TOLD_MAX]:
        faults = json.loads(row.said)["faults"]
        found.append(f"held until confirmed, not counted: {row.event.payload.kind} {row.event_id}: {faults[0][1]}")
    if len(rows) > TOLD_MAX:
        found.append(f"and {len(rows) - TOLD_MAX} more events are held and not counted; see ListHeldEvents")
    return found
