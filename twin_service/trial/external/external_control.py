"""Treated patients against controls from outside the trial, made comparable by weights.

    tau = sum(w1 y)/sum(w1) - sum(w0 y)/sum(w0)

The standard error is that of the stacked estimating equations of both means and the propensity model, so it knows that
the weights were estimated. Only measured characteristics are balanced: `sensitivity` says how strong an unmeasured one
would have to be. Lunceford & Davidian 2004, doi:10.1002/sim.1903
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.trial.adjust.ancova import TreatmentEffect, effect_of, read_arms
from twin_service.trial.external.propensity import (
    Balance,
    Estimand,
    Propensity,
    balance,
    effective_sample_size,
    propensity,
    weights,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ExternalComparison:
    """An externally controlled effect with what is needed to judge it.

    ess_*          effective numbers of patients
    largest_share  of the controls' weight on one patient
    warnings       what a reviewer would ask
    """

    naive: TreatmentEffect
    weighted: TreatmentEffect
    estimand: Estimand
    balance: tuple[Balance, ...]
    ess_treated: float
    ess_control: float
    largest_share: float
    outcome: Outcome
    warnings: tuple[str, ...]


def external_control(
    y: ArrayLike,
    treated: ArrayLike,
    covariates: ArrayLike,
    names: Sequence[str],
    *,
    estimand: Estimand = "ATT",
    level: float = 0.95,
) -> ExternalComparison:
    """The weighted effect of treatment on `y` (n,); `treated` (n,) is 1 in the trial, 0 outside.

    Raises Refusal for bad data, and when the covariates separate the groups: then no comparison exists.
    """
    arms = read_arms(y, treated, covariates)
    fit = propensity(arms.w, arms.x)
    if not fit.outcome.ok:
        raise Refusal(RefusalCode.PRECONDITION, f"no overlap: {fit.outcome}", field="covariates", reason="NO_OVERLAP")
    w = weights(fit, estimand)
    t = arms.w == 1
    table = balance(fit, w, names)
    ess = effective_sample_size(w[t]), effective_sample_size(w[~t])
    share = float(w[~t].max() / w[~t].sum())
    return ExternalComparison(
        _naive(arms.y, arms.w, level),
        hajek_effect(arms.y, fit, estimand, level=level),
        estimand,
        table,
        ess[0],
        ess[1],
        share,
        fit.outcome,
        _warnings(table, ess[1], int(np.sum(~t)), share),
    )


def hajek_effect(y: FloatArray, fit: Propensity, estimand: Estimand, *, level: float) -> TreatmentEffect:
    """The weighted effect with the error that knows its weights were estimated."""
    w, t = weights(fit, estimand), fit.treated == 1
    estimate, se = _hajek(y, fit, estimand)
    df = effective_sample_size(w[t]) + effective_sample_size(w[~t]) - 2
    return effect_of(estimate, se, df, fit.treated, level=level)


def _naive(y: FloatArray, w: FloatArray, level: float) -> TreatmentEffect:
    one, zero = y[w == 1], y[w == 0]
    v1, v0 = one.var(ddof=1) / len(one), zero.var(ddof=1) / len(zero)
    df = (v1 + v0) ** 2 / (v1**2 / (len(one) - 1) + v0**2 / (len(zero) - 1)) if v1 + v0 > 0 else len(y) - 2.0
    return effect_of(float(one.mean() - zero.mean()), float(np.sqrt(v1 + v0)), float(df), w, level=level)


def _hajek(y: FloatArray, fit: Propensity, estimand: Estimand) -> tuple[float, float]:
    """Estimate and standard error from the stacked equations psi of (mu1, mu0, beta): A^-1 B A^-T / n."""
    n, e, t = len(y), fit.scores, fit.treated
    X = _standardized(fit.x)
    w, slope = weights(fit, estimand), _weight_slopes(fit, estimand)
    mu1, mu0 = np.average(y, weights=w * t), np.average(y, weights=w * (1 - t))
    psi1, psi0 = w * t * (y - mu1), w * (1 - t) * (y - mu0)
    psi = np.column_stack([psi1, psi0, (t - e)[:, None] * X])
    k = X.shape[1]
    A = np.zeros((2 + k, 2 + k))
    A[0, 0], A[1, 1] = np.mean(w * t), np.mean(w * (1 - t))
    A[0, 2:] = -((slope * t * (y - mu1)) @ X) / n
    A[1, 2:] = -((slope * (1 - t) * (y - mu0)) @ X) / n
    A[2:, 2:] = X.T @ (X * (e * (1 - e))[:, None]) / n
    influence = np.linalg.solve(A, psi.T)
    contrast = influence[0] - influence[1]
    return float(mu1 - mu0), float(np.sqrt(contrast @ contrast) / n)


def _weight_slopes(fit: Propensity, estimand: Estimand) -> FloatArray:
    """Derivative of each weight with respect to the linear predictor, (n,)."""
    e, t = fit.scores, fit.treated == 1
    odds = e / (1 - e)
    table = {"ATT": (np.zeros_like(e), odds), "ATE": (-1 / odds, odds), "ATO": (-e * (1 - e), e * (1 - e))}
    of_treated, of_control = table[estimand]
    return np.where(t, of_treated, of_control)


def _standardized(x: FloatArray) -> FloatArray:
    """Design with intercept; the variance does not depend on the covariates' units, the arithmetic does."""
    return np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])


def _warnings(table: Sequence[Balance], ess: float, controls: int, share: float) -> tuple[str, ...]:
    found = [
        f"{b.name} still differs by {b.difference_after:+.2f} SD after weighting"
        for b in table
        if abs(b.difference_after) >= 0.1
    ]
    if ess < 0.3 * controls:
        found.append(f"the {controls} external controls weigh as much as {ess:.0f}")
    if share > 0.1:
        found.append(f"one control carries {share:.0%} of the weight")
    return tuple(found)
