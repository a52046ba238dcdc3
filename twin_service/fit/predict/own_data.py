"""A user's own levels beside a prediction: read with every mistake named, compared by study.

    time_h, value, unit, study, blq        a header, a row a level; or `time_min`, `time_d`; no study or blq needed

    GMFE = exp(mean |ln(predicted/observed)|);  AUC, Cmax ratio: predicted over observed, at the times observed

A level below the limit of the assay (blq = 1, the value being the limit, or "<0.5") is no number: it counts as agreed
where the prediction lies below the limit too.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from twin_service import units
from twin_service.model.library.findings import Finding, hinted, refuse_all
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.exposure import area

HOURS: Final = {"time_h": 1.0, "time_min": 1.0 / 60.0, "time_d": 24.0}
COLUMNS: Final = (*HOURS, "value", "unit", "study", "blq")
LARGEST_BYTES: Final = 5_000_000
# Real data that lie a factor of this from every prediction are more often in another unit than of another drug.
UNIT_FOLD: Final = 300.0


class ObservedLevel(NamedTuple):
    """An observed level, mg/L; where `below` it is the limit of the assay."""

    study: str
    time_h: float
    value_mg_l: float
    below: bool = False


class StudyComparison(NamedTuple):
    """One study: predicted over observed. `below_agreed` of `below` levels under the limit are predicted so."""

    study: str
    levels: int
    gmfe: float
    within_2fold: float
    auc_ratio: float
    cmax_ratio: float
    below: int = 0
    below_agreed: int = 0


def read_levels(path: Path, molar_mass: float | None) -> list[ObservedLevel]:
    """The levels of a CSV file, by study and time. Raises Refusal with every mistake, each with its line."""
    if not path.exists():
        raise Refusal(RefusalCode.NOT_FOUND, f"{path.name}: no such file", field="data", reason="NO_SUCH_FILE")
    if path.stat().st_size > LARGEST_BYTES:
        raise Refusal(RefusalCode.TOO_MUCH, f"{path.name} is larger than 5 MB", field="data", reason="FILE_TOO_LARGE")
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        header, rows = [str(n).strip() for n in table.fieldnames or ()], list(table)
    findings = _header_findings(path.name, header)
    refuse_all(findings)
    clock = next(n for n in header if n in HOURS)
    found: list[ObservedLevel] = []
    for k, raw in enumerate(rows, start=2):
        row = {str(n).strip(): (v or "").strip() for n, v in raw.items() if isinstance(v, str) or v is None}
        try:
            found.append(_level(row, clock, molar_mass))
        except ValueError as error:
            findings.append(Finding(path.name, f"line {k}", "R9", str(error)))
    seen: dict[tuple[str, float], int] = {}
    for k, level in enumerate(found):
        if (level.study, level.time_h) in seen and clock:
            findings.append(
                Finding(
                    path.name,
                    f"study {level.study!r}",
                    "R11",
                    f"has two levels at {level.time_h:g} h: two subjects under one name? Name each in `study`",
                )
            )
        seen[level.study, level.time_h] = k
    refuse_all(findings)
    if not found:
        raise Refusal(RefusalCode.INVALID, f"{path.name} holds no level", field="data", reason="NO_DATA")
    return sorted(found)


def compare(levels: Sequence[ObservedLevel], predicted_mg_l: Sequence[float]) -> list[StudyComparison]:
    """Each study, and all of them as "all" where there are several; `predicted_mg_l` is aligned with `levels`."""
    pairs = list(zip(levels, predicted_mg_l, strict=True))
    studies = list(dict.fromkeys(level.study for level in levels))
    found = [_compared(s, [p for p in pairs if p[0].study == s]) for s in studies]
    if len(found) > 1:
        areas, peaks = _middle([f.auc_ratio for f in found]), _middle([f.cmax_ratio for f in found])
        found.append(_compared("all", pairs)._replace(auc_ratio=areas, cmax_ratio=peaks))
    return found


def doubts(levels: Sequence[ObservedLevel], predicted_mg_l: Sequence[float]) -> list[str]:
    """What looks like a slip of unit: all of the data far off by much the same factor."""
    logs = [math.log(p / y.value_mg_l) for y, p in zip(levels, predicted_mg_l, strict=True) if not y.below and p > 0]
    if len(logs) >= 3 and abs(float(np.median(logs))) > math.log(UNIT_FOLD):
        fold = math.exp(float(np.median(logs)))
        return [f"the prediction is {fold:.3g} times the data throughout; check the unit of the data and of the dose"]
    return []


def _header_findings(name: str, header: Sequence[str]) -> list[Finding]:
    found = [Finding(name, n, "R10", f"unknown column{hinted(n, COLUMNS)}") for n in header if n not in COLUMNS]
    clocks = [n for n in header if n in HOURS]
    if len(clocks) != 1:
        found.append(Finding(name, "time_h", "R8", f"one column of time is expected, one of: {', '.join(HOURS)}"))
    found += [Finding(name, n, "R8", "the column is missing") for n in ("value", "unit") if n not in header]
    return found


def _level(row: dict[str, str], clock: str, molar_mass: float | None) -> ObservedLevel:
    """Raises ValueError with a sentence."""
    text, below = row["value"], row.get("blq", "") not in ("", "0")
    if text.startswith("<"):
        text, below = text[1:], True
    time, value = _number(row[clock], clock), _number(text, "value")
    if time < 0.0:
        raise ValueError(f"{clock} is {time:g}, before the first dose; times count from it")
    if value < 0.0 or (value == 0.0 and not below):
        raise ValueError(
            f'value is {value:g}; a level below the limit of the assay is written "<limit" or with blq = 1'
        )
    try:
        converted = units.convert(value, row["unit"], "mg/L", molar_mass=molar_mass)
    except Refusal as refusal:
        raise ValueError(f"unit: {refusal.message}") from None
    return ObservedLevel(row.get("study") or "data", time * HOURS[clock], converted, below)


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; expected a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text!r}; expected a finite number")
    return value


def _compared(study: str, pairs: Sequence[tuple[ObservedLevel, float]]) -> StudyComparison:
    below = [(y, p) for y, p in pairs if y.below]
    measured = [(y, p) for y, p in pairs if not y.below]
    t = np.array([y.time_h for y, _ in measured])
    observed, predicted = np.array([y.value_mg_l for y, _ in measured]), np.array([p for _, p in measured])
    agreed = sum(p < y.value_mg_l for y, p in below)
    if not len(t):
        nan = float("nan")
        return StudyComparison(study, 0, nan, nan, nan, nan, len(below), agreed)
    with np.errstate(divide="ignore"):
        off = np.abs(np.log(np.maximum(predicted, 1e-300) / observed))
    areas = [float(area(t, c[None, :])[0]) for c in (predicted, observed)]
    return StudyComparison(
        study,
        len(t),
        float(np.exp(off.mean())),
        float((off <= math.log(2.0)).mean()),
        areas[0] / areas[1] if len(t) > 1 and areas[1] > 0.0 else float("nan"),
        float(predicted.max() / observed.max()),
        len(below),
        agreed,
    )


def _middle(ratios: Sequence[float]) -> float:
    """Geometric mean of the ratios that are known."""
    known = [r for r in ratios if math.isfinite(r) and r > 0.0]
    return math.exp(float(np.mean(np.log(known)))) if known else float("nan")
