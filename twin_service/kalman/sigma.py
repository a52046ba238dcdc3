"""Sigma points: the few members that carry a Gaussian belief through a nonlinear model.

    eta_i = m +- sqrt(n + kappa) L e_i      weights 1 / (2 (n + kappa)), and kappa / (n + kappa) on the mean

with kappa = max(3 - n, 1/2): all weights are positive, so a predicted covariance cannot lose definiteness (with
alpha = 1e-3 and 20 effects the weight of the mean is -1e6). Weights are filterpy's.
Julier & Uhlmann 2004, doi:10.1109/JPROC.2003.823141.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from filterpy.kalman import MerweScaledSigmaPoints, unscented_transform
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief, whitened

FloatArray = NDArray[np.float64]


class SigmaPoints(NamedTuple):
    """eta (N, nx) with weights (N,) that sum to 1; row 0 is the mean."""

    eta: FloatArray
    weights: FloatArray


class Regression(NamedTuple):
    """Statistical linearization z = A eta + b + e, e ~ N(0, E), of a model over a belief.

    mean (ny,) and covariance (ny, ny) are the moments of z itself.
    """

    A: FloatArray
    b: FloatArray
    E: FloatArray
    mean: FloatArray
    covariance: FloatArray


def kappa(nx: int) -> float:
    return max(3.0 - nx, 0.5)


@lru_cache(maxsize=64)
def _weights(nx: int) -> FloatArray:
    return np.asarray(MerweScaledSigmaPoints(nx, alpha=1.0, beta=0.0, kappa=kappa(nx)).Wm, dtype=np.float64)


def sigma_points(belief: Belief) -> SigmaPoints:
    """The 2 nx + 1 sigma points of `belief`; a belief over nothing has one point."""
    nx = len(belief.mean)
    if nx == 0:
        return SigmaPoints(np.zeros((1, 0)), np.ones(1))
    spread = np.sqrt(nx + kappa(nx)) * belief.chol.T
    return SigmaPoints(np.vstack([belief.mean, belief.mean + spread, belief.mean - spread]), _weights(nx))


def regress(belief: Belief, points: SigmaPoints, z: FloatArray) -> Regression:
    """The affine map that explains predictions `z` (N, ny) best under `belief`.

    A = Psi' P^-1, b = mean - A m, E = Phi - A P A' with Psi, Phi the cross- and auto-covariances over the points.
    Garcia-Fernandez et al. 2015, doi:10.1109/TSP.2015.2454485.
    """
    mean, covariance = unscented_transform(z, points.weights, points.weights)
    cross = (points.eta - belief.mean).T @ (points.weights[:, None] * (z - mean))
    half = whitened(belief.chol, cross)
    A = whitened(belief.chol, half, transposed=True).T
    E = covariance - half.T @ half
    return Regression(A, mean - A @ belief.mean, 0.5 * (E + E.T), mean, covariance)
