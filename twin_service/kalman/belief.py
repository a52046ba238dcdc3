"""A belief: the Gaussian over a twin's random effects, kept as mean and lower Cholesky factor.

    eta ~ N(m, L L')

The factor, not the covariance, is what is stored: it cannot lose positive definiteness between two updates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg.lapack import dtrtrs

from twin_service.kalman.shape import Shape, shaped, with_independent

FloatArray = NDArray[np.float64]

FLOOR = 1e-12


class Factor(NamedTuple):
    """Lower factor of a covariance, and how far its smallest eigenvalue had to be raised (0: not at all)."""

    lower: FloatArray
    raised: float


def factor(covariance: ArrayLike) -> Factor:
    """Lower Cholesky factor of a symmetric matrix (nx, nx), with eigenvalues floored where it is not definite.

    The floor is 1e-12 of the largest eigenvalue: large enough that the factor is invertible in double precision.
    Raises ValueError where the matrix is not finite.
    """
    P = np.asarray(covariance, dtype=np.float64)
    P = 0.5 * (P + P.T)
    if not np.isfinite(P).all():
        raise ValueError("covariance is not finite")
    if P.size == 0:
        return Factor(P.copy(), 0.0)
    try:
        L = np.linalg.cholesky(P)
        if L.diagonal().min() ** 2 >= FLOOR * P.diagonal().max():
            return Factor(np.asarray(L, dtype=np.float64), 0.0)
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(P)
    floor = max(FLOOR * float(values[-1]), np.finfo(np.float64).tiny)
    raised = floor - float(values[0])
    root = vectors * np.sqrt(np.maximum(values, floor))
    lower = np.asarray(np.linalg.qr(root.T, mode="r"), dtype=np.float64).T
    return Factor(lower * np.where(np.diag(lower) < 0.0, -1.0, 1.0), max(raised, 0.0))


def whitened(lower: FloatArray, b: FloatArray, *, transposed: bool = False) -> FloatArray:
    """L^-1 b (or L^-T b) for a lower factor L (n, n) and b (n,) or (n, m).

    LAPACK's triangular solver itself: matrices this small spend ten times longer in a general solver's preparations.
    Raises LinAlgError for a zero on the diagonal.
    """
    if lower.size == 0:
        return np.array(b, dtype=np.float64)
    x, fault = dtrtrs(lower, b, lower=1, trans=int(transposed))
    if fault:
        raise np.linalg.LinAlgError(f"factor: row {fault} is zero")
    return np.asarray(x, dtype=np.float64).reshape(np.shape(b))


@dataclass(frozen=True)
class Belief:
    """Distribution over the random effects of one twin.

    mean    (nx,)       in the free scale of the effects
    chol    (nx, nx)    lower factor of the covariance, same scale
    names   nx          the effects, in the model's order
    shape   in coordinates in which mean is 0 and covariance 1; None: Gaussian
    """

    mean: FloatArray
    chol: FloatArray
    names: tuple[str, ...] = ()
    shape: Shape | None = None

    @classmethod
    def of(cls, mean: ArrayLike, covariance: ArrayLike, names: Sequence[str] = ()) -> Belief:
        """A checked belief. Raises ValueError for a mean or covariance that is not finite or of unequal size."""
        m = np.array(mean, dtype=np.float64)
        L = factor(covariance).lower
        if m.ndim != 1 or L.shape != (len(m), len(m)) or (names and len(names) != len(m)):
            raise ValueError(f"belief: mean {m.shape}, covariance {L.shape}, {len(names)} names do not fit together")
        if not np.all(np.isfinite(m)):
            raise ValueError("belief: mean is not finite")
        return cls(m, L, tuple(names))

    @property
    def covariance(self) -> FloatArray:
        return self.chol @ self.chol.T

    @property
    def sd(self) -> FloatArray:
        """Standard deviation of each effect, (nx,)."""
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", self.chol, self.chol)))

    def drifted(self, variance_per_h: ArrayLike, hours: float) -> Belief:
        """The belief after `hours` of random walk: covariance + diag(variance_per_h) * hours."""
        return drifted(self, variance_per_h, hours)

    def members(self, z: FloatArray) -> FloatArray:
        """Members (N, nx) of the belief from standard normal draws `z` (N, nx), by its shape where it has one."""
        return np.asarray(self.mean + (z if self.shape is None else shaped(self.shape, z)) @ self.chol.T)

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """`count` members, (count, nx)."""
        return self.members(rng.standard_normal((count, len(self.mean))))


def drifted(belief: Belief, variance_per_h: ArrayLike, hours: float) -> Belief:
    """P + diag(q) dt. `variance_per_h` (nx,) per hour; negative durations are a bug of the caller."""
    assert hours >= 0.0, "time runs forward between updates"
    q = np.asarray(variance_per_h, dtype=np.float64) * hours
    if not np.any(q > 0.0):
        return belief
    return Belief(belief.mean, factor(belief.covariance + np.diag(q)).lower, belief.names, belief.shape)


def flattened(belief: Belief, weight: float) -> Belief:
    """The prior with `weight` (0 < weight <= 1) of its information: covariance / weight.

    For patients unlike those the prior describes; 1 leaves it as it is. Hughes 2021, doi:10.1002/psp4.12684.
    """
    if not 0.0 < weight <= 1.0:
        raise ValueError(f"weight {weight!r}: expected 0 < weight <= 1")
    return Belief(belief.mean, belief.chol / np.sqrt(weight), belief.names, belief.shape)


def renewed(belief: Belief, prior: Belief, columns: Sequence[int]) -> Belief:
    """`belief` with the effects in `columns` returned to `prior` and made independent of the rest.

    This is what happens to occasion effects when a new occasion begins, and before a forecast.
    """
    chosen = np.zeros(len(belief.mean), dtype=bool)
    chosen[list(columns)] = True
    mean = np.where(chosen, prior.mean, belief.mean)
    both = np.logical_and.outer(chosen, chosen)
    neither = np.logical_and.outer(~chosen, ~chosen)
    P = np.where(both, prior.covariance, np.where(neither, belief.covariance, 0.0))
    fresh = Belief(mean, factor(P).lower, belief.names)
    if belief.shape is None:
        return fresh
    # independent blocks: the factor's rows of one block never meet the other's columns
    kept = whitened(fresh.chol, ((belief.shape.points @ belief.chol.T) * ~chosen).T).T
    return replace(fresh, shape=with_independent(Shape(kept, belief.shape.weights), chosen))
