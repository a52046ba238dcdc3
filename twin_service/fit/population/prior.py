"""What is known before the data: a normal prior on entries of x and an inverse-Wishart one on each block of Omega.

    -2 ln p = (x - x0)' V^-1 (x - x0) + sum over blocks (nu + n + 1) (ln|Omega| + tr(Omega0 Omega^-1))

Omega0 is the mode. This is the role of NWPRI in NONMEM: a published model is updated by local data instead of being
estimated from nothing. Gisleskog 2002, doi:10.1023/A:1022972420004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.parameters import ParameterSpace

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PopulationPrior:
    """mean (k,) and precision (k, k) of the entries `places` of x; degrees and mode of each block (0 degrees: none)."""

    places: NDArray[np.intp]
    mean: Floats
    precision: Floats
    degrees: tuple[float, ...]
    modes: tuple[Floats, ...]


def prior_terms(prior: PopulationPrior, space: ParameterSpace, x: Floats) -> tuple[float, Floats]:
    """-2 ln p without constants, and its gradient (len x)."""
    away = x[prior.places] - prior.mean
    value, gradient = float(away @ prior.precision @ away), np.zeros(len(x))
    gradient[prior.places] = 2.0 * prior.precision @ away
    L, GL = space.root(x), np.zeros((space.effects, space.effects))
    for block, nu, mode in zip(space.blocks, prior.degrees, prior.modes, strict=True):
        if nu <= 0.0:
            continue
        copy = block.copies[0]
        part = L[np.ix_(copy, copy)]
        P = np.linalg.inv(part @ part.T)
        weight = nu + len(copy) + 1.0
        value += weight * float(2.0 * np.log(np.diag(part)).sum() + np.trace(mode @ P))
        GL[np.ix_(copy, copy)] = 2.0 * weight * (P - P @ mode @ P) @ part
    gradient[space.spans[1]] += space.pulled(GL, L)
    return value, gradient
