"""Borrowing from earlier control groups, as much as they agree with the new one: meta-analytic-predictive priors.

    r_j ~ Bin(n_j, p_j),  logit p_j ~ N(mu, tau^2),  mu ~ N(0, s_mu^2),  tau ~ half-normal(s_tau)

The prior for the new trial's controls is the predictive distribution of a further p; it is approximated by a mixture of
beta distributions, to which a vague component is added (robust): where the new controls contradict the old ones, its
weight grows and borrowing stops.
Neuenschwander 2010, doi:10.1177/1740774509356002; Schmidli 2014, doi:10.1111/biom.12242; effective sample size by
expected local information Neuenschwander 2020, doi:10.1111/biom.13252
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betaln, digamma, expit, log_expit, logsumexp, polygamma
from scipy.stats import beta, binom

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
_NODES = 400
_X, _W = np.polynomial.legendre.leggauss(_NODES)


@dataclass(frozen=True)
class BetaMixture:
    """sum_k w_k Beta(a_k, b_k); arrays (k,)."""

    weights: FloatArray
    a: FloatArray
    b: FloatArray

    @classmethod
    def create(cls, components: Sequence[tuple[float, float, float]]) -> BetaMixture:
        """From (weight, a, b) of each component. Raises Refusal unless weights sum to 1 and shapes are positive."""
        w, a, b = (np.array(v, dtype=np.float64) for v in zip(*components, strict=True))
        if abs(w.sum() - 1) > 1e-6 or np.any(w < 0) or np.any(a <= 0) or np.any(b <= 0):
            raise refuse("components", "expected weights that sum to 1 and positive shapes")
        return cls(w / w.sum(), a, b)

    @property
    def mean(self) -> float:
        return float(self.weights @ (self.a / (self.a + self.b)))

    @property
    def sd(self) -> float:
        n = self.a + self.b
        m = self.a / n
        return float(np.sqrt(self.weights @ (m * (1 - m) / (n + 1) + m**2) - self.mean**2))

    def cdf(self, p: ArrayLike) -> FloatArray:
        return np.asarray(beta.cdf(np.asarray(p)[..., None], self.a, self.b) @ self.weights)

    def pdf(self, p: ArrayLike) -> FloatArray:
        return np.asarray(beta.pdf(np.asarray(p)[..., None], self.a, self.b) @ self.weights)

    def quantile(self, share: float) -> float:
        return float(brentq(lambda p: float(self.cdf(p)) - share, 0.0, 1.0, xtol=1e-12))

    def updated(self, responses: int, patients: int) -> BetaMixture:
        """The posterior: each component is updated, and reweighted by how well it foresaw the data."""
        if not 0 <= responses <= patients:
            raise refuse("responses", "expected 0 <= responses <= patients")
        a, b = self.a + responses, self.b + patients - responses
        log_w = np.log(np.maximum(self.weights, 1e-300)) + betaln(a, b) - betaln(self.a, self.b)
        return BetaMixture(np.exp(log_w - logsumexp(log_w)), a, b)

    def robust(self, weight: float = 0.2) -> BetaMixture:
        """With a uniform component of `weight`: how likely the old controls are to be irrelevant."""
        if not 0 <= weight <= 1:
            raise refuse("weight", "expected between 0 and 1")
        vague = np.append(self.weights * (1 - weight), weight)
        return BetaMixture(vague, np.append(self.a, 1.0), np.append(self.b, 1.0))

    @property
    def patients_by_moments(self) -> float:
        """Patients that a single beta of the same mean and SD is worth."""
        return self.mean * (1 - self.mean) / self.sd**2 - 1

    @property
    def patients_by_information(self) -> float:
        """E[-(log prior)'' p (1 - p)]: patients the prior is worth, each place judged by its own curvature."""
        x, w = (_X + 1) / 2, _W / 2
        # Nodes crowd toward both ends, where a beta density may be steep.
        p, w = x**3 * (10 - 15 * x + 6 * x**2), w * 30 * x**2 * (1 - x) ** 2
        with np.errstate(divide="ignore"):
            log_density = np.log(self.weights) + beta.logpdf(p[:, None], self.a, self.b)
        total = logsumexp(log_density, axis=1)
        share = np.exp(log_density - total[:, None])
        slope = (self.a - 1) / p[:, None] - (self.b - 1) / (1 - p[:, None])
        curve = -(self.a - 1) / p[:, None] ** 2 - (self.b - 1) / (1 - p[:, None]) ** 2
        mean_slope = (share * slope).sum(axis=1)
        second = (share * (curve + slope**2)).sum(axis=1) - mean_slope**2
        return float(np.sum(w * np.exp(total) * -second * p * (1 - p)))


@dataclass(frozen=True)
class Predictive:
    """A MAP prior: weights of a grid of p (m,), and the mean of tau, the spread between trials on the logit scale."""

    p: FloatArray
    weight: FloatArray
    tau: float

    @property
    def mean(self) -> float:
        return float(self.weight @ self.p)

    @property
    def sd(self) -> float:
        return float(np.sqrt(self.weight @ (self.p - self.mean) ** 2))


def map_prior(
    responses: Sequence[int], patients: Sequence[int], *, tau_scale: float = 1.0, mean_scale: float = 2.0
) -> Predictive:
    """The predictive distribution of a new trial's response rate, by quadrature over mu, tau and each trial's rate."""
    r, n = np.asarray(responses, dtype=np.float64), np.asarray(patients, dtype=np.float64)
    if r.shape != n.shape or not len(r) or np.any(r < 0) or np.any(r > n) or not (tau_scale > 0 and mean_scale > 0):
        raise refuse("responses", "expected counts of at most the patients, and positive scales")
    mu = np.linspace(-4, 4, 241) * mean_scale
    tau = (np.arange(200) + 0.5) / 200 * 4.5 * tau_scale
    z, wz = np.polynomial.hermite_e.hermegauss(60)
    logits = mu[:, None, None] + tau[None, :, None] * z
    log_post = -0.5 * (mu[:, None] / mean_scale) ** 2 - 0.5 * (tau[None, :] / tau_scale) ** 2
    for rj, nj in zip(r, n, strict=True):
        log_likelihood = rj * log_expit(logits) + (nj - rj) * log_expit(-logits)
        log_post = log_post + logsumexp(log_likelihood, b=wz / wz.sum(), axis=2)
    post = np.exp(log_post - log_post.max())
    post /= post.sum()
    weight = (post[:, :, None] * (wz / wz.sum())).ravel()
    return _on_grid(logits.ravel(), weight, float(post.sum(axis=0) @ tau))


def fitted_mixture(prior: Predictive, components: int = 2) -> BetaMixture:
    """The beta mixture nearest to `prior` in Kullback-Leibler divergence, by expectation maximization."""
    order = np.argsort(prior.p)
    p, w = np.clip(prior.p[order], 1e-9, 1 - 1e-9), prior.weight[order]
    # Start from parts of equal weight, low rates to high, blurred so that no point belongs to one part alone.
    part = np.minimum((np.cumsum(w) * components).astype(np.intp), components - 1)
    share = 0.8 * np.eye(components)[part] + 0.2 / components
    log_p, log_q, last = np.log(p), np.log1p(-p), -np.inf
    for _ in range(2000):
        mass = w @ share
        means = (w[:, None] * share).T @ np.column_stack([log_p, log_q]) / mass[:, None]
        a, b = np.array([_beta_fit(float(one), float(other)) for one, other in means]).T
        log_density = np.log(mass) + np.outer(log_p, a - 1) + np.outer(log_q, b - 1) - betaln(a, b)
        total = logsumexp(log_density, axis=1)
        share = np.exp(log_density - total[:, None])
        if w @ total - last < 1e-9:
            break
        last = float(w @ total)
    return BetaMixture(mass / mass.sum(), a, b)


def probability_above(treated: BetaMixture, control: BetaMixture, margin: float = 0.0) -> float:
    """P(p_treated - p_control > margin)."""
    p = (_X + 1) / 2
    return float(np.sum(_W / 2 * control.pdf(p) * (1 - treated.cdf(np.clip(p + margin, 0, 1)))))


def success_probability(
    treated_prior: BetaMixture,
    control_prior: BetaMixture,
    patients: tuple[int, int],
    rates: tuple[float, float],
    *,
    threshold: float = 0.95,
    margin: float = 0.0,
) -> float:
    """Exact probability that P(p_treated - p_control > margin) exceeds `threshold`, at true `rates` (treated, control).

    At equal rates it is the type I error, which borrowing raises where old and new controls differ.
    """
    n1, n0 = patients
    wins = np.zeros((n1 + 1, n0 + 1), dtype=bool)
    after = [treated_prior.updated(x, n1) for x in range(n1 + 1)]
    for x0 in range(n0 + 1):
        control = control_prior.updated(x0, n0)
        # More responses on treatment never lose what fewer won.
        first = _first(lambda x1, c=control: probability_above(after[x1], c, margin) > threshold, n1 + 1)  # type: ignore[misc]
        wins[first:, x0] = True
    return float(binom.pmf(np.arange(n1 + 1), n1, rates[0]) @ wins @ binom.pmf(np.arange(n0 + 1), n0, rates[1]))


def _first(holds: Callable[[int], bool], count: int) -> int:
    """Smallest index at which a claim that stays true becomes true; `count` if never."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _on_grid(logits: FloatArray, weight: FloatArray, tau: float) -> Predictive:
    """The weights gathered in 4,000 bins of equal width on the logit scale, each at its mean rate."""
    bins = np.clip(((logits + 20) / 40 * 4000).astype(np.intp), 0, 3999)
    mass = np.bincount(bins, weight, 4000)
    place = np.bincount(bins, weight * expit(logits), 4000)
    keep = mass > 1e-12
    return Predictive(place[keep] / mass[keep], mass[keep] / mass[keep].sum(), tau)


def _beta_fit(mean_log_p: float, mean_log_q: float) -> tuple[float, float]:
    """Shapes with the given E log p and E log(1 - p): Newton steps on the digamma equations."""
    m = expit(mean_log_p - mean_log_q)
    a, b = 2 * m + 0.1, 2 * (1 - m) + 0.1
    for _ in range(200):
        f = np.array([digamma(a) - digamma(a + b) - mean_log_p, digamma(b) - digamma(a + b) - mean_log_q])
        common = float(polygamma(1, a + b))
        J = np.array([[float(polygamma(1, a)) - common, -common], [-common, float(polygamma(1, b)) - common]])
        # Steps in the logarithm keep shapes positive.
        step = np.clip(np.linalg.solve(J * np.array([a, b]), -f), -1.0, 1.0)
        a, b = a * np.exp(step[0]), b * np.exp(step[1])
        if np.max(np.abs(step)) < 1e-11:
            break
    return float(a), float(b)
