"""OBR and OBX -> the FHIR Observation that says the same, so that one reader decides what a result means.

HL7 v2.5.1 chapter 7: value types NM and SN, units in UCUM, status of table 0085 (F, C, P, W, X, D).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from twin_client.ehr.codes import ATC, LOINC, ROUTES_V2, RXNORM, SNOMED, UCUM
from twin_client.ehr.genotypes import is_genotype
from twin_client.ehr.hl7v2.message import Message, Segment
from twin_client.ehr.hl7v2.times import Clock
from twin_client.ehr.reading import HoldError

SYSTEMS = {
    "LN": LOINC,
    "LOINC": LOINC,
    "RXNORM": RXNORM,
    "RXN": RXNORM,
    "SCT": SNOMED,
    "SNM": SNOMED,
    "ATC": ATC,
    "WC": ATC,
    "HL70162": ROUTES_V2,
    "UCUM": UCUM,
}
FINAL, CORRECTED, WITHDRAWN = ("F",), ("C",), ("W", "X", "D")
# Units that name no system and are written as UCUM writes them; anything else is for the site map to say.
PLAIN_UNITS = frozenset(
    "% mg/dL g/dL g/L mg/L ug/mL ng/mL ug/L ug/dL umol/L mmol/L meq/L U/L [iU]/L 10*3/uL 10*9/L 10*6/uL 10*12/L kg "
    "g cm m mm mm[Hg] /min Cel ms s mL/min mL/min/{1.73_m2} pg/mL mg ug ng g mL L h min {INR} 1".split()
)
COMPARATORS = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Said:
    """One resource a message says: where, when that was issued, what was assumed; or why there is none.

    corrects   it replaces what was said before under its name
    """

    place: str
    resource: dict[str, Any] | None = None
    issued: datetime | None = None
    note: str = ""
    corrects: bool = False
    hold: HoldError | None = None


def results(message: Message, clock: Clock) -> Iterator[Said]:
    """Every OBX of the message, each under its own OBR (an ADT has none)."""
    order: Segment | None = None
    specimen: Segment | None = None
    for segment in message.segments:
        if segment.name == "OBR":
            order, specimen = segment, None
        elif segment.name == "SPM":
            specimen = segment
        elif segment.name == "OBX":
            try:
                yield _result(segment, order, specimen, message.header, clock)
            except HoldError as hold:
                yield Said(segment.place, hold=hold)


def concept(segment: Segment, field: int) -> dict[str, Any]:
    """A coded field (CE, CWE) with both its codings, systems by their FHIR address where they are public."""
    found = []
    for at in (1, 4):
        code, display, system = (segment.text(field, at + k) for k in range(3))
        if code:
            found.append({"system": SYSTEMS.get(system.upper(), system), "code": code, "display": display})
    text = segment.text(field, 9) or segment.text(field, 2)
    return {"coding": found} | ({"text": text} if text else {})


def identity(*parts: str) -> str:
    """A stable id of what the parts name."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


def unit_of(segment: Segment, field: int) -> tuple[dict[str, str], str]:
    """A unit as a FHIR Quantity says it, and what was assumed; one that no system explains is left to the site map."""
    code, system = segment.text(field, 1), segment.text(field, 3).upper()
    if system == "UCUM":
        return {"system": UCUM, "code": code}, ""
    if not system and code in PLAIN_UNITS:
        return {"system": UCUM, "code": code}, f"unit {code} names no system and is read as UCUM"
    return ({"unit": code} if code else {}), ""


def order_of(order: Segment | None) -> str:
    """The number that names the order: the filler's, else the placer's; "" where neither is said."""
    if order is None:
        return ""
    return next((f"{order.text(f)}^{order.text(f, 2)}" for f in (3, 2) if order.text(f)), "")


def _result(obx: Segment, order: Segment | None, specimen: Segment | None, header: Segment, clock: Clock) -> Said:
    status = obx.text(11)
    if status not in (*FINAL, *CORRECTED, *WITHDRAWN):
        raise HoldError(f'OBX-11 says "{status}": it is not final', "send it again when it is final")
    when = clock.instant(_observed(obx, order, specimen), "the time of observation (OBX-14, OBR-7)")
    issued = clock.instant((order.text(22) if order else "") or header.text(7), "OBR-22 or MSH-7")
    code = concept(obx, 3)
    key = code["coding"][0]["code"] if code["coding"] else ""
    name = identity("OBX", order_of(order), order.text(4) if order else "", key, obx.text(4), when.isoformat())
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": name,
        "status": {"C": "corrected", "F": "final"}.get(status, "entered-in-error"),
        "code": code,
        "effectiveDateTime": when.isoformat(),
        "meta": {"lastUpdated": issued.isoformat()},
    }
    if status in WITHDRAWN:
        return Said(obx.place, resource, issued)
    if is_genotype(resource):
        text = obx.text(5, 2) or obx.text(5)
        return Said(obx.place, resource | {"valueString": text}, issued, "", status in CORRECTED)
    quantity, note = _quantity(obx)
    return Said(obx.place, resource | {"valueQuantity": quantity}, issued, note, status in CORRECTED)


def _observed(obx: Segment, order: Segment | None, specimen: Segment | None) -> str:
    return obx.text(14) or (order.text(7) if order else "") or (specimen.text(17) if specimen else "")


def _quantity(obx: Segment) -> tuple[dict[str, Any], str]:
    kind = obx.text(2)
    if obx.count(5) > 1:
        raise HoldError(f"OBX-5 holds {obx.count(5)} values", "send each in an OBX of its own, told apart by OBX-4")
    unit, note = unit_of(obx, 6)
    if kind == "NM":
        return unit | {"value": _number(obx.text(5))}, note
    if kind == "SN":
        comparator, number, separator = (obx.text(5, k) for k in (1, 2, 3))
        if separator or obx.text(5, 4):
            raise HoldError("OBX-5 is a range or a ratio", "send one number, with a comparator where it is a bound")
        if comparator and comparator not in (*COMPARATORS, "="):
            raise HoldError("OBX-5.1 is a comparator that is not understood", f"send one of {', '.join(COMPARATORS)}")
        bound = {"comparator": comparator} if comparator in COMPARATORS else {}
        return unit | {"value": _number(number)} | bound, note
    raise HoldError(f"OBX-2 says {kind or 'nothing'}: it is no number", "send value type NM or SN")


def _number(text: str) -> float:
    if not re.fullmatch(r"[+-]?\d+(\.\d*)?|[+-]?\.\d+", text):
        raise HoldError("OBX-5 is no number" if text else "OBX-5 is empty", "send a number as NM or SN")
    return float(text)
