from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.laplace import laplace_update
from twin_service.kalman.moments import posterior_moments, refined
from twin_service.kalman.unscented import unscented_update

TIMES = np.array([1.0, 6.0, 14.0])
LAW = Noise(proportional=0.3)


def level(e: np.ndarray) -> np.ndarray:
    return 20.0 * np.exp(-e[:, 1:2] - 0.1 * np.exp(e[:, :1] - e[:, 1:2]) * TIMES)


def grid_moments(y: np.ndarray, omega: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By brute force over a grid: the oracle that assumes nothing."""
    g = np.linspace(-1.8, 1.8, 721)
    eta = np.stack(np.meshgrid(g, g, indexing="ij"), axis=-1).reshape(-1, 2)
    f = level(eta)
    logp = -0.5 * np.sum(((y - f) / (0.3 * f)) ** 2 + 2.0 * np.log(f), axis=1) - 0.5 * np.sum(eta**2 / omega, axis=1)
    w = np.exp(logp - logp.max())
    w /= w.sum()
    mean = w @ eta
    return mean, (eta - mean).T @ (w[:, None] * (eta - mean))


def test_moments_of_a_linear_problem_are_exact_to_sampling_error(linear_problem: Any) -> None:
    p = linear_problem(3, 3, 7)
    found = posterior_moments(p.prior, p.predict, p.observed, laplace_update(p.prior, p.predict, p.observed).belief)
    assert found is not None
    assert found.effective_share > 0.7
    # the proposal is the posterior: symmetric points with corrected spread leave no error
    sd = np.sqrt(np.diag(p.covariance))
    np.testing.assert_allclose((found.belief.mean - p.mean) / sd, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.belief.sd / sd, 1.0, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_moments_of_a_skewed_posterior(seed: int) -> None:
    rng, omega = np.random.default_rng(seed), np.array([0.09, 0.06])
    prior = Belief.of([0.0, 0.0], np.diag(omega))
    y = level(prior.draw(1, rng))[0] * (1.0 + 0.3 * rng.standard_normal(3))
    observed = ObservedReadings.create(np.abs(y), [LAW] * 3)
    mean, covariance = grid_moments(np.abs(y), omega)
    sd = np.sqrt(np.diag(covariance))
    mode = laplace_update(prior, level, observed, gate=None)
    found = refined(prior, level, observed, mode)
    assert found.report.estimator == "laplace+moments"
    # about 100 of 256 members count: 0.1 for independent draws, half of it for quasi-random ones
    assert np.max(np.abs(found.belief.mean - mean) / sd) < 0.1
    np.testing.assert_allclose(found.belief.sd / sd, 1.0, atol=0.1)
    # the mode is far from the mean on these posteriors: that is why this exists
    assert np.max(np.abs(mode.belief.mean - mean) / sd) > 2.0 * np.max(np.abs(found.belief.mean - mean) / sd)


def test_the_same_input_gives_the_same_moments() -> None:
    prior, observed = Belief.of([0.0, 0.0], np.diag([0.09, 0.06])), ObservedReadings.create([15.0, 9.0, 4.0], [LAW] * 3)
    start = unscented_update(prior, level, observed)
    a, b = refined(prior, level, observed, start), refined(prior, level, observed, start)
    np.testing.assert_array_equal(a.belief.mean, b.belief.mean)
    np.testing.assert_array_equal(a.belief.chol, b.belief.chol)


def test_a_bad_proposal_is_adapted() -> None:
    prior, observed = Belief.of([0.0, 0.0], np.diag([0.09, 0.06])), ObservedReadings.create([15.0, 9.0, 4.0], [LAW] * 3)
    mean, covariance = grid_moments(np.array([15.0, 9.0, 4.0]), np.array([0.09, 0.06]))
    found = posterior_moments(prior, level, observed, Belief.of([0.5, -0.5], np.diag([0.02, 0.02])))
    assert found is not None and found.rounds > 1
    np.testing.assert_allclose((found.belief.mean - mean) / np.sqrt(np.diag(covariance)), 0.0, atol=0.1)


def test_a_downweighted_reading_is_left_as_the_filter_had_it() -> None:
    prior, observed = (
        Belief.of([0.0, 0.0], np.diag([0.02, 0.02])),
        ObservedReadings.create([150.0, 9.0, 4.0], [LAW] * 3),
    )
    start = unscented_update(prior, level, observed)
    assert start.report.surprising.any()
    assert refined(prior, level, observed, start) is start


def test_a_model_without_effects_has_no_moments() -> None:
    nothing = Belief.of(np.zeros(0), np.zeros((0, 0)))
    assert posterior_moments(nothing, level, ObservedReadings.create([1.0], [LAW]), nothing) is None
