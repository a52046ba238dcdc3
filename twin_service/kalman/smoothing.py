"""Smoothing: what the effects were at each past instant, given everything measured since.

    G_k = P_k (P_k + Q_k)^-1      m_k|n = m_k + G_k (m_k+1|n - m_k)      P_k|n = P_k + G_k (P_k+1|n - P_k - Q_k) G_k'

for effects that walk at random between instants (Rauch, Tung & Striebel 1965, doi:10.2514/3.3166). Q is passed for
each interval: filterpy's smoother ignores the one it is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief, factor

FloatArray = NDArray[np.float64]


def smoothed(
    filtered: Sequence[Belief], variance_per_h: FloatArray, hours: Sequence[float], *, lag: int | None = None
) -> tuple[Belief, ...]:
    """The smoothed belief at each instant.

    filtered        beliefs after the readings of instants 0..n-1
    variance_per_h  (nx,) drift
    hours           n - 1 intervals between instants
    lag             how many later instants may speak; None: all
    """
    if len(hours) != max(0, len(filtered) - 1):
        raise ValueError(f"{len(filtered)} beliefs need {len(filtered) - 1} intervals, got {len(hours)}")
    if lag is None:
        return _backward(list(filtered), variance_per_h, list(hours))
    found = []
    for k in range(len(filtered)):
        end = min(k + lag + 1, len(filtered))
        found.append(_backward(list(filtered[k:end]), variance_per_h, list(hours[k : end - 1]))[0])
    return tuple(found)


def _backward(filtered: list[Belief], variance_per_h: FloatArray, hours: list[float]) -> tuple[Belief, ...]:
    later = filtered[-1]
    found = [later]
    for belief, dt in zip(reversed(filtered[:-1]), reversed(hours), strict=True):
        P = belief.covariance
        predicted = P + np.diag(np.asarray(variance_per_h) * dt)
        G = np.linalg.solve(predicted, P).T
        mean = belief.mean + G @ (later.mean - belief.mean)
        later = Belief(mean, factor(P + G @ (later.covariance - predicted) @ G.T).lower, belief.names)
        found.append(later)
    return tuple(reversed(found))
