from __future__ import annotations

import numpy as np
import pytest

from twin_service.kalman.belief import Belief
from twin_service.kalman.sigma import regress, sigma_points


@pytest.mark.parametrize("nx", [1, 2, 3, 6, 20])
def test_points_carry_mean_and_covariance_with_positive_weights(nx: int) -> None:
    root = np.random.default_rng(nx).standard_normal((nx, nx))
    b = Belief.of(np.arange(nx, dtype=float), root @ root.T + np.eye(nx))
    eta, w = sigma_points(b)
    assert eta.shape == (2 * nx + 1, nx)
    assert np.all(w > 0.0)
    assert w.sum() == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(w @ eta, b.mean, atol=1e-12)
    d = eta - b.mean
    np.testing.assert_allclose(d.T @ (w[:, None] * d), b.covariance, rtol=1e-12, atol=1e-12)


def test_fourth_moment_of_one_effect_is_gaussian() -> None:
    eta, w = sigma_points(Belief.of([0.0], [[4.0]]))
    assert w @ eta[:, 0] ** 4 == pytest.approx(3.0 * 16.0)


def test_lognormal_mean_is_close() -> None:
    # E exp(x) = exp(sd^2/2) = 1.13315 for sd 0.5
    points = sigma_points(Belief.of(np.zeros(5), 0.25 * np.eye(5)))
    assert points.weights @ np.exp(points.eta[:, 2]) == pytest.approx(1.13315, rel=0.01)


def test_a_belief_over_nothing_has_one_point() -> None:
    eta, w = sigma_points(Belief.of(np.zeros(0), np.zeros((0, 0))))
    assert eta.shape == (1, 0) and w[0] == 1.0


def test_regression_of_an_affine_map_is_that_map() -> None:
    rng = np.random.default_rng(1)
    A, b = rng.standard_normal((3, 4)), rng.standard_normal(3)
    root = rng.standard_normal((4, 4))
    belief = Belief.of(rng.standard_normal(4), root @ root.T)
    points = sigma_points(belief)
    found = regress(belief, points, points.eta @ A.T + b)
    np.testing.assert_allclose(found.A, A, atol=1e-11)
    np.testing.assert_allclose(found.b, b, atol=1e-11)
    np.testing.assert_allclose(found.E, 0.0, atol=1e-11)
