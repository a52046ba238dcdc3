"""Boundaries on both sides: stop for efficacy above, for futility below, at any fractions of the information.

Futility spends beta at the drift for which the design has its power; the drift and the lower boundary are found
together. Non-binding: the upper boundary is that of the design without futility, so the type I error holds whatever is
done; binding: it is lowered until alpha is spent again. Pampallona, Tsiatis & Kim 2001, doi:10.1177/009286150103500408
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.interim.group_sequential import GroupSequentialDesign, Spending

FloatArray = NDArray[np.float64]
NODES = 80
_X, _W = np.polynomial.legendre.leggauss(NODES)
FAR = 8.0


@dataclass(frozen=True)
class Bounds:
    """information, upper, lower (K,), lower -inf without futility; drift: E(Z at the end) that has the power."""

    information: FloatArray
    upper: FloatArray
    lower: FloatArray
    alpha: float
    drift: float
    binding: bool


class Crossings(NamedTuple):
    """Probability of stopping first at each look, above and below, and the mean information at the end."""

    above: FloatArray
    below: FloatArray
    information: float


def without_futility(design: GroupSequentialDesign, drift: float) -> Bounds:
    none = np.full(len(design.information), -np.inf)
    return Bounds(design.information, design.upper, none, design.alpha, drift, False)


def with_futility(
    design: GroupSequentialDesign, spending: Spending, *, power: float = 0.9, binding: bool = False
) -> Bounds:
    """`design` with a lower boundary that spends 1 - power as `spending` says; it meets the upper one at the end."""
    if not design.alpha < power < 1:
        raise refuse("power", f"{power:g}; expected between alpha and 1")
    t, beta = design.information, 1 - power
    upper = design.upper.copy()
    for _ in range(1 if not binding else 12):

        def missed(drift: float, upper: FloatArray = upper) -> float:
            lower = _lower(t, upper, spending, beta, drift)
            return float(lower[-1] - upper[-1])

        fixed = norm.isf(design.alpha) + norm.ppf(power)
        drift = float(brentq(missed, 0.8 * fixed, 2.0 * fixed, xtol=1e-9))
        lower = _lower(t, upper, spending, beta, drift)
        lower[-1] = upper[-1]
        if binding:
            upper = _upper(design, lower)
    return Bounds(t, upper, np.minimum(lower, upper), design.alpha, drift, binding)


def crossings(bounds: Bounds, drift: float, *, ignore_futility: bool = False) -> Crossings:
    """What the design does when E(Z at the end) is `drift`."""
    t = bounds.information
    lower = np.full(len(t), -np.inf) if ignore_futility else bounds.lower
    above, below = np.zeros(len(t)), np.zeros(len(t))
    path = (np.zeros(1), np.ones(1))
    for k in range(len(t)):
        above[k], below[k] = _exit(path, t, k, bounds.upper[k], lower[k], drift)
        path = _on(path, t, k, (lower[k], bounds.upper[k]), drift)
    stopped = above + below
    going = 1 - float(stopped[:-1].sum())
    return Crossings(above, below, float(stopped[:-1] @ t[:-1] + going * t[-1]))


def _lower(t: FloatArray, upper: FloatArray, spending: Spending, beta: float, drift: float) -> FloatArray:
    spent = np.diff(np.concatenate([[0.0], [spending(beta, float(x)) for x in t]]))
    path, lower = (np.zeros(1), np.ones(1)), np.empty(len(t))
    for k, target in enumerate(spent):

        def short(
            z: float, k: int = k, target: float = float(target), path: tuple[FloatArray, FloatArray] = path
        ) -> float:
            return _exit(path, t, k, np.inf, z, drift)[1] - target

        # Fewer paths are left than may be lost: no boundary is high enough at this drift.
        top = FAR + 12
        lower[k] = brentq(short, -top, top, xtol=1e-10) if short(top) > 0 else top
        if k < len(t) - 1:
            lower[k] = min(lower[k], upper[k] - 1e-6)
        path = _on(path, t, k, (lower[k], upper[k]), drift)
    return lower


def _upper(design: GroupSequentialDesign, lower: FloatArray) -> FloatArray:
    """Boundaries that spend the design's alpha when paths below `lower` are stopped."""
    t = design.information
    spent = np.diff(np.concatenate([[0.0], design.spent]))
    path, upper = (np.zeros(1), np.ones(1)), np.empty(len(t))
    for k, target in enumerate(spent):

        def over(
            z: float, k: int = k, target: float = float(target), path: tuple[FloatArray, FloatArray] = path
        ) -> float:
            return _exit(path, t, k, z, -np.inf, 0.0)[0] - target

        upper[k] = brentq(over, -FAR, 40.0, xtol=1e-10)
        path = _on(path, t, k, (min(lower[k], upper[k] - 1e-6), upper[k]), 0.0)
    return upper


def _step(t: FloatArray, k: int) -> float:
    return float(t[k] - (t[k - 1] if k else 0.0))


def _exit(
    path: tuple[FloatArray, FloatArray], t: FloatArray, k: int, upper: float, lower: float, drift: float
) -> tuple[float, float]:
    step, root = _step(t, k), np.sqrt(t[k])
    middle = path[0] + drift * step
    above = float(norm.sf((upper * root - middle) / np.sqrt(step)) @ path[1]) if np.isfinite(upper) else 0.0
    below = float(norm.cdf((lower * root - middle) / np.sqrt(step)) @ path[1]) if np.isfinite(lower) else 0.0
    return above, below


def _on(
    path: tuple[FloatArray, FloatArray], t: FloatArray, k: int, between: Sequence[float], drift: float
) -> tuple[FloatArray, FloatArray]:
    """Paths still going after look k: nodes S and weight times density."""
    step, root = _step(t, k), np.sqrt(t[k])
    low = max(between[0] * root, drift * t[k] - FAR * root)
    top = min(between[1] * root, drift * t[k] + FAR * root)
    if top <= low:
        return np.zeros(1), np.zeros(1)
    s = low + (top - low) * (_X + 1) / 2
    move = norm.pdf((s[:, None] - path[0][None, :] - drift * step) / np.sqrt(step)) / np.sqrt(step)
    return s, (top - low) / 2 * _W * (move @ path[1])
