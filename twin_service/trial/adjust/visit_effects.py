"""Repeated measurements of a trial analyzed together: one mean a visit, any covariance between visits, nothing imputed.

    y_i = X_i beta + e_i,   e_i ~ N(0, sigma over the visits at which patient i was read)

Patients who leave early contribute what they gave, which is unbiased when leaving depends on what was read before
(missing at random). A forecast under control at each visit enters like any time-matched covariate (PROCOVA-MMRM).
Mallinckrodt 2008, doi:10.1177/009286150804200402
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin_service.trial.adjust.ancova import TreatmentEffect, effect_of, refuse
from twin_service.trial.adjust.mmrm.covariance import CovarianceStructure
from twin_service.trial.adjust.mmrm.fit import RepeatedFit, fit_repeated
from twin_service.trial.adjust.mmrm.inference import Contrasts, Inference

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class VisitEffects:
    """Treatment minus control at each visit, and the fit they come from."""

    effects: tuple[TreatmentEffect, ...]
    fit: RepeatedFit


def visit_effects(
    y: ArrayLike,
    treatment: ArrayLike,
    covariates: ArrayLike | None = None,
    prognostic: ArrayLike | None = None,
    *,
    inference: Inference = Inference.SATTERTHWAITE,
    level: float = 0.95,
) -> VisitEffects:
    """The effect of `treatment` (n,) of 0/1 at each visit on `y` (n, m), NaN where a patient was not read.

    covariates   (n, k), each with its own coefficient at every visit
    prognostic   (n, m) forecasts under control, one coefficient for all visits
    """
    values, w, x, seen = _read(y, treatment, covariates)
    n, m = values.shape
    per_patient = np.column_stack([np.ones(n), w, x - x.mean(axis=0)])
    design = np.einsum("nc,vu->nvcu", per_patient, np.eye(m)).reshape(n, m, -1)
    if prognostic is not None:
        scores = np.asarray(prognostic, dtype=np.float64)
        if scores.shape != (len(seen), m) or not np.all(np.isfinite(scores)):
            raise refuse("prognostic", "expected one finite forecast for every patient and visit")
        scores = scores[seen]
        design = np.concatenate([design, (scores - scores.mean())[:, :, None]], axis=2)
    fit = fit_repeated(values, design, CovarianceStructure("unstructured", m))
    contrasts = Contrasts(fit, inference)
    effects = []
    for visit in range(m):
        pick = np.zeros(design.shape[2])
        pick[m + visit] = 1.0
        estimate, se, df = contrasts.of(pick)
        effects.append(effect_of(estimate, se, df, w[np.isfinite(values[:, visit])], level=level))
    return VisitEffects(tuple(effects), fit)


def _read(
    y: ArrayLike, treatment: ArrayLike, covariates: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    values, w = np.asarray(y, dtype=np.float64), np.asarray(treatment, dtype=np.float64)
    if values.ndim != 2 or w.shape != values.shape[:1]:
        raise refuse("y", f"{values.shape}; expected patients by visits, and one treatment a patient")
    x = np.zeros((len(w), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if len(x) != len(w) or not np.all(np.isfinite(x)):
        raise refuse("covariates", "expected finite values, one row a patient")
    if not np.all((w == 0) | (w == 1)):
        raise refuse("treatment", "expected 0 (control) or 1 (treated) for each patient")
    if np.any(np.isinf(values)):
        raise refuse("y", "an infinite value; use NaN for a visit that was missed")
    seen = np.asarray(np.isfinite(values).any(axis=1), bool)
    return values[seen], w[seen], x[seen], seen
