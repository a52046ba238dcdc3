"""How probable it is that targets are met, over the members of a belief and, where isolates differ, over their MICs.

    P(target at MIC m) = share of members inside at m              probability of target attainment
    P(target) = sum_m share_m P(target at m)                       cumulative fraction of response

A patient's isolate is drawn independently of his kinetics; targets that name one distribution mean one isolate.
Mouton 2005, doi:10.1093/jac/dki079.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.scenario.target import Target, measure_each

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Attained:
    """One target under one regimen: probability of lying inside, and the metric's distribution over members.

    `by_mic`: (MIC, share of isolates, probability there) for targets over MIC.
    """

    target: Target
    probability: float
    mean: float
    q05: float
    q50: float
    q95: float
    by_mic: tuple[tuple[float, float, float], ...] = ()


class TargetMetrics(NamedTuple):
    """A target's metric for N members at M MICs, and the shares of those: (N, M), (M,)."""

    target: Target
    values: FloatArray
    shares: FloatArray

    @property
    def inside(self) -> NDArray[np.bool_]:
        return (self.values >= self.target.low) & (self.values <= self.target.high)


def metrics_of(target: Target, times_h: FloatArray, values: FloatArray, dose_times_h: FloatArray) -> TargetMetrics:
    """The metric of solved members `values` (N, nt), NaN rows left out."""
    solved = values[np.all(np.isfinite(values), axis=1)]
    shares = np.array([s for _, s in target.mics] if target.mics else [1.0])
    if not len(solved):
        return TargetMetrics(target, np.zeros((0, len(shares))), shares / shares.sum())
    found = measure_each(target, times_h, solved, dose_times_h)
    return TargetMetrics(target, found, shares / shares.sum() if found.shape[1] == len(shares) else np.ones(1))


def attained(metrics: TargetMetrics) -> Attained:
    """Probability and distribution of one metric."""
    target, values, shares = metrics
    if not len(values):
        nothing = float("nan")
        return Attained(target, nothing, nothing, nothing, nothing, nothing)
    each = metrics.inside.mean(axis=0)
    q = _quantiles(values, shares)
    by_mic = tuple((m, float(s), float(p)) for (m, _), s, p in zip(target.mics, shares, each, strict=False))
    mean = float(values.mean(axis=0) @ shares)
    return Attained(target, float(each @ shares), mean, q[0], q[1], q[2], by_mic if values.shape[1] > 1 else ())


def joint(found: Sequence[TargetMetrics]) -> float:
    """Probability that every target is met at once; NaN without targets or members."""
    if not found or not len(found[0].values):
        return float("nan")
    groups: dict[tuple[tuple[float, float], ...], list[TargetMetrics]] = defaultdict(list)
    for m in found:
        groups[m.target.mics if m.values.shape[1] > 1 else ()].append(m)
    probability = np.ones(len(found[0].values))
    for members in groups.values():
        met = np.logical_and.reduce([m.inside for m in members])
        probability = probability * (met @ members[0].shares)
    return float(probability.mean())


def _quantiles(values: FloatArray, shares: FloatArray) -> tuple[float, float, float]:
    levels = (0.05, 0.5, 0.95)
    if values.shape[1] == 1:
        a, b, c = np.quantile(values[:, 0], levels)
        return float(a), float(b), float(c)
    weights = np.broadcast_to(shares / len(values), values.shape).ravel()
    order = np.argsort(values, axis=None)
    upto = np.cumsum(weights[order])
    found = values.ravel()[order]
    a, b, c = (found[min(int(np.searchsorted(upto, q)), len(found) - 1)] for q in levels)
    return float(a), float(b), float(c)
