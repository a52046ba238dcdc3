"""What a step of the desk leaves: sections of text, tables and pictures for people, values for programs."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin_service.trial.data.assemble import Note

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class TextTable:
    """A table: a title, column heads and rows of ready text."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ResultSection:
    title: str
    text: str = ""
    grids: tuple[TextTable, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepResult:
    """`values` hold everything computed, without NaN; `notes` what to know before believing it."""

    step: str
    answer: str
    sections: tuple[ResultSection, ...]
    values: Mapping[str, Json]
    notes: tuple[Note, ...]


def jsonable(value: object) -> Json:
    """Records, arrays and enumerations as JSON; what is not a finite number becomes null."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return jsonable(value.value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return jsonable(value._asdict())
    if isinstance(value, Sequence):
        return [jsonable(v) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def number(value: float, digits: int = 3) -> str:
    """Three significant digits; a dash for what is not known."""
    if not math.isfinite(value):
        return "\N{EN DASH}"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(places, 6)}f}"


def p_text(p: float) -> str:
    return "\N{EN DASH}" if not math.isfinite(p) else "below 0.001" if p < 0.001 else f"{p:.3f}"


def interval(estimate: float, low: float, high: float) -> str:
    return f"{number(estimate)} ({number(low)} to {number(high)})"
