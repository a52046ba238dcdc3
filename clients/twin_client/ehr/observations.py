"""FHIR Observation -> laboratory results, characteristics and image measurements."""

from __future__ import annotations

from typing import Any

from twin_client.ehr.codes import LOINC, tables
from twin_client.ehr.fields import SOURCE, code_of, event_id, exact, measured, moment, said, withdrawal
from twin_client.ehr.reading import HoldError
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


def read_observation(resource: Any) -> list[event_pb2.Event]:
    """Events of one Observation; components of a panel count each for themselves.

    Raises HoldError when nothing in it can be used; unusable components of a usable panel raise too, because half a
    panel that looks whole is worse than none.
    """
    if resource.status not in USABLE:
        raise HoldError(f'its status is "{resource.status}"', "send it again when it is final")
    code = code_of(resource.code, LOINC)
    if resource.component and (code in tables().panels or resource.valueQuantity is None):
        return [_event(resource, code_of(c.code, LOINC), c, f"c{i}") for i, c in enumerate(resource.component)]
    return [_event(resource, code, resource, "")]


def withdrawn_observation(resource: Any) -> list[event_pb2.Event]:
    """Withdraws every event the Observation once was: itself, or each component of its panel."""
    if not resource.component and code_of(resource.code, LOINC) in tables().panels:
        raise HoldError("a panel entered in error without its components", "send the components that were in error")
    parts = ["", *(f"c{i}" for i in range(len(resource.component or ())))]
    return [withdrawal(resource, event_id(resource, part)) for part in parts]


def is_lesion(resource: Any) -> bool:
    """One target lesion's size: read together with the other lesions of its day."""
    return code_of(resource.code, LOINC) in tables().lesions


def _event(resource: Any, code: str, carrier: Any, part: str) -> event_pb2.Event:
    when = moment(resource.effectiveDateTime or resource.effectiveInstant, "effectiveDateTime")
    known, identity = tables(), event_id(resource, part)
    if carrier.valueQuantity is None and carrier.dataAbsentReason is not None:
        raise HoldError("the value is absent (dataAbsentReason)", "nothing to do unless a value exists")
    if code in known.characteristics:
        return covariate(identity, when, known.characteristics[code], exact(carrier.valueQuantity), source=SOURCE)
    if code in known.images:
        return image(
            identity,
            when,
            known.images[code],
            exact(carrier.valueQuantity),
            modality=modality(resource),
            source=SOURCE,
            simulated=is_simulated(resource),
        )
    if code in known.labs:
        value = carrier.valueQuantity
        flag = CENSORED.get(value.comparator, event_pb2.CENSORING_NONE) if value is not None else 0
        return lab(
            identity,
            when,
            known.labs[code],
            measured(value),
            loinc=code,
            censoring=flag,
            source=SOURCE,
            method="simulated" if is_simulated(resource) else "",
        )
    raise HoldError(f"its code is not mapped: {said(carrier.code)}", "add the LOINC code to codes.toml")


def modality(resource: Any) -> str:
    """DICOM modality named by the method's coding, "" when none is."""
    for coding in (resource.method.coding if resource.method is not None else None) or ():
        if coding.code in MODALITIES:
            return str(coding.code)
    return ""


def is_simulated(resource: Any) -> bool:
    """True when the resource's security labels say that it is test data (HTEST, HL7 v3 ActReason)."""
    labels = (resource.meta.security if resource.meta is not None else None) or ()
    return any(label.code == "HTEST" for label in labels)
