"""What a prognostic model may look at: baseline characteristics, one row a subject, nothing after the index date.

Results of the trial never reach this module: a row is made of the subject's table and of the endpoint's baseline.
Numbers missing at baseline are set to the training median, with an indicator; a class not seen in training is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.data.results import numbers_of

FloatArray = NDArray[np.float64]
BASELINE = "baseline"
KNOTS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Baseline:
    """numbers (n, k) by `names`, NaN where missing; classes (n, c) by `class_names`."""

    names: tuple[str, ...]
    numbers: FloatArray
    class_names: tuple[str, ...]
    classes: NDArray[np.object_]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Baseline:
        return Baseline(self.names, self.numbers[rows], self.class_names, self.classes[rows])


@dataclass(frozen=True)
class Encoder:
    """Learned from training rows: medians, spline knots and classes; columns by `columns`."""

    medians: FloatArray
    scales: FloatArray
    knots: tuple[tuple[float, ...], ...]
    levels: tuple[tuple[str, ...], ...]

    def plain(self, x: Baseline) -> FloatArray:
        """Numbers with medians for what is missing, then one column a class: what trees take."""
        filled = np.where(np.isfinite(x.numbers), x.numbers, self.medians)
        return np.column_stack([filled, self._dummies(x)])

    def splines(self, x: Baseline) -> FloatArray:
        """Intercept, each number with its natural cubic spline, and classes: what linear models take."""
        filled = (np.where(np.isfinite(x.numbers), x.numbers, self.medians) - self.medians) / self.scales
        columns = [np.ones((len(filled), 1)), filled]
        columns += [_natural(filled[:, j], k)[:, None] for j, k in enumerate(self.knots) if k]
        return np.column_stack([*columns, self._dummies(x)])

    def _dummies(self, x: Baseline) -> FloatArray:
        found = [x.classes[:, j] == level for j, known in enumerate(self.levels) for level in known[1:]]
        return np.column_stack([np.zeros((len(x.classes), 0)), *found]).astype(np.float64)


def baseline_of(
    subjects: pd.DataFrame, at_baseline: FloatArray, covariates: Sequence[str], factors: Sequence[str]
) -> Baseline:
    """Columns of the subjects, with the endpoint at baseline where anybody has one."""
    found = numbers_of(subjects, [c for c in covariates if c != BASELINE], "forecast.covariates")
    names, columns = list(found.columns), [found.to_numpy()]
    if np.isfinite(at_baseline).any():
        names.append(BASELINE)
        columns.append(at_baseline[:, None])
    for f in factors:
        if f not in subjects.columns:
            raise refuse("forecast.factors", f"no column {f!r}")
    classes = subjects[list(factors)].astype(str).to_numpy(dtype=object).reshape(len(subjects), -1)
    numbers = np.column_stack(columns).astype(np.float64)
    if numbers.shape[1] + classes.shape[1] == 0:
        raise refuse("forecast.covariates", "nothing is known at baseline; name covariates or factors")
    return Baseline(tuple(names), numbers, tuple(factors), classes)


def encoder_of(x: Baseline) -> Encoder:
    """Raises Refusal for a number that nobody in training has."""
    empty = [n for n, c in zip(x.names, x.numbers.T, strict=True) if not np.isfinite(c).any()]
    if empty:
        raise refuse("forecast.covariates", f"{empty[0]} is missing in every subject to learn from")
    medians = np.nanmedian(x.numbers, axis=0) if x.numbers.shape[1] else np.zeros(0)
    scales = np.nanstd(x.numbers, axis=0) if x.numbers.shape[1] else np.zeros(0)
    scales = np.where(scales > 0, scales, 1.0)
    knots = []
    for j in range(x.numbers.shape[1]):
        values = (x.numbers[:, j] - medians[j]) / scales[j]
        places = tuple(float(v) for v in np.nanquantile(values, KNOTS))
        # A spline needs three distinct places and some patients for each coefficient.
        enough = len(set(places)) == 3 and len(np.unique(values)) > 8 and len(values) >= 60
        knots.append(places if enough else ())
    levels = tuple(tuple(sorted(set(x.classes[:, j]))) for j in range(x.classes.shape[1]))
    return Encoder(medians, scales, tuple(knots), levels)


def _natural(x: FloatArray, knots: Sequence[float]) -> FloatArray:
    """The one curved column of a restricted cubic spline with three knots (Harrell)."""
    a, b, c = knots
    cube = [np.maximum(x - k, 0.0) ** 3 for k in knots]
    return np.asarray((cube[0] - cube[1] * (c - a) / (c - b) + cube[2] * (b - a) / (c - b)) / (c - a) ** 2)
