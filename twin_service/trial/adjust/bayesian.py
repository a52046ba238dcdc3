"""Bayesian PROCOVA: history says how far forecasts can be trusted, and is left behind where the trial contradicts it.

    y = X b + e,  b | s^2 ~ w N(m, s^2 V_1) + (1 - w) N(m, s^2 V_0),  s^2 ~ IG

V_1 is small for the two coefficients that history knows (the mean error of a forecast, and its slope, m = 1), large for
all others; V_0 is large for all. The posterior is a mixture of t distributions; the weight of history moves with the
marginal likelihoods. Walsh et al. 2023, arXiv:2310.18027 (additive mixture prior); robust mixtures Schmidli 2014,
doi:10.1111/biom.12242
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from scipy.special import gammaln

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
VAGUE = 1e4
SHAPE = 0.01


@dataclass(frozen=True)
class History:
    """How forecasts held in earlier controls: mean error and slope with their covariance in units of s^2 (2, 2)."""

    mean: FloatArray
    scale: FloatArray
    patients: int


@dataclass(frozen=True)
class EffectPosterior:
    """The treatment effect: mean, sd, interval, P(effect > 0), and the weight that history kept."""

    mean: float
    sd: float
    low: float
    high: float
    positive: float
    history_weight: float
    prior_weight: float


def history_of(y: FloatArray, forecast: FloatArray) -> History:
    """The regression of earlier controls' readings on their forecasts, about the forecasts' mean."""
    if len(y) < 10 or np.ptp(forecast) == 0:
        raise refuse("history", f"{len(y)} earlier controls with forecasts; ten or more that differ are needed")
    X = np.column_stack([np.ones(len(y)), forecast - forecast.mean()])
    inverse = np.linalg.inv(X.T @ X)
    beta = inverse @ X.T @ y
    return History(np.array([beta[0] - forecast.mean(), beta[1]]), inverse, len(y))


def bayesian_procova(
    y: FloatArray,
    w: FloatArray,
    forecast: FloatArray,
    x: FloatArray,
    history: History,
    *,
    prior_weight: float = 0.5,
    level: float = 0.95,
) -> EffectPosterior:
    """Effect of w (n,) of 0/1 on y (n,); x (n, k) further covariates. Raises Refusal for a weight outside 0 to 1."""
    if not 0 <= prior_weight <= 1:
        raise refuse("prior_weight", f"{prior_weight:g}; expected between 0 and 1")
    center, scale = forecast.mean(), float(np.std(y, ddof=1))
    # In SDs of the endpoint: what is vague does not depend on the unit.
    z = (y - center) / scale
    X = np.column_stack([np.ones(len(y)), w, (forecast - center) / scale, *_standard(x)])
    m = np.zeros(X.shape[1])
    m[0], m[2] = history.mean[0] / scale, history.mean[1]
    vague = np.eye(X.shape[1]) * VAGUE
    informed = vague.copy()
    known = history.scale * np.array([[1.0, scale], [scale, scale**2]])
    informed[np.ix_([0, 2], [0, 2])] = known
    parts = [_conjugate(z, X, m, V) for V in (informed, vague)]
    log_w = np.log(np.maximum([prior_weight, 1 - prior_weight], 1e-300)) + np.array([p[3] for p in parts])
    weights = np.exp(log_w - np.logaddexp(*log_w))
    df = 2 * SHAPE + len(y)
    means = np.array([p[0][1] for p in parts]) * scale
    scales = np.array([np.sqrt(p[2] * p[1][1, 1]) for p in parts]) * scale
    mean = float(weights @ means)
    variance = float(weights @ (scales**2 * df / (df - 2) + means**2)) - mean**2

    def below(v: float) -> float:
        return float(weights @ stats.t.cdf((v - means) / scales, df))

    reach = 20 * float(scales.max()) + float(np.ptp(means))
    low, high = (
        brentq(lambda v, q=q: below(v) - q, mean - reach, mean + reach) for q in ((1 - level) / 2, (1 + level) / 2)
    )
    return EffectPosterior(mean, float(np.sqrt(variance)), low, high, 1 - below(0.0), float(weights[0]), prior_weight)


def _conjugate(
    y: FloatArray, X: FloatArray, m: FloatArray, V: FloatArray
) -> tuple[FloatArray, FloatArray, float, float]:
    """Posterior mean and scale matrix of b, scale of s^2, and the log marginal likelihood (up to a constant)."""
    precision = np.linalg.inv(V)
    after = X.T @ X + precision
    cov = np.linalg.inv(after)
    b = cov @ (X.T @ y + precision @ m)
    rate = SHAPE + 0.5 * float(y @ y + m @ precision @ m - b @ after @ b)
    shape = SHAPE + len(y) / 2
    half = 0.5 * (np.linalg.slogdet(cov)[1] - np.linalg.slogdet(V)[1])
    return b, cov, rate / shape, float(half - shape * np.log(rate) + gammaln(shape))


def _standard(x: FloatArray) -> list[FloatArray]:
    return [(c - c.mean()) / c.std() for c in x.T if c.std() > 0]
