"""What a belief looks like beyond mean and covariance: weighted points, and how standard normal draws become members.

    eta = m + L u

u is one of the points the posterior was sampled at (importance sampling, `moments`), in coordinates in which the
belief has mean 0 and covariance 1. A banana stays a banana: its Gaussian would make members that no reading allows,
with bands too wide where the banana is thin and too narrow at its tips.

Which point a draw gets is not a matter of chance: draws and points are halved axis by axis, and the halves are matched.
So members keep the even spread of quasi-random draws, and equal draws give members of two beliefs that can be compared.
No kernel noise is added: a draw and its point are close, noise made of the draw would widen what it should smooth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

FloatArray = NDArray[np.float64]

ENOUGH_MEMBERS = 64.0


class Shape(NamedTuple):
    """`points` (M, nx), weighted mean 0 and covariance 1; `weights` (M,), sum 1."""

    points: FloatArray
    weights: FloatArray

    @property
    def effective(self) -> float:
        """Number of equally weighted points worth as much."""
        return float(1.0 / np.sum(self.weights**2))


def shaped(shape: Shape, z: FloatArray) -> FloatArray:
    """Members (N, nx) with the moments and the shape of `shape`, from standard normal draws `z` (N, nx)."""
    if z.size == 0:
        return z
    u = _resampled(shape, len(z))
    members = np.empty_like(z)
    members[_halved(z)] = u[_halved(u)]
    return members


def with_independent(shape: Shape, columns: NDArray[np.bool_]) -> Shape:
    """`shape` with the coordinates `columns` replaced by standard normal ones, independent of all else."""
    fresh = qmc.Sobol(max(int(columns.sum()), 1), scramble=True, rng=np.random.default_rng(len(columns)))
    z = ndtri(np.clip(fresh.random_base2((len(shape.points) - 1).bit_length()), 1e-12, 1.0 - 1e-12))
    points = shape.points.copy()
    order = np.random.default_rng(0).permutation(len(points))
    points[:, columns] = z[order, : int(columns.sum())]
    return Shape(points, shape.weights)


def _resampled(shape: Shape, count: int) -> FloatArray:
    """(count, nx) equally weighted points: each as often as its weight says, but for less than two.

    Stratified resampling (Kitagawa 1996, doi:10.2307/1390750), neighbors next to one another, so that every region is
    thinned alike: in the order in which quasi-random points come, every second or eighth of them would leave out half
    of some axis. The place within a stratum is drawn: the first or middle one would be the same corner of all.
    """
    order = _halved(shape.points)
    ladder = (np.arange(count) + np.random.default_rng(count).random(count)) / count
    picks = np.searchsorted(np.cumsum(shape.weights[order]), ladder).clip(max=len(order) - 1)
    return np.asarray(shape.points[order[picks]])


def _halved(x: FloatArray) -> NDArray[np.intp]:
    """The order of the rows of `x` (N, nx) in which each axis in turn halves what the axes before it have left."""
    count, nx = x.shape
    order = np.arange(count)
    group = np.zeros(count, dtype=np.intp)
    for level in range(max(count - 1, 0).bit_length()):
        order = order[np.lexsort((x[order, level % nx], group))]
        group = np.arange(count) * 2 ** (level + 1) // count
    return order
