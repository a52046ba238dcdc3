"""Two drugs given together: each drug's logistic model, and an interaction that may go either way.

    p_0 = 1 - (1 - p_1(d_1)) (1 - p_2(d_2))                                no interaction
    odds(d_1, d_2) = odds(p_0) exp(eta d_1/ref_1 d_2/ref_2),   eta ~ N(mean, sd^2)

Five parameters: the posterior is a weighted sum over scrambled Sobol points drawn from a normal at the mode, widened,
and mixed with the prior; eight scrambles give its numerical error, which is part of the answer.
Neuenschwander, Matano, Tang, Roychoudhury, Wandel & Bailey 2015, chapter 6 of Statistical Methods in Drug Combination
Studies (CRC), doi:10.1201/b17965
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp, ndtri
from scipy.stats import qmc

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.dose_toxicity import LogisticPrior

FloatArray = NDArray[np.float64]
POINTS, SCRAMBLES, WIDER, PRIOR_SHARE = 4096, 8, 1.3, 0.2


@dataclass(frozen=True)
class PairPrior:
    """Priors of the two drugs and of the interaction eta: mean and standard deviation."""

    first: LogisticPrior
    second: LogisticPrior
    eta_mean: float = 0.0
    eta_sd: float = 1.121  # a factor of nine on the odds either way at the reference doses, 95 %


class PairGiven(NamedTuple):
    """What happened: pairs of doses (k, 2), patients (k,), toxicities (k,). A dose of 0 is none of that drug."""

    doses: FloatArray
    patients: FloatArray
    toxicities: FloatArray


class PairRisk(NamedTuple):
    """Posterior at one pair of doses: mean, SD, probability of each interval, and the error of the numbers (SD)."""

    doses: tuple[float, float]
    mean: float
    sd: float
    shares: tuple[float, ...]
    error: float

    @property
    def overdose(self) -> float:
        """Probability of the intervals above the target interval."""
        return float(sum(self.shares[2:]))


def pair_given(doses: Sequence[tuple[float, float]], patients: Sequence[int], toxicities: Sequence[int]) -> PairGiven:
    """Raises Refusal where counts contradict each other or a dose is negative."""
    d = np.reshape(np.asarray(doses, dtype=np.float64), (-1, 2))
    n, y = np.asarray(patients, dtype=np.float64), np.asarray(toxicities, dtype=np.float64)
    if not (len(d) == len(n) == len(y)) or np.any(d < 0) or np.any(d.sum(axis=1) == 0):
        raise refuse("doses", "expected a pair of doses, not both zero, for each count")
    if np.any(y > n) or np.any(y < 0):
        raise refuse("toxicities", "expected at most as many toxicities as patients")
    return PairGiven(d, n, y)


def pair_risk(
    prior: PairPrior,
    given: PairGiven,
    doses: Sequence[tuple[float, float]],
    *,
    cuts: Sequence[float] = (0.16, 0.33),
    seed: int = 1,
) -> tuple[PairRisk, ...]:
    """Posterior risk at each pair of `doses`."""
    mean, cov = _moments(prior)
    mode, wide = _mode(prior, given, mean, cov)
    edges = np.array([0.0, *cuts, 1.0])
    asked = np.reshape(np.asarray(doses, dtype=np.float64), (-1, 2))
    rounds = []
    for k in range(SCRAMBLES):
        x, log_weight = _draw(prior, given, (mean, cov), (mode, wide), seed + k)
        weight = np.exp(log_weight - logsumexp(log_weight))
        p = expit(_log_odds(prior, x, asked))
        first, second = weight @ p, weight @ p**2
        shares = [weight @ ((p >= lo) & (p < hi)) for lo, hi in zip(edges, edges[1:], strict=False)]
        rounds.append(np.stack([first, second, *shares]))
    value, error = np.mean(rounds, axis=0), np.std(rounds, axis=0, ddof=1) / np.sqrt(SCRAMBLES)
    return tuple(
        PairRisk(
            (float(d[0]), float(d[1])),
            float(value[0, j]),
            float(np.sqrt(max(value[1, j] - value[0, j] ** 2, 0.0))),
            tuple(map(float, value[2:, j])),
            float(error[2:, j].max()),
        )
        for j, d in enumerate(asked)
    )


def _moments(prior: PairPrior) -> tuple[FloatArray, FloatArray]:
    cov = np.zeros((5, 5))
    cov[:2, :2], cov[2:4, 2:4], cov[4, 4] = prior.first.cov, prior.second.cov, prior.eta_sd**2
    return np.array([*prior.first.mean, *prior.second.mean, prior.eta_mean]), cov


def _log_odds(prior: PairPrior, x: FloatArray, doses: FloatArray) -> FloatArray:
    """(N, 5), (k, 2) -> (N, k)."""
    share = doses / np.array([prior.first.reference, prior.second.reference])
    with np.errstate(divide="ignore"):
        log_share = np.log(share)
    one = x[:, [0]] + np.exp(x[:, [1]]) * log_share[:, 0]
    two = x[:, [2]] + np.exp(x[:, [3]]) * log_share[:, 1]
    log_spared = log_expit(-one) + log_expit(-two)
    log_hit = np.log(-np.expm1(np.minimum(log_spared, -1e-300)))
    return np.asarray(log_hit - log_spared + x[:, [4]] * (share[:, 0] * share[:, 1]))


def _log_likelihood(prior: PairPrior, given: PairGiven, x: FloatArray) -> FloatArray:
    if not len(given.patients):
        return np.zeros(len(x))
    odds = _log_odds(prior, x, given.doses)
    return np.asarray(log_expit(odds) @ given.toxicities + log_expit(-odds) @ (given.patients - given.toxicities))


def _mode(prior: PairPrior, given: PairGiven, mean: FloatArray, cov: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Posterior mode and the covariance there; the inverse Hessian of the quasi-Newton search is good enough."""
    root = np.linalg.cholesky(cov)

    def cost(u: FloatArray) -> float:
        return float(u @ u / 2 - _log_likelihood(prior, given, (mean + root @ u)[None, :])[0])

    found = minimize(cost, np.zeros(5), method="BFGS")
    wide = WIDER**2 * np.asarray(found.hess_inv)
    return mean + root @ found.x, root @ ((wide + wide.T) / 2 + 1e-9 * np.eye(5)) @ root.T


def _draw(
    prior: PairPrior,
    given: PairGiven,
    before: tuple[FloatArray, FloatArray],
    after: tuple[FloatArray, FloatArray],
    seed: int,
) -> tuple[FloatArray, FloatArray]:
    """Points (N, 5) and the logarithm of posterior over proposal at each."""
    u = qmc.Sobol(6, rng=np.random.default_rng(seed)).random(POINTS)
    z = ndtri(np.clip(u[:, :5], 1e-12, 1 - 1e-12))
    from_prior = u[:, 5] < PRIOR_SHARE
    x = np.where(from_prior[:, None], before[0] + z @ np.linalg.cholesky(before[1]).T, 0.0)
    x = np.where(from_prior[:, None], x, after[0] + z @ np.linalg.cholesky(after[1]).T)
    log_prior, log_near = _log_normal(x, *before), _log_normal(x, *after)
    proposal = np.logaddexp(np.log(PRIOR_SHARE) + log_prior, np.log1p(-PRIOR_SHARE) + log_near)
    return x, log_prior + _log_likelihood(prior, given, x) - proposal


def _log_normal(x: FloatArray, mean: FloatArray, cov: FloatArray) -> FloatArray:
    root = np.linalg.cholesky(cov)
    z = np.linalg.solve(root, (x - mean).T)
    return np.asarray(-(z**2).sum(axis=0) / 2 - np.log(np.diag(root)).sum())
