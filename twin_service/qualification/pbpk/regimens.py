"""Dosing as observed-data tables write it: protocols as JSON, and shorthand like "(S-0,T-24,R-4)" or "0-24-48"."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from twin_service.model.pbpk.studies import Treatment

HOURS = {"h": 1.0, "min": 1 / 60, "s": 1 / 3600, "day(s)": 24.0, "days": 24.0, "d": 24.0, "week(s)": 168.0}
MG = {"mg": 1.0, "g": 1000.0, "µg": 1e-3, "ug": 1e-3, "ng": 1e-6, "kg": 1e6}
INTERVALS = {
    "DI_24": (24.0,),
    "DI_12_12": (12.0, 12.0),
    "DI_8_8_8": (8.0,) * 3,
    "DI_6_6_12": (6.0, 6.0, 12.0),
    "DI_6_6_6_6": (6.0,) * 4,
}
_BLOCK = re.compile(r"S-?(?P<start>[\d.]+)\s*[,-]?\s*T-?(?P<step>[\d.]+)\s*[,-]?\s*R-?(?P<count>\d+)")
# A day's doses in brackets, repeated: "S0-(S0-T6-R3)-T24-R12".
_NESTED = re.compile(r"S-?(?P<start>[\d.]+)-\((?P<inner>[^()]+)\)-T-?(?P<step>[\d.]+)-R-?(?P<count>\d+)")


def shorthand_times(text: str) -> list[float]:
    """Hours of administration in a table's shorthand; empty where it cannot be read with certainty."""
    clean = text.replace(" ", "").strip(";")
    nested = _NESTED.fullmatch(clean)
    if nested:
        inner, start, step = shorthand_times(nested["inner"]), float(nested["start"]), float(nested["step"])
        return sorted({start + k * step + t for k in range(int(nested["count"])) for t in inner})
    blocks = list(_BLOCK.finditer(clean))
    if blocks:
        rest = _BLOCK.sub("", clean)
        singles = [float(x) for x in re.findall(r"(?<![\d.])\d+(?:\.\d+)?", re.sub(r"[()]", "", rest))]
        times = singles + [float(b["start"]) + k * float(b["step"]) for b in blocks for k in range(int(b["count"]))]
        return sorted(set(times))
    if re.fullmatch(r"[\d.]+(?:[-;+]+[\d.]+)*", clean):
        return sorted({float(x) for x in re.split(r"[-;+]+", clean)})
    return []


def protocol_doses(row: Mapping[str, str], weight_kg: float) -> list[tuple[str, float, float, float]] | None:
    """(route, time h, mg, duration h) of every dose of a protocol; None for routes the library does not have."""
    schemas = _json(row["schemas_json"])
    if schemas:
        found: list[tuple[str, float, float, float]] = []
        for schema in schemas:
            values = _values(schema.get("Parameters", []))
            for item in schema.get("SchemaItems", []):
                inner = _values(item.get("Parameters", []))
                route = _route(item.get("ApplicationType", ""))
                dose = _dose(inner, weight_kg)
                if route is None or dose is None:
                    return None
                for k in range(int(values.get("NumberOfRepetitions", 1.0))):
                    at = (
                        values.get("Start time", 0.0)
                        + inner.get("Start time", 0.0)
                        + k * values.get("TimeBetweenRepetitions", 0.0)
                    )
                    found.append((route, at, dose, inner.get("Infusion time", 0.0)))
        return found
    values = _values(_json(row["parameters_json"]) or [])
    route, dose = _route(row["application_type"]), _dose(values, weight_kg)
    if route is None or dose is None:
        return None
    start, end = values.get("Start time", 0.0), values.get("End time", 0.0)
    times = [start]
    steps = INTERVALS.get(row["dosing_interval"], ())
    while steps and times[-1] + steps[(len(times) - 1) % len(steps)] < end - 1e-9:
        times.append(times[-1] + steps[(len(times) - 1) % len(steps)])
    return [(route, t, dose, values.get("Infusion time", 0.0)) for t in times]


def treatments_of(drug: str, doses: list[tuple[str, float, float, float]]) -> list[Treatment]:
    return [Treatment(drug, route, mg, 24.0, 1, at, duration) for route, at, mg, duration in doses]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _values(parameters: list[Mapping[str, Any]]) -> dict[str, float]:
    found = {}
    for p in parameters:
        unit = str(p.get("Unit") or "")
        value = float(p.get("Value", 0.0))
        if unit in HOURS:
            value *= HOURS[unit]
        elif unit.split("/")[0] in MG:
            value *= MG[unit.split("/")[0]]
        name = str(p.get("Name"))
        found[name] = value
        if name in ("InputDose", "DosePerBodyWeight") and unit.endswith("/kg"):
            found["per_kg"] = 1.0
    return found


def _dose(values: Mapping[str, float], weight_kg: float) -> float | None:
    dose = values.get("InputDose", values.get("DosePerBodyWeight"))
    if dose is None:
        return None
    return dose * weight_kg if "per_kg" in values else dose


def _route(application: str) -> str | None:
    return {"Oral": "oral", "Intravenous": "iv", "IntravenousBolus": "iv"}.get(application)
