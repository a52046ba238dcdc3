"""The continual reassessment method, with whole and with partial follow-up.

    power       p_j = s_j^exp(theta)                     theta ~ N(0, sd^2)
    logistic    p_j = expit(c + exp(theta) (logit(s_j) - c))
    likelihood  prod_i p^y_i (1 - w_i p)^(1 - y_i),  w_i = share of the window that patient i was followed (TITE)

Everything is one-dimensional quadrature. O'Quigley, Pepe & Fisher 1990, doi:10.2307/2531628; Cheung & Chappell 2000,
doi:10.1111/j.0006-341X.2000.01177.x; skeleton from an indifference interval: Lee & Cheung 2009,
doi:10.1177/1740774509105076
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logit

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
NODES, REACH = 2001, 10.0
Z90 = 1.6448536269514722


@dataclass(frozen=True)
class Skeleton:
    """Prior guesses (k,) of the risk at each dose; a power model, or a logistic one with `intercept`."""

    risks: tuple[float, ...]
    sd: float = float(np.sqrt(1.34))
    intercept: float | None = None

    @classmethod
    def create(
        cls, risks: Sequence[float], *, sd: float = float(np.sqrt(1.34)), intercept: float | None = None
    ) -> Skeleton:
        """Raises Refusal unless the guesses lie between 0 and 1 and rise."""
        s = np.asarray(risks, dtype=np.float64)
        if s.ndim != 1 or not len(s) or not np.all((s > 0) & (s < 1)) or np.any(np.diff(s) <= 0):
            raise refuse("skeleton", "expected one increasing probability a dose")
        if not sd > 0:
            raise refuse("sd", "expected a positive standard deviation of the prior")
        return cls(tuple(map(float, s)), float(sd), intercept)

    def log_odds(self, theta: FloatArray) -> FloatArray:
        """Log-odds of the risk of each dose, (k, *theta)."""
        shape = (-1,) + (1,) * np.ndim(theta)
        s = np.reshape(np.asarray(self.risks), shape)
        if self.intercept is not None:
            return np.asarray(self.intercept + np.exp(theta) * (logit(s) - self.intercept))
        log_p = np.minimum(np.exp(theta) * np.log(s), -1e-300)
        return np.asarray(log_p - np.log(-np.expm1(log_p)))

    def risk(self, theta: FloatArray | float) -> FloatArray:
        """Risk of each dose, (k, *theta)."""
        return np.asarray(expit(self.log_odds(np.asarray(theta, dtype=np.float64))))


@dataclass(frozen=True)
class FollowedPatients:
    """Patients one by one (n,): place of the dose from 0, toxic or not, share of the window that was followed."""

    level: NDArray[np.intp]
    toxic: NDArray[np.bool_]
    weight: FloatArray

    @classmethod
    def create(
        cls, level: Sequence[int], toxic: Sequence[int], levels: int, weight: Sequence[float] | None = None
    ) -> FollowedPatients:
        """A toxicity counts whole whenever it came. Raises Refusal for an unlisted dose or lists of unequal length."""
        at, y = np.asarray(level, dtype=np.intp), np.asarray(toxic, dtype=np.float64)
        w = np.ones(len(at)) if weight is None else np.asarray(weight, dtype=np.float64)
        if not at.shape == y.shape == w.shape or at.ndim != 1:
            raise refuse("patients", "expected one dose, one outcome and one follow-up for each patient")
        if np.any((at < 0) | (at >= levels)):
            raise refuse("level", f"a patient has a dose outside the {levels} planned ones")
        if not np.all((y == 0) | (y == 1)):
            raise refuse("toxic", "expected 0 or 1 for each patient")
        if not np.all((w >= 0) & (w <= 1)):
            raise refuse("weight", "expected the share of the window followed, 0 to 1")
        return cls(at, y > 0, np.where(y > 0, 1.0, w))


@dataclass(frozen=True)
class CrmFit:
    """`estimate`, `variance`: of theta. `risk` (k,) at the estimate, `low` and `high` its 90 % interval. `level`: the
    dose whose risk is nearest to the target, from 0."""

    estimate: float
    variance: float
    risk: FloatArray
    low: FloatArray
    high: FloatArray
    level: int


def crm(skeleton: Skeleton, seen: FollowedPatients, target: float, *, likelihood_only: bool = False) -> CrmFit:
    """Posterior mean of theta (or, with `likelihood_only`, its maximum likelihood estimate) and the risks there.

    Raises Refusal when maximum likelihood is asked before there is a toxicity and a patient without.
    """
    if likelihood_only:
        estimate, variance = _maximum(skeleton, seen)
    else:
        theta = skeleton.sd * np.linspace(-REACH, REACH, NODES)
        log_weight = _log_likelihood(skeleton, seen, theta) - (theta / skeleton.sd) ** 2 / 2
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        estimate = float(weight @ theta)
        variance = float(weight @ (theta - estimate) ** 2)
    half = Z90 * np.sqrt(variance)
    risk = skeleton.risk(estimate)
    ends = skeleton.risk(estimate + half), skeleton.risk(estimate - half)
    level = int(np.argmin(np.abs(risk - target)))
    return CrmFit(estimate, variance, risk, np.minimum(*ends), np.maximum(*ends), level)


def indifference_skeleton(
    target: float, levels: int, *, prior_level: int, halfwidth: float, intercept: float | None = None
) -> tuple[float, ...]:
    """Guesses such that each dose is confused with its neighbor only when its risk is within `halfwidth` of `target`.

    At the theta where two neighbors are equally far from the target, the lower has target - halfwidth and the upper
    target + halfwidth. `prior_level` (from 0) is the dose believed to hit the target.
    """
    low, high = target - halfwidth, target + halfwidth
    if not (0 < low and high < 1 and 0 <= prior_level < levels):
        raise refuse("halfwidth", "expected 0 < target - halfwidth, target + halfwidth < 1 and prior_level in range")

    def scale(p: float) -> float:
        return float(np.log(p)) if intercept is None else float(logit(p)) - intercept

    place = np.zeros(levels)
    place[prior_level] = scale(target)
    for j in range(prior_level, levels - 1):
        place[j + 1] = place[j] * scale(high) / scale(low)
    for j in range(prior_level, 0, -1):
        place[j - 1] = place[j] * scale(low) / scale(high)
    return tuple(np.exp(place) if intercept is None else expit(place + intercept))


def _log_likelihood(skeleton: Skeleton, seen: FollowedPatients, theta: FloatArray) -> FloatArray:
    odds = skeleton.log_odds(theta)
    total = np.zeros_like(theta)
    for j, toxic, w in zip(seen.level, seen.toxic, seen.weight, strict=True):
        if toxic:
            total += log_expit(odds[j])
        elif w == 1.0:
            total += log_expit(-odds[j])
        else:
            total += np.log1p(-w * expit(odds[j]))
    return total


def _maximum(skeleton: Skeleton, seen: FollowedPatients) -> tuple[float, float]:
    """Estimate, and the mean square of theta under a flat prior less its square, as dfcrm has it."""
    if not seen.toxic.any() or seen.toxic.all():
        raise refuse("toxic", "maximum likelihood needs a patient with and one without toxicity; use the prior")
    found = minimize_scalar(
        lambda t: -float(_log_likelihood(skeleton, seen, np.array([t]))[0]),
        bounds=(-REACH, REACH),
        method="bounded",
        options={"xatol": 1e-10},
    )
    theta = np.linspace(-REACH, REACH, 10 * NODES)
    log_weight = _log_likelihood(skeleton, seen, theta)
    weight = np.exp(log_weight - log_weight.max())
    return float(found.x), float(weight @ theta**2 / weight.sum() - found.x**2)
