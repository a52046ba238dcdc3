from __future__ import annotations

import numpy as np
import pytest

from twin_service.kalman.belief import Belief, drifted
from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.smoothing import smoothed
from twin_service.kalman.unscented import unscented_update

Q = np.array([0.02, 0.0])
HOURS = [3.0, 1.0, 10.0, 5.0]
ROWS = np.array([[1.0, 0.5], [0.3, -1.0], [1.0, 1.0], [-0.4, 0.8], [0.9, 0.1]])
Y = np.array([0.7, -0.2, 1.5, 0.4, -0.3])
SD = 0.5
PRIOR = Belief.of([0.1, -0.2], [[1.0, 0.2], [0.2, 0.5]])


def filtered() -> list[Belief]:
    belief, found = PRIOR, []
    for k, row in enumerate(ROWS):
        belief = belief if k == 0 else drifted(belief, Q, HOURS[k - 1])
        observed = ObservedReadings.create([Y[k]], [Noise(additive=SD)])
        belief = unscented_update(belief, lambda e, row=row: (e @ row)[:, None], observed, gate=None).belief
        found.append(belief)
    return found


def joint(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all instants' effects given the first `count` readings, by one big conditioning."""
    n, nx = len(ROWS), 2
    walk = np.concatenate([[0.0], np.cumsum(HOURS)])
    P = np.block([[PRIOR.covariance + np.diag(Q) * min(walk[i], walk[j]) for j in range(n)] for i in range(n)])
    m = np.tile(PRIOR.mean, n)
    H = np.zeros((count, n * nx))
    for k in range(count):
        H[k, k * nx : (k + 1) * nx] = ROWS[k]
    S = H @ P @ H.T + SD**2 * np.eye(count)
    K = P @ H.T @ np.linalg.inv(S)
    return m + K @ (Y[:count] - H @ m), P - K @ S @ K.T


def test_smoother_equals_the_joint_gaussian() -> None:
    m, P = joint(5)
    for k, belief in enumerate(smoothed(filtered(), Q, HOURS)):
        np.testing.assert_allclose(belief.mean, m[2 * k : 2 * k + 2], atol=1e-10)
        np.testing.assert_allclose(belief.covariance, P[2 * k : 2 * k + 2, 2 * k : 2 * k + 2], atol=1e-10)


def test_fixed_lag_uses_only_the_readings_within_the_lag() -> None:
    found = smoothed(filtered(), Q, HOURS, lag=2)
    m, _ = joint(3)
    np.testing.assert_allclose(found[0].mean, m[:2], atol=1e-10)
    np.testing.assert_allclose(found[-1].mean, filtered()[-1].mean, atol=1e-14)


def test_no_drift_no_news() -> None:
    beliefs = [Belief.of([1.0], [[0.2]]), Belief.of([1.5], [[0.1]])]
    first, last = smoothed(beliefs, np.array([0.0]), [4.0])
    np.testing.assert_allclose(first.mean, last.mean)
    np.testing.assert_allclose(first.covariance, last.covariance)


def test_intervals_must_fit() -> None:
    with pytest.raises(ValueError, match="intervals"):
        smoothed([PRIOR, PRIOR], Q, [])
