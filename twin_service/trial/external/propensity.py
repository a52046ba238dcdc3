"""Who would have been in which group: propensity scores, weights, balance, and how many patients are left.

    logit e(x) = b0 + b'x,      e = probability of treatment

    estimand                                    weight of a treated    of a control patient
    ATT  effect in the treated                  1                      e/(1 - e)
    ATE  effect in everybody                    1/e                    1/(1 - e)
    ATO  effect where the groups overlap        1 - e                  e

Rosenbaum & Rubin 1983, doi:10.1093/biomet/70.1.41; Li, Morgan & Zaslavsky 2018, doi:10.1080/01621459.2016.1260466
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from twin_service.outcome import OK, Outcome, Verdict
from twin_service.trial.adjust.ancova import read_arms, refuse

FloatArray = NDArray[np.float64]
Estimand = Literal["ATT", "ATE", "ATO"]
STEPS = 50
# A linear predictor beyond this is a probability of 1e-13: the groups are separated, not merely different.
SEPARATED = 30.0


@dataclass(frozen=True)
class Propensity:
    """coefficients (k + 1,) with the intercept first; scores (n,) in (0, 1); x as given (n, k)."""

    coefficients: FloatArray
    scores: FloatArray
    x: FloatArray
    treated: FloatArray
    outcome: Outcome


@dataclass(frozen=True)
class Balance:
    """One characteristic in both groups. Differences are in SDs of the treated; below 0.1 in size is customary.

    variance_ratio   treated over control, unweighted
    """

    name: str
    mean_treated: float
    mean_control: float
    difference_before: float
    difference_after: float
    variance_ratio: float


def propensity(treated: ArrayLike, covariates: ArrayLike) -> Propensity:
    """The maximum-likelihood logistic fit of `treated` (n,) on `covariates` (n, k).

    Groups that a line separates have no maximum: the outcome is NOT_CONVERGED and no weight should be made of it.
    """
    arms = read_arms(np.zeros(len(np.asarray(treated))), treated, covariates)
    center, scale = arms.x.mean(axis=0), arms.x.std(axis=0)
    if np.any(scale == 0):
        raise refuse("covariates", "constant over all patients; drop it")
    design = np.column_stack([np.ones(len(arms.w)), (arms.x - center) / scale])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise refuse("covariates", "linearly dependent; drop one of them")
    beta, outcome = _logistic(design, arms.w)
    slopes = beta[1:] / scale
    coefficients = np.concatenate([[beta[0] - slopes @ center], slopes])
    return Propensity(coefficients, expit(design @ beta), arms.x, arms.w, outcome)


def weights(fit: Propensity, estimand: Estimand) -> FloatArray:
    """Weight of each patient (n,)."""
    e, t = fit.scores, fit.treated == 1
    table = {"ATT": (np.ones_like(e), e / (1 - e)), "ATE": (1 / e, 1 / (1 - e)), "ATO": (1 - e, e)}
    if estimand not in table:
        raise refuse("estimand", f"{estimand!r} is unknown; known: {', '.join(table)}")
    of_treated, of_control = table[estimand]
    return np.where(t, of_treated, of_control)


def effective_sample_size(w: FloatArray) -> float:
    """(sum w)^2 / sum w^2: equally weighted patients that would know as much (Kish 1965)."""
    return float(np.sum(w) ** 2 / np.sum(w**2))


def balance(fit: Propensity, w: FloatArray, names: Sequence[str]) -> tuple[Balance, ...]:
    """Each characteristic before and after weighting by `w` (n,)."""
    if len(names) != fit.x.shape[1]:
        raise refuse("names", f"{len(names)} names for {fit.x.shape[1]} covariates")
    return tuple(_balance(fit.x[:, j], fit.treated == 1, w, name) for j, name in enumerate(names))


def _balance(x: FloatArray, treated: NDArray[np.bool_], w: FloatArray, name: str) -> Balance:
    one, zero = x[treated], x[~treated]
    sd = one.std(ddof=1)
    after = np.average(one, weights=w[treated]) - np.average(zero, weights=w[~treated])
    spread = zero.var(ddof=1)
    return Balance(
        name,
        float(one.mean()),
        float(zero.mean()),
        float((one.mean() - zero.mean()) / sd) if sd > 0 else float("nan"),
        float(after / sd) if sd > 0 else float("nan"),
        float(sd**2 / spread) if spread > 0 else float("nan"),
    )


def _logistic(design: FloatArray, t: FloatArray) -> tuple[FloatArray, Outcome]:
    """Newton steps on the log-likelihood, halved while they do not improve it."""
    beta = np.zeros(design.shape[1])
    best = _log_likelihood(design, t, beta)
    for _ in range(STEPS):
        e = expit(design @ beta)
        information = design.T @ (design * (e * (1 - e))[:, None])
        step = np.linalg.lstsq(information, design.T @ (t - e), rcond=None)[0]
        for _ in range(30):
            value = _log_likelihood(design, t, beta + step)
            if value >= best:
                break
            step = step / 2
        beta, gain, best = beta + step, value - best, value
        if np.max(np.abs(design @ beta)) > SEPARATED:
            return beta, Outcome(
                Verdict.NOT_CONVERGED,
                "the covariates separate the groups: no patient of one could have been in the other",
            )
        if gain < 1e-12 * (1 + abs(best)) and np.max(np.abs(step)) < 1e-8:
            return beta, OK
    return beta, Outcome(Verdict.NOT_CONVERGED, f"propensity model after {STEPS} steps")


def _log_likelihood(design: FloatArray, t: FloatArray, beta: FloatArray) -> float:
    eta = design @ beta
    return float(t @ eta - np.logaddexp(0, eta).sum())
