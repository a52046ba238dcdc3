from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_ndtr

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import ABOVE, BELOW, Noise, ObservedReadings
from twin_service.kalman.laplace import by_differences, laplace_update
from twin_service.outcome import Verdict

TIMES = np.array([1.0, 4.0, 9.0, 20.0])


def bolus(eta: np.ndarray) -> np.ndarray:
    eta = np.clip(eta, -20.0, 20.0)
    cl, v = 5.0 * np.exp(eta[:, :1]), 50.0 * np.exp(eta[:, 1:2])
    return 1000.0 / v * np.exp(-cl / v * TIMES)


def exact_jacobian(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    f = bolus(eta[None])[0]
    k = 0.1 * np.exp(eta[0] - eta[1])
    return f, np.stack([-f * k * TIMES, -f + f * k * TIMES], axis=1)


@pytest.mark.parametrize(("nx", "ny", "seed"), [(1, 1, 0), (4, 3, 2), (12, 5, 3)])
def test_equals_the_kalman_filter_when_linear(linear_problem: Any, nx: int, ny: int, seed: int) -> None:
    p = linear_problem(nx, ny, seed)
    found = laplace_update(p.prior, p.predict, p.observed, gate=None)
    # limited by the differences' rounding, 1e-16 / step
    np.testing.assert_allclose(found.belief.mean, p.mean, atol=1e-9)
    np.testing.assert_allclose(found.belief.covariance, p.covariance, atol=1e-9)


def test_evidence_of_a_linear_problem_is_exact(linear_problem: Any) -> None:
    p = linear_problem(3, 2, 9)
    S = p.A @ p.prior.covariance @ p.A.T + np.diag([n.additive**2 for n in p.observed.noise])
    r = p.observed.values - p.A @ p.prior.mean
    exact = -0.5 * (r @ np.linalg.solve(S, r) + np.linalg.slogdet(2 * np.pi * S)[1])
    assert laplace_update(p.prior, p.predict, p.observed, gate=None).report.log_evidence == pytest.approx(
        exact, rel=1e-9
    )


@pytest.mark.parametrize(
    "law",
    [
        Noise(proportional=0.2),
        Noise(additive=1.0, proportional=0.1),
        Noise("log", 0.0, 0.2),
        Noise("sum", 0.5, 0.1),
        Noise("power", 0.1, 0.2, 0.8),
    ],
    ids=str,
)
def test_the_mode_minimizes_the_objective(law: Noise) -> None:
    """Against a general-purpose minimizer on the objective written out here."""
    omega = np.array([[0.3, 0.05], [0.05, 0.2]])
    y = np.array([14.0, 9.0, 9.5, 1.2])
    observed = ObservedReadings.create(y, [law] * 4)

    def objective(eta: np.ndarray) -> float:
        s = observed.scaled(bolus(eta[None])[0])
        r = observed.targets() - s.f
        return float(np.sum(np.log(s.v) + r**2 / s.v) + eta @ np.linalg.solve(omega, eta))

    best = minimize(
        objective, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    )
    found = laplace_update(Belief.of([0.0, 0.0], omega), bolus, observed, gate=None)
    np.testing.assert_allclose(found.belief.mean, best.x, atol=2e-6)
    assert found.report.objective <= best.fun + 1e-8


def test_covariance_is_the_expected_information() -> None:
    omega, law = np.diag([0.3, 0.2]), Noise(proportional=0.2)
    found = laplace_update(
        Belief.of([0.0, 0.0], omega),
        None,
        ObservedReadings.create([14.0, 9.0, 6.0, 1.2], [law] * 4),
        jacobian=exact_jacobian,
        gate=None,
    )
    f, g = exact_jacobian(found.belief.mean)
    v, dv = 0.04 * f**2, 0.08 * f[:, None] * g
    information = np.linalg.inv(omega) + (g.T / v) @ g + 0.5 * (dv.T / v**2) @ dv
    np.testing.assert_allclose(found.belief.covariance, np.linalg.inv(information), rtol=1e-10)


def test_differences_agree_with_the_exact_jacobian() -> None:
    eta = np.array([0.3, -0.2])
    f, J = by_differences(bolus)(eta)
    f0, J0 = exact_jacobian(eta)
    np.testing.assert_allclose(f, f0, rtol=1e-14)
    # step^2 / 6 of the third derivative
    np.testing.assert_allclose(J, J0, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("flag", [BELOW, ABOVE])
def test_m3_matches_the_censored_likelihood(flag: int) -> None:
    omega, law = np.diag([0.3, 0.2]), Noise(additive=0.4, proportional=0.1)
    y = np.array([16.0, 12.0, 6.0, 2.0])
    flags = [0, 0, 0, flag]
    observed = ObservedReadings.create(y, [law] * 4, censoring=flags)
    side = 1.0 if flag == BELOW else -1.0

    def objective(eta: np.ndarray) -> float:
        f = bolus(eta[None])[0]
        v = 0.16 + 0.01 * f**2
        r = (y - f) ** 2 / v + np.log(v)
        return float(r[:3].sum() - 2.0 * log_ndtr(side * (2.0 - f[3]) / np.sqrt(v[3])) + eta @ (eta / np.diag(omega)))

    best = minimize(
        objective, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    )
    found = laplace_update(Belief.of([0.0, 0.0], omega), bolus, observed, gate=None)
    np.testing.assert_allclose(found.belief.mean, best.x, atol=2e-6)
    assert found.report.outcome.ok


def test_an_outlier_is_downweighted_and_flagged_but_not_dropped() -> None:
    prior, law = Belief.of([0.0, 0.0], np.diag([0.05, 0.05])), Noise(proportional=0.1)
    clean = bolus(np.zeros((1, 2)))[0]
    dirty = clean.copy()
    dirty[1] *= 10.0
    gated = laplace_update(prior, bolus, ObservedReadings.create(dirty, [law] * 4))
    free = laplace_update(prior, bolus, ObservedReadings.create(dirty, [law] * 4), gate=None)
    assert gated.report.surprising.tolist() == [False, True, False, False]
    assert 0.0 < gated.report.weight[1] < 0.1
    assert gated.report.outcome.verdict is Verdict.SURPRISING
    assert np.max(np.abs(gated.belief.mean)) < 0.2 * np.max(np.abs(free.belief.mean))


def test_a_start_elsewhere_ends_at_the_same_mode() -> None:
    prior, observed = (
        Belief.of([0.0, 0.0], 2.0 * np.eye(2)),
        ObservedReadings.create([14.0, 9.0, 6.0, 1.2], [Noise(proportional=0.2)] * 4),
    )
    a = laplace_update(prior, bolus, observed, gate=None).belief.mean
    b = laplace_update(prior, bolus, observed, gate=None, start=[1.5, -1.0]).belief.mean
    # the search stops where another step would gain less than 3e-10 of the objective
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_model_that_fails_at_the_prior_keeps_it() -> None:
    prior = Belief.of([0.0], [[1.0]])
    observed = ObservedReadings.create([1.0], [Noise(additive=1.0)])
    found = laplace_update(prior, lambda e: np.full((len(e), 1), np.nan), observed)
    assert found.belief is prior
    assert found.report.outcome.verdict is Verdict.NOT_FINITE


def test_a_model_that_fails_beyond_a_wall_still_finds_the_mode() -> None:
    def predict(eta: np.ndarray) -> np.ndarray:
        return np.where(eta < 1.0, eta, np.nan)

    found = laplace_update(
        Belief.of([0.0], [[1.0]]), predict, ObservedReadings.create([1.9], [Noise(additive=1.0)]), gate=None
    )
    assert found.belief.mean[0] == pytest.approx(0.95, abs=1e-6)


def test_nothing_to_learn_from_is_a_no_op() -> None:
    prior = Belief.of([0.0], [[1.0]])
    found = laplace_update(
        prior, lambda e: np.zeros((len(e), 1)), ObservedReadings.create([1.0], [Noise(proportional=0.2)])
    )
    assert found.belief is prior
    assert "no dose" in found.report.warnings[0]


def test_predict_or_jacobian_is_needed() -> None:
    with pytest.raises(ValueError, match="predict or jacobian"):
        laplace_update(Belief.of([0.0], [[1.0]]), None, ObservedReadings.create([1.0], [Noise(additive=1.0)]))
