"""Any number of arms in one linear model: least-squares means, differences from control, classical or HC errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.adjust.ancova import Errors, TreatmentEffect, effect_of, least_squares
from twin_service.trial.adjust.comparison import ArmComparison, ArmMean
from twin_service.trial.adjust.design import VisitDesign

FloatArray = NDArray[np.float64]


def linear_comparisons(
    y: FloatArray, arm: NDArray[np.intp], design: VisitDesign, *, errors: Errors, level: float
) -> tuple[tuple[ArmMean, ...], tuple[ArmComparison, ...]]:
    """Mean of each arm and its difference from arm 0, adjusted for the design's other columns."""
    beta, cov, df = least_squares(design.columns, y, errors)
    means = []
    for a in range(design.arms):
        se = float(np.sqrt(cov[a, a]))
        means.append(ArmMean(a, 0, float(beta[a]), se, int(np.sum(arm == a))))
    found = []
    for a in range(1, design.arms):
        variance = cov[a, a] + cov[0, 0] - 2 * cov[a, 0]
        w = (arm[(arm == a) | (arm == 0)] == a).astype(float)
        found.append(ArmComparison(a, 0, _effect(float(beta[a] - beta[0]), float(np.sqrt(variance)), df, w, level)))
    return tuple(means), tuple(found)


def _effect(estimate: float, se: float, df: float, w: FloatArray, level: float) -> TreatmentEffect:
    return effect_of(estimate, se, df, w, level=level)
