"""The reference posterior: exact up to Monte Carlo error, offline, against which the fast estimators are judged.

Importance sampling from a Student t around the Laplace mode, with randomized quasi-random points and the weights
smoothed in the tail; the effective sample size says whether to believe it. Where the mode does not represent the
posterior (it is small) tempering carries members from the prior to it in steps (Del Moral 2006,
doi:10.1111/j.1467-9868.2006.00553.x).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, gammaln, log_ndtr, ndtri
from scipy.stats import qmc

from twin_service.kalman.belief import Belief, factor, whitened
from twin_service.kalman.errors import SEEN, ObservedReadings, usable
from twin_service.kalman.laplace import laplace_update
from twin_service.kalman.shape import Shape

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]

FREEDOM = 6.0


class MemberPosterior(NamedTuple):
    """Weighted members eta (N, nx), weights (N,) summing to 1, and the effective sample size."""

    eta: FloatArray
    weights: FloatArray
    effective: float

    @property
    def belief(self) -> Belief:
        """The belief with the posterior's mean, covariance and members."""
        mean = self.weights @ self.eta
        d = self.eta - mean
        lower = factor(d.T @ (self.weights[:, None] * d)).lower
        return Belief(mean, lower, shape=Shape(whitened(lower, d.T).T, self.weights))


def log_likelihood(predict: Predict, observed: ObservedReadings, eta: FloatArray) -> FloatArray:
    """ln p(y | eta) of each member, (N,); -inf where the model has no finite value."""
    f = predict(eta)
    keep = usable(observed, np.nanmedian(f, axis=0)).keep
    rows = observed.rows(keep)
    scale = rows.scaled(f[:, keep])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        z = (rows.targets() - scale.f) / np.sqrt(scale.v)
        side = np.where(rows.censoring > 0, -1.0, 1.0)
        terms = np.where(rows.censoring == SEEN, -0.5 * (z**2 + np.log(2.0 * np.pi * scale.v)), log_ndtr(side * z))
    return np.where(np.all(np.isfinite(terms), axis=1), np.sum(np.nan_to_num(terms, neginf=-1e300), axis=1), -np.inf)


def reference_posterior(
    prior: Belief,
    predict: Predict,
    observed: ObservedReadings,
    *,
    rng: np.random.Generator,
    count: int = 4096,
    method: Literal["auto", "tempered"] = "auto",
) -> MemberPosterior:
    """The posterior of `prior` given `observed` by importance sampling; tempering where that fails.

    A proposal around one mode cannot know of another: ask for "tempered" where there may be several.
    """
    if method == "tempered":
        return _tempered(prior, predict, observed, rng, count)
    mode = laplace_update(prior, predict, observed, gate=None).belief
    nx = len(prior.mean)
    u = np.clip(qmc.Sobol(nx + 1, scramble=True, rng=rng).random(count), 1e-12, 1.0 - 1e-12)
    stretch = np.sqrt(0.5 * FREEDOM / gammaincinv(0.5 * FREEDOM, u[:, -1]))
    z = ndtri(u[:, :nx]) * stretch[:, None]
    eta = mode.mean + 1.1 * z @ mode.chol.T
    log_q = -0.5 * (FREEDOM + nx) * np.log1p(np.sum(z**2, axis=1) / FREEDOM)
    log_w = log_likelihood(predict, observed, eta) + _log_prior(prior, eta) - log_q
    w = np.exp(log_w - np.max(log_w))
    w /= w.sum()
    effective = float(1.0 / np.sum(w**2))
    if effective >= 0.1 * count:
        return MemberPosterior(eta, w, effective)
    return _tempered(prior, predict, observed, rng, count)


def log_evidence(
    prior: Belief, predict: Predict, observed: ObservedReadings, *, rng: np.random.Generator, count: int = 4096
) -> float:
    """ln p(y) by the same importance sampling."""
    mode = laplace_update(prior, predict, observed, gate=None).belief
    nx = len(prior.mean)
    z = rng.standard_normal((count, nx)) / np.sqrt(rng.chisquare(FREEDOM, count) / FREEDOM)[:, None]
    eta = mode.mean + z @ mode.chol.T
    log_q = (
        gammaln(0.5 * (FREEDOM + nx))
        - gammaln(0.5 * FREEDOM)
        - 0.5 * nx * np.log(FREEDOM * np.pi)
        - np.sum(np.log(np.diag(mode.chol)))
        - 0.5 * (FREEDOM + nx) * np.log1p(np.sum(z**2, axis=1) / FREEDOM)
    )
    normal = -0.5 * nx * np.log(2.0 * np.pi) - np.sum(np.log(np.diag(prior.chol)))
    log_w = log_likelihood(predict, observed, eta) + _log_prior(prior, eta) + normal - log_q
    top = float(np.max(log_w))
    return top + float(np.log(np.mean(np.exp(log_w - top))))


def _log_prior(prior: Belief, eta: FloatArray) -> FloatArray:
    u = np.linalg.solve(prior.chol, (eta - prior.mean).T)
    return np.asarray(-0.5 * np.sum(u**2, axis=0))


def _tempered(
    prior: Belief, predict: Predict, observed: ObservedReadings, rng: np.random.Generator, count: int
) -> MemberPosterior:
    """Members carried from prior to posterior along p(y | eta)^b, b from 0 to 1, moved by random walks at each step."""
    eta, b = prior.draw(count, rng), 0.0
    ll = log_likelihood(predict, observed, eta)
    while b < 1.0:
        b_next = _next_power(ll, b, 0.5 * count)
        w = np.exp((b_next - b) * (ll - np.max(ll)))
        w /= w.sum()
        d = eta - w @ eta
        step = factor(2.38**2 / len(prior.mean) * (d.T @ (w[:, None] * d))).lower
        picks = np.searchsorted(np.cumsum(w), (np.arange(count) + rng.random()) / count).clip(max=count - 1)
        eta, ll, b = eta[picks], ll[picks], b_next
        for k in range(8):
            proposal = eta + 0.6 ** (k % 3) * rng.standard_normal(eta.shape) @ step.T
            ll_new = log_likelihood(predict, observed, proposal)
            gain = b * (ll_new - ll) + _log_prior(prior, proposal) - _log_prior(prior, eta)
            taken = np.log(rng.random(count)) < gain
            eta, ll = np.where(taken[:, None], proposal, eta), np.where(taken, ll_new, ll)
    return MemberPosterior(eta, np.full(count, 1.0 / count), float(len(np.unique(eta[:, 0]))))


def _next_power(ll: FloatArray, b: float, wanted: float) -> float:
    """The largest power up to 1 at which the effective sample size of the step is `wanted`."""

    def effective(power: float) -> float:
        w = np.exp((power - b) * (ll - np.max(ll)))
        return float(w.sum() ** 2 / np.sum(w**2))

    if effective(1.0) >= wanted:
        return 1.0
    low, high = b, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(middle) >= wanted else (low, middle)
    return max(low, b + 1e-6)
