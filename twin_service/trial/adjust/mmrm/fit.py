"""REML (or ML) of repeated measurements: Fisher scoring to near the top, exact Newton steps after it.

The expected information is positive definite, so that its steps always climb; the observed one converges quadratically
where it is positive definite. Each step is halved until the likelihood rises. Jennrich & Schluchter 1986,
doi:10.2307/2530695
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import OK, Outcome, Refusal, RefusalCode, Verdict
from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.adjust.mmrm.covariance import CovarianceStructure
from twin_service.trial.adjust.mmrm.likelihood import (
    LikelihoodState,
    Repeated,
    curvature,
    evaluate,
    expected_information,
    repeated,
    slope,
)

FloatArray = NDArray[np.float64]
STEPS = 100
# Change of -2 log-likelihood that a further Newton step would bring.
TOLERANCE = 1e-10
SINGULAR = 1e-4


@dataclass(frozen=True)
class RepeatedFit:
    """beta (p,), beta_cov (p, p), sigma (m, m), deviance = -2 (restricted) log-likelihood, steps taken.

    theta, theta_cov   parameters of the structure and their covariance, from the observed curvature
    """

    data: Repeated
    structure: CovarianceStructure
    theta: FloatArray
    theta_cov: FloatArray
    sigma: FloatArray
    state: LikelihoodState
    steps: int
    outcome: Outcome

    @property
    def beta(self) -> FloatArray:
        return self.state.beta

    @property
    def beta_cov(self) -> FloatArray:
        return self.state.C

    @property
    def deviance(self) -> float:
        return self.state.deviance


def fit_repeated(
    y: FloatArray,
    design: FloatArray,
    structure: CovarianceStructure | None = None,
    *,
    weights: FloatArray | None = None,
    restricted: bool = True,
) -> RepeatedFit:
    """Fit y (n, m; NaN: not read) on design (n, m, p); `weights` (n, m) divide the variance of a reading.

    Raises Refusal when a visit pair was never read together (unstructured), or the fixed effects cannot be told apart.
    """
    shape = structure or CovarianceStructure("unstructured", y.shape[1])
    _require(y, design, shape)
    data = repeated(y, design, weights, restricted)
    theta = shape.start(_moments(data))
    at = evaluate(data, np.asarray(shape.sigma(theta), dtype=np.float64))
    if at is None:
        raise refuse("covariates", "the fixed effects cannot be told apart in these patients; drop covariates")
    theta, at, steps, left = _climb(data, shape, theta, at)
    H = _observed(data, shape, theta, at)
    outcome = OK
    try:
        np.linalg.cholesky(H)
        cov = 2 * np.linalg.inv(H)
    except np.linalg.LinAlgError:
        cov = 2 * np.linalg.pinv(H)
        outcome = Outcome(Verdict.NOT_POSITIVE_DEFINITE, "curvature of the restricted likelihood: a flat direction")
    sigma = np.asarray(shape.sigma(theta), dtype=np.float64)
    if left > 1e-6:
        own = np.linalg.eigvalsh(sigma)
        why = f"restricted likelihood after {steps} steps"
        if own[0] < SINGULAR * own[-1]:
            # the likelihood rises towards a covariance without full rank: too few readings for the structure
            why += "; the covariance between visits becomes singular: choose one with fewer parameters"
        outcome = Outcome(Verdict.NOT_CONVERGED, why)
    return RepeatedFit(data, shape, theta, np.asarray(cov), sigma, at, steps, outcome)


def _climb(
    data: Repeated, shape: CovarianceStructure, theta: FloatArray, at: LikelihoodState
) -> tuple[FloatArray, LikelihoodState, int, float]:
    """Parameters, state, steps, and how much a further step would gain."""
    gain = np.inf
    for step in range(STEPS):
        J = shape.slopes(theta)
        g = np.einsum("qab,ab->q", J, slope(data, at))
        H = _observed(data, shape, theta, at) if gain < 1.0 else expected_information(data, at, J)
        move = _newton(H, g)
        if move is None:
            move = _newton(expected_information(data, at, J), g)
        if move is None:
            return theta, at, step, np.inf
        gain = float(-g @ move) / 2
        if gain < TOLERANCE:
            return theta, at, step, gain
        found = _halved(data, shape, theta, move, at)
        if found is None:
            return theta, at, step, gain
        theta, at = found
    return theta, at, STEPS, gain


def _halved(
    data: Repeated, shape: CovarianceStructure, theta: FloatArray, move: FloatArray, at: LikelihoodState
) -> tuple[FloatArray, LikelihoodState] | None:
    # A log-variance or a partial correlation that moves by more than this in one step has left where the model holds.
    move = move * min(1.0, 5.0 / float(np.max(np.abs(move)) + 1e-300)) if shape.name != "unstructured" else move
    for k in range(40):
        trial = theta + move / 2**k
        with np.errstate(over="ignore", invalid="ignore"):
            sigma = np.asarray(shape.sigma(trial), dtype=np.float64)
        if not np.all(np.isfinite(sigma)):
            continue
        there = evaluate(data, sigma)
        if there is not None and there.deviance <= at.deviance + 1e-12 * abs(at.deviance):
            return trial, there
    return None


def _newton(H: FloatArray, g: FloatArray) -> FloatArray | None:
    try:
        L = np.linalg.cholesky(H)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(-np.linalg.solve(L.T, np.linalg.solve(L, g)))


def _observed(data: Repeated, shape: CovarianceStructure, theta: FloatArray, at: LikelihoodState) -> FloatArray:
    """Exact second derivatives of the deviance in theta (q, q)."""
    J = shape.slopes(theta)
    m = shape.visits
    flat = J.reshape(len(J), m * m)
    H = flat @ curvature(data, at).reshape(m * m, m * m) @ flat.T + shape.bend(theta, slope(data, at))
    return np.asarray((H + H.T) / 2)


def _moments(data: Repeated) -> FloatArray:
    """Variances of the ordinary least-squares residuals at each visit, on the diagonal."""
    n, m, p = data.X.shape
    beta = np.linalg.lstsq(data.X.reshape(-1, p), data.y.ravel(), rcond=None)[0]
    r2 = np.where(data.seen[data.pattern], data.y - data.X @ beta, 0.0) ** 2
    variance = r2.sum(axis=0) / np.maximum(data.seen[data.pattern].sum(axis=0), 1)
    return np.diag(np.maximum(variance, 1e-8 * max(float(variance.max()), 1e-300)))


def _require(y: FloatArray, design: FloatArray, shape: CovarianceStructure) -> None:
    seen = np.isfinite(y).astype(float)
    if shape.name == "unstructured" and np.any(seen.T @ seen < 3):
        raise Refusal(
            RefusalCode.PRECONDITION,
            "y: two visits were read together in fewer than three patients; their covariance cannot be told",
            field="y",
            reason="BAD_TRIAL_DATA",
        )
    X = design[np.isfinite(y)]
    scale = np.linalg.norm(X, axis=0)
    if len(X) <= X.shape[1] or np.any(scale == 0) or np.linalg.matrix_rank(X / scale) < X.shape[1]:
        raise refuse("covariates", "the fixed effects cannot be told apart in these patients; drop covariates")
