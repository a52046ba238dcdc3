"""RXA (given) and RXE (ordered) -> the FHIR resources that say the same. HL7 v2.5.1 chapter 4A."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twin_client.ehr.hl7v2.message import Message, Segment
from twin_client.ehr.hl7v2.results import Said, concept, identity, order_of, unit_of
from twin_client.ehr.hl7v2.times import Clock
from twin_client.ehr.reading import HoldError

# Table 0322, completion status, and table 0323, action: what is given, what is not, what takes it back
COMPLETE, NOT_GIVEN = ("CP", ""), ("RE", "NA")
UNKNOWN_AMOUNT = ("999", "0")
TIMES_A_DAY = {"QD": 1, "BID": 2, "TID": 3, "QID": 4}


def administrations(message: Message, clock: Clock) -> Iterator[Said]:
    """Every RXA of the message with its order and its route."""
    order: Segment | None = None
    for k, segment in enumerate(message.segments):
        if segment.name == "ORC":
            order = segment
        elif segment.name == "RXA":
            route = next((s for s in _until(message.segments[k + 1 :]) if s.name == "RXR"), None)
            try:
                yield _given(segment, order, route, message.header, clock)
            except HoldError as hold:
                yield Said(segment.place, hold=hold)


def orders(message: Message, clock: Clock) -> Iterator[Said]:
    """Every RXE of the message with its timing (TQ1) and its route; whether it is a dose the reader decides."""
    order: Segment | None = None
    timing: Segment | None = None
    for k, segment in enumerate(message.segments):
        if segment.name == "ORC":
            order, timing = segment, None
        elif segment.name == "TQ1":
            timing = segment
        elif segment.name == "RXE":
            group = list(_until(message.segments[k + 1 :]))
            route = next((s for s in group if s.name == "RXR"), None)
            timing = next((s for s in group if s.name == "TQ1"), timing)
            try:
                yield _ordered(segment, order, timing, route, message.header, clock)
            except HoldError as hold:
                yield Said(segment.place, hold=hold)


def _until(segments: tuple[Segment, ...]) -> Iterator[Segment]:
    """The segments that belong to the one before: up to the next order or the next drug."""
    for segment in segments:
        if segment.name in ("ORC", "RXA", "RXE"):
            return
        yield segment


def _given(rxa: Segment, order: Segment | None, route: Segment | None, header: Segment, clock: Clock) -> Said:
    done, action = rxa.text(20), rxa.text(21)
    start = clock.instant(rxa.text(3), "RXA-3")
    end = clock.instant(rxa.text(4), "RXA-4") if rxa.text(4) else start
    issued = clock.instant(header.text(7), "MSH-7")
    drug = concept(rxa, 5)
    key = drug["coding"][0]["code"] if drug["coding"] else drug.get("text", "")
    resource: dict[str, Any] = {
        "resourceType": "MedicationAdministration",
        "id": identity("RXA", order_of(order), key, rxa.text(2), start.isoformat()),
        "status": "completed",
        "medicationCodeableConcept": drug,
        "meta": {"lastUpdated": issued.isoformat()},
    }
    if end > start:
        resource["effectivePeriod"] = {"start": start.isoformat(), "end": end.isoformat()}
    else:
        resource["effectiveDateTime"] = start.isoformat()
    if action == "D":
        return Said(rxa.place, resource | {"status": "entered-in-error"}, issued)
    if done in NOT_GIVEN and done:
        return Said(rxa.place, resource | {"status": "not-done"}, issued)
    if done not in COMPLETE:
        raise HoldError(f'RXA-20 says "{done}": the dose may not all have been given', "send the amount that was given")
    amount, note = _amount(rxa, 6, 7)
    resource["dosage"] = {"dose": amount} | ({"route": concept(route, 1)} if route is not None else {})
    return Said(rxa.place, resource, issued, note, action == "U")


def _ordered(
    rxe: Segment, order: Segment | None, timing: Segment | None, route: Segment | None, header: Segment, clock: Clock
) -> Said:
    if order is None or order.text(1) not in ("NW", "RE", "XO", "OK", "SN"):
        raise HoldError(f'ORC-1 says "{order.text(1) if order else ""}"', "only new and changed orders are read")
    if timing is None:
        raise HoldError("the order has no TQ1", "send TQ1 with how often, from when and until when")
    issued = clock.instant(header.text(7), "MSH-7")
    drug = concept(rxe, 2)
    amount, note = _amount(rxe, 3, 5)
    if rxe.text(4) and rxe.text(4) != rxe.text(3):
        raise HoldError("RXE-3 and RXE-4 leave a range", "send one amount, or the administrations")
    key = drug["coding"][0]["code"] if drug["coding"] else drug.get("text", "")
    instruction: dict[str, Any] = {
        "timing": {"repeat": _repeat(timing, clock)},
        "doseAndRate": [{"doseQuantity": amount}],
    }
    if route is not None:
        instruction["route"] = concept(route, 1)
    resource = {
        "resourceType": "MedicationRequest",
        "id": identity("RXE", order_of(order), key, timing.text(7)),
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": drug,
        "dosageInstruction": [instruction],
        "meta": {"lastUpdated": issued.isoformat()},
    }
    return Said(rxe.place, resource, issued, note)


def _repeat(timing: Segment, clock: Clock) -> dict[str, Any]:
    """TQ1-3 as frequency and period: QxH, or so many times a day (table 0335)."""
    code = timing.text(3).upper()
    bounds = {"start": clock.instant(timing.text(7), "TQ1-7").isoformat()}
    if timing.text(8):
        bounds["end"] = clock.instant(timing.text(8), "TQ1-8").isoformat()
    found: dict[str, Any] = {"boundsPeriod": bounds}
    if timing.text(14).isdigit():
        found["count"] = int(timing.text(14))
    if code in TIMES_A_DAY:
        return found | {"frequency": TIMES_A_DAY[code], "period": 1, "periodUnit": "d"}
    if code[:1] == "Q" and code[-1:] == "H" and code[1:-1].isdigit() and int(code[1:-1]) > 0:
        return found | {"frequency": 1, "period": int(code[1:-1]), "periodUnit": "h"}
    raise HoldError(f'TQ1-3 says "{code[:20]}"', f"send QnH or one of {', '.join(TIMES_A_DAY)}")


def _amount(segment: Segment, field: int, units: int) -> tuple[dict[str, Any], str]:
    text = segment.text(field)
    try:
        value = float(text)
    except ValueError:
        raise HoldError(f"{segment.name}-{field} is no number", "send the amount that was given") from None
    if text in UNKNOWN_AMOUNT:
        raise HoldError(f"{segment.name}-{field} says that the amount is not known", "send the amount that was given")
    unit, note = unit_of(segment, units)
    return unit | {"value": value}, note
