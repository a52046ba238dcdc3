"""Fold errors: predicted over observed, and their geometric means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Ratio:
    """Predicted over observed, of one row of a table."""

    name: str
    observed: float
    predicted: float

    @property
    def fold(self) -> float:
        return self.predicted / self.observed


def gmfe(ratios: ArrayLike) -> float:
    """Geometric mean fold error, 10^mean|log10(pred/obs)|; NaN for none."""
    r = np.asarray(ratios, dtype=np.float64)
    r = r[np.isfinite(r) & (r > 0)]
    return float(10 ** np.mean(np.abs(np.log10(r)))) if len(r) else float("nan")


def within(ratios: ArrayLike, fold: float) -> float:
    """Share of ratios within `fold`; NaN for none."""
    r = np.asarray(ratios, dtype=np.float64)
    r = r[np.isfinite(r) & (r > 0)]
    return float(np.mean((r <= fold) & (r >= 1.0 / fold))) if len(r) else float("nan")


def median(values: Sequence[float]) -> float:
    v = [x for x in values if np.isfinite(x)]
    return float(np.median(v)) if v else float("nan")
