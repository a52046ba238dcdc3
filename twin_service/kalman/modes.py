"""Where else a posterior may have its mode: starts that a descent from one place would never see.

Near a mode the objective is O* + d' H d. A point that lies far below that lies in another valley, or in a bend of this
one; from the lowest of such points another descent begins. The points are sigma points of the prior, quasi-random
draws from it, and among both the one that fits the readings best whatever the prior says of it (the data's own start).
All are looked at in one batch. A posterior that is near Gaussian has no such point, so most patients pay one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri
from scipy.stats import qmc

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import SEEN, ObservedReadings
from twin_service.kalman.report import TAIL

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]

DRAWS = 64
WIDTH = 1.4  # of the draws: wider than the prior, so that its tails are seen
BELOW = 0.15  # of the quadratic's rise: less is another valley or a strong bend
HOPELESS = 60.0  # above the best: no valley that could win begins there
STARTS_MAX = 3
APART = 1.0  # prior standard deviations between two starts


class Valley(NamedTuple):
    """A mode in prior-standardized coordinates: place (nx,), objective and half its Hessian (nx, nx) there."""

    u: FloatArray
    objective: float
    hessian: FloatArray


def objectives(
    rows: ObservedReadings, keep: NDArray[np.bool_], f: FloatArray, u: FloatArray, gate: float | None = None
) -> tuple[FloatArray, FloatArray]:
    """-2 ln of posterior and of likelihood, up to one constant, of members `u` (N, nx) that predict `f` (N, ny).

    Beyond the gate a reading counts by the heavy-tailed law whose weights `tail_weight` gives. Infinite where the model
    has no finite value.
    """
    scale = rows.scaled(f[:, keep])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        square = (rows.targets() - scale.f) ** 2 / scale.v
        if gate is not None:
            tail = gate + (TAIL + gate) * np.log((TAIL + np.maximum(square, gate)) / (TAIL + gate))
            square = np.where(square > gate, tail, square)
        side = np.where(rows.censoring > 0, -1.0, 1.0)
        hidden = -2.0 * log_ndtr(side * (rows.targets() - scale.f) / np.sqrt(scale.v))
        terms = np.where(rows.censoring == SEEN, np.log(scale.v) + square, hidden).sum(axis=1)
    likelihood = np.where(np.isfinite(terms), terms, np.inf)
    return likelihood + np.sum(u**2, axis=1), likelihood


def other_starts(
    prior: Belief, predict: Predict, rows: ObservedReadings, keep: NDArray[np.bool_], found: Valley, gate: float | None
) -> list[FloatArray]:
    """At most `STARTS_MAX` places (nx,) from which another descent may end below `found` or beside it, lowest first."""
    u = _places(len(prior.mean))
    total, likelihood = objectives(rows, keep, predict(prior.mean + u @ prior.chol.T), u, gate)
    d = u - found.u
    rise = np.einsum("ij,jk,ik->i", d, found.hessian, d)
    above = total - found.objective
    doubtful = np.isfinite(total) & (above < BELOW * rise) & (above < HOPELESS)
    fits_best = int(np.argmin(likelihood))
    order = sorted(np.flatnonzero(doubtful), key=lambda i: (i != fits_best, above[i]))
    chosen: list[FloatArray] = []
    for i in order:
        if len(chosen) < STARTS_MAX and all(np.max(np.abs(u[i] - c)) > APART for c in chosen):
            chosen.append(u[i])
    return chosen


@lru_cache(maxsize=64)
def _places(nx: int) -> FloatArray:
    axes = np.eye(nx)
    sigma = [np.zeros((1, nx)), *(s * axes for s in (1.7, -1.7, 3.0, -3.0))]
    cube = qmc.Sobol(nx, scramble=True, rng=np.random.default_rng(nx)).random(DRAWS)
    places = np.vstack([*sigma, WIDTH * ndtri(np.clip(cube, 1e-9, 1.0 - 1e-9))])
    places.flags.writeable = False
    return places
