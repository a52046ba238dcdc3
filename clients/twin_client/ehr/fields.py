"""Small readings shared by all resources: codes, times, quantities, stable ids. Resources are parsed JSON objects."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from twin_client.ehr.codes import UCUM
from twin_client.ehr.reading import HoldError
from twin_client.events import retraction
from twin_service.v1 import common_pb2, event_pb2

SOURCE = "fhir"
HOUR_UNITS = {"h": 1.0, "min": 1.0 / 60.0, "d": 24.0, "wk": 168.0, "s": 1.0 / 3600.0}
Body = Mapping[str, Any]


def codes_of(concept: Any, system: str) -> list[str]:
    """Every code of `concept` in `system`, in its order."""
    codings = (concept or {}).get("coding") or ()
    return [str(c["code"]) for c in codings if c.get("system") == system and c.get("code")]


def code_of(concept: Any, system: str) -> str:
    """The first code of `concept` in `system`, "" where it has none."""
    return next(iter(codes_of(concept, system)), "")


def mapped(concept: Any, system: str, table: Mapping[str, str], what: str) -> str:
    """What the codings of `concept` mean in `table`, "" where none is in it.

    Raises HoldError where two codings of one concept mean different things.
    """
    meanings = sorted({table[c] for c in codes_of(concept, system) if c in table})
    if len(meanings) > 1:
        raise HoldError(f"its codings name different {what}: {', '.join(meanings)}", "correct the coding")
    return meanings[0] if meanings else ""


def said(concept: Any) -> str:
    """What a concept calls itself, for a report: code and display, never free text that may name a person."""
    codings = (concept or {}).get("coding") or ()
    return ", ".join(
        f"{c.get('code')} ({c['display']})" if c.get("display") else str(c.get("code")) for c in codings
    ) or ("no code")


def instant(value: Any, what: str) -> datetime:
    """A point in time with its zone. A bare date is refused: the hour decides what a drug level means."""
    if value is None:
        raise HoldError(f"{what} is missing", "send the time at which it happened")
    if re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", str(value)):
        raise HoldError(f"{what} {value} has no time of day", "send date, time and zone")
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise HoldError(f"{what} is unreadable", "send date, time and zone") from None
    if found.tzinfo is None:
        raise HoldError(f"{what} has no time zone", "send the zone with the time")
    return found


def partial_date(value: Any) -> tuple[date | None, int | None]:
    """A FHIR date as (date, year): the date only where month and day are said, the year wherever one is."""
    text = str(value or "")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text), int(text[:4])
    return None, int(text[:4]) if re.match(r"\d{4}", text) else None


def measured(value: Any, units: Mapping[str, str] | None = None) -> common_pb2.Quantity:
    """A FHIR Quantity whose unit is a UCUM code, or a word that `units` of the site map translates; else held."""
    if not value or value.get("value") is None:
        raise HoldError("it carries no numeric value", "send valueQuantity with a number and a UCUM code")
    if value.get("system") != UCUM or not value.get("code"):
        known = next((units[w] for w in (value.get("code"), value.get("unit")) if units and w in units), None)
        if known is not None:
            return common_pb2.Quantity(value=float(value["value"]), unit=known)
        unit = value.get("unit") or value.get("code") or "none"
        raise HoldError(
            f"its unit ({unit}) is not a UCUM code",
            f'send system "{UCUM}" and the UCUM code, or map it under [units] of the site map',
        )
    shown, code = str(value.get("unit") or ""), str(value["code"])
    if _is_another(shown, code):
        raise HoldError(f"its unit reads {shown} and its code says {code}", "send a code and a unit that agree")
    return common_pb2.Quantity(value=float(value["value"]), unit=code)


# Codes that a shown unit is itself a statement of; any other text beside a code is a name for it.
PLAIN_UNITS = frozenset(
    ["g", "mg", "ug", "ng", "kg", "L", "mL", "mg/L", "g/L", "ug/L", "ng/L", "ug/mL", "ng/mL", "mg/mL", "mg/dL", "g/dL"]
    + ["umol/L", "mmol/L", "nmol/L", "mol/L", "umol", "mmol", "mg/h", "ug/h", "mg/kg", "ug/kg", "mg/min", "ug/min"]
    + ["h", "min", "d", "mL/min", "mL/h", "L/h", "%", "cm", "m"]
)
SAME_UNITS = ({"mg/L", "ug/mL"}, {"ug/L", "ng/mL"}, {"g/L", "mg/mL"})


def _is_another(shown: str, code: str) -> bool:
    """Whether the shown unit is a unit of its own, and not that of the code."""
    plain = shown.strip().replace("\u00b5", "u").replace("\u03bc", "u").replace("mcg", "ug")
    if plain not in PLAIN_UNITS or plain == code or code not in PLAIN_UNITS:
        return False
    return not any({plain, code} <= same for same in SAME_UNITS)


def exact(value: Any, units: Mapping[str, str] | None = None) -> common_pb2.Quantity:
    """A FHIR Quantity that is a number and not a bound: "<300 mg" is no dose and no diameter."""
    if value and value.get("comparator"):
        raise HoldError(f'the value has comparator "{value["comparator"]}"', "send an exact value")
    return measured(value, units)


def issued(resource: Body) -> datetime:
    """When the resource came to say what it says."""
    return instant((resource.get("meta") or {}).get("lastUpdated") or resource.get("issued"), "meta.lastUpdated")


def withdrawal(resource: Body, target: str) -> event_pb2.Event:
    """Withdraws the event `target` that `resource`, now entered in error, once was."""
    return retraction(f"{target}/withdrawn", issued(resource), target, "entered in error", source=SOURCE)


def duration_h(period: Body) -> float:
    """Length of a FHIR Period in hours."""
    start, end = (
        instant(period.get("start"), "effectivePeriod.start"),
        instant(period.get("end"), "effectivePeriod.end"),
    )
    length = (end - start).total_seconds() / 3600.0
    if length < 0:
        raise HoldError("effectivePeriod ends before it starts", "send start and end in order")
    return length


def event_id(resource: Body, part: str = "") -> str:
    """The same resource gives the same id, so sending a bundle again changes nothing.

    Ids longer than the contract allows, or with other characters, are replaced by their digest.
    """
    if not resource.get("id"):
        raise HoldError("the resource has no id", "send the id it has in the source system")
    text = f"{resource['resourceType']}/{resource['id']}" + (f"/{part}" if part else "")
    plain = len(text) <= 110 and all(c.isalnum() or c in "._:/+=-" for c in text)
    return text if plain else f"fhir/{hashlib.sha256(text.encode()).hexdigest()[:40]}"
