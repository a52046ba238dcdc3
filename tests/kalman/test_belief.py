from __future__ import annotations

import numpy as np
import pytest

from twin_service.kalman.belief import Belief, drifted, factor, flattened, renewed


def test_factor_reproduces_a_definite_covariance() -> None:
    P = np.array([[2.0, 0.3], [0.3, 0.5]])
    L, raised = factor(P)
    np.testing.assert_allclose(L @ L.T, P, rtol=1e-14)
    assert raised == 0.0
    assert L[0, 1] == 0.0


def test_factor_raises_an_indefinite_covariance_and_says_by_how_much() -> None:
    P = np.array([[1.0, 0.0], [0.0, -1e-3]])
    L, raised = factor(P)
    assert raised == pytest.approx(1e-3, rel=1e-6)
    assert np.all(np.diag(L) > 0.0)
    np.testing.assert_allclose((L @ L.T)[0, 0], 1.0, rtol=1e-12)


def test_factor_of_a_singular_covariance_is_invertible() -> None:
    v = np.array([[1.0], [2.0], [3.0]])
    L, raised = factor(v @ v.T)
    assert raised > 0.0
    assert np.all(np.isfinite(np.linalg.inv(L)))
    np.testing.assert_allclose(L @ L.T, v @ v.T, atol=1e-10)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_that_is_not_finite_enters_a_belief(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        Belief.of([0.0, bad], np.eye(2))
    with pytest.raises(ValueError, match="not finite"):
        Belief.of([0.0, 0.0], [[1.0, 0.0], [0.0, bad]])


def test_sizes_must_fit() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Belief.of([0.0], np.eye(2))
    with pytest.raises(ValueError, match="do not fit"):
        Belief.of([0.0, 0.0], np.eye(2), ["CL"])


def test_drift_adds_variance_in_proportion_to_time() -> None:
    b = Belief.of([1.0, 2.0], np.diag([0.04, 0.09]))
    later = drifted(b, [0.01, 0.0], 3.0)
    np.testing.assert_allclose(np.diag(later.covariance), [0.07, 0.09], rtol=1e-12)
    np.testing.assert_array_equal(later.mean, b.mean)
    assert drifted(b, [0.0, 0.0], 5.0) is b
    np.testing.assert_allclose(b.drifted(np.array([0.01, 0.0]), 3.0).covariance, later.covariance)


def test_flattening_divides_the_information() -> None:
    b = Belief.of([0.0, 0.0], np.diag([0.04, 0.09]))
    np.testing.assert_allclose(flattened(b, 0.25).covariance, 4.0 * b.covariance)
    with pytest.raises(ValueError, match="weight"):
        flattened(b, 0.0)


def test_renewed_effects_forget_and_become_independent() -> None:
    prior = Belief.of([0.0, 0.0], np.diag([1.0, 2.0]))
    b = Belief.of([0.4, 0.7], [[0.5, 0.3], [0.3, 0.6]])
    fresh = renewed(b, prior, [1])
    np.testing.assert_allclose(fresh.mean, [0.4, 0.0])
    np.testing.assert_allclose(fresh.covariance, [[0.5, 0.0], [0.0, 2.0]], atol=1e-15)


def test_draws_have_the_belief_s_moments() -> None:
    b = Belief.of([1.0, -1.0], [[0.5, 0.3], [0.3, 0.6]])
    eta = b.draw(200_000, np.random.default_rng(3))
    # standard error of a variance is sd^2 sqrt(2/N) = 0.002
    np.testing.assert_allclose(eta.mean(axis=0), b.mean, atol=0.01)
    np.testing.assert_allclose(np.cov(eta.T), b.covariance, atol=0.01)
    np.testing.assert_allclose(b.sd, np.sqrt([0.5, 0.6]))
