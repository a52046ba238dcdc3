"""Effects that drift, fitted over the whole timeline: the walk's steps are unknowns like the effects themselves.

    eta_0 ~ N(m, P)     eta_k = eta_(k-1) + S d_k     d_k ~ N(0, q (t_k - t_(k-1)))     y_k = h_k(eta_k) + noise

for the instants t_1 < ... < t_K at which something was read; S picks the effects that drift. x = (eta_0, d_1, ..., d_K)
has a Gaussian prior and predictions, so mode, moments and censoring are those of any other fit; in the linear case the
belief about eta_K is the Kalman filter's, exactly. As in the filter, a reading is predicted with the effects of its own
hour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin_service.kalman.belief import Belief, factor, whitened
from twin_service.kalman.shape import Shape

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]
Jacobian = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

DIFFERENCE = 1e-4


class Walk(NamedTuple):
    """How effects drift: variance per hour (nx,), hours of the readings (ny,) in order, where the walk starts."""

    variance_per_h: FloatArray
    times_h: FloatArray
    start_h: float


class Stacked(NamedTuple):
    """The fit of a walk as an ordinary one.

    prior     over x = (eta_0, d_1, ..., d_K), steps that take no time left out
    to_eta    (K, nx, n): eta_k = to_eta[k] @ x
    """

    prior: Belief
    predict: Predict
    jacobian: Jacobian
    to_eta: FloatArray

    def arrived(self, found: Belief, names: tuple[str, ...]) -> Belief:
        """The belief about the effects at the last instant, shape included."""
        A = self.to_eta[-1]
        lower = factor(A @ found.covariance @ A.T).lower
        belief = Belief(A @ found.mean, lower, names)
        if found.shape is None:
            return belief
        points = whitened(lower, A @ found.chol @ found.shape.points.T).T
        return Belief(belief.mean, lower, names, Shape(points, found.shape.weights))

    def started(self, around: ArrayLike) -> FloatArray:
        """x of a patient who always had the effects `around` (nx,) and never walked."""
        x = np.zeros(self.to_eta.shape[2])
        x[: self.to_eta.shape[1]] = around
        return x


def stacked(prior: Belief, predict: Predict, walk: Walk) -> Stacked:
    """The fit of all readings of `walk`, which `predict` gives for constant effects: eta (N, nx) -> (N, ny)."""
    assert np.all(np.diff(walk.times_h) >= 0.0), "readings are in the order of time"
    instants, of_reading = np.unique(walk.times_h, return_inverse=True)
    nx, hours = len(prior.mean), np.diff(instants, prepend=walk.start_h)
    assert hours[0] >= 0.0, "a walk starts before its first reading"
    steps = [(k, i) for k, dt in enumerate(hours) for i in range(nx) if dt > 0.0 and walk.variance_per_h[i] > 0.0]
    to_eta = np.zeros((len(instants), nx, nx + len(steps)))
    to_eta[:, :, :nx] = np.eye(nx)
    for column, (k, i) in enumerate(steps, start=nx):
        to_eta[k:, i, column] = 1.0
    lower = np.zeros((nx + len(steps), nx + len(steps)))
    lower[:nx, :nx] = prior.chol
    diagonal = [np.sqrt(walk.variance_per_h[i] * hours[k]) for k, i in steps]
    lower[range(nx, len(lower)), range(nx, len(lower))] = diagonal
    whole = Belief(np.concatenate([prior.mean, np.zeros(len(steps))]), lower)
    column_of = np.arange(len(of_reading))

    def at_own_hour(x: FloatArray) -> FloatArray:
        eta = np.einsum("kij,nj->nki", to_eta, x)
        f = predict(eta.reshape(-1, nx)).reshape(len(x), len(instants), -1)
        return np.asarray(f[:, of_reading, column_of])

    def with_slopes(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        eta = to_eta @ x
        moves = DIFFERENCE * np.vstack([np.zeros((1, nx)), np.eye(nx), -np.eye(nx)])
        f = predict((eta[:, None, :] + moves).reshape(-1, nx)).reshape(len(instants), 2 * nx + 1, -1)
        own = f[of_reading, :, column_of]
        slopes = (own[:, 1 : nx + 1] - own[:, nx + 1 :]) / (2.0 * DIFFERENCE)
        return own[:, 0], np.einsum("yi,yij->yj", slopes, to_eta[of_reading])

    return Stacked(whole, at_own_hour, with_slopes, to_eta)
