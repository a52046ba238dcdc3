"""A whole design simulated patient by patient: what is read at each look, tested with the forecast as covariate.

Patients are virtual: drawn from a pool of (forecast, endpoint under control), such as twins or the controls of an
earlier trial give, or bivariate normal with the correlation planned for. At a look the effect is that of ANCOVA; its z
is held against the boundaries. All trials of a batch are done at once from cumulative sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.interim.adaptive import PromisingZone
from twin_service.trial.interim.futility import Bounds

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]
BATCH = 500


@dataclass(frozen=True)
class VirtualTrial:
    """patients in all, effect in the endpoint's unit, sd and correlation with the forecast; share treated.

    pool   (P, 2) forecast and endpoint under control of virtual patients; sd and correlation are then its own
    """

    patients: int
    effect: float
    sd: float
    correlation: float = 0.0
    share_treated: float = 0.5
    pool: FloatArray | None = None


@dataclass(frozen=True)
class SimulatedTrials:
    """Shares of trials that end in efficacy, with its Monte Carlo error; by look; and mean patients."""

    trials: int
    efficacy: float
    error: float
    efficacy_by_look: FloatArray
    futility_by_look: FloatArray
    patients: float
    estimate: float


def simulate_design(
    bounds: Bounds, trial: VirtualTrial, count: int, rng: np.random.Generator, progress: Progress = lambda share: None
) -> SimulatedTrials:
    """`count` trials under `trial`. Raises Refusal for looks with fewer than four patients an arm."""
    ends = np.ceil(bounds.information * trial.patients).astype(int)
    if ends[0] * min(trial.share_treated, 1 - trial.share_treated) < 4:
        raise refuse("interim.looks", f"the first look has {ends[0]} patients; four or more an arm are needed")
    looks = len(ends)
    up, down = np.zeros(looks), np.zeros(looks)
    size, total = 0.0, 0.0
    for start in range(0, count, BATCH):
        n = min(BATCH, count - start)
        z, estimate = look_statistics(trial, ends, n, rng)
        above, below = z >= bounds.upper, z <= bounds.lower
        below[:, -1] = ~above[:, -1]
        first = np.argmax(above | below, axis=1)
        won = above[np.arange(n), first]
        up += np.bincount(first[won], minlength=looks)
        down += np.bincount(first[~won], minlength=looks)
        size += float(ends[first].sum())
        total += float(estimate[np.arange(n), first].sum())
        progress(min(1.0, (start + n) / count))
    share = float(up.sum() / count)
    error = float(np.sqrt(max(share * (1 - share), 1e-12) / count))
    return SimulatedTrials(count, share, error, up / count, down / count, size / count, total / count)


def look_statistics(
    trial: VirtualTrial, ends: NDArray[np.intp], count: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """z of ANCOVA (probability-matched from its t) and the estimate at each look (count, looks)."""
    f, y = _patients(trial, count, int(ends[-1]), rng)
    # Treated in blocks, so that every look has the planned shares.
    w = np.floor(np.arange(1, ends[-1] + 1) * trial.share_treated + 1e-9)
    w = np.diff(np.concatenate([[0.0], w]))
    y = y + trial.effect * w
    z, estimates = np.empty((count, len(ends))), np.empty((count, len(ends)))
    for k, n in enumerate(ends):
        t, estimates[:, k] = _ancova(y[:, :n], f[:, :n], w[:n])
        tail = stats.t.sf(np.abs(t), n - 3)
        z[:, k] = np.sign(t) * stats.norm.isf(tail)
    return z, estimates


def simulate_promising(zone: PromisingZone, drift: float, count: int, rng: np.random.Generator) -> tuple[float, float]:
    """Share of wins and mean patients when E(Z of the planned trial) is `drift`: weights fixed before, size by look."""
    whole = zone.n1 + zone.n2
    z1 = rng.standard_normal(count) + drift * np.sqrt(zone.n1 / whole)
    n2 = zone.second_stage(z1)
    z2 = rng.standard_normal(count) + drift * np.sqrt(n2 / whole)
    w1, w2 = zone.weights
    return float(np.mean(w1 * z1 + w2 * z2 >= stats.norm.isf(zone.alpha))), float(zone.n1 + n2.mean())


def _patients(trial: VirtualTrial, count: int, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    if trial.pool is not None:
        chosen = trial.pool[rng.integers(len(trial.pool), size=(count, n))]
        return chosen[:, :, 0], chosen[:, :, 1]
    f = rng.standard_normal((count, n))
    r = trial.correlation
    return f, trial.sd * (r * f + np.sqrt(1 - r**2) * rng.standard_normal((count, n)))


def _ancova(y: FloatArray, f: FloatArray, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """t and estimate of the treatment in y = a + tau w + g f, one regression a row, classical error."""
    n = y.shape[1]
    wc = w - w.mean()
    yc, fc = y - y.mean(axis=1, keepdims=True), f - f.mean(axis=1, keepdims=True)
    ww, wf, wy = float(wc @ wc), fc @ wc, yc @ wc
    ff, fy, yy = np.sum(fc**2, axis=1), np.sum(fc * yc, axis=1), np.sum(yc**2, axis=1)
    det = ww * ff - wf**2
    tau, g = (ff * wy - wf * fy) / det, (ww * fy - wf * wy) / det
    rss = yy - tau * wy - g * fy
    return tau / np.sqrt(rss / (n - 3) * ff / det), tau
