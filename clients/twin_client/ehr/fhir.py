"""Read a FHIR R4 bundle into events. R4B models parse R4; a resource that does not parse is held, not the bundle."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from twin_client.ehr.fields import SOURCE, event_id, moment
from twin_client.ehr.lesions import read_lesions
from twin_client.ehr.medications import read_administration, read_request
from twin_client.ehr.observations import is_lesion, read_observation
from twin_client.ehr.reading import Held, HoldError, Patient, Reading
from twin_client.events import retraction
from twin_service.v1 import event_pb2

READ = {"Patient", "Observation", "MedicationAdministration", "MedicationRequest", "Medication"}


def read_bundle(bundle: str | bytes | dict[str, Any], *, trust_requests: bool = False) -> Reading:
    """Events of `bundle` (JSON text or parsed), in clinical order, with everything held and why.

    `trust_requests`: orders are taken as given, dose by dose. Raises ValueError when it is no FHIR bundle at all.
    """
    raw = json.loads(bundle) if isinstance(bundle, str | bytes) else bundle
    if not isinstance(raw, dict) or raw.get("resourceType") != "Bundle":
        raise ValueError('not a FHIR bundle: expected an object with resourceType "Bundle"')
    held: list[Held] = []
    resources = list(_parsed(raw.get("entry") or [], held))
    medications = {str(r.id): r for r in resources if r.get_resource_type() == "Medication"}
    medications |= {f"Medication/{k}": v for k, v in medications.items()}
    patients = [r for r in resources if r.get_resource_type() == "Patient"]
    if len(patients) > 1:
        raise ValueError(f"{len(patients)} patients in one bundle; a twin is of one: send one bundle for each")
    events: list[event_pb2.Event] = []
    for r in resources:
        try:
            events += _events(r, medications, trust_requests)
        except HoldError as hold:
            held.append(Held(f"{r.get_resource_type()}/{r.id}", hold.reason, hold.remedy))
    sums, unread = read_lesions(
        [
            r
            for r in resources
            if r.get_resource_type() == "Observation" and is_lesion(r) and r.status != "entered-in-error"
        ]
    )
    ignored = Counter(str(e.get("resource", {}).get("resourceType", "none")) for e in raw.get("entry") or [])
    return Reading(
        _patient(patients[0]) if patients else None,
        tuple(sorted([*events, *sums], key=lambda e: (e.time.ToNanoseconds(), e.id))),
        tuple([*held, *unread]),
        {k: n for k, n in ignored.items() if k not in READ},
    )


def _parsed(entries: Iterable[dict[str, Any]], held: list[Held]) -> Iterable[Any]:
    from fhir.resources.R4B import get_fhir_model_class

    for i, entry in enumerate(entries):
        body = entry.get("resource") or {}
        kind = body.get("resourceType")
        if kind not in READ:
            continue
        try:
            yield get_fhir_model_class(kind).model_validate(body)
        except ValueError as error:
            held.append(Held(f"entry[{i}] {kind}", f"it is not valid FHIR R4: {_brief(error)}", "correct the resource"))


def _brief(error: ValueError) -> str:
    """Where the first fault lies, without the value: values may identify a patient."""
    faults = getattr(error, "errors", lambda: [])()
    return "; ".join(".".join(map(str, f["loc"])) + ": " + str(f["type"]) for f in faults[:3]) or "unreadable"


def _events(r: Any, medications: dict[str, Any], trust_requests: bool) -> list[event_pb2.Event]:
    kind = r.get_resource_type()
    if kind in ("Patient", "Medication"):
        return []
    if r.status == "entered-in-error":
        return [_withdrawn(r)]
    if kind == "Observation":
        return [] if is_lesion(r) else read_observation(r)
    if kind == "MedicationAdministration":
        return read_administration(r, medications)
    return read_request(r, medications, trust_requests)


def _withdrawn(r: Any) -> event_pb2.Event:
    """An entry made in error withdraws the event it once was; issued when the resource says it was last changed."""
    issued = (r.meta.lastUpdated if r.meta is not None else None) or getattr(r, "issued", None)
    when = moment(issued, "meta.lastUpdated")
    return retraction(f"{event_id(r)}/withdrawn", when, event_id(r), "entered in error", source=SOURCE)


def _patient(r: Any) -> Patient:
    female = {"female": True, "male": False}.get(str(r.gender))
    return Patient(str(r.id), r.birthDate, female)
