"""The treatment effect on a continuous endpoint, adjusted for what was known before randomization.

    y = alpha + tau w + beta'(x - mean x) [+ gamma' w (x - mean x)] + e

tau is the average effect of treatment whether or not the line is true: adjustment by a linear model in a randomized
trial stays consistent, and with the interactions it is never less precise than the difference in means (Lin). Without
them it can be less precise when arms are unequal in size and in slope (Freedman); then use `interactions`. The trial's
patients are a sample, so with interactions gamma' Var(x) gamma / n is added for what their mean x could have been.
Freedman 2008, doi:10.1214/07-AOAS143; Lin 2013, doi:10.1214/12-AOAS583; Negi & Wooldridge 2021,
doi:10.1080/07474938.2020.1824732; MacKinnon & White 1985, doi:10.1016/0304-4076(85)90158-7 (HC2, HC3)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from twin_service.outcome import Refusal, RefusalCode

FloatArray = NDArray[np.float64]
Errors = Literal["classical", "HC0", "HC1", "HC2", "HC3"]


@dataclass(frozen=True)
class TreatmentEffect:
    """A treatment effect in the endpoint's unit, with its t-based interval.

    estimate, se, df      effect, standard error, residual degrees of freedom
    low, high             interval at `level`
    p                     two-sided, of no effect
    n_treated, n_control  patients used
    """

    estimate: float
    se: float
    df: float
    low: float
    high: float
    level: float
    p: float
    n_treated: int
    n_control: int


class Arms(NamedTuple):
    """Checked data of a two-arm comparison: y (n,), w (n,) of 0 and 1, x (n, k)."""

    y: FloatArray
    w: FloatArray
    x: FloatArray


def ancova(
    y: ArrayLike,
    treatment: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    interactions: bool = False,
    errors: Errors = "HC3",
    level: float = 0.95,
) -> TreatmentEffect:
    """The effect of `treatment` (n,) of 0/1 on `y` (n,), adjusted for `covariates` (n, k).

    Raises Refusal naming the argument: unequal lengths, values that are not finite, an arm with fewer than two
    patients, covariates that are linearly dependent.
    """
    arms = read_arms(y, treatment, covariates)
    if not 0 < level < 1:
        raise refuse("level", f"confidence level is {level:g}; expected between 0 and 1")
    design = _design(arms, interactions)
    beta, covariance, df = least_squares(design, arms.y, errors)
    variance = float(covariance[1, 1])
    if interactions and arms.x.shape[1]:
        gamma = beta[2 + arms.x.shape[1] :]
        spread = np.atleast_2d(np.cov(arms.x, rowvar=False))
        variance += float(gamma @ spread @ gamma) / len(arms.y)
    return effect_of(float(beta[1]), float(np.sqrt(variance)), df, arms.w, level=level)


def effect_of(estimate: float, se: float, df: float, w: FloatArray, *, level: float) -> TreatmentEffect:
    """`TreatmentEffect` from an estimate and its standard error on `df` degrees of freedom."""
    half = float(stats.t.ppf(0.5 + level / 2, df)) * se
    p = float(2 * stats.t.sf(abs(estimate) / se, df)) if se > 0 else float(estimate == 0)
    treated = int(np.sum(w == 1))
    return TreatmentEffect(estimate, se, df, estimate - half, estimate + half, level, p, treated, len(w) - treated)


def read_arms(y: ArrayLike, treatment: ArrayLike, covariates: ArrayLike | None = None) -> Arms:
    """Arrays of one length, finite, with both arms present; `covariates` of shape (n,) is one column."""
    endpoint, w = np.asarray(y, dtype=np.float64), np.asarray(treatment, dtype=np.float64)
    x = np.zeros((len(endpoint), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if endpoint.ndim != 1 or w.shape != endpoint.shape or x.ndim != 2 or len(x) != len(endpoint):
        raise refuse(
            "treatment",
            f"endpoint {endpoint.shape}, treatment {w.shape} and covariates {x.shape} must have one row a patient",
        )
    for name, values in (("y", endpoint), ("treatment", w), ("covariates", x)):
        if not np.all(np.isfinite(values)):
            raise refuse(
                name,
                f"{int(np.sum(~np.isfinite(values)))} values are missing or not finite; analyze the "
                "patients with complete data, or impute before",
            )
    if not np.all((w == 0) | (w == 1)):
        raise refuse("treatment", "expected 0 (control) or 1 (treated) for each patient")
    if min(np.sum(w == 0), np.sum(w == 1)) < 2:
        raise refuse(
            "treatment",
            f"{int(np.sum(w == 1))} treated and {int(np.sum(w == 0))} control patients; each arm needs two or more",
        )
    return Arms(endpoint, w, x)


def refuse(field: str, message: str) -> Refusal:
    """A refusal about argument `field` of an analysis."""
    return Refusal(RefusalCode.INVALID, f"{field}: {message}", field=field, reason="BAD_TRIAL_DATA")


def _design(arms: Arms, interactions: bool) -> FloatArray:
    centered = arms.x - arms.x.mean(axis=0)
    columns = [np.ones_like(arms.y), arms.w, centered]
    if interactions:
        columns.append(arms.w[:, None] * centered)
    design = np.column_stack(columns)
    n, k = design.shape
    scale = np.linalg.norm(design, axis=0)
    if n <= k:
        raise refuse("covariates", f"{n} patients cannot carry {k} coefficients; drop covariates")
    if np.any(scale == 0) or np.linalg.matrix_rank(design / scale) < k:
        raise refuse("covariates", "linearly dependent, or constant within the trial; drop one of them")
    return design


def least_squares(design: FloatArray, y: FloatArray, errors: Errors) -> tuple[FloatArray, FloatArray, float]:
    """beta (p,), its covariance (p, p) and the residual degrees of freedom.

    classical  s^2 (X'X)^-1
    HC         (X'X)^-1 X' diag(u^2 f) X (X'X)^-1,  f = 1 | n/(n-p) | 1/(1-h) | 1/(1-h)^2
    """
    Q, R = np.linalg.qr(design)
    beta = np.linalg.solve(R, Q.T @ y)
    u = y - design @ beta
    n, p = design.shape
    inverse = np.linalg.inv(R)
    if errors == "classical":
        return beta, (u @ u / (n - p)) * (inverse @ inverse.T), float(n - p)
    h = np.clip(np.sum(Q**2, axis=1), 0.0, 1.0 - 1e-12)
    weights = {"HC0": np.ones(n), "HC1": np.full(n, n / (n - p)), "HC2": 1 / (1 - h), "HC3": 1 / (1 - h) ** 2}
    if errors not in weights:
        raise refuse("errors", f"{errors!r} is unknown; known: classical, {', '.join(weights)}")
    meat = Q.T @ (Q * (u**2 * weights[errors])[:, None])
    return beta, inverse @ meat @ inverse.T, float(n - p)
