"""Small readings shared by all resources: codes, times, quantities, stable ids."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Any

from twin_client.ehr.codes import UCUM
from twin_client.ehr.reading import HoldError
from twin_client.events import retraction
from twin_service.v1 import common_pb2, event_pb2

SOURCE = "fhir"
HOUR_UNITS = {"h": 1.0, "min": 1.0 / 60.0, "d": 24.0, "wk": 168.0, "s": 1.0 / 3600.0}


def code_of(concept: Any, system: str) -> str:
    """The code of `concept` in `system`, "" where it has none."""
    for coding in (concept.coding if concept is not None else None) or ():
        if str(coding.system or "") == system and coding.code:
            return str(coding.code)
    return ""


def said(concept: Any) -> str:
    """What a concept calls itself, for a report: code and display, never free text that may name a person."""
    codings = (concept.coding if concept is not None else None) or ()
    return ", ".join(f"{c.code} ({c.display})" if c.display else str(c.code) for c in codings) or "no code"


def moment(value: Any, what: str) -> datetime:
    """A point in time with its zone. A bare date is refused: the hour decides what a drug level means."""
    if value is None:
        raise HoldError(f"{what} is missing", "send the time at which it happened")
    if not isinstance(value, datetime):
        raise HoldError(
            f"{what} {value} has no time of day" if isinstance(value, date) else f"{what} is unreadable",
            "send date, time and zone",
        )
    if value.tzinfo is None:
        raise HoldError(f"{what} has no time zone", "send the zone with the time")
    return value


def measured(value: Any) -> common_pb2.Quantity:
    """A FHIR Quantity whose unit is a UCUM code; anything else is held."""
    if value is None or value.value is None:
        raise HoldError("it carries no numeric value", "send valueQuantity with a number and a UCUM code")
    if str(value.system or "") != UCUM or not value.code:
        unit = value.unit or value.code or "none"
        raise HoldError(f"its unit ({unit}) is not a UCUM code", f'send system "{UCUM}" and the UCUM code')
    return common_pb2.Quantity(value=float(value.value), unit=str(value.code))


def exact(value: Any) -> common_pb2.Quantity:
    """A FHIR Quantity that is a number and not a bound: "<300 mg" is no dose and no diameter."""
    if value is not None and value.comparator:
        raise HoldError(f'the value has comparator "{value.comparator}"', "send an exact value")
    return measured(value)


def issued(resource: Any) -> datetime:
    """When the resource came to say what it says."""
    said_at = (resource.meta.lastUpdated if resource.meta is not None else None) or getattr(resource, "issued", None)
    return moment(said_at, "meta.lastUpdated")


def withdrawal(resource: Any, target: str) -> event_pb2.Event:
    """Withdraws the event `target` that `resource`, now entered in error, once was."""
    return retraction(f"{target}/withdrawn", issued(resource), target, "entered in error", source=SOURCE)


def duration_h(period: Any) -> float:
    """Length of a FHIR Period in hours."""
    start, end = moment(period.start, "effectivePeriod.start"), moment(period.end, "effectivePeriod.end")
    length = (end - start).total_seconds() / 3600.0
    if length < 0:
        raise HoldError("effectivePeriod ends before it starts", "send start and end in order")
    return length


def event_id(resource: Any, part: str = "") -> str:
    """The same resource gives the same id, so sending a bundle again changes nothing.

    Ids longer than the contract allows, or with other characters, are replaced by their digest.
    """
    if not resource.id:
        raise HoldError("the resource has no id", "send the id it has in the source system")
    text = f"{resource.get_resource_type()}/{resource.id}" + (f"/{part}" if part else "")
    plain = len(text) <= 110 and all(c.isalnum() or c in "._:/+=-" for c in text)
    return text if plain else f"fhir/{hashlib.sha256(text.encode()).hexdigest()[:40]}"
