"""From a twin's name to its reproducible draws."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

FloatArray = NDArray[np.float64]

DRAWS = 256


def seed_of(*parts: str) -> int:
    """A seed that depends on the twin alone, so that the same twin gives the same numbers on any machine."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big")


def standard_draws(name: str, effects: int, count: int = DRAWS) -> FloatArray:
    """(count, effects + 1) standard normal draws; the last column is for assay noise.

    Scrambled Sobol points: quantiles of a smooth prediction settle with a tenth of the members that independent
    draws need.
    """
    sobol = qmc.Sobol(d=effects + 1, scramble=True, rng=np.random.default_rng(seed_of(name)))
    # drawn in whole powers of two, as the sequence is balanced; its first points are the same for any count
    points = sobol.random_base2(max(count - 1, 0).bit_length())[:count]
    return np.asarray(ndtri(np.clip(points, 1e-12, 1.0 - 1e-12)))
