"""FHIR Observation -> laboratory results, characteristics and image measurements."""

from __future__ import annotations

from typing import Any

from twin_client.ehr.codes import LOINC, tables
from twin_client.ehr.elements import check_elements
from twin_client.ehr.fields import SOURCE, Body, codes_of, event_id, exact, instant, mapped, measured, said, withdrawal
from twin_client.ehr.genotypes import is_genotype, read_genotype
from twin_client.ehr.reading import HoldError
from twin_client.ehr.site import Site
from twin_client.events import covariate, image, lab
from twin_service.v1 import event_pb2

USABLE = {"final", "amended", "corrected"}
CENSORED = {
    "<": event_pb2.CENSORING_BELOW,
    "<=": event_pb2.CENSORING_BELOW,
    ">": event_pb2.CENSORING_ABOVE,
    ">=": event_pb2.CENSORING_ABOVE,
}
MODALITIES = {"CT", "MR", "US", "PT"}


def read_observation(resource: Body, site: Site) -> list[event_pb2.Event]:
    """Events of one Observation; components of a panel count each for themselves.

    Raises HoldError when nothing in it can be used; unusable components of a usable panel raise too, because half a
    panel that looks whole is worse than none.
    """
    if resource.get("status") not in USABLE:
        raise HoldError(f'its status is "{resource.get("status")}"', "send it again when it is final")
    if is_genotype(resource):
        return [read_genotype(resource)]
    if not resource.get("component") and not meaning_of(resource.get("code"), site):
        raise _unmapped(resource.get("code"))
    check_elements(resource)
    if resource.get("focus"):
        raise HoldError("it is about something else than its subject (focus)", "send it with its own subject")
    parts = resource.get("component") or []
    if parts and (_is_panel(resource) or resource.get("valueQuantity") is None):
        return [_event(resource, c, f"c{i}", site) for i, c in enumerate(parts)]
    if parts:
        raise HoldError("it has both a value and components", "send the components as results of their own")
    return [_event(resource, resource, "", site)]


def _is_panel(resource: Body) -> bool:
    return any(c in tables().panels for c in codes_of(resource.get("code"), LOINC))


def withdrawn_observation(resource: Body) -> list[event_pb2.Event]:
    """Withdraws every event the Observation once was: itself, or each component of its panel."""
    if not resource.get("component") and _is_panel(resource):
        raise HoldError("a panel entered in error without its components", "send the components that were in error")
    if is_genotype(resource):
        return [withdrawal(resource, event_id(resource))]
    parts = ["", *(f"c{i}" for i in range(len(resource.get("component") or ())))]
    return [withdrawal(resource, event_id(resource, part)) for part in parts]


def is_lesion(resource: Body) -> bool:
    """One target lesion's size: read together with the other lesions of its day."""
    return resource.get("resourceType") == "Observation" and any(
        c in tables().lesions for c in codes_of(resource.get("code"), LOINC)
    )


def _event(resource: Body, carrier: Body, part: str, site: Site) -> event_pb2.Event:
    when = instant(resource.get("effectiveDateTime") or resource.get("effectiveInstant"), "effectiveDateTime")
    known, identity = tables(), event_id(resource, part)
    value, concept = carrier.get("valueQuantity"), carrier.get("code")
    if carrier.get("dataAbsentReason") is not None:
        raise HoldError("the value is absent (dataAbsentReason)", "nothing to do unless a value exists")
    meaning = meaning_of(concept, site)
    if meaning in known.characteristics.values():
        return covariate(identity, when, meaning, exact(value, site.units), source=SOURCE)
    if meaning in known.images.values():
        return image(
            identity,
            when,
            meaning,
            exact(value, site.units),
            modality=modality(resource),
            source=SOURCE,
            simulated=is_simulated(resource),
        )
    if meaning:
        flag = CENSORED.get(str((value or {}).get("comparator")), event_pb2.CENSORING_NONE)
        return lab(
            identity,
            when,
            meaning,
            measured(value, site.units),
            loinc=next((c for c in codes_of(concept, LOINC) if known.labs.get(c) == meaning), ""),
            censoring=flag,
            source=SOURCE,
            method="simulated" if is_simulated(resource) else "",
        )
    raise _unmapped(concept)


def _unmapped(concept: Any) -> HoldError:
    return HoldError(f"its code is not mapped: {said(concept)}", "map it under [codes] of the site map")


def meaning_of(concept: Any, site: Site) -> str:
    """The analyte or characteristic a concept names, "" where none is known; the site's own codes count as well.

    Raises HoldError where its codings mean different things.
    """
    known = tables()
    public = mapped(concept, LOINC, known.characteristics | known.images | known.labs, "measurements")
    codings = (concept or {}).get("coding") or ()
    local = {m for c in codings if (m := site.meaning(str(c.get("system") or ""), str(c.get("code") or "")))}
    found = sorted(local | ({public} if public else set()))
    if len(found) > 1:
        raise HoldError(f"its codings name different measurements: {', '.join(found)}", "correct the coding or the map")
    return found[0] if found else ""


def modality(resource: Body) -> str:
    """DICOM modality named by the method's coding, "" when none is."""
    for coding in (resource.get("method") or {}).get("coding") or ():
        if coding.get("code") in MODALITIES:
            return str(coding["code"])
    return ""


def is_simulated(resource: Body) -> bool:
    """True when the resource's security labels say that it is test data (HTEST, HL7 v3 ActReason)."""
    labels = (resource.get("meta") or {}).get("security") or ()
    return any(label.get("code") == "HTEST" for label in labels)
