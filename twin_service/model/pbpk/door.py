"""Reading library TOML, every mistake kept: `FindingsDoor` converts quantities, collects findings and never stops."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin_service.model.library.findings import Finding, closest
from twin_service.model.library.schema import FileKind, in_schema_2
from twin_service.model.pbpk.clearance import SourcedQuantity
from twin_service.outcome import Refusal
from twin_service.units import UnitError, conversion

# What people write for what is meant; a nearest spelling would mislead ("inhibition" is no "induction").
MEANT = {
    "hepatic": "liver",
    "renal": "kidney",
    "intestine": "gut",
    "intestinal": "gut",
    "biliary": "bile",
    "blood": "plasma",
    "basic": "base",
    "acidic": "acid",
    "inhibition": "competitive",
    "reversible": "competitive",
    "mbi": "mechanism_based",
    "tdi": "mechanism_based",
    "cyp3a": "CYP3A4",
    "pgp": "P-gp",
    "mdr1": "P-gp",
    "unknown": "OTHER",
    "ir": "first_order",
    "tablet": "first_order",
    "er": "weibull",
    "clearance": "clint",
    "in_vitro": "linear",
    "mm": "michaelis_menten",
}

PER_PROTEIN, PER_ENZYME, PER_CELLS, PER_TIME, PER_BODY = (
    "microsomes",
    "recombinant",
    "hepatocytes",
    "liver",
    "body_weight",
)


@dataclass
class FindingsDoor:
    """The one mutable thing in this package: findings gathered while a file is read."""

    file: str
    findings: list[Finding] = field(default_factory=list)
    molar_mass: float | None = None

    def fault(self, where: str, message: str, rule: str = "") -> None:
        self.findings.append(Finding(self.file, where, rule, message))

    def doubt(self, where: str, message: str, rule: str = "") -> None:
        self.findings.append(Finding(self.file, where, rule, message, "warning"))

    def known(self, table: Mapping[str, Any], where: str, keys: Iterable[str]) -> None:
        """Unknown keys are refused: a misspelled key would otherwise silently leave a default in force."""
        allowed = sorted(keys)
        for key in table:
            if key not in allowed:
                close = closest(key, allowed)
                hint = f"; did you mean {close!r}?" if close else ";"
                self.fault(f"{where}.{key}" if where else key, f"unknown key{hint} known: {', '.join(allowed)}", "R10")

    def word(self, value: Any, where: str, allowed: Iterable[str], *, rule: str = "R4") -> str:
        words = list(allowed)
        if value is None:
            self.fault(where, f"is missing; one of: {', '.join(words)}", "R8")
        elif value not in words:
            near = MEANT.get(str(value).lower())
            close = near if near in words else closest(str(value), words)
            hint = f"; did you mean {close!r}?" if close else ";"
            self.fault(where, f"{value!r} is unknown{hint} known: {', '.join(words)}", rule)
        return str(value)

    def quantity(
        self,
        table: Mapping[str, Any],
        key: str,
        unit: str,
        *,
        where: str = "",
        low: float = -math.inf,
        high: float = math.inf,
        required: bool = False,
        positive: bool = False,
    ) -> SourcedQuantity | None:
        """The quantity at `key` in `unit`; None with a finding where it is missing or wrong."""
        place = f"{where}.{key}" if where else key
        if key not in table:
            if required:
                self.fault(place, f'is missing; write {key} = {{ value = ..., unit = "{unit}", origin = "..." }}', "R8")
            return None
        return self.read(table[key], place, unit, low=low, high=high, positive=positive)

    def read(
        self, raw: Any, place: str, unit: str, *, low: float = -math.inf, high: float = math.inf, positive: bool = False
    ) -> SourcedQuantity | None:
        if not isinstance(raw, Mapping):
            self.fault(place, f'is {raw!r}; expected {{ value = ..., unit = "{unit}", origin = "..." }}', "R7")
            return None
        self.known(raw, place, ("value", "unit", "origin", "method", "cv", "note"))
        value, said = raw.get("value"), raw.get("unit")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.fault(f"{place}.value", f"is {value!r}; expected a finite number", "R9")
            return None
        if not isinstance(said, str):
            self.fault(f"{place}.unit", f'unit is missing; write unit = "{unit}"', "R5")
            return None
        if not str(raw.get("origin", "")).strip():
            self.fault(f"{place}.origin", "origin is missing; name the publication, data set or assumption", "R7")
        try:
            number = float(value) * conversion(said, unit, self.molar_mass)
        except UnitError as error:
            self.fault(place, str(error), "R5")
            return None
        if number < low or number > high or (positive and number <= 0):
            self._out_of_range(place, (float(value), said), (low, high), number / value if value else 1.0, positive)
            return None
        return SourcedQuantity(
            number, unit, str(raw.get("origin", "")), str(raw.get("method", "measured")), float(raw.get("cv", 0.0))
        )

    def _out_of_range(
        self, place: str, written: tuple[float, str], span: tuple[float, float], factor: float, positive: bool
    ) -> None:
        """The limits in the unit that was written."""
        value, said = written
        low, high = (x / factor for x in span)
        unit = "" if said in ("1", "") else f" {said}"
        least = "more than 0" if positive and low <= 0 else f"at least {low:.4g}{unit}"
        most = "" if math.isinf(high) else f" and at most {high:.4g}{unit}"
        share = '; a percentage is written unit = "%"' if said == "1" and high == 1.0 and 1.0 < value <= 100.0 else ""
        self.fault(place, f"is {value:g}{unit}; expected {least}{most}{share}", "R9")

    def basis(self, raw: Any, place: str, choices: Mapping[str, str]) -> tuple[str, str]:
        """(basis, unit) whose dimension the quantity's unit has; the first choice where none fits."""
        said = raw.get("unit", "") if isinstance(raw, Mapping) else ""
        for basis, unit in choices.items():
            try:
                conversion(str(said), unit)
                return basis, unit
            except UnitError:
                continue
        if isinstance(raw, Mapping):
            what = f"unit {said!r} fits none of" if said else "unit is missing; one of"
            self.fault(f"{place}.unit", f"{what}: {', '.join(f'{u} ({b})' for b, u in choices.items())}", "R5")
            return "", ""
        return next(iter(choices.items()))


def in_words(table: Mapping[str, Any], kind: FileKind, door: FindingsDoor) -> dict[str, Any]:
    """The table in the words of schema 2; what stands in the way, or was changed, is a finding."""
    try:
        found, said = in_schema_2(table, kind, door.file)
    except Refusal as refusal:
        door.fault(refusal.field or "schema", refusal.message.split(": ", 1)[-1])
        return dict(table)
    door.findings.extend(said)
    return found


def value_or(quantity: SourcedQuantity | None, default: float) -> float:
    return default if quantity is None else quantity.value


def table_rows(table: Mapping[str, Any], key: str, door: FindingsDoor) -> list[Mapping[str, Any]]:
    """The rows of `[[key]]`; `shaped` has seen to it that they are tables."""
    rows = table.get(key, [])
    return rows if isinstance(rows, list) else []


def shaped(
    table: Mapping[str, Any], door: FindingsDoor, *, lists: Iterable[str], tables: Iterable[str]
) -> dict[str, Any]:
    """`table` without what has the wrong shape: `lists` are lists of tables, `tables` are tables; each is a finding."""
    kept = dict(table)
    for key in lists:
        rows = table.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
            what = "a single table" if isinstance(rows, Mapping) else repr(rows)
            door.fault(key, f"is {what}; it is a list: write [[{key}]] with two brackets and its keys below", "R8")
            del kept[key]
    for key in tables:
        if not isinstance(table.get(key, {}), Mapping):
            door.fault(key, f"is {table[key]!r}; write [{key}] and its keys below it", "R8")
            del kept[key]
    return kept
