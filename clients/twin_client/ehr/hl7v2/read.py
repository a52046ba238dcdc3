"""A message of the ward -> events of one patient. ORU results, RAS administrations, RDE orders, ADT characteristics.

Times without offset are in the site's zone, else in that of MSH-7. Age and sex hold from the first of the month of what
the message says, so that messages in any order say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from twin_client.ehr.fhir import DAYS_A_YEAR
from twin_client.ehr.fields import withdrawal
from twin_client.ehr.hl7v2.drugs import administrations, orders
from twin_client.ehr.hl7v2.message import EVENT, KEY, PROCESSING, UNSUPPORTED, VERSION, Message, RejectedError, Segment
from twin_client.ehr.hl7v2.results import Said, results
from twin_client.ehr.hl7v2.times import Clock, offset_of
from twin_client.ehr.identity import patient_id
from twin_client.ehr.ingest import Options
from twin_client.ehr.medications import Orders, read_administration, read_request, withdrawn_administration
from twin_client.ehr.observations import read_observation
from twin_client.ehr.reading import Held, HoldError, Note, Origin
from twin_client.ehr.references import Index
from twin_client.events import covariate, quantity
from twin_service.v1 import event_pb2

SOURCE = "hl7v2"
READ = {"ORU": ("R01", "R30", "R31", "R32"), "RAS": ("O17",), "RDE": ("O11", "O25"), "ADT": ()}
ADT_OTHER_PATIENT = (
    "A18",
    "A23",
    "A24",
    "A29",
    "A30",
    "A34",
    "A35",
    "A36",
    "A37",
    "A39",
    "A40",
    "A41",
    "A42",
    "A43",
    "A47",
)
PROCESSED = "P"


@dataclass(frozen=True)
class Letter:
    """What one message says: whose it is, events, what was held and why, what was assumed, which segment said what."""

    patient: str
    events: tuple[event_pb2.Event, ...]
    origins: dict[str, Origin]
    held: tuple[Held, ...] = ()
    notes: tuple[Note, ...] = ()
    places: dict[str, str] = field(default_factory=dict)


def check_header(message: Message, *, accept_tests: bool = False) -> str:
    """The type of the message. Raises RejectedError for one that this listener does not read."""
    header = message.header
    kind, event, version = header.text(9, 1), header.text(9, 2), header.text(12)
    if not header.text(10):
        raise RejectedError(("101", "Required field missing"), "the message has no control id", "MSH-10")
    if not version.startswith("2."):
        raise RejectedError(VERSION, f"version {version[:10]!r} is not read; send 2.3 to 2.8", "MSH-12")
    if header.text(11) != PROCESSED and not accept_tests:
        said = f"processing id {header.text(11)[:3]!r}: only production messages are read"
        raise RejectedError(PROCESSING, said, "MSH-11")
    if kind not in READ:
        raise RejectedError(UNSUPPORTED, f"{kind[:7]!r} is not read; send {', '.join(sorted(READ))}", "MSH-9")
    if READ[kind] and event not in READ[kind]:
        raise RejectedError(EVENT, f"{kind} {event[:7]!r} is not read; send {', '.join(READ[kind])}", "MSH-9")
    return kind


def read_message(message: Message, options: Options) -> Letter:
    """Events of one message whose header is in order. Raises RejectedError where its patient is not known."""
    site, header = options.site, message.header
    clock = Clock(site.zone, offset_of(header.text(7)))
    patient = _patient(message, options)
    kind, event = header.text(9, 1), header.text(9, 2)
    if kind == "ADT" and event in ADT_OTHER_PATIENT:
        hold = Held("MSH-9", f"ADT {event} is about which patient is which", "merge or retract by hand, on the twin")
        return Letter(patient, (), {}, (hold,))
    said = {"RAS": administrations, "RDE": orders}.get(kind, results)(message, clock)
    letter = _read(patient, list(said), options)
    pid = message.first("PID")
    try:
        now = clock.instant(header.text(7), "MSH-7")
        about = _characteristics(pid, letter.events, now) if pid is not None else []
    except HoldError as hold:
        return replace(letter, held=(*letter.held, Held("PID", hold.reason, hold.remedy)))
    origins = letter.origins | {e.id: Origin(0, now) for e in about}
    return replace(letter, events=(*about, *letter.events), origins=origins)


def _patient(message: Message, options: Options) -> str:
    """The id of the twin: the identifier of the site's authority, else the only one, else the one of type MR."""
    pid = message.first("PID")
    if pid is None:
        raise RejectedError(KEY, "the message names no patient", "PID")
    found = [
        (pid.text(3, 1, repetition=k), pid.text(3, 4, repetition=k), pid.text(3, 5, repetition=k))
        for k in range(pid.count(3))
    ]
    if options.site.authority:
        found = [f for f in found if f[1] == options.site.authority]
    elif len(found) > 1:
        found = [f for f in found if f[2] == "MR"]
    if len(found) != 1 or not found[0][0]:
        said = "PID-3 does not say which identifier names the patient; say authority under [patient] of the site map"
        raise RejectedError(KEY, said, "PID-3")
    return patient_id(found[0][0])


def _read(patient: str, said: list[Said], options: Options) -> Letter:
    how = Orders(options.trust_requests, options.site.zone, Index.of([]), [], options.site)
    events: list[event_pb2.Event] = []
    origins: dict[str, Origin] = {}
    held: list[Held] = []
    notes: list[Note] = []
    places: dict[str, str] = {}
    for one in _told_apart(said):
        try:
            own = _events(one, how)
        except HoldError as hold:
            held.append(Held(one.place, hold.reason, hold.remedy))
            continue
        notes += [Note(one.place, one.note)] if one.note and own else []
        notes += [Note(one.place, n.said) for n in how.notes]
        how.notes.clear()
        for e in own:
            e.source = SOURCE
            if e.HasField("retraction"):  # said again later is said again: the last word counts
                e.id = f"{e.id}/{e.time.ToSeconds()}"
            origins[e.id] = Origin(0, one.issued, one.corrects)
            places[e.id] = one.place
        events += own
    return Letter(patient, tuple(events), origins, tuple(held), tuple(notes), places)


def _told_apart(said: Iterable[Said]) -> Iterator[Said]:
    """Two different results under one name cannot be told apart later: both are held. The same twice is one."""
    found = list(said)
    names: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        if one.resource is not None:
            same = names.setdefault(one.resource["id"], [])
            if one.resource not in same:
                same.append(one.resource)
    for one in found:
        if one.resource is not None and len(names[one.resource["id"]]) > 1:
            hold = HoldError("two results under one order, code, sub-id and time", "tell them apart by OBX-4")
            yield Said(one.place, hold=hold)
        else:
            yield one


def _events(one: Said, how: Orders) -> list[event_pb2.Event]:
    if one.hold is not None:
        raise one.hold
    resource = one.resource
    assert resource is not None
    kind, is_wrong = resource["resourceType"], resource["status"] == "entered-in-error"
    if kind == "Observation":
        name = f"Observation/{resource['id']}"
        return [withdrawal(resource, name)] if is_wrong else read_observation(resource, how.site)
    if kind == "MedicationAdministration":
        if how.trusted:
            said = "orders are read as doses, and what was given under them would count twice"
            raise HoldError(said, "read without trust_requests, or send no administrations")
        return withdrawn_administration(resource, how) if is_wrong else read_administration(resource, how)
    return read_request(resource, how)


def _characteristics(pid: Segment, events: Iterable[event_pb2.Event], now: datetime) -> list[event_pb2.Event]:
    """Age and sex from the first of each month in which the message says something; of one without, its own month."""
    months = sorted({_month(e.time.ToDatetime(tzinfo=UTC)) for e in events if not e.HasField("retraction")})
    born, sex = pid.text(7)[:8], {"F": 1.0, "M": 0.0}.get(pid.text(8))
    found = []
    for month in months or [_month(now.astimezone(UTC))]:
        label = f"{month:%Y-%m}"
        if len(born) == 8 and born.isdigit() and "0000" < born[4:]:
            try:
                age = max((month.date() - date(int(born[:4]), int(born[4:6]), int(born[6:]))).days / DAYS_A_YEAR, 0.0)
            except ValueError:
                raise HoldError("PID-7 is no date of the calendar", "correct it") from None
            found.append(covariate(f"hl7v2/age_y/{label}", month, "age_y", quantity(round(age, 3), "a"), source=SOURCE))
        if sex is not None:
            found.append(covariate(f"hl7v2/sex_female/{label}", month, "sex_female", quantity(sex, "1"), source=SOURCE))
    return found


def _month(when: datetime) -> datetime:
    return when.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
