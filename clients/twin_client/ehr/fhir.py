"""Read a FHIR R4 bundle into events. R4B models check R4; a resource that is not valid is held, not the bundle."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twin_client.ehr.elements import check_elements
from twin_client.ehr.fields import SOURCE, Body, event_id, partial_date
from twin_client.ehr.ledger import Ledger, body_of, held_of, resource_name
from twin_client.ehr.lesions import read_lesions
from twin_client.ehr.medications import (
    Orders,
    read_administration,
    read_request,
    withdrawn_administration,
    withdrawn_request,
)
from twin_client.ehr.observations import is_lesion, read_observation, withdrawn_observation
from twin_client.ehr.reading import Held, HoldError, Patient, Reading
from twin_client.ehr.references import Index
from twin_client.ehr.site import Site
from twin_client.events import covariate, quantity
from twin_service.v1 import event_pb2

READ = {"Patient", "Observation", "MedicationAdministration", "MedicationRequest", "Medication"}
DAYS_A_YEAR = 365.25


def read_bundle(
    bundle: str | bytes | dict[str, Any],
    *,
    trust_requests: bool = False,
    target_lesions: Collection[str] = (),
    zone: str = "",
    site: Site | None = None,
) -> Reading:
    """Events of `bundle` (JSON text or parsed), in clinical order, with everything held and why.

    trust_requests   orders are taken as given, dose by dose, where no administration says what was given
    target_lesions   the lesions chosen at baseline, as `lesions.read_lesions` names them; without them none is summed
    zone             the patient's time zone (IANA, "Europe/Berlin"), in which an order's times of day are
    site             the words of this hospital (`site.read_site`); its zone counts where none is given

    Raises ValueError when it is no FHIR bundle at all, or one of several patients, or the zone is unknown.
    """
    entries, known = _entries(bundle), site or Site()
    place, ledger = _zone(zone) or known.zone, Ledger(entries)
    resources = list(_valid(entries, ledger))
    patients = [r for r in resources if r["resourceType"] == "Patient"]
    if len(patients) > 1:
        raise ValueError(f"{len(patients)} patients in one bundle; a twin is of one: send one bundle for each")
    index = Index.of(entries)
    resources = _once(_of_one_patient(resources, _names(patients, entries), ledger), ledger)
    given = [r for r in resources if r["resourceType"] == "MedicationAdministration"]
    orders = Orders(trust_requests, place, index, given, known)
    lesions = [r for r in resources if is_lesion(r)]
    events = list(_read([r for r in resources if not is_lesion(r)], orders, ledger))
    sums, unread = read_lesions(lesions, target_lesions)
    ledger.lesions(lesions, unread)
    clinical = sorted([*events, *sums], key=lambda e: (e.time.ToNanoseconds(), e.id))
    person = _patient(patients[0]) if patients else None
    ignored = Counter(str(body.get("resourceType", "none")) for body in map(body_of, entries) if body is not None)
    return Reading(
        person,
        tuple([*_characteristics(patients[:1], person, clinical, ledger.held), *clinical]),
        tuple(ledger.held),
        {k: n for k, n in ignored.items() if k not in READ},
        tuple(orders.notes),
        tuple(ledger.marks),
        ledger.origins,
    )


def _read(resources: Iterable[Body], orders: Orders, ledger: Ledger) -> Iterator[event_pb2.Event]:
    """Events of `resources`; what becomes of each is written in the ledger."""
    for r in resources:
        try:
            events = _events(r, orders)
        except HoldError as hold:
            ledger.hold(r, hold)
            continue
        ledger.took(r, events, is_context=r["resourceType"] in ("Patient", "Medication"))
        yield from events


def _entries(bundle: str | bytes | dict[str, Any]) -> list[Any]:
    raw = json.loads(bundle) if isinstance(bundle, str | bytes) else bundle
    if not isinstance(raw, dict) or raw.get("resourceType") != "Bundle":
        raise ValueError('not a FHIR bundle: expected an object with resourceType "Bundle"')
    entries = raw.get("entry") or []
    if not isinstance(entries, list):
        raise ValueError("not a FHIR bundle: entry is not a list")
    return entries


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"zone {name!r} is unknown; give an IANA name, e.g. Europe/Berlin") from None


def _valid(entries: Iterable[Any], ledger: Ledger) -> Iterable[dict[str, Any]]:
    """Resources of the kinds that are read and that are FHIR; the others are held."""
    from fhir.resources.R4B import get_fhir_model_class

    for i, entry in enumerate(entries):
        body = body_of(entry)
        if body is None:
            ledger.hold_entry(i, "", "it holds no resource that is an object", "correct the entry")
            continue
        kind = str(body.get("resourceType"))
        if kind not in READ:
            ledger.marks[i] = "ignored"
            continue
        if body.get("implicitRules"):
            ledger.hold_entry(i, kind, "it follows rules of its own (implicitRules)", "send it without")
            continue
        try:
            get_fhir_model_class(kind).model_validate(_plain(body))
            yield body
        except ValueError as error:
            ledger.hold_entry(i, kind, f"it is not valid FHIR R4: {_brief(error)}", "correct the resource")


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """The resource as the models take it: they refuse a modifier extension in places where FHIR allows one."""
    return {k: v for k, v in body.items() if k != "modifierExtension"}


def _names(patients: list[dict[str, Any]], entries: list[Any]) -> set[str]:
    """What a reference to the bundle's patient may say: type and id, or the full address of the entry."""
    if not patients:
        return set()
    own = [e for e in entries if (body_of(e) or {}).get("resourceType") == "Patient"]
    return {f"Patient/{patients[0].get('id')}"} | {str(e["fullUrl"]) for e in own if e.get("fullUrl")}


def _of_one_patient(resources: list[dict[str, Any]], names: set[str], ledger: Ledger) -> list[dict[str, Any]]:
    """The resources about the bundle's patient; those about someone else, or nobody knows whom, are held.

    Without a Patient resource all must name one subject. A resource without subject is taken to be the bundle's.
    """
    about = [_subject(r) for r in resources]
    said = {s for s in about if s is not None}
    if not names and len(said) > 1:
        raise ValueError(f"{len(said)} subjects in one bundle; a twin is of one: send one bundle for each")
    kept = []
    for r, subject in zip(resources, about, strict=True):
        if subject is None or not names or subject in names or _relative(subject) in names:
            kept.append(r)
        else:
            remedy = "send each patient's resources in a bundle with that Patient"
            ledger.hold(r, HoldError("its subject is not the bundle's patient", remedy))
    return kept


def _once(resources: list[dict[str, Any]], ledger: Ledger) -> list[dict[str, Any]]:
    """Each resource once: the same sent twice is one; one id with two contents is the one updated last, or held."""
    found: dict[str, dict[str, Any]] = {}
    torn: dict[str, HoldError] = {}
    for k, r in enumerate(resources):
        name = resource_name(r) if r.get("id") else f"{k}"
        other = found.setdefault(name, r)
        if other is r:
            continue
        ages = [str((x.get("meta") or {}).get("lastUpdated") or "") for x in (other, r)]
        if other != r and (not all(ages) or ages[0] == ages[1]):
            torn[name] = HoldError("it stands twice with different contents", "send meta.lastUpdated, or one of them")
        newer = other != r and name not in torn and datetime.fromisoformat(ages[1]) > datetime.fromisoformat(ages[0])
        ledger.mark(other if newer else r, "repeated")
        if newer:
            found[name] = r
    for name in sorted(torn):
        ledger.hold(found.pop(name), torn[name])
    return list(found.values())


def _subject(resource: Body) -> str | None:
    """Whom the resource is about: the reference without its version, "" when it says so otherwise, None when not."""
    subject = resource.get("subject")
    return None if subject is None else str(subject.get("reference") or "").split("/_history/")[0]


def _relative(reference: str) -> str:
    return "/".join(reference.split("/")[-2:])


def _brief(error: ValueError) -> str:
    """Where the first fault lies, without the value: values may identify a patient."""
    faults: list[dict[str, Any]] = getattr(error, "errors", list)()
    return "; ".join(".".join(map(str, f["loc"])) + ": " + str(f["type"]) for f in faults[:3]) or "unreadable"


def _events(r: Body, orders: Orders) -> list[event_pb2.Event]:
    kind = r["resourceType"]
    if kind in ("Patient", "Medication"):
        return []
    if r.get("status") == "entered-in-error":
        return _withdrawn(r, orders)
    if kind == "Observation":
        return read_observation(r, orders.site)
    if kind == "MedicationAdministration":
        return read_administration(r, orders)
    return read_request(r, orders)


def _withdrawn(r: Body, orders: Orders) -> list[event_pb2.Event]:
    """An entry made in error withdraws every event it once was; lesions are withdrawn with the sum of their day."""
    if r["resourceType"] == "Observation":
        return withdrawn_observation(r)
    if r["resourceType"] == "MedicationRequest":
        return withdrawn_request(r, orders)
    return withdrawn_administration(r, orders)


def _patient(r: Body) -> Patient:
    female = {"female": True, "male": False}.get(str(r.get("gender")))
    born, year = partial_date(r.get("birthDate"))
    return Patient(str(r.get("id")), born, female, year)


def _characteristics(
    patients: Sequence[Body], person: Patient | None, clinical: Sequence[event_pb2.Event], held: list[Held]
) -> list[event_pb2.Event]:
    """Age and sex as covariates from the start of the bundle's first day on; what is not known is held.

    The day is part of the id, so that the same bundle says the same again and a later one adds an older age.
    """
    if person is None or not clinical:
        return []
    patient = patients[0]
    try:
        check_elements(patient)
    except HoldError as hold:
        held.append(held_of(patient, hold))
        return []
    day = clinical[0].time.ToDatetime(tzinfo=UTC).date()
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    events = []
    if person.birth_date is not None:
        age = _age_y(person.birth_date, day)
        events.append(covariate(event_id(patient, f"age_y/{day}"), start, "age_y", quantity(age, "a"), source=SOURCE))
    else:
        said = f"birthDate says only {patient['birthDate']}" if patient.get("birthDate") else "birthDate is missing"
        held.append(Held(resource_name(patient), f"{said}: the age is not known", "send the whole date of birth"))
    if person.female is not None:
        sex = quantity(1.0 if person.female else 0.0, "1")
        events.append(covariate(event_id(patient, f"sex_female/{day}"), start, "sex_female", sex, source=SOURCE))
    else:
        held.append(Held(resource_name(patient), "its gender is not male or female", "record sex_female by hand"))
    return events


def _age_y(born: date, day: date) -> float:
    return round(max((day - born) / timedelta(days=DAYS_A_YEAR), 0.0), 3)
