"""Mean and covariance of the posterior itself, by importance sampling around an approximation of it.

A mode is not a mean: on skewed posteriors (proportional error, large variances) Laplace sits a third of a standard
deviation away and is too sure. A few hundred members in one batch, drawn quasi-randomly from a Student t around the
approximation and weighted by prior times likelihood, give the moments. Where the weights say that the posterior is no
Gaussian, as many are drawn around the prior: what lies in a tail that the approximation does not know of gets a fair
weight (defensive mixture; Owen & Zhou 2000, doi:10.1080/01621459.2000.10473909); without them a tail is missed and
nothing says so. Then the proposal is redrawn from the moments until the effective sample size is satisfactory (adaptive
importance sampling, Cappe 2004, doi:10.1198/106186004X12803). Members of all rounds count together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri
from scipy.stats import qmc

from twin_service.kalman.belief import Belief, factor, whitened
from twin_service.kalman.errors import ObservedReadings
from twin_service.kalman.posterior import log_likelihood
from twin_service.kalman.report import Update
from twin_service.kalman.shape import ENOUGH_MEMBERS, Shape

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]

FREEDOM = 7.0
COUNT = 256
ROUNDS = 4
GAUSSIAN = 0.97  # of the share that a Gaussian posterior would have: then two moments are all there is to know
ENOUGH = 0.6  # at 0.35 a skewed posterior can still be 0.2 standard deviations off and a quarter too narrow
TOO_FEW = 0.04
NEGLIGIBLE = 1e-3  # of an equal share


class Moments(NamedTuple):
    """The belief with the posterior's moments and shape; effective members as a share of one round's; rounds used."""

    belief: Belief
    effective_share: float
    rounds: int


class _Points(NamedTuple):
    """Student t points (count, nx), symmetric about 0.

    share     of them that is effective for a standard normal target
    correct   (nx, nx), undoes the error these very points make on that target's covariance
    """

    t: FloatArray
    share: float
    correct: FloatArray


@lru_cache(maxsize=64)
def _points(nx: int, count: int, turn: int = 1) -> _Points:
    """Other points at each `turn`: what one set leaves empty the next one fills."""
    sobol = qmc.Sobol(nx + 1, scramble=True, rng=np.random.default_rng([nx, turn]))
    u = np.clip(sobol.random(count // 2), 1e-9, 1.0 - 1e-9)
    t = ndtri(u[:, :nx]) * np.sqrt(0.5 * FREEDOM / gammaincinv(0.5 * FREEDOM, u[:, -1]))[:, None]
    t = np.vstack([t, -t])
    square = np.sum(t**2, axis=1)
    log_density = -0.5 * (FREEDOM + nx) * np.log1p(square / FREEDOM)
    w = np.exp(-0.5 * square - log_density)
    w /= w.sum()
    values, vectors = np.linalg.eigh(t.T @ (w[:, None] * t))
    return _Points(t, float(1.0 / np.sum(w**2)) / count, (vectors / np.sqrt(values)) @ vectors.T)


def posterior_moments(
    prior: Belief,
    predict: Predict,
    observed: ObservedReadings,
    around: Belief,
    *,
    count: int = COUNT,
    beside: Belief | None = None,
) -> Moments | None:
    """Posterior moments of `prior` given `observed`, sampling around `around`; None where too few members count.

    beside  a second mode: as many members are drawn around it, so that the shape keeps both

    prior N(m, P), likelihood of `observed`; the sampling is deterministic: the same input gives the same moments.
    """
    nx = len(prior.mean)
    if nx == 0:
        return None
    sampled: list[_Round] = []
    core, best = replace(around, names=prior.names, shape=None), None
    if beside is not None:
        sampled.append(_round(prior, predict, observed, replace(beside, shape=None), _points(nx, count, ROUNDS + 1)))
    for k in range(1, ROUNDS + 1):
        points = _points(nx, count, k)
        sampled.append(_round(prior, predict, observed, prior if k == 2 else core, points))
        found = _weighed(sampled)
        if found is None:
            return None
        share = float(1.0 / np.sum(found.weights**2)) / count
        mean, spread = _two_moments(found, core, points.correct if k == 1 and beside is None else np.eye(nx))
        told = Belief(mean, spread, prior.names)
        if k == 1 and beside is None and share >= GAUSSIAN * points.share:
            return Moments(told, share, k)
        if share > TOO_FEW and (best is None or share > best.effective_share):
            best = Moments(replace(told, shape=_shape(found, mean, spread)), share, k)
        if k > 1 and share >= ENOUGH:
            break
        core = core if k == 1 else _adapted(told, core, share, count)
    return best


def _adapted(found: Belief, before: Belief, share: float, count: int) -> Belief:
    """The next proposal; a starved round underestimates the spread: keep part of the old proposal's."""
    keep = 0.5 if share < 2.0 * len(found.mean) / count + TOO_FEW else 0.0
    mixed = (1.0 - keep) * found.covariance + keep * before.covariance
    return Belief(found.mean, factor(mixed).lower, found.names)


class _Round(NamedTuple):
    """Members drawn around one proposal, and ln prior + ln likelihood of each."""

    proposal: Belief
    eta: FloatArray
    log_target: FloatArray


def _round(prior: Belief, predict: Predict, observed: ObservedReadings, proposal: Belief, points: _Points) -> _Round:
    eta = proposal.mean + points.t @ proposal.chol.T
    u = whitened(prior.chol, (eta - prior.mean).T)
    return _Round(proposal, eta, log_likelihood(predict, observed, eta) - 0.5 * np.sum(u**2, axis=0))


class _Weighed(NamedTuple):
    eta: FloatArray
    weights: FloatArray


def _weighed(rounds: Sequence[_Round]) -> _Weighed | None:
    """Members of all rounds as draws from the mixture of their proposals; None where none of them is possible.

    w = prior L / sum of the proposals' densities: what an early round found far out is neither lost nor overrated
    (deterministic mixture; Cornuet 2012, doi:10.1111/j.1467-9469.2011.00756.x).
    """
    eta = np.concatenate([r.eta for r in rounds])
    target = np.concatenate([r.log_target for r in rounds])
    density = np.logaddexp.reduce([_log_density(r.proposal, eta) for r in rounds], axis=0)
    log_w = target - density
    if not np.any(np.isfinite(log_w)):
        return None
    w = np.exp(log_w - np.max(log_w))
    return _Weighed(eta, w / w.sum())


def _log_density(proposal: Belief, eta: FloatArray) -> FloatArray:
    """ln of the Student t around `proposal`, up to a constant common to all proposals."""
    nx = len(proposal.mean)
    square = np.sum(whitened(proposal.chol, (eta - proposal.mean).T) ** 2, axis=0)
    return np.asarray(-0.5 * (FREEDOM + nx) * np.log1p(square / FREEDOM) - np.log(proposal.chol.diagonal()).sum())


def _two_moments(found: _Weighed, proposal: Belief, correct: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and factor of the covariance of the weighted members."""
    mean = found.weights @ found.eta
    d = whitened(proposal.chol, (found.eta - mean).T).T @ correct
    return mean, proposal.chol @ factor(d.T @ (found.weights[:, None] * d)).lower


def _shape(found: _Weighed, mean: FloatArray, spread: FloatArray) -> Shape | None:
    """The weighted members themselves; None where too few of them count to tell more than two moments."""
    kept = found.weights > NEGLIGIBLE / len(found.weights)
    w = found.weights[kept]
    shape = Shape(whitened(spread, (found.eta[kept] - mean).T).T, w / w.sum())
    return shape if shape.effective >= ENOUGH_MEMBERS else None


def refined(
    prior: Belief, predict: Predict, observed: ObservedReadings, approximate: Update, *, count: int = COUNT
) -> Update:
    """`approximate` with its belief replaced by the posterior's moments.

    Left as it is where a reading was down-weighted (its likelihood is then not the assay's), where the update failed
    or where too few members count.
    """
    report = approximate.report
    if report.iterations == 0 or report.surprising.any() or not report.outcome.ok:
        return approximate
    beside = None if report.second is None else report.second.belief
    found = posterior_moments(prior, predict, observed, approximate.belief, count=count, beside=beside)
    if found is None:
        return approximate
    told = "" if report.second is None else f", two modes {report.second.behind:.1f} apart"
    return Update(found.belief, replace(report, estimator=f"{report.estimator}+moments{told}"))
