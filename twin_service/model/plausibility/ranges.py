"""What is usual and what cannot be: `library/dose_ranges.toml` and the limits of analytes as typed records.

A dose has a usual range in mg and, where it is dosed by weight, in mg/kg; with a known weight both hold. A level of a
drug cannot exceed its absolute dose in the plasma of an adult.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from twin_service import units
from twin_service.library.files import FOLDER, parse_toml

Span = tuple[float, float]
# Plasma of an adult, L (3 L of 73 kg: ICRP 89), and of plasma and what is reached at once.
PLASMA_L, AT_ONCE_L = 3.0, 5.0
SMALL_CHILD_KG: Final = 30.0


class Range(NamedTuple):
    """What is usual, [low, high], and beyond what nothing is believed unasked, [least, most]; one unit throughout."""

    low: float
    high: float
    least: float
    most: float
    unit: str
    origin: str

    def is_usual(self, value: float) -> bool:
        return self.low <= value <= self.high

    def is_possible(self, value: float) -> bool:
        return self.least <= value <= self.most


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    drug: str
    usual: Span
    origin: str


class DoseRange(_Row):
    """One dose of a drug by its routes, mg, mg/kg; `per_day` mg in 24 h; see the file for what each means."""

    routes: tuple[str, ...]
    per_kg: Span | None = None
    per_day: float | None = None
    absolute: float | None = None


class _Number(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    value: float
    unit: str
    origin: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    version: str
    method: str
    absolute_over_usual: _Number
    dose: tuple[DoseRange, ...]
    level: tuple[_Row, ...]


class Ranges(NamedTuple):
    """Every range: doses by (drug, route), levels by drug."""

    doses: Mapping[tuple[str, str], DoseRange]
    levels: Mapping[str, Range]
    absolute_over_usual: float

    def dose(self, drug: str, route: str, weight_kg: float | None = None) -> Range | None:
        """What one dose may be, mg; None where the drug has no row for the route (a co-medication)."""
        row = self.doses.get((drug, route))
        if row is None:
            return None
        low, high = row.usual
        most = row.absolute or self.absolute_over_usual * high
        if row.per_kg is not None and weight_kg:
            # An adult's ceiling in mg holds for a heavy person, the rate per kg for a light one.
            low, high = min(low, row.per_kg[0] * weight_kg), min(high, row.per_kg[1] * weight_kg)
            if weight_kg >= SMALL_CHILD_KG:
                low = max(low, min(row.per_kg[0] * weight_kg, row.usual[1] / 20.0))
            most = min(most, self.absolute_over_usual * row.per_kg[1] * weight_kg)
        return Range(low, high, 0.0, most, "mg", row.origin)

    def level(self, drug: str) -> Range | None:
        """What a level may be, mg/L; without a row from the doses."""
        return self.levels.get(drug)

    def reading(self, name: str) -> Range | None:
        """What a reading of an analyte may be, in its canonical unit; of a drug its level."""
        known = units.analytes().get(name)
        if known is None:
            return None
        if known.kind == "drug":
            return self.level(name)
        low, high = known.usual or (known.low, known.high)
        return Range(low, high, known.low, known.high, known.unit, "library/analytes.toml")

    def per_day(self, drug: str, route: str) -> float | None:
        """The highest usual amount in 24 h, mg."""
        row = self.doses.get((drug, route))
        return None if row is None else row.per_day


@lru_cache(maxsize=4)
def load_ranges(path: Path = FOLDER / "dose_ranges.toml") -> Ranges:
    """The ranges of the library."""
    table = parse_toml(path)
    table.pop("schema", None)
    file = _File.model_validate(table)
    doses = {(row.drug, route): row for row in file.dose for route in row.routes}
    return Ranges(doses, _levels(file), file.absolute_over_usual.value)


def _levels(file: _File) -> dict[str, Range]:
    """What a level of each drug may be, mg/L; a drug without a row of its own takes it from its doses."""
    said, found = {row.drug: row for row in file.level}, dict[str, Range]()
    for drug in {row.drug for row in file.dose} | set(said):
        rows = [r for r in file.dose if r.drug == drug]
        high = max((r.usual[1] for r in rows), default=math.inf)
        over = file.absolute_over_usual.value
        most = max((r.absolute or over * r.usual[1] for r in rows), default=math.inf) / PLASMA_L
        row = said.get(drug)
        if row is not None:
            found[drug] = Range(row.usual[0], row.usual[1], 0.0, max(most, 3.0 * row.usual[1]), "mg/L", row.origin)
        else:
            found[drug] = Range(
                0.0, high / AT_ONCE_L, 0.0, most, "mg/L", "the usual dose in 5 L, the absolute one in 3 L"
            )
    return found
