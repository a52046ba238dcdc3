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


@dataclass(frozen=True)
class Split:
    """A fold error split into what is shared and what is scattered.

    bias        geometric mean of predicted over observed
    scatter     GMFE that is left when the bias is divided out
    cv          geometric coefficient of variation of the ratios, sqrt(exp(s^2) - 1), s the spread of their logarithms;
                NaN for one
    """

    n: int
    gmfe: float
    bias: float
    scatter: float
    cv: float


def split(ratios: ArrayLike) -> Split:
    """Bias and scatter of predicted over observed; NaN for none."""
    r = np.asarray(ratios, dtype=np.float64)
    logs = np.log(r[np.isfinite(r) & (r > 0)])
    if not len(logs):
        return Split(0, float("nan"), float("nan"), float("nan"), float("nan"))
    bias = float(np.exp(logs.mean()))
    cv = float(np.sqrt(np.expm1(logs.var(ddof=1)))) if len(logs) > 1 else float("nan")
    return Split(len(logs), gmfe(np.exp(logs)), bias, gmfe(np.exp(logs) / bias), cv)
