"""Missing visits filled in as a reference says, analyzed by ANCOVA at the last visit.

    missing at random   the patient goes on as his own arm
    jump to reference   after leaving, the mean is the control arm's
    copy reference      his whole course has the control arm's means

    conditional mean    E[missing | read] once, the error by leaving out one patient at a time (Wolbers 2022)
    Rubin               draws of the parameters and of the missing values; Var = W + (1 + 1/M) B (Barnard & Rubin 1999)

Only visits after the last one read follow the reference; gaps before it are missing at random. Carpenter, Roger &
Kenward 2013, doi:10.1080/10543406.2013.834911; Wolbers et al. 2022, doi:10.1002/pst.2234
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.adjust.ancova import TreatmentEffect, effect_of, least_squares
from twin_service.trial.adjust.mmrm.covariance import CovarianceStructure
from twin_service.trial.adjust.mmrm.fit import RepeatedFit, fit_repeated
from twin_service.trial.protocol import Imputation

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Incomplete:
    """Two arms: y (n, m; NaN missing), w (n,) of 0/1, x (n, k) baseline columns, centered."""

    y: FloatArray
    w: FloatArray
    x: FloatArray

    def design(self, w: FloatArray) -> FloatArray:
        n, m = self.y.shape
        columns = np.column_stack([1 - w, w, self.x])
        return np.asarray(np.einsum("nc,vu->nvcu", columns, np.eye(m)).reshape(n, m, -1))


def conditional_mean_effect(
    data: Incomplete, rule: Imputation, *, level: float = 0.95, progress: Progress = lambda share: None
) -> TreatmentEffect:
    """The effect at the last visit; standard error by the jackknife, on n - 1 degrees of freedom."""
    whole = _effect_at_end(data, rule)
    n = len(data.y)
    left = np.empty(n)
    for i in range(n):
        keep = np.arange(n) != i
        left[i] = _effect_at_end(Incomplete(data.y[keep], data.w[keep], data.x[keep]), rule)
        progress((i + 1) / n)
    se = float(np.sqrt((n - 1) / n * np.sum((left - left.mean()) ** 2)))
    return effect_of(whole, se, float(n - 1), data.w, level=level)


def rubin_effect(
    data: Incomplete, rule: Imputation, imputations: int, rng: np.random.Generator, *, level: float = 0.95
) -> TreatmentEffect:
    """The effect at the last visit by multiple imputation; degrees of freedom Barnard & Rubin 1999."""
    fit = _fit(data)
    L_beta, L_theta = np.linalg.cholesky(fit.beta_cov), np.linalg.cholesky(fit.theta_cov)
    estimates, variances = np.empty(imputations), np.empty(imputations)
    n, k = len(data.y), 2 + data.x.shape[1]
    for i in range(imputations):
        beta = fit.beta + L_beta @ rng.standard_normal(len(fit.beta))
        theta = fit.theta + L_theta @ rng.standard_normal(len(fit.theta))
        sigma = np.asarray(fit.structure.sigma(theta), dtype=np.float64)
        filled = filled_in(data, rule, beta, sigma, rng)
        estimates[i], variances[i] = _ancova(filled[:, -1], data)
    W, B = float(variances.mean()), float(estimates.var(ddof=1))
    total = W + (1 + 1 / imputations) * B
    share = (1 + 1 / imputations) * B / total
    complete = n - k
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    old = (imputations - 1) / share**2 if share > 0 else np.inf
    df = 1 / (1 / old + 1 / observed)
    return effect_of(float(estimates.mean()), float(np.sqrt(total)), float(df), data.w, level=level)


def filled_in(
    data: Incomplete, rule: Imputation, beta: FloatArray, sigma: FloatArray, rng: np.random.Generator | None = None
) -> FloatArray:
    """y (n, m) with every gap filled: its conditional mean, or a draw around it when `rng` is given."""
    own = data.design(data.w) @ beta
    reference = data.design(np.zeros_like(data.w)) @ beta
    out = data.y.copy()
    n, m = out.shape
    read = np.isfinite(out)
    last = np.where(read.any(axis=1), m - 1 - np.argmax(read[:, ::-1], axis=1), -1)
    for row in np.unique(np.column_stack([read, last, data.w]), axis=0):
        mine = np.flatnonzero(np.all(np.column_stack([read, last, data.w]) == row, axis=1))
        o, gaps = np.flatnonzero(row[:m]), np.flatnonzero(row[:m] == 0)
        if not len(gaps):
            continue
        mean = _mean_under(rule, own[mine], reference[mine], int(row[m]))
        K = sigma[np.ix_(gaps, o)] @ np.linalg.inv(sigma[np.ix_(o, o)]) if len(o) else np.zeros((len(gaps), 0))
        out[np.ix_(mine, gaps)] = mean[:, gaps] + (out[np.ix_(mine, o)] - mean[:, o]) @ K.T
        if rng is not None:
            left = sigma[np.ix_(gaps, gaps)] - K @ sigma[np.ix_(o, gaps)]
            out[np.ix_(mine, gaps)] += rng.standard_normal((len(mine), len(gaps))) @ np.linalg.cholesky(left).T
    return out


def _mean_under(rule: Imputation, own: FloatArray, reference: FloatArray, last: int) -> FloatArray:
    if rule is Imputation.COPY_REFERENCE:
        return reference
    if rule is Imputation.JUMP_TO_REFERENCE:
        return np.concatenate([own[:, : last + 1], reference[:, last + 1 :]], axis=1)
    return own


def _fit(data: Incomplete) -> RepeatedFit:
    return fit_repeated(data.y, data.design(data.w), CovarianceStructure("unstructured", data.y.shape[1]))


def _effect_at_end(data: Incomplete, rule: Imputation) -> float:
    fit = _fit(data)
    return _ancova(filled_in(data, rule, fit.beta, fit.sigma)[:, -1], data)[0]


def _ancova(y: FloatArray, data: Incomplete) -> tuple[float, float]:
    X = np.column_stack([np.ones(len(y)), data.w, data.x])
    beta, cov, _ = least_squares(X, y, "classical")
    return float(beta[1]), float(cov[1, 1])
