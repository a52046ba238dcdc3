"""The only file that knows unit strings: UCUM at the door, one canonical unit per analyte behind it.

Equal dimensions are not equal meanings, so three traps of plain dimensional analysis are walled off: annotations that
carry meaning (`mL/min/{1.73_m2}` is not mL/min), arbitrary units (`[IU]/L` has the dimension of a cell count) and pure
numbers (`mmol/mol`, `mg/kg` and `%` all have none). UCUM: doi:10.1197/jamia.M0998.
"""

from __future__ import annotations

import difflib
import math
import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from twin_service.outcome import Refusal, RefusalCode

LIBRARY = Path(__file__).parent / "library"
DRUG_LIMITS = (0.0, 1e5)
_INDEXED = re.compile(r"\{1\.73[_ .]?m2\}")
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_BRACKET = re.compile(r"\[[^\]]*\]")
_EQUIVALENT = re.compile(r"(?<![a-zA-Z])[munkp]?eq(?![a-zA-Z])")
_PHYSICAL_BRACKETS = frozenset({"[Hg]", "[in_i]", "[ft_i]", "[lb_av]", "[oz_av]", "[degF]", "[in_us]", "[ft_us]"})
_PURE_NUMBERS = frozenset({"1", "%", "10*0"})
# The unit registry is built once and is not safe to use by two threads; what it finds is cached and is.
_PARSING = threading.Lock()


class Line(NamedTuple):
    """canonical = scale * given / divisor + offset; the divisor keeps 1400 g from becoming 1.4000000000000001 kg."""

    scale: float
    offset: float
    divisor: float = 1.0

    def of(self, value: float) -> float:
        return self.scale * value / self.divisor + self.offset


@dataclass(frozen=True)
class Analyte:
    """A measurable quantity: canonical UCUM `unit`; values outside [low, high] are mistakes, not patients.

    molar_mass   g/mol where mass and amount of substance may be converted, else None
    also         units that UCUM cannot convert, or converts with another meaning
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


def canonical(analyte: Analyte, value: float, unit: str, *, path: str = "value") -> float:
    """`value` in the analyte's canonical unit.

    Raises Refusal (INVALID) naming `path` for a number that is not finite, a unit that is unknown or of another
    meaning, and a result outside the plausible limits.
    """
    if not math.isfinite(value):
        raise _refuse(f"{analyte.id} is {value}; expected a finite number", f"{path}.value", "NOT_FINITE")
    try:
        line = analyte.also.get(unit) or _line(unit, analyte.unit, analyte.molar_mass)
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
        line = _line(unit, to, molar_mass)
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
    table = tomllib.loads((LIBRARY / "analytes.toml").read_text())
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
    )


@lru_cache(maxsize=1)
def _drugs() -> Mapping[str, float | None]:
    """Drug id -> molar mass in g/mol; None for a drug known by a population PK model without one, and for what only an
    effect block is dosed with (a meal)."""
    found: dict[str, float | None] = {}
    for file in sorted((LIBRARY / "qsp").glob("*.toml")):
        raw = tomllib.loads(file.read_text()) if not file.name.endswith(".check.toml") else {}
        found |= {r["drug"]: None for r in raw.get("route", ())}
    for file in sorted((LIBRARY / "poppk").glob("*.toml")):
        raw = tomllib.loads(file.read_text()) if not file.name.endswith(".check.toml") else {}
        if "drug" in raw:
            mass = raw.get("molar_mass")
            found[raw["drug"]] = float(mass["value"]) if mass else found.get(raw["drug"])
    for file in sorted([*(LIBRARY / "drugs").glob("*.toml"), *(LIBRARY / "antibodies").glob("*.toml")]):
        if not file.name.endswith(".check.toml"):
            raw = tomllib.loads(file.read_text())
            mass = raw.get("molar_mass")
            found[raw.get("id", file.stem)] = float(mass["value"]) if mass else None
    return found


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


@lru_cache(maxsize=4096)
def _line(unit: str, to: str, molar_mass: float | None) -> Line:
    """The line from `unit` to `to`. Raises ValueError with a sentence that says what is wrong."""
    if unit == to:
        return Line(1.0, 0.0)
    with _PARSING:
        return _new_line(unit, to, molar_mass)


def _new_line(unit: str, to: str, molar_mass: float | None) -> Line:
    if bool(_INDEXED.search(unit)) != bool(_INDEXED.search(to)):
        raise ValueError(f"{unit!r} and {to!r} differ by body surface area, which is not a unit; expected {to}")
    _refuse_other_meanings(unit, to)
    given, wanted = _parse(unit), _parse(to)
    if given.dimensionality != wanted.dimensionality:
        power = given.dimensionality.get("[substance]", 0) - wanted.dimensionality.get("[substance]", 0)
        molar = _parse("g/mol") * (molar_mass or 1.0)
        if abs(power) != 1 or (given * molar**power).dimensionality != wanted.dimensionality:
            raise ValueError(f"{unit!r} is not a unit of this quantity; expected {to} or one that converts to it")
        if molar_mass is None:
            raise ValueError(f"{unit!r} needs a molar mass to become {to}, and none is known; send {to}")
        given = given * molar**power
    zero, one = (
        type(given)(x * given.magnitude, given.units).to(wanted.units).magnitude / wanted.magnitude for x in (0.0, 1.0)
    )
    scale = float(one - zero)
    inverse = round(1.0 / scale)
    if inverse > 1 and abs(inverse * scale - 1.0) < 1e-12:
        return Line(1.0, float(zero), float(inverse))
    return Line(scale, float(zero))


def _refuse_other_meanings(unit: str, to: str) -> None:
    """Codes whose dimension says less than their meaning: arbitrary units, equivalents, pure numbers."""
    for pattern, what in ((_BRACKET, "an arbitrary unit"), (_EQUIVALENT, "an equivalent, which depends on valence")):
        marks = [m for m in pattern.findall(unit) if m not in _PHYSICAL_BRACKETS]
        if marks and marks != pattern.findall(to):
            raise ValueError(f"{unit!r} holds {what}; expected {to} or one that converts to it")
    bare, bare_to = _strip(unit), _strip(to)
    if bare_to in _PURE_NUMBERS and bare not in _PURE_NUMBERS:
        raise ValueError(f"{unit!r} is not a plain number; expected {to}")


def _strip(unit: str) -> str:
    """The code without its annotations; a code of annotations only is the number 1."""
    bare = _ANNOTATION.sub("", unit).replace("//", "/").rstrip("/.")
    return bare or "1"


@lru_cache(maxsize=1)
def _registry() -> Any:
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


@lru_cache(maxsize=4096)
def _parse(unit: str) -> Any:
    bare = _strip(unit)
    if len(bare) > 64:
        raise ValueError("a unit of more than 64 characters is not one; expected a UCUM code")
    try:
        return _registry().from_ucum(bare)
    except Exception:
        # The parser has no common error type; whatever it raises means that the code is not UCUM.
        raise ValueError(f"{unit!r} is not a UCUM unit code (case matters: 'mg/L', '10*9/L', 'mm[Hg]')") from None


def _refuse(message: str, path: str, reason: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=path, reason=reason)
