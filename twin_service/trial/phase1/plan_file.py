"""Plan files: typed, with every mistake at once; an unknown key is an error that names the nearest known one.

Quantities are strings as written on paper, "50 mg/kg" or "1.88 nmol/L", or tables {value, unit}; they are converted
here and nowhere else. Inside: h, L, umol, mg, kg; doses per body weight mg/kg.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo

from twin_service import units
from twin_service.library.files import parse_toml
from twin_service.outcome import Refusal, RefusalCode

P = TypeVar("P", bound=BaseModel)


class PlanTable(BaseModel):
    """One table of a plan file."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _reader(to: str) -> BeforeValidator:
    def read(given: object, info: ValidationInfo) -> float:
        if isinstance(given, Mapping) and set(given) == {"value", "unit"}:
            value, unit = float(given["value"]), str(given["unit"])
        else:
            match = re.fullmatch(r"\s*([-+0-9.eE]+)\s+(\S+)\s*", str(given))
            if match is None:
                raise ValueError(f'{given!r} is not a number with a unit; expected for example "5 {to}"')
            value, unit = float(match[1]), match[2]
        mass = (info.context or {}).get("molar_mass")
        try:
            return units.convert(value, unit, to, molar_mass=mass)
        except Refusal as refusal:
            raise ValueError(refusal.message) from None

    return BeforeValidator(read)


DosePerWeight = Annotated[float, _reader("mg/kg")]
Mass = Annotated[float, _reader("mg")]
Hours = Annotated[float, _reader("h")]
PerHour = Annotated[float, _reader("1/h")]
Clearance = Annotated[float, _reader("L/h")]
Liters = Annotated[float, _reader("L")]
Kilograms = Annotated[float, _reader("kg")]
Concentration = Annotated[float, _reader("umol/L")]
Exposure = Annotated[float, _reader("umol.h/L")]
MolarMass = Annotated[float, _reader("g/mol")]


def read_plan(path: Path, kind: type[P]) -> P:
    """The plan in a TOML file. Raises Refusal with every mistake of the file, a line each."""
    return plan_of(parse_toml(path), kind, path.name)


def plan_of(raw: Mapping[str, object], kind: type[P], name: str = "plan") -> P:
    """The plan in a mapping; raises Refusal like `read_plan`."""
    try:
        return kind.model_validate(dict(raw), context={"molar_mass": _molar_mass(raw)})
    except ValidationError as error:
        errors = [e for e in error.errors() if e["type"] != "too_short" or len(error.errors()) == 1]
        # A check of a whole table may find several things; each is a line of its own.
        lines = [_line(kind, name, e["loc"], e["type"], part) for e in errors for part in e["msg"].split(";; ")]
        head = f"{len(lines)} mistake{'s' if len(lines) > 1 else ''} in {name}"
        fields = ", ".join(_path(e["loc"]) for e in errors)
        raise Refusal(
            RefusalCode.INVALID, head + ":\n  " + "\n  ".join(lines), field=fields, reason="BAD_PLAN"
        ) from None


def _molar_mass(raw: Mapping[str, object]) -> float | None:
    """Known before anything else is read, because mass concentrations need it."""
    drug = raw.get("drug")
    given = drug.get("molar_mass") if isinstance(drug, Mapping) else None
    match = re.fullmatch(r"\s*([-+0-9.eE]+)\s+(\S+)\s*", str(given))
    try:
        return units.convert(float(match[1]), match[2], "g/mol") if match else None
    except (Refusal, ValueError):
        return None


def _path(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _line(kind: type[BaseModel], name: str, loc: tuple[int | str, ...], error: str, message: str) -> str:
    where = _path(loc)
    if error != "extra_forbidden":
        return f"{name} {where}".rstrip() + f": {message.removeprefix('Value error, ')}"
    known = _fields_at(kind, loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
    return f"{name} {where}: unknown key {loc[-1]!r}; {hint}"


def _fields_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Keys of the table at a place of the plan, following the types of the fields; a tag picks among several."""
    here: list[type[BaseModel]] = [kind]
    for part in loc:
        if not isinstance(part, str):
            continue
        if len(here) == 1 and part in here[0].model_fields:
            here = _models_in(here[0].model_fields[part].annotation) or here
        else:
            here = [m for m in here if part in get_args(m.model_fields["kind"].annotation)] or here
    return list(here[0].model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in get_args(annotation) for m in _models_in(a)]
