"""Looking at a trial before its end without fooling oneself: boundaries, spending, power, and what to expect from here.

With information fractions t_1 < ... < t_K = 1 the statistics Z_k are jointly normal with Cov(Z_j, Z_k) = sqrt(t_j/t_k).
Writing S_k = Z_k sqrt(t_k), S has independent increments of variance t_k - t_{k-1}, so the density of S_k on the paths
that have not crossed follows by one integration a look: the recursion of Armitage, McPherson & Rowe.
Jennison & Turnbull 2000, chapter 19; Lan & DeMets 1983, doi:10.1093/biomet/70.3.659
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
Spending = Callable[[float, float], float]
# Below this Z nothing can be missed: the mass there is under 1e-15 at any drift that is planned for.
Z_FAR = 8.0
# Gauss-Legendre nodes a look; boundaries agree with published ones to 1e-7 from 40 on.
NODES = 80
_X, _W = np.polynomial.legendre.leggauss(NODES)


@dataclass(frozen=True)
class GroupSequentialDesign:
    """One-sided efficacy boundaries.

    information   t_k (K,)
    upper         reject when Z_k >= upper_k (K,)
    spent         type I error spent up to look k (K,)
    """

    information: FloatArray
    upper: FloatArray
    spent: FloatArray
    alpha: float


class Expected(NamedTuple):
    """At a drift theta = E(Z at full information): crossing probability by look, power, mean information at the end."""

    crossing: FloatArray
    power: float
    information: float


class _Density(NamedTuple):
    """Nodes S (m,), weight times density (m,) of the paths still going."""

    s: FloatArray
    mass: FloatArray


def obrien_fleming(alpha: float, t: float) -> float:
    """2 - 2 Phi(z_{1 - alpha/2} / sqrt(t)): almost nothing early (Lan & DeMets 1983)."""
    return float(2 * norm.sf(norm.isf(alpha / 2) / np.sqrt(t)))


def pocock(alpha: float, t: float) -> float:
    """Alpha log(1 + (e - 1) t): about the same at every look (Lan & DeMets 1983)."""
    return float(alpha * np.log1p((np.e - 1) * t))


def power_family(rho: float) -> Spending:
    """Alpha t^rho (Kim & DeMets 1987)."""
    return lambda alpha, t: float(alpha * t**rho)


def hwang_shih_decani(gamma: float) -> Spending:
    """Alpha (1 - exp(-gamma t))/(1 - exp(-gamma)); linear for gamma = 0 (Hwang, Shih & DeCani 1990)."""
    if gamma == 0:
        return lambda alpha, t: alpha * t
    return lambda alpha, t: float(alpha * np.expm1(-gamma * t) / np.expm1(-gamma))


def spending_design(information: Sequence[float], spending: Spending, *, alpha: float = 0.025) -> GroupSequentialDesign:
    """Boundaries that spend `alpha` (one-sided) as `spending` says at the information fractions given."""
    t = _checked(information, alpha)
    spent = np.array([spending(alpha, float(x)) for x in t])
    upper: list[float] = []
    for k, target in enumerate(np.diff(np.concatenate([[0.0], spent]))):
        density = _density(t[: k + 1], upper, 0.0)
        upper.append(_boundary(density, t, k, float(target)))
    return GroupSequentialDesign(t, np.array(upper), spent, alpha)


def shaped_design(information: Sequence[float], *, delta: float, alpha: float = 0.025) -> GroupSequentialDesign:
    """Wang-Tsiatis boundaries c t_k^(delta - 1/2): 0 is O'Brien-Fleming, 1/2 Pocock.

    Wang & Tsiatis 1987, doi:10.2307/2531959
    """
    t = _checked(information, alpha)
    shape = t ** (delta - 0.5)
    c = brentq(lambda c: _crossing(t, c * shape, 0.0).sum() - alpha, 0.5, 10.0, xtol=1e-12)
    upper = float(c) * shape
    return GroupSequentialDesign(t, upper, np.cumsum(_crossing(t, upper, 0.0)), alpha)


def haybittle_peto(information: Sequence[float], *, early: float = 3.0, alpha: float = 0.025) -> GroupSequentialDesign:
    """The same high boundary at every look but the last, which takes what is left of alpha."""
    t = _checked(information, alpha)
    upper = [early] * (len(t) - 1)
    before = _crossing(t[:-1], np.array(upper), 0.0)
    if before.sum() >= alpha:
        raise refuse("early", f"boundary {early:g} spends more than alpha before the last look")
    last = _boundary(_density(t, upper, 0.0), t, len(t) - 1, alpha - float(before.sum()))
    return GroupSequentialDesign(t, np.array([*upper, last]), np.cumsum([*before, alpha - before.sum()]), alpha)


def expected(design: GroupSequentialDesign, drift: float) -> Expected:
    """What `design` does when the statistic at full information has mean `drift`."""
    crossing = _crossing(design.information, design.upper, drift)
    stay = 1 - crossing[:-1].sum()
    mean = float(crossing[:-1] @ design.information[:-1] + stay * design.information[-1])
    return Expected(crossing, float(crossing.sum()), mean)


def drift_for_power(design: GroupSequentialDesign, power: float = 0.9) -> float:
    """The mean of Z at full information with which the design has `power`."""
    if not design.alpha < power < 1:
        raise refuse("power", f"{power:g}; expected between alpha and 1")
    return float(brentq(lambda d: expected(design, d).power - power, 0.0, 12.0, xtol=1e-10))


def inflation(design: GroupSequentialDesign, power: float = 0.9) -> float:
    """Largest information relative to a trial without looks."""
    fixed = norm.isf(design.alpha) + norm.ppf(power)
    return float((drift_for_power(design, power) / fixed) ** 2)


def conditional_power(design: GroupSequentialDesign, look: int, z: float, drift: float) -> float:
    """Probability of crossing at a later look, given Z = `z` at look `look` (from 0), when the drift is `drift`."""
    t = design.information
    if not 0 <= look < len(t) - 1:
        raise refuse("look", f"{look}; expected 0 to {len(t) - 2}: a look before the last")
    if not (np.isfinite(z) and np.isfinite(drift)):
        raise refuse("z", "expected finite numbers")
    start = z * np.sqrt(t[look])
    rest = t[look + 1 :] - t[look]
    # Seen from here the process starts anew at 0: boundaries are shifted by what has been gathered.
    upper = (design.upper[look + 1 :] * np.sqrt(t[look + 1 :]) - start) / np.sqrt(rest)
    scale = rest[-1]
    return float(_crossing(rest / scale, upper, drift * np.sqrt(scale)).sum())


def predictive_power(design: GroupSequentialDesign, look: int, z: float) -> float:
    """Conditional power averaged over what is believed of the drift after this look, under a flat prior.

    drift | z ~ N(z/sqrt(t), 1/t).  Spiegelhalter, Freedman & Blackburn 1986, doi:10.1016/0197-2456(86)90003-6
    """
    t = float(design.information[look])
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    drifts = z / np.sqrt(t) + nodes / np.sqrt(t)
    powers = [conditional_power(design, look, z, float(d)) for d in drifts]
    return float(np.dot(weights, powers) / weights.sum())


def _checked(information: Sequence[float], alpha: float) -> FloatArray:
    t = np.asarray(information, dtype=np.float64)
    if t.ndim != 1 or not len(t) or not np.all(np.isfinite(t)) or t[0] <= 0 or np.any(np.diff(t) <= 0):
        raise refuse("information", "expected increasing positive information fractions")
    if abs(t[-1] - 1) > 1e-9:
        raise refuse("information", f"the last fraction is {t[-1]:g}; expected 1")
    if not 0 < alpha < 0.5:
        raise refuse("alpha", f"one-sided alpha is {alpha:g}; expected between 0 and 0.5")
    return t


def _density(t: FloatArray, upper: Sequence[float], drift: float) -> _Density:
    """The paths that crossed none of `upper` (k,) at looks t_1..t_k, as of S at look k; a point at 0 when k = 0."""
    density = _Density(np.zeros(1), np.ones(1))
    previous = 0.0
    for tk, b in zip(t, upper, strict=False):
        top = b * np.sqrt(tk)
        low = min(drift * tk - Z_FAR * np.sqrt(tk), top)
        s = low + (top - low) * (_X + 1) / 2
        step = np.sqrt(tk - previous)
        move = norm.pdf((s[:, None] - density.s[None, :] - drift * (tk - previous)) / step) / step
        density = _Density(s, (top - low) / 2 * _W * (move @ density.mass))
        previous = float(tk)
    return density


def _exit(density: _Density, step: float, top: float, drift: float) -> float:
    """Probability that the paths of `density` lie above `top` after a further information `step`."""
    return float(norm.sf((top - density.s - drift * step) / np.sqrt(step)) @ density.mass)


def _crossing(t: FloatArray, upper: FloatArray, drift: float) -> FloatArray:
    """Probability of crossing first at each look (K,)."""
    found = []
    for k in range(len(t)):
        density = _density(t[:k], list(upper[:k]), drift)
        step = float(t[k] - (t[k - 1] if k else 0.0))
        found.append(_exit(density, step, float(upper[k] * np.sqrt(t[k])), drift))
    return np.array(found)


def _boundary(density: _Density, t: FloatArray, k: int, target: float) -> float:
    """The Z at look k that the paths of `density` exceed with probability `target`."""
    if target <= 0:
        return float("inf")
    step = float(t[k] - (t[k - 1] if k else 0.0))
    scale = np.sqrt(t[k])
    return float(brentq(lambda z: _exit(density, step, z * scale, 0.0) - target, -Z_FAR, 40.0, xtol=1e-12))
