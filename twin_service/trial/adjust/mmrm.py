"""Repeated measurements of a trial analyzed together: one mean a visit, any covariance between visits, nothing imputed.

    y_i = X_i beta + e_i,   e_i ~ N(0, Sigma over the visits at which patient i was read)

Sigma is unstructured and estimated by restricted likelihood; patients who leave early contribute what they gave, which
is unbiased when leaving depends on what was read before (missing at random). A forecast under control at each visit
enters like any time-matched covariate (PROCOVA-MMRM).
Mallinckrodt 2008, doi:10.1177/009286150804200402; degrees of freedom Satterthwaite as in Fai & Cornelius 1996,
doi:10.1080/00949659608811740
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from twin_service.outcome import OK, Outcome, Refusal, RefusalCode, Verdict
from twin_service.trial.adjust.ancova import Effect, effect_of, refuse

FloatArray = NDArray[np.float64]
STEPS = 300


@dataclass(frozen=True)
class RepeatedFit:
    """beta (p,), its covariance (p, p), sigma (m, m), -2 restricted log-likelihood (`deviance`).

    slopes        derivative of beta_cov with respect to each entry of sigma's lower triangle (q, p, p)
    sigma_cov     covariance of those entries (q, q)
    """

    beta: FloatArray
    beta_cov: FloatArray
    sigma: FloatArray
    deviance: float
    slopes: FloatArray
    sigma_cov: FloatArray
    outcome: Outcome

    def contrast(self, weights: FloatArray) -> tuple[float, float, float]:
        """Estimate, standard error and Satterthwaite degrees of freedom of weights . beta."""
        estimate, variance = float(weights @ self.beta), float(weights @ self.beta_cov @ weights)
        slope = np.einsum("a,qab,b->q", weights, self.slopes, weights)
        spread = float(slope @ self.sigma_cov @ slope)
        return estimate, float(np.sqrt(variance)), 2 * variance**2 / spread if spread > 0 else np.inf


@dataclass(frozen=True)
class VisitEffects:
    """Treatment minus control at each visit, and the fit they come from."""

    effects: tuple[Effect, ...]
    fit: RepeatedFit


class _Pattern(NamedTuple):
    """Patients read at the same visits: y (n, k), X (n, k, p)."""

    visits: NDArray[np.intp]
    y: FloatArray
    X: FloatArray


class _Sums(NamedTuple):
    """XVX (p, p), beta (p,), log|V| summed, weighted residual sum of squares."""

    XVX: FloatArray
    beta: FloatArray
    logdet: float
    rss: float


def visit_effects(
    y: ArrayLike,
    treatment: ArrayLike,
    covariates: ArrayLike | None = None,
    prognostic: ArrayLike | None = None,
    *,
    level: float = 0.95,
) -> VisitEffects:
    """The effect of `treatment` (n,) of 0/1 at each visit on `y` (n, m), NaN where a patient was not read.

    covariates   (n, k), each with its own coefficient at every visit
    prognostic   (n, m) forecasts under control, one coefficient for all visits
    """
    values, w, x = _read(y, treatment, covariates)
    n, m = values.shape
    at_visit = np.eye(m)
    per_patient = np.column_stack([np.ones(n), w, x - x.mean(axis=0)])
    design = np.einsum("nc,vu->nvcu", per_patient, at_visit).reshape(n, m, -1)
    if prognostic is not None:
        scores = np.asarray(prognostic, dtype=np.float64)
        if scores.shape != values.shape or not np.all(np.isfinite(scores)):
            raise refuse("prognostic", "expected one finite forecast for every patient and visit")
        design = np.concatenate([design, (scores - scores.mean())[:, :, None]], axis=2)
    fit = fit_repeated(values, design)
    effects = []
    for visit in range(m):
        pick = np.zeros(design.shape[2])
        pick[m + visit] = 1.0
        estimate, se, df = fit.contrast(pick)
        effects.append(effect_of(estimate, se, df, w[np.isfinite(values[:, visit])], level=level))
    return VisitEffects(tuple(effects), fit)


def fit_repeated(y: FloatArray, design: FloatArray) -> RepeatedFit:
    """REML of y (n, m) on design (n, m, p) with unstructured covariance; NaN in y: not read.

    Raises Refusal when a visit pair was never read together, or the fixed effects cannot be told apart.
    """
    patterns = _patterns(y, design)
    m, p = y.shape[1], design.shape[2]
    _require(y, patterns, p)
    entries = [(i, j) for i in range(m) for j in range(i + 1)]
    start = np.diag(np.sqrt(np.nanvar(y, axis=0)))
    theta = _to_theta(start)
    found = minimize(
        _deviance_and_slope,
        theta,
        args=(patterns, m),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-6, "maxiter": STEPS},
    )
    L = _to_factor(found.x, m)
    sigma = L @ L.T
    sums, gradient = _sums(patterns, sigma), _gradient(patterns, sigma)
    scale = np.sqrt(np.diag(sigma))
    converged = float(np.max(np.abs(gradient * np.outer(scale, scale)))) < 1e-2
    outcome = OK if converged else Outcome(Verdict.NOT_CONVERGED, "restricted likelihood of the repeated measurements")
    beta_cov = np.asarray(np.linalg.inv(sums.XVX), dtype=np.float64)
    slopes = _covariance_slopes(patterns, sigma, beta_cov, entries)
    sigma_cov = 2.0 * np.asarray(np.linalg.inv(_hessian(patterns, sigma, entries)), dtype=np.float64)
    return RepeatedFit(sums.beta, beta_cov, sigma, _deviance(patterns, sums, p), slopes, sigma_cov, outcome)


def _read(
    y: ArrayLike, treatment: ArrayLike, covariates: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
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
    seen = np.isfinite(values).any(axis=1)
    return values[seen], w[seen], x[seen]


def _patterns(y: FloatArray, design: FloatArray) -> list[_Pattern]:
    seen = np.isfinite(y)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    found = []
    for k, kind in enumerate(kinds):
        visits = np.flatnonzero(kind)
        if len(visits):
            mine = np.flatnonzero(which.ravel() == k)
            found.append(_Pattern(visits, y[np.ix_(mine, visits)], design[np.ix_(mine, visits)]))
    return found


def _require(y: FloatArray, patterns: Sequence[_Pattern], p: int) -> None:
    seen = np.isfinite(y).astype(float)
    if np.any(seen.T @ seen < 3):
        raise Refusal(
            RefusalCode.PRECONDITION,
            "y: two visits were read together in fewer than three patients; their covariance cannot be told",
            field="y",
            reason="BAD_TRIAL_DATA",
        )
    X = np.concatenate([g.X.reshape(-1, p) for g in patterns])
    scale = np.linalg.norm(X, axis=0)
    if len(X) <= p or np.any(scale == 0) or np.linalg.matrix_rank(X / scale) < p:
        raise refuse("covariates", "the fixed effects cannot be told apart in these patients; drop covariates")


def _to_theta(L: FloatArray) -> FloatArray:
    """Lower triangle with the logarithm of the diagonal: any theta is a covariance."""
    return np.asarray((L - np.diag(np.diag(L)) + np.diag(np.log(np.diag(L))))[np.tril_indices(len(L))])


def _to_factor(theta: FloatArray, m: int) -> FloatArray:
    L = np.zeros((m, m))
    L[np.tril_indices(m)] = theta
    np.fill_diagonal(L, np.exp(np.clip(np.diag(L), -30, 30)))
    return L


def _sums(patterns: Sequence[_Pattern], sigma: FloatArray) -> _Sums:
    XVX, XVy, yVy, logdet = 0.0, 0.0, 0.0, 0.0
    for g in patterns:
        V = sigma[np.ix_(g.visits, g.visits)]
        inverse = np.linalg.inv(V)
        XV = np.einsum("nkp,kl->nlp", g.X, inverse)
        XVX = XVX + np.einsum("nlp,nlq->pq", XV, g.X)
        XVy = XVy + np.einsum("nlp,nl->p", XV, g.y)
        yVy += float(np.einsum("nk,kl,nl->", g.y, inverse, g.y))
        logdet += len(g.y) * float(np.linalg.slogdet(V)[1])
    beta = np.asarray(np.linalg.solve(XVX, XVy), dtype=np.float64)
    return _Sums(np.asarray(XVX), beta, logdet, yVy - float(beta @ XVy))


def _deviance(patterns: Sequence[_Pattern], sums: _Sums, p: int) -> float:
    """-2 restricted log-likelihood: log|V| + r'V^-1 r + log|X'V^-1 X| + (N - p) log 2 pi."""
    count = sum(g.y.size for g in patterns)
    return sums.logdet + sums.rss + float(np.linalg.slogdet(sums.XVX)[1]) + (count - p) * float(np.log(2 * np.pi))


def _gradient(patterns: Sequence[_Pattern], sigma: FloatArray) -> FloatArray:
    """Derivative of the deviance with respect to sigma (m, m), each entry on its own:

    V^-1 - V^-1 r r' V^-1 - V^-1 X (X'V^-1 X)^-1 X' V^-1, summed over patients at their visits.
    """
    sums = _sums(patterns, sigma)
    C = np.linalg.inv(sums.XVX)
    total = np.zeros_like(sigma)
    for g in patterns:
        inverse = np.linalg.inv(sigma[np.ix_(g.visits, g.visits)])
        r = (g.y - g.X @ sums.beta) @ inverse
        VX = np.einsum("kl,nlp->nkp", inverse, g.X)
        total[np.ix_(g.visits, g.visits)] += len(g.y) * inverse - r.T @ r - np.einsum("nkp,pq,nlq->kl", VX, C, VX)
    return total


def _deviance_and_slope(theta: FloatArray, patterns: Sequence[_Pattern], m: int) -> tuple[float, FloatArray]:
    L = _to_factor(theta, m)
    sigma = L @ L.T
    try:
        sums = _sums(patterns, sigma)
    except np.linalg.LinAlgError:
        return np.inf, np.zeros_like(theta)
    slope = 2 * _gradient(patterns, sigma) @ L
    np.fill_diagonal(slope, np.diag(slope) * np.diag(L))
    return _deviance(patterns, sums, len(sums.beta)), np.asarray(slope[np.tril_indices(m)])


def _nudge(m: int, entry: tuple[int, int]) -> FloatArray:
    """Direction in which one entry of a symmetric matrix moves."""
    E = np.zeros((m, m))
    E[entry] = E[entry[::-1]] = 1.0
    return E


def _hessian(patterns: Sequence[_Pattern], sigma: FloatArray, entries: Sequence[tuple[int, int]]) -> FloatArray:
    """Second derivatives of the deviance with respect to sigma's entries, by central differences of the gradient."""
    m = len(sigma)
    scale = np.sqrt(np.outer(np.diag(sigma), np.diag(sigma)))
    H = np.zeros((len(entries), len(entries)))
    for a, entry in enumerate(entries):
        E, h = _nudge(m, entry), 1e-4 * scale[entry]
        change = (_gradient(patterns, sigma + h * E) - _gradient(patterns, sigma - h * E)) / (2 * h)
        H[a] = [float(np.sum(change * _nudge(m, other))) for other in entries]
    return (H + H.T) / 2


def _covariance_slopes(
    patterns: Sequence[_Pattern], sigma: FloatArray, C: FloatArray, entries: Sequence[tuple[int, int]]
) -> FloatArray:
    """d(X'V^-1 X)^-1 / d entry = C (X' V^-1 E V^-1 X) C, for each entry (q, p, p)."""
    found = np.zeros((len(entries), *C.shape))
    for g in patterns:
        VX = np.einsum("kl,nlp->nkp", np.linalg.inv(sigma[np.ix_(g.visits, g.visits)]), g.X)
        for a, entry in enumerate(entries):
            E = _nudge(len(sigma), entry)[np.ix_(g.visits, g.visits)]
            found[a] += np.einsum("nkp,kl,nlq->pq", VX, E, VX)
    return np.asarray(np.einsum("ab,qbc,cd->qad", C, found, C))
