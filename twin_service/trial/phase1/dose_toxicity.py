"""What is known of each dose's risk while a drug is first given: posteriors by quadrature, no sampling.

    two-parameter logistic (BLRM)   logit p(d) = a + exp(b) log(d/d_ref),   (a, b) ~ N(mean, cov)
    power model (CRM)               p_j = s_j^exp(theta),                   theta ~ N(0, sd^2)

Neuenschwander, Branson & Gsponer 2008, doi:10.1002/sim.3230; O'Quigley, Pepe & Fisher 1990, doi:10.2307/2531628
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.special import expit, log_expit, logit

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
# The trapezoid rule on a smooth integrand that vanishes at both ends converges faster than any power of the step.
NODES, REACH = 241, 8.0


@dataclass(frozen=True)
class DoseOutcomes:
    """What happened so far, one entry a dose: doses, patients treated, dose-limiting toxicities (k,)."""

    doses: FloatArray
    patients: FloatArray
    toxicities: FloatArray

    @classmethod
    def create(cls, doses: Sequence[float], patients: Sequence[int], toxicities: Sequence[int]) -> DoseOutcomes:
        """Raises Refusal when counts do not fit each other or a dose is not positive."""
        d, n, y = (np.asarray(v, dtype=np.float64) for v in (doses, patients, toxicities))
        if not d.shape == n.shape == y.shape or d.ndim != 1:
            raise refuse("doses", "doses, patients and toxicities need one entry a dose")
        if not (np.all(np.isfinite(d)) and np.all(d > 0)):
            raise refuse("doses", "doses must be positive")
        if not (np.all(n == np.floor(n)) and np.all(y == np.floor(y)) and np.all((y >= 0) & (y <= n))):
            raise refuse("toxicities", "counts must be whole, and toxicities at most the patients treated")
        return cls(d, n, y)


@dataclass(frozen=True)
class LogisticPrior:
    """Bivariate normal of (a, b): log-odds of toxicity at `reference`, and the logarithm of the slope."""

    reference: float
    mean: tuple[float, float]
    cov: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class DoseRisk:
    """Posterior of the probability of toxicity at one dose.

    shares   posterior probability of each interval between 0, `cuts` and 1
    """

    dose: float
    mean: float
    sd: float
    q025: float
    median: float
    q975: float
    shares: tuple[float, ...]

    @property
    def overdose(self) -> float:
        """Probability of the highest intervals, above the target interval (the second)."""
        return float(sum(self.shares[2:]))


@dataclass(frozen=True)
class Surface:
    """A prior of (a, b) on a grid: log-odds a = start[c] + rest * z[r] and slope exp(b) = slope[c].

    z           places down a column, evenly spaced      1    (R,)
    start       log-odds at z = 0 in each column         1    (C,)
    slope       exp(b) of each column                    1    (C,)
    log_prior   logarithm of the density, up to a constant   (R, C)
    Columns share a slope; down a column the log-odds rise linearly, so each cut is one place in each column.
    """

    reference: float
    z: FloatArray
    start: FloatArray
    rest: float
    slope: FloatArray
    log_prior: FloatArray

    def log_odds(self, dose: float) -> FloatArray:
        """Log-odds of toxicity at `dose`, (R, C)."""
        return np.asarray(self.start + self.rest * self.z[:, None] + self.slope * np.log(dose / self.reference))

    def weight(self, given: DoseOutcomes) -> FloatArray:
        """Posterior weight of each node, summing to one, (R, C)."""
        log_weight = self.log_prior
        for d, n, y in zip(given.doses, given.patients, given.toxicities, strict=True):
            odds = self.log_odds(float(d))
            log_weight = log_weight + y * log_expit(odds) + (n - y) * log_expit(-odds)
        weight = np.exp(log_weight - log_weight.max())
        return np.asarray(weight / weight.sum())


def surface(prior: LogisticPrior, rows: int = NODES, columns: int = NODES, reach: float = REACH) -> Surface:
    """The bivariate normal prior on a grid of `rows` by `columns`. Raises Refusal unless the covariance is positive."""
    (m1, m2), cov = prior.mean, np.asarray(prior.cov, dtype=np.float64)
    if not (cov.shape == (2, 2) and cov[0, 0] > 0 and cov[1, 1] > 0 and cov[0, 0] * cov[1, 1] > cov[0, 1] ** 2):
        raise refuse("prior", "the covariance must be positive definite")
    if not prior.reference > 0:
        raise refuse("prior", "the reference dose must be positive")
    s2 = np.sqrt(cov[1, 1])
    z, x = np.linspace(-reach, reach, rows), np.linspace(-reach, reach, columns)
    rest = float(np.sqrt(cov[0, 0] - cov[0, 1] ** 2 / cov[1, 1]))
    log_prior = -(z[:, None] ** 2 + x[None, :] ** 2) / 2
    return Surface(prior.reference, z, m1 + cov[0, 1] / s2 * x, rest, np.exp(m2 + s2 * x), log_prior)


def logistic_risk(
    prior: LogisticPrior | Surface, given: DoseOutcomes, doses: Sequence[float], *, cuts: Sequence[float] = (0.16, 0.33)
) -> tuple[DoseRisk, ...]:
    """Posterior risk at each of `doses` under the two-parameter logistic model."""
    edges = _edges(cuts)
    grid = prior if isinstance(prior, Surface) else surface(prior)
    weight = grid.weight(given)
    below = _mass_below(grid.z, weight)
    found = []
    for d in DoseOutcomes.create(doses, [0] * len(doses), [0] * len(doses)).doses:
        odds = grid.log_odds(float(d))
        p, zero = expit(odds), grid.start + grid.slope * np.log(d / grid.reference)

        def cumulative(u: FloatArray, zero: FloatArray = zero) -> FloatArray:
            return below((u[:, None] - zero) / grid.rest)

        mean = float(np.sum(weight * p))
        sd = float(np.sqrt(np.sum(weight * (p - mean) ** 2)))
        found.append(_summary(float(d), mean, sd, cumulative, edges))
    return tuple(found)


def power_risk(
    skeleton: Sequence[float],
    given: DoseOutcomes,
    doses: Sequence[float],
    *,
    sd: float = 1.34,
    cuts: Sequence[float] = (0.16, 0.33),
) -> tuple[DoseRisk, ...]:
    """Posterior risk at each of `doses` under the power model; `skeleton[j]` is the prior guess at `doses[j]`."""
    s = np.asarray(skeleton, dtype=np.float64)
    if len(s) != len(doses) or not np.all((s > 0) & (s < 1)) or np.any(np.diff(s) <= 0):
        raise refuse("skeleton", "expected one increasing probability a dose")
    place = {float(d): j for j, d in enumerate(doses)}
    theta = sd * np.linspace(-REACH, REACH, 20 * NODES)
    log_p = np.log(s)[:, None] * np.exp(theta)[None, :]
    log_weight = -((theta / sd) ** 2) / 2
    for d, n, y in zip(given.doses, given.patients, given.toxicities, strict=True):
        if float(d) not in place:
            raise refuse("doses", f"dose {d:g} was given but is not among the planned ones")
        at = log_p[place[float(d)]]
        log_weight += y * at + (n - y) * np.log(-np.expm1(np.minimum(at, -1e-300)))
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    edges, found = _edges(cuts), []
    running = np.cumsum(weight) - weight / 2
    for j, d in enumerate(doses):
        p = np.exp(log_p[j])
        mean = float(weight @ p)
        sd = float(np.sqrt(weight @ (p - mean) ** 2))

        def cumulative(u: FloatArray, log_s: float = float(np.log(s[j]))) -> FloatArray:
            # p falls as theta rises
            return np.asarray(1 - np.interp(np.log(log_expit(u) / log_s), theta, running))

        found.append(_summary(float(d), mean, sd, cumulative, edges))
    return tuple(found)


def recommend_dose(
    risks: Sequence[DoseRisk], *, current: float | None = None, overdose_max: float = 0.25, step_max: float = 2.0
) -> DoseRisk | None:
    """Escalation with overdose control: the likeliest to be in the target interval among doses whose probability of
    overdosing is at most `overdose_max`, rising by at most the factor `step_max`. None: no dose is safe enough, stop.

    Babb, Rogatko & Zacks 1998, doi:10.1002/(SICI)1097-0258(19980530)17:10<1103::AID-SIM793>3.0.CO;2-9
    """
    ceiling = np.inf if current is None else current * step_max
    safe = [r for r in risks if r.overdose <= overdose_max and r.dose <= ceiling * (1 + 1e-12)]
    return max(safe, key=lambda r: (r.shares[1], -r.dose), default=None)


def _edges(cuts: Sequence[float]) -> FloatArray:
    edges = np.array([0.0, *cuts, 1.0])
    if len(edges) < 4 or np.any(np.diff(edges) <= 0):
        raise refuse("cuts", "expected two or more increasing probabilities: target interval, then overdosing")
    return edges


def _mass_below(z: FloatArray, weight: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """For places x (nu, nz), one a column of `weight` (nz, nz): the weight below them, over all columns (nu,).

    By the integral of the cubic spline down each column: exact to the fourth order of the step.
    """
    integral = CubicSpline(z, weight, axis=0).antiderivative()
    step = z[1] - z[0]
    column = np.arange(weight.shape[1])[None, :]

    def below(x: FloatArray) -> FloatArray:
        inside = np.clip(x, z[0], z[-1])
        i = np.minimum(((inside - z[0]) / step).astype(np.intp), len(z) - 2)
        t = inside - z[i]
        value = np.zeros_like(t)
        for c in integral.c:
            value = value * t + c[i, column]
        return np.asarray(value.sum(axis=1) / step)

    return below


def _summary(
    dose: float, mean: float, sd: float, cumulative: Callable[[FloatArray], FloatArray], edges: FloatArray
) -> DoseRisk:
    """`cumulative` is the posterior distribution of the log-odds of toxicity."""
    # A wide prior has quantiles of 1e-35 far below its reference dose.
    grid = np.concatenate([np.linspace(-300.0, -42.0, 87), np.linspace(-40.0, 25.0, 521)])
    share = np.maximum.accumulate(cumulative(grid))
    keep = np.concatenate([[True], np.diff(share) > 1e-13])
    q = expit(PchipInterpolator(share[keep], grid[keep])([0.025, 0.5, 0.975]))
    below = cumulative(logit(edges[1:-1]))
    shares = np.diff(np.concatenate([[0.0], below, [1.0]]))
    return DoseRisk(dose, mean, sd, float(q[0]), float(q[1]), float(q[2]), tuple(map(float, shares)))
