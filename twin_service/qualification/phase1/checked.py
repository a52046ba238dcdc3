"""One reference case, compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Checked(NamedTuple):
    """One reference case: its name, whether it passed, and the largest difference in units of its tolerance."""

    name: str
    passed: bool
    worst: float


def close(name: str, pairs: list[tuple[object, object, float]]) -> Checked:
    """`pairs` of (found, wanted, tolerance)."""
    worst = 0.0
    for found, wanted, tolerance in pairs:
        difference = np.max(np.abs(np.asarray(found, dtype=float) - np.asarray(wanted, dtype=float)), initial=0.0)
        worst = max(worst, float(difference) / tolerance)
    return Checked(name, worst <= 1.0, worst)


def cases_of(path: Path) -> list[dict]:  # type: ignore[type-arg]
    return list(json.loads(path.read_text())["cases"]) if path.exists() else []
