"""Analytes, drugs and characteristics: one canonical unit each, and the limits beyond which a value is a mistake."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from twin_service.library.files import FOLDER, files_in, parse_toml
from twin_service.outcome import Refusal, RefusalCode
from twin_service.units.spelling import spelled
from twin_service.units.ucum import Line, line_between

DRUG_LIMITS = (0.0, 1e5)


@dataclass(frozen=True)
class Analyte:
    """A measurable quantity: canonical UCUM `unit`; values outside [low, high] are mistakes, not patients.

    molar_mass   g/mol where mass and amount of substance may be converted, else None
    also         units that UCUM cannot convert, or converts with another meaning
    usual        what is seen in a hospital; outside, a reading is warned about (None: all within the limits)
    """

    id: str
    kind: str
    unit: str
    low: float
    high: float
    title: str = ""
    molar_mass: float | None = None
    loinc: tuple[str, ...] = ()
    also: Mapping[str, Line] = field(default_factory=dict)
    usual: tuple[float, float] | None = None


def canonical(analyte: Analyte, value: float, unit: str, *, path: str = "value") -> float:
    """`value` in the analyte's canonical unit.

    Raises Refusal (INVALID) naming `path` for a number that is not finite, a unit that is unknown or of another
    meaning, and a result outside the plausible limits.
    """
    if not math.isfinite(value):
        raise _refuse(f"{analyte.id} is {value}; expected a finite number", f"{path}.value", "NOT_FINITE")
    try:
        line = (
            analyte.also.get(unit)
            or analyte.also.get(spelled(unit))
            or line_between(unit, analyte.unit, analyte.molar_mass)
        )
    except ValueError as error:
        raise _refuse(f"{analyte.id}: {error}", f"{path}.unit", "BAD_UNIT") from None
    result = line.of(value)
    if not analyte.low <= result <= analyte.high:
        raise _refuse(
            f"{analyte.id} {value:g} {unit} is implausible; expected {analyte.low:g} to {analyte.high:g} "
            f"{analyte.unit}. Check the value and its unit",
            f"{path}.value",
            "IMPLAUSIBLE",
        )
    return result


def convert(value: float, unit: str, to: str, *, molar_mass: float | None = None, path: str = "value") -> float:
    """`value` of `unit` in unit `to`; raises Refusal like `canonical`, without limits."""
    if not math.isfinite(value):
        raise _refuse(f"{value} is not finite; expected a number", f"{path}.value", "NOT_FINITE")
    try:
        line = line_between(unit, to, molar_mass)
    except ValueError as error:
        raise _refuse(str(error), f"{path}.unit", "BAD_UNIT") from None
    return line.of(value)


def analyte(name: str, *, path: str = "analyte") -> Analyte:
    """The analyte of that library id; raises Refusal with the nearest known ids."""
    found = analytes().get(name)
    if found is None or found.kind == "covariate":
        raise unknown(name, "analyte", [a.id for a in analytes().values() if a.kind != "covariate"], path=path)
    return found


def drug(name: str, *, path: str = "drug") -> Analyte:
    """The drug of that library id, as the analyte of its level; raises Refusal with the nearest known ids."""
    found = analytes().get(name)
    if found is None or (found.kind != "drug" and name not in _drugs()):
        raise unknown(name, "drug", [a.id for a in analytes().values() if a.kind == "drug"], path=path)
    return found


def covariate(name: str, *, model: Mapping[str, str] | None = None, path: str = "name") -> Analyte:
    """The characteristic of that name, with or without its unit suffix.

    `model` maps further characteristics that a patient's model declares to their units.
    """
    for known in (analytes().get(name), _from_model(name, model or {})):
        if known is not None and known.kind == "covariate":
            return known
    candidates = {a.id: a for a in analytes().values() if a.kind == "covariate"}
    candidates |= {n: c for n in model or {} if (c := _from_model(n, model or {})) is not None and n not in candidates}
    suffixed = [a for n, a in candidates.items() if n.startswith(f"{name}_")]
    if len(suffixed) == 1:
        return suffixed[0]
    raise unknown(name, "characteristic", list(candidates), path=path)


def by_loinc(code: str, *, path: str = "loinc") -> Analyte:
    """The analyte or characteristic a LOINC code stands for."""
    found = _loinc().get(code)
    if found is None:
        raise _refuse(
            f"LOINC {code!r} is not mapped to an analyte; send `analyte`, or add the code to library/analytes.toml",
            path,
            "UNKNOWN_CODE",
        )
    return analytes()[found]


def mass_mg(name: str, value: float, unit: str, *, path: str = "amount") -> float:
    """A dose of drug `name` in mg, from mass or (where the molar mass is known) amount of substance."""
    mg = convert(value, unit, "mg", molar_mass=drug(name).molar_mass, path=path)
    if mg < 0:
        raise _refuse(f"{value:g} {unit} is negative; expected an amount of 0 or more", f"{path}.value", "NEGATIVE")
    if mg > 1e6:
        raise _refuse(f"{value:g} {unit} is more than 1 kg of {name}; check the unit", f"{path}.value", "IMPLAUSIBLE")
    return mg


def hours(value: float, unit: str, *, path: str = "duration") -> float:
    """A length of time in hours, 0 or more."""
    h = convert(value, unit, "h", path=path)
    if h < 0:
        raise _refuse(f"{value:g} {unit} is negative; expected a length of 0 or more", f"{path}.value", "NEGATIVE")
    return h


def unknown(name: str, what: str, known: list[str], *, path: str) -> Refusal:
    """The refusal of a name that is not known, with the nearest ones that are."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)[:12]
    return _refuse(
        f"{what} {name!r} is unknown; did you mean {', '.join(near)}?" if near else f"{what} {name!r} is unknown",
        path,
        f"UNKNOWN_{what.upper()}",
    )


@lru_cache(maxsize=1)
def analytes() -> Mapping[str, Analyte]:
    """Every analyte, drug level and characteristic by id, read from the library."""
    table: dict[str, Any] = parse_toml(FOLDER / "analytes.toml")
    found = {raw["id"]: _analyte(raw) for raw in table["analyte"]}
    codes = {raw["id"]: tuple(raw["loinc"]) for raw in table["drug"]}
    for name, molar_mass in _drugs().items():
        if name in found:
            # insulin and acetaminophen are labs of their own as well as what an effect block is dosed with
            continue
        low, high = DRUG_LIMITS
        found[name] = Analyte(name, "drug", "mg/L", low, high, name, molar_mass, codes.get(name, ()))
    return MappingProxyType(found)


def warm() -> None:
    """Read the tables and build the unit registry (about a second) before the first call needs them."""
    analytes()
    _loinc()
    convert(1.0, "mg", "g")


def _analyte(raw: Mapping[str, Any]) -> Analyte:
    low, high = raw["limits"]
    also = {a["unit"]: Line(float(a["scale"]), float(a["offset"])) for a in raw.get("also", ())}
    mass = raw.get("molar_mass")
    return Analyte(
        raw["id"],
        raw["kind"],
        raw["unit"],
        float(low),
        float(high),
        raw["title"],
        float(mass["value"]) if mass else None,
        tuple(raw.get("loinc", ())),
        also,
        (float(raw["usual"][0]), float(raw["usual"][1])) if "usual" in raw else None,
    )


@lru_cache(maxsize=1)
def _drugs() -> Mapping[str, float | None]:
    """Drug id -> molar mass in g/mol; None for a drug known by a population PK model without one, and for what only an
    effect block is dosed with (a meal)."""
    found: dict[str, float | None] = {}
    for raw in _tables("qsp"):
        found |= {r["drug"]: None for r in raw.get("route", ())}
    for raw in _tables("poppk"):
        if "drug" in raw:
            mass = raw.get("molar_mass")
            found[raw["drug"]] = float(mass["value"]) if mass else found.get(raw["drug"])
    for raw in (*_tables("drugs"), *_tables("antibodies")):
        mass = raw.get("molar_mass")
        found[raw["id"]] = float(mass["value"]) if mass else None
    return found


def _tables(kind: str) -> list[dict[str, Any]]:
    return [parse_toml(path) for path in files_in(FOLDER / kind).values()]


@lru_cache(maxsize=1)
def _loinc() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for a in analytes().values():
        for code in a.loinc:
            assert code not in found, f"LOINC {code} stands for both {found[code]} and {a.id}"
            found[code] = a.id
    return found


def _from_model(name: str, model: Mapping[str, str]) -> Analyte | None:
    return Analyte(name, "covariate", model[name], -math.inf, math.inf) if name in model else None


def _refuse(message: str, path: str, reason: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=path, reason=reason)
