"""A table of patients for `twin select`: CSV with a header; one column is the response, the others are markers."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.selection import Candidates

YES, NO = frozenset({"1", "yes", "true", "y"}), frozenset({"0", "no", "false", "n"})


class MarkerTable(NamedTuple):
    """Patients who teach; patients whose response cell is empty, with their line of the file and markers."""

    seen: Candidates
    asked: tuple[tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]], ...]
    skipped: tuple[str, ...]


def read_markers(path: Path, outcome: str, markers: Sequence[str] = ()) -> MarkerTable:
    """Raises Refusal for an unknown column (naming the nearest), a cell that is no number, an outcome that is neither
    yes nor no. Patients with an empty marker are left out and listed."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0]) if rows else []
    for name in (outcome, *markers):
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"columns: {', '.join(columns)}"
            raise refuse("outcome" if name == outcome else "markers", f"{path.name} has no column {name!r}; {hint}")
    used = tuple(markers) or tuple(c for c in columns if c != outcome)
    x, y, asked, skipped = [], [], [], []
    for k, row in enumerate(rows):
        if any(not (row[m] or "").strip() for m in used):
            skipped.append(f"line {k + 2}")
            continue
        values = [_number(row[m], f"{path.name} line {k + 2}, {m}") for m in used]
        said = (row[outcome] or "").strip().lower()
        if not said:
            asked.append((f"line {k + 2}", np.array(values)))
        elif said in YES | NO:
            x.append(values)
            y.append(float(said in YES))
        else:
            raise refuse("outcome", f"{path.name} line {k + 2}: {said!r} is neither yes nor no (1 or 0)")
    seen = Candidates.create(used, np.array(x).reshape(-1, len(used)), np.array(y))
    return MarkerTable(seen, tuple(asked), tuple(skipped))


def _number(cell: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise refuse("markers", f"{where}: {cell!r} is not a number; code categories as 0 and 1") from None
