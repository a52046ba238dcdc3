"""Survival without a model: Kaplan-Meier, log-rank, and the mean time without the event up to a horizon.

    S(t) = prod (1 - d/n),  Var log S = sum d/(n (n - d))   (Greenwood)
    RMST(L) = integral_0^L S(t) dt,  Var = sum A_t^2 d/(n (n - d)),  A_t the area after t
    adjusted RMST: pseudo-values n RMST - (n - 1) RMST without i, one a subject, in a linear model with HC errors

Andersen, Hansen & Klein 2004, doi:10.1007/s10985-004-4771-0; Uno 2014, doi:10.1200/JCO.2014.55.2208
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.survival.cox import read_times

FloatArray = NDArray[np.float64]


class Curve(NamedTuple):
    """Distinct event times, survival after each, those at risk before each, and Greenwood's sum."""

    times: FloatArray
    survival: FloatArray
    at_risk: FloatArray
    greenwood: FloatArray

    def at(self, when: ArrayLike) -> FloatArray:
        index = np.searchsorted(self.times, np.asarray(when, dtype=np.float64), side="right")
        return np.asarray(np.concatenate([[1.0], self.survival])[index])

    @property
    def median(self) -> float:
        """First time at which survival is at most one half; NaN when it stays above."""
        below = np.flatnonzero(self.survival <= 0.5 + 1e-12)
        return float(self.times[below[0]]) if len(below) else float("nan")


class LogRank(NamedTuple):
    statistic: float
    df: int
    p: float
    observed: tuple[float, ...]
    expected: tuple[float, ...]


class Restricted(NamedTuple):
    """Mean time without the event up to `horizon`, and its standard error."""

    mean: float
    se: float
    horizon: float


def kaplan_meier(time: ArrayLike, event: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    t, d = read_times(time, event)
    w = np.ones_like(t) if weights is None else np.asarray(weights, dtype=np.float64)
    times = np.unique(t[d == 1])
    order = np.argsort(t, kind="stable")
    left = np.concatenate([np.cumsum(w[order][::-1])[::-1], [0.0]])
    at_risk = left[np.searchsorted(t[order], times)]
    deaths = np.bincount(np.searchsorted(times, t[d == 1]), weights=w[d == 1], minlength=len(times))
    survival = np.cumprod(1 - deaths / at_risk)
    with np.errstate(divide="ignore"):
        terms = np.where(at_risk > deaths + 1e-12, deaths / (at_risk * (at_risk - deaths)), 0.0)
    return Curve(times, survival, at_risk, np.cumsum(terms))


def log_rank(time: ArrayLike, event: ArrayLike, group: ArrayLike) -> LogRank:
    """Of two or more groups; ties as the hypergeometric variance has them (Mantel)."""
    t, d = read_times(time, event)
    g = np.asarray(group)
    names = np.unique(g)
    if len(names) < 2:
        raise refuse("group", "one group only")
    k = len(names)
    observed = np.array([d[g == a].sum() for a in names])
    expected, V = np.zeros(k), np.zeros((k, k))
    for when in np.unique(t[d == 1]):
        risk = np.array([np.sum((t >= when) & (g == a)) for a in names], dtype=float)
        n, dead = risk.sum(), float(np.sum((t == when) & (d == 1)))
        share = risk / n
        expected += dead * share
        if n > 1:
            V += dead * (n - dead) / (n - 1) * (np.diag(share) - np.outer(share, share))
    gap = (observed - expected)[:-1]
    statistic = float(gap @ np.linalg.solve(V[:-1, :-1], gap))
    return LogRank(statistic, k - 1, float(stats.chi2.sf(statistic, k - 1)), tuple(observed), tuple(expected))


def restricted_mean(time: ArrayLike, event: ArrayLike, horizon: float) -> Restricted:
    """Raises Refusal when the horizon lies beyond all follow-up."""
    t, d = read_times(time, event)
    if not 0 < horizon <= t.max():
        raise refuse("horizon", f"{horizon:g} lies beyond all follow-up, which ends at {t.max():g}")
    curve = kaplan_meier(t, d)
    inside = curve.times < horizon
    knots = np.concatenate([[0.0], curve.times[inside], [horizon]])
    heights = np.concatenate([[1.0], curve.survival[inside]])
    pieces = np.diff(knots) * heights
    after = np.cumsum(pieces[::-1])[::-1][1:]
    terms = np.diff(np.concatenate([[0.0], curve.greenwood[inside]]))
    return Restricted(float(pieces.sum()), float(np.sqrt(np.sum(after**2 * terms))), horizon)


def pseudo_values(time: ArrayLike, event: ArrayLike, horizon: float) -> FloatArray:
    """Pseudo-values of the restricted mean (n,), within one arm."""
    t, d = read_times(time, event)
    n, whole = len(t), restricted_mean(t, d, horizon).mean
    out = np.empty(n)
    for i in range(n):
        keep = np.arange(n) != i
        rest = d[keep]
        # Without its only event an arm's curve is 1 up to the horizon.
        mean = restricted_mean(t[keep], rest, min(horizon, float(t[keep].max()))).mean if rest.any() else horizon
        out[i] = n * whole - (n - 1) * mean
    return out


def numbers_at_risk(time: ArrayLike, at: Sequence[float]) -> tuple[int, ...]:
    t = np.asarray(time, dtype=np.float64)
    return tuple(int(np.sum(t >= a)) for a in at)
