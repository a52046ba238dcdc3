"""What a step of the desk leaves: sections of text, tables and pictures for people, values for programs."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin_service.report.page import Picture, Section, Table
from twin_service.report.text import interval_text
from twin_service.trial.note import Note

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class StepResult:
    """`values` hold everything computed, without NaN; `notes` what to know before believing it."""

    step: str
    answer: str
    sections: tuple[Section, ...]
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


def text_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of ready text under its title."""
    return Table(heads, rows, title)


def section_of(title: str, text: str = "", tables: Sequence[Table] = (), pictures: Sequence[str] = ()) -> Section:
    """`pictures` are SVG text; each is captioned by the section's title."""
    return Section(title, (text,) if text else (), [Picture(p, title) for p in pictures], tables)


def interval(estimate: float, low: float, high: float) -> str:
    return interval_text(estimate, low, high)
