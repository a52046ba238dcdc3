"""What the next readings will be: moments and quantiles of a belief pushed through the model and the assay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import Noise, scaled

FloatArray = NDArray[np.float64]

LEVELS = (0.05, 0.5, 0.95)


class ReadingBand(NamedTuple):
    """Predictive distribution of each reading: mean, sd (ny,), quantiles (nq, ny) and the members (N, ny)."""

    mean: FloatArray
    sd: FloatArray
    quantiles: FloatArray
    members: FloatArray


def forecast_quantiles(
    belief: Belief,
    predict: Callable[[FloatArray], FloatArray],
    noise: Sequence[Noise],
    draws: FloatArray,
    *,
    levels: Sequence[float] = LEVELS,
) -> ReadingBand:
    """Predictive quantiles from members eta = m + L z with assay noise.

    draws   (N, nx + ny) or (N, nx + 1) standard normal numbers; the last columns are for the assays
    noise   ny laws; a law with zero scatter gives the band of the true quantity

    Members whose prediction is not finite are left out; NaN where fewer than half remain.
    """
    nx = len(belief.mean)
    f = predict(belief.members(draws[:, :nx]))
    z = np.broadcast_to(draws[:, nx:], f.shape)
    y = np.stack([_read(f[:, j], z[:, j], law) for j, law in enumerate(noise)], axis=1)
    mean, sd = np.full(y.shape[1], np.nan), np.full(y.shape[1], np.nan)
    quantiles = np.full((len(levels), y.shape[1]), np.nan)
    for j, column in enumerate(y.T):
        good = column[np.isfinite(column)]
        if len(good) >= max(2.0, 0.5 * len(column)):
            mean[j], sd[j] = good.mean(), good.std(ddof=1)
            quantiles[:, j] = np.quantile(good, levels)
    return ReadingBand(mean, sd, quantiles, y)


def _read(f: FloatArray, z: FloatArray, law: Noise) -> FloatArray:
    if law.kind == "log":
        return np.asarray(f * np.exp(law.proportional * z))
    return np.asarray(f + np.sqrt(scaled(f, law).v) * z)
