from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import qmc

from twin_service.kalman.belief import Belief, drifted, renewed
from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.laplace import laplace_update
from twin_service.kalman.moments import posterior_moments
from twin_service.kalman.shape import Shape, shaped


def sobol(nx: int, count: int, seed: int = 4) -> np.ndarray:
    sobol = qmc.Sobol(nx, scramble=True, rng=np.random.default_rng(seed))
    points = sobol.random_base2((count - 1).bit_length())[:count]
    return np.asarray(ndtri(np.clip(points, 1e-12, 1.0 - 1e-12)))


def normal_shape(nx: int, count: int = 256) -> Shape:
    return Shape(sobol(nx, count, seed=8), np.full(count, 1.0 / count))


def test_a_gaussian_belief_has_the_members_it_always_had() -> None:
    belief, z = Belief.of([1.0, -2.0], [[0.3, 0.1], [0.1, 0.2]]), sobol(2, 64)
    np.testing.assert_array_equal(belief.members(z), belief.mean + z @ belief.chol.T)


@pytest.mark.parametrize("count", [1, 7, 100, 256, 600])
def test_every_draw_gets_a_point_and_every_point_its_share(count: int) -> None:
    weights = np.arange(1.0, 11.0) / 55.0
    shape = Shape(np.stack([np.arange(10.0), np.arange(10.0) ** 2], axis=1), weights)
    members = shaped(shape, sobol(2, count))
    assert members.shape == (count, 2)
    times = np.array([np.sum(members[:, 0] == k) for k in range(10)])
    assert times.sum() == count
    assert np.max(np.abs(times - count * weights)) < 2.0
    np.testing.assert_array_equal(members[:, 1], members[:, 0] ** 2)


def test_thinning_leaves_nothing_out() -> None:
    """256 of 4096 quasi-random points are still spread like all of them: moments to a third of independent draws'."""
    z = sobol(2, 256)
    members = shaped(normal_shape(2, 4096), z)
    np.testing.assert_allclose(members.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(np.cov(members.T), np.eye(2), atol=0.05)
    levels = np.quantile(members[:, 0], [0.05, 0.5, 0.95])
    # one standard error of the outer quantiles of 256 independent draws: sqrt(0.05 * 0.95 / 256) / 0.103
    np.testing.assert_allclose(levels, [-1.645, 0.0, 1.645], atol=0.13)


def test_members_follow_their_draws() -> None:
    z = sobol(2, 256)
    members = shaped(normal_shape(2), z)
    assert min(np.corrcoef(members[:, i], z[:, i])[0, 1] for i in range(2)) > 0.9


def test_members_are_independent_of_the_draws_kept_for_the_assay() -> None:
    z = sobol(3, 256)
    members = shaped(normal_shape(2), z[:, :2])
    assert max(abs(np.corrcoef(members[:, i], z[:, 2])[0, 1]) for i in range(2)) < 0.05
    assert abs(np.corrcoef(members[:, 0] ** 2, z[:, 2] ** 2)[0, 1]) < 0.1


def _banana() -> tuple[Belief, ObservedReadings, np.ndarray]:
    """A trough after one bolus: clearance and volume known only along a curve; members of the exact posterior."""
    prior = Belief.of([0.0, 0.0], np.diag([0.43, 0.36]))
    observed = ObservedReadings.create([15.0], [Noise(proportional=0.15)])
    g = np.linspace(-3.5, 3.5, 701)
    eta = np.stack(np.meshgrid(g, g, indexing="ij"), axis=-1).reshape(-1, 2)
    f = trough(eta)[:, 0]
    f = np.maximum(f, 1e-12)
    z = (15.0 - f) / (0.15 * f)
    log_p = -0.5 * z**2 - np.log(f) - 0.5 * np.sum(eta**2 / np.diag(prior.covariance), axis=1)
    w = np.exp(log_p - log_p.max())
    picks = np.searchsorted(np.cumsum(w / w.sum()), np.random.default_rng(2).random(20000))
    return prior, observed, eta[picks]


def trough(e: np.ndarray) -> np.ndarray:
    return np.asarray(40.0 * np.exp(-e[:, 1:2]) * np.exp(-1.2 * np.exp(e[:, :1] - e[:, 1:2])))


def later_trough(e: np.ndarray) -> np.ndarray:
    return np.asarray(40.0 * np.exp(-e[:, 1]) * np.exp(-2.4 * np.exp(e[:, 0] - e[:, 1])))


def test_a_banana_keeps_its_quantiles_where_its_gaussian_does_not() -> None:
    prior, observed, exact = _banana()
    mode = laplace_update(prior, trough, observed, gate=None).belief
    found = posterior_moments(prior, trough, observed, mode)
    assert found is not None and found.belief.shape is not None
    z, levels = sobol(2, 512), (0.05, 0.5, 0.95)
    wanted = np.log(np.quantile(trough(exact)[:, 0], levels))
    kept = np.log(np.quantile(trough(found.belief.members(z))[:, 0], levels))
    gaussian = np.log(np.quantile(trough(found.belief.mean + z @ found.belief.chol.T)[:, 0], levels))
    assert np.max(np.abs(kept - wanted)) < 0.05
    assert np.max(np.abs(gaussian - wanted)) > 3.0 * np.max(np.abs(kept - wanted))
    later = np.quantile(later_trough(found.belief.members(z)), levels)
    np.testing.assert_allclose(later, np.quantile(later_trough(exact), levels), rtol=0.08)


def test_points_have_mean_zero_and_covariance_one() -> None:
    prior, observed, _ = _banana()
    found = posterior_moments(prior, trough, observed, laplace_update(prior, trough, observed, gate=None).belief)
    assert found is not None and found.belief.shape is not None
    points, weights = found.belief.shape
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weights @ points, 0.0, atol=2e-3)
    np.testing.assert_allclose(points.T @ (weights[:, None] * points), np.eye(2), atol=0.1)


def test_drift_widens_and_keeps_the_shape() -> None:
    shape = normal_shape(2)
    belief = Belief(np.zeros(2), np.eye(2), ("a", "b"), shape)
    later = drifted(belief, [0.5, 0.0], 6.0)
    assert later.shape is shape
    z = sobol(2, 512)
    np.testing.assert_allclose(np.cov(later.members(z).T), np.diag([4.0, 1.0]), atol=0.15)


def test_a_renewed_occasion_is_its_prior_and_independent_of_the_rest() -> None:
    rng = np.random.default_rng(3)
    skewed = rng.exponential(size=512) - 1.0
    points = np.stack([skewed, skewed + 0.1 * rng.standard_normal(512), rng.standard_normal(512)], axis=1)
    mean, chol = points.mean(axis=0), np.linalg.cholesky(np.cov(points.T))
    whitened = np.linalg.solve(chol, (points - mean).T).T
    belief = Belief(mean, chol, ("a", "occasion", "b"), Shape(whitened, np.full(512, 1.0 / 512.0)))
    prior = Belief.of(np.zeros(3), np.diag([9.0, 0.25, 9.0]))
    fresh = renewed(belief, prior, [1])
    members = fresh.members(sobol(3, 512))
    assert members[:, 1].std() == pytest.approx(0.5, rel=0.05)
    assert abs(np.corrcoef(members[:, 0], members[:, 1])[0, 1]) < 0.12
    # what was learned of the others stays exactly as it was, skewness included
    np.testing.assert_allclose(np.sort(members[:, 0]), np.sort(skewed), atol=1e-9)
