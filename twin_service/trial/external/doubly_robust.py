"""The effect in the treated, right when either the propensity or the outcome model is right.

    tau = mean_1 (y - m0(x)) - sum_0 w (y - m0(x)) / sum_0 w,   w = e/(1 - e),  m0 a line through the controls

Standard error from the influence values with both models taken as fitted. Robins, Rotnitzky & Zhao 1994,
doi:10.1080/01621459.1994.10476818; Mercatanti & Li 2014, doi:10.1214/14-AOAS767
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.adjust.ancova import TreatmentEffect, effect_of
from twin_service.trial.external.propensity import Propensity, effective_sample_size

FloatArray = NDArray[np.float64]


def augmented_effect(y: FloatArray, fit: Propensity, *, level: float = 0.95) -> TreatmentEffect:
    """The augmented weighted effect in the treated on y (n,)."""
    t = fit.treated == 1
    X = np.column_stack([np.ones(len(y)), (fit.x - fit.x.mean(axis=0)) / fit.x.std(axis=0)])
    w = np.where(t, 1.0, fit.scores / (1 - fit.scores))
    root = np.sqrt(w[~t])
    beta = np.linalg.lstsq(X[~t] * root[:, None], y[~t] * root, rcond=None)[0]
    r = y - X @ beta
    n1, total = t.sum(), w[~t].sum()
    estimate = float(r[t].mean() - np.sum(w[~t] * r[~t]) / total)
    influence = np.where(t, (r - r[t].mean()) / n1, -w * (r - np.sum(w[~t] * r[~t]) / total) / total)
    se = float(np.sqrt(np.sum(influence**2)))
    return effect_of(estimate, se, n1 + effective_sample_size(w[~t]) - 2, fit.treated, level=level)
