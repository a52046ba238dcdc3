"""Drift inside the fit, against the exact linear Gaussian answers and against brute force where nothing is linear."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from twin_service.kalman.belief import Belief, drifted
from twin_service.kalman.errors import BELOW, SEEN, Noise, ObservedReadings
from twin_service.kalman.laplace import by_differences, laplace_update
from twin_service.kalman.moments import posterior_moments, refined
from twin_service.kalman.unscented import unscented_update
from twin_service.kalman.walk import Walk, stacked

Q = np.array([0.02, 0.0, 0.1])
HOURS = np.array([2.0, 5.0, 5.0, 6.0, 16.0])
ROWS = np.array([[1.0, 0.5, 0.2], [0.3, -1.0, 0.1], [1.0, 1.0, -0.7], [-0.4, 0.8, 1.0], [0.9, 0.1, 0.4]])
Y = np.array([0.7, -0.2, 1.5, 0.4, -0.3])
SD = 0.5
PRIOR = Belief.of([0.1, -0.2, 0.3], [[1.0, 0.2, 0.0], [0.2, 0.5, 0.1], [0.0, 0.1, 0.8]], ("a", "b", "c"))
OBSERVED = ObservedReadings.create(Y, [Noise(additive=SD)] * len(Y))


def linear(eta: np.ndarray) -> np.ndarray:
    return np.asarray(eta @ ROWS.T)


def smoother(start_h: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact mean (K, nx) and covariance (K, nx, nx) at each reading's hour: one big conditioning."""
    n, nx, walk = len(Y), 3, HOURS - start_h
    P = np.block([[PRIOR.covariance + np.diag(Q) * min(walk[i], walk[j]) for j in range(n)] for i in range(n)])
    H = np.zeros((n, n * nx))
    for k in range(n):
        H[k, k * nx : (k + 1) * nx] = ROWS[k]
    m = np.tile(PRIOR.mean, n)
    gain = P @ H.T @ np.linalg.inv(H @ P @ H.T + SD**2 * np.eye(n))
    mean, covariance = m + gain @ (Y - H @ m), P - gain @ H @ P
    blocks = [covariance[k * nx : (k + 1) * nx, k * nx : (k + 1) * nx] for k in range(n)]
    return mean.reshape(n, nx), np.array(blocks)


@pytest.mark.parametrize("start_h", [0.0, 2.0])
@pytest.mark.parametrize("exact_slopes", [True, False])
def test_a_linear_walk_is_the_exact_smoother_at_every_hour(start_h: float, exact_slopes: bool) -> None:
    fit = stacked(PRIOR, linear, Walk(Q, HOURS, start_h))
    slopes = fit.jacobian if exact_slopes else by_differences(fit.predict)
    found = laplace_update(fit.prior, fit.predict, OBSERVED, jacobian=slopes, gate=None)
    assert found.report.outcome.ok
    mean, covariance = smoother(start_h)
    for reading, instant in enumerate([0, 1, 1, 2, 3]):
        A = fit.to_eta[instant]
        np.testing.assert_allclose(A @ found.belief.mean, mean[reading], atol=1e-7)
        np.testing.assert_allclose(A @ found.belief.covariance @ A.T, covariance[reading], atol=1e-7)
    arrived = fit.arrived(found.belief, PRIOR.names)
    assert arrived.names == PRIOR.names
    np.testing.assert_allclose(arrived.mean, mean[-1], atol=1e-7)


def test_a_linear_walk_ends_where_the_kalman_filter_ends() -> None:
    fit = stacked(PRIOR, linear, Walk(Q, HOURS, 0.0))
    found = fit.arrived(laplace_update(fit.prior, fit.predict, OBSERVED, jacobian=fit.jacobian, gate=None).belief, ())
    belief, last = PRIOR, 0.0
    for hour in np.unique(HOURS):
        belief, last = drifted(belief, Q, hour - last), hour
        pick = HOURS == hour
        belief = unscented_update(belief, lambda e, p=pick: e @ ROWS[p].T, OBSERVED.rows(pick), gate=None).belief
    np.testing.assert_allclose(found.mean, belief.mean, atol=1e-7)
    np.testing.assert_allclose(found.covariance, belief.covariance, atol=1e-7)


def test_without_drift_there_is_nothing_to_stack() -> None:
    fit = stacked(PRIOR, linear, Walk(np.zeros(3), HOURS, 0.0))
    assert fit.to_eta.shape == (4, 3, 3)
    plain = laplace_update(PRIOR, linear, OBSERVED, gate=None).belief
    walked = laplace_update(fit.prior, fit.predict, OBSERVED, jacobian=fit.jacobian, gate=None).belief
    np.testing.assert_allclose(walked.mean, plain.mean, atol=1e-7)


def test_a_step_that_takes_no_time_is_no_unknown() -> None:
    assert stacked(PRIOR, linear, Walk(Q, HOURS, 2.0)).to_eta.shape == (4, 3, 3 + 3 * 2)
    assert stacked(PRIOR, linear, Walk(Q, HOURS, 0.0)).to_eta.shape == (4, 3, 3 + 4 * 2)


def decay(eta: np.ndarray) -> np.ndarray:
    """A bolus cleared at exp(eta): three levels, the last below the limit of its assay."""
    return np.asarray(10.0 * np.exp(-0.2 * np.exp(eta[:, :1]) * np.array([2.0, 6.0, 14.0])))


def test_moments_of_a_walk_with_a_censored_reading_are_those_of_brute_force() -> None:
    prior, q = Belief.of([0.0], [[0.3]]), np.array([0.03])
    walk = Walk(q, np.array([2.0, 6.0, 14.0]), 0.0)
    readings = ObservedReadings.create([7.5, 2.0, 0.4], [Noise(proportional=0.25)] * 3, censoring=[SEEN, SEEN, BELOW])
    fit = stacked(prior, decay, walk)
    mode = laplace_update(fit.prior, fit.predict, readings, jacobian=fit.jacobian, gate=None)
    few = fit.arrived(refined(fit.prior, fit.predict, readings, mode).belief, ("eta",))
    many = posterior_moments(fit.prior, fit.predict, readings, mode.belief, count=8192)
    assert many is not None
    found = fit.arrived(many.belief, ("eta",))
    # independent: half a million walks drawn step by step from the prior, weighted by likelihood
    rng = np.random.default_rng(5)
    eta = np.sqrt(0.3) * rng.standard_normal(500_000)
    log_w = np.zeros(len(eta))
    for dt, t, y, below in ((2.0, 2.0, 7.5, 0), (4.0, 6.0, 2.0, 0), (8.0, 14.0, 0.4, 1)):
        eta = eta + np.sqrt(q[0] * dt) * rng.standard_normal(len(eta))
        f = 10.0 * np.exp(-0.2 * np.exp(eta) * t)
        sd = np.maximum(0.25 * f, 1e-300)
        log_w += norm.logcdf(y, f, sd) if below else norm.logpdf(y, f, sd)
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    mean = w @ eta
    sd = float(np.sqrt(w @ (eta - mean) ** 2))
    assert found.mean[0] == pytest.approx(mean, abs=0.02 * sd)
    assert found.sd[0] == pytest.approx(sd, rel=0.02)
    # 160 effective members know a mean to 0.08 standard deviations: twice that
    assert few.mean[0] == pytest.approx(mean, abs=0.16 * sd)
    assert few.sd[0] == pytest.approx(sd, rel=0.12)


def test_the_shape_of_a_walk_is_told_for_its_last_hour() -> None:
    prior = Belief.of([0.0], [[0.3]])
    readings = ObservedReadings.create([7.5, 2.0, 0.4], [Noise(proportional=0.4)] * 3)
    fit = stacked(prior, decay, Walk(np.array([0.03]), np.array([2.0, 6.0, 14.0]), 0.0))
    mode = laplace_update(fit.prior, fit.predict, readings, jacobian=fit.jacobian, gate=None)
    whole = posterior_moments(fit.prior, fit.predict, readings, mode.belief)
    assert whole is not None and whole.belief.shape is not None
    told = fit.arrived(whole.belief, ("eta",))
    assert told.shape is not None
    points, weights = told.shape
    x = whole.belief.mean + whole.belief.shape.points @ whole.belief.chol.T
    np.testing.assert_allclose(told.mean + points @ told.chol.T, x @ fit.to_eta[-1].T, atol=1e-12)
    assert weights @ points[:, 0] == pytest.approx(0.0, abs=1e-3)
