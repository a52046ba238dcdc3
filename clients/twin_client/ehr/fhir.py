"""Read a FHIR R4 bundle into events. R4B models parse R4; a resource that does not parse is held, not the bundle."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from twin_client.ehr.fields import event_id, withdrawal
from twin_client.ehr.lesions import read_lesions
from twin_client.ehr.medications import read_administration, read_request, withdrawn_request
from twin_client.ehr.observations import is_lesion, read_observation, withdrawn_observation
from twin_client.ehr.reading import Held, HoldError, Patient, Reading
from twin_service.v1 import event_pb2

READ = {"Patient", "Observation", "MedicationAdministration", "MedicationRequest", "Medication"}


def read_bundle(
    bundle: str | bytes | dict[str, Any], *, trust_requests: bool = False, target_lesions: Collection[str] = ()
) -> Reading:
    """Events of `bundle` (JSON text or parsed), in clinical order, with everything held and why.

    trust_requests   orders are taken as given, dose by dose
    target_lesions   the lesions chosen at baseline, as `lesions.read_lesions` names them; without them none is summed

    Raises ValueError when it is no FHIR bundle at all, or one of several patients.
    """
    raw = json.loads(bundle) if isinstance(bundle, str | bytes) else bundle
    if not isinstance(raw, dict) or raw.get("resourceType") != "Bundle":
        raise ValueError('not a FHIR bundle: expected an object with resourceType "Bundle"')
    entries = raw.get("entry") or []
    if not isinstance(entries, list):
        raise ValueError("not a FHIR bundle: entry is not a list")
    held: list[Held] = []
    resources = list(_parsed(entries, held))
    medications = {str(r.id): r for r in resources if r.get_resource_type() == "Medication"}
    medications |= {f"Medication/{k}": v for k, v in medications.items()}
    patients = [r for r in resources if r.get_resource_type() == "Patient"]
    if len(patients) > 1:
        raise ValueError(f"{len(patients)} patients in one bundle; a twin is of one: send one bundle for each")
    resources = list(_of_one_patient(resources, _names(patients, entries), held))
    events: list[event_pb2.Event] = []
    for r in resources:
        try:
            events += _events(r, medications, trust_requests)
        except HoldError as hold:
            held.append(Held(f"{r.get_resource_type()}/{r.id}", hold.reason, hold.remedy))
    sums, unread = read_lesions(
        [r for r in resources if r.get_resource_type() == "Observation" and is_lesion(r)], target_lesions
    )
    ignored = Counter(str(body.get("resourceType", "none")) for body in map(_body, entries) if body is not None)
    return Reading(
        _patient(patients[0]) if patients else None,
        tuple(sorted([*events, *sums], key=lambda e: (e.time.ToNanoseconds(), e.id))),
        tuple([*held, *unread]),
        {k: n for k, n in ignored.items() if k not in READ},
    )


def _parsed(entries: Iterable[dict[str, Any]], held: list[Held]) -> Iterable[Any]:
    from fhir.resources.R4B import get_fhir_model_class

    for i, entry in enumerate(entries):
        body = _body(entry)
        if body is None:
            held.append(Held(f"entry[{i}]", "it holds no resource that is an object", "correct the entry"))
            continue
        kind = str(body.get("resourceType"))
        if kind not in READ:
            continue
        try:
            yield get_fhir_model_class(kind).model_validate(body)
        except ValueError as error:
            held.append(Held(f"entry[{i}] {kind}", f"it is not valid FHIR R4: {_brief(error)}", "correct the resource"))


def _body(entry: Any) -> dict[str, Any] | None:
    """The resource of a bundle entry, {} where it has none, None where it is no object."""
    body = (entry.get("resource") or {}) if isinstance(entry, dict) and entry.get("resource") != [] else None
    return body if isinstance(body, dict) else None


def _names(patients: list[Any], entries: list[Any]) -> set[str]:
    """What a reference to the bundle's patient may say: type and id, or the full address of the entry."""
    if not patients:
        return set()
    own = [e for e in entries if (_body(e) or {}).get("resourceType") == "Patient"]
    return {f"Patient/{patients[0].id}"} | {str(e["fullUrl"]) for e in own if e.get("fullUrl")}


def _of_one_patient(resources: list[Any], names: set[str], held: list[Held]) -> Iterable[Any]:
    """The resources about the bundle's patient; those about someone else, or nobody knows whom, are held.

    Without a Patient resource all must name one subject. A resource without subject is taken to be the bundle's.
    """
    about = {id(r): _subject(r) for r in resources}
    said = {s for s in about.values() if s is not None}
    if not names and len(said) > 1:
        raise ValueError(f"{len(said)} subjects in one bundle; a twin is of one: send one bundle for each")
    for r in resources:
        subject = about[id(r)]
        if subject is None or not names or subject in names or _relative(subject) in names:
            yield r
        else:
            remedy = "send each patient's resources in a bundle with that Patient"
            held.append(Held(f"{r.get_resource_type()}/{r.id}", "its subject is not the bundle's patient", remedy))


def _subject(resource: Any) -> str | None:
    """Whom the resource is about: the reference without its version, "" when it says so otherwise, None when not."""
    subject = getattr(resource, "subject", None)
    return None if subject is None else str(subject.reference or "").split("/_history/")[0]


def _relative(reference: str) -> str:
    return "/".join(reference.split("/")[-2:])


def _brief(error: ValueError) -> str:
    """Where the first fault lies, without the value: values may identify a patient."""
    faults = getattr(error, "errors", lambda: [])()
    return "; ".join(".".join(map(str, f["loc"])) + ": " + str(f["type"]) for f in faults[:3]) or "unreadable"


def _events(r: Any, medications: dict[str, Any], trust_requests: bool) -> list[event_pb2.Event]:
    kind = r.get_resource_type()
    if kind in ("Patient", "Medication"):
        return []
    if r.status == "entered-in-error":
        return _withdrawn(r, kind, trust_requests)
    if kind == "Observation":
        return [] if is_lesion(r) else read_observation(r)
    if kind == "MedicationAdministration":
        return read_administration(r, medications)
    return read_request(r, medications, trust_requests)


def _withdrawn(r: Any, kind: str, trust_requests: bool) -> list[event_pb2.Event]:
    """An entry made in error withdraws every event it once was; lesions are withdrawn with the sum of their day."""
    if kind == "Observation":
        return [] if is_lesion(r) else withdrawn_observation(r)
    if kind == "MedicationRequest":
        return withdrawn_request(r, trust_requests)
    return [withdrawal(r, event_id(r))]


def _patient(r: Any) -> Patient:
    female = {"female": True, "male": False}.get(str(r.gender))
    return Patient(str(r.id), r.birthDate, female)
