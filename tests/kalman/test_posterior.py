from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import qmc

from twin_service.kalman.averaging import averaged_quantiles, averaging_weights
from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.forecast import forecast_quantiles
from twin_service.kalman.moments import refined
from twin_service.kalman.posterior import log_evidence, reference_posterior
from twin_service.kalman.unscented import unscented_update


def test_reference_posterior_of_a_linear_problem(linear_problem: Any) -> None:
    p = linear_problem(3, 3, 11)
    found = reference_posterior(p.prior, p.predict, p.observed, rng=np.random.default_rng(0), count=4096)
    assert found.effective > 2000.0
    sd = np.sqrt(np.diag(p.covariance))
    np.testing.assert_allclose((found.belief.mean - p.mean) / sd, 0.0, atol=0.05)
    np.testing.assert_allclose(found.belief.sd / sd, 1.0, atol=0.05)


def test_tempering_finds_both_modes() -> None:
    """y = eta^2 has two equal modes; a single Gaussian proposal cannot hold them."""
    prior, observed = Belief.of([0.0], [[4.0]]), ObservedReadings.create([9.0], [Noise(additive=0.3)])
    found = reference_posterior(
        prior, lambda e: (e + 1e-3) ** 2, observed, rng=np.random.default_rng(2), count=4096, method="tempered"
    )
    share = float(found.weights @ (found.eta[:, 0] > 0.0))
    assert 0.35 < share < 0.65
    assert found.weights @ np.abs(found.eta[:, 0]) == pytest.approx(3.0, abs=0.05)


def test_evidence_agrees_with_the_closed_form(linear_problem: Any) -> None:
    p = linear_problem(2, 3, 12)
    S = p.A @ p.prior.covariance @ p.A.T + np.diag([n.additive**2 for n in p.observed.noise])
    r = p.observed.values - p.A @ p.prior.mean
    exact = -0.5 * (r @ np.linalg.solve(S, r) + np.linalg.slogdet(2 * np.pi * S)[1])
    assert log_evidence(p.prior, p.predict, p.observed, rng=np.random.default_rng(0)) == pytest.approx(exact, abs=0.03)


def test_averaging_prefers_the_model_that_predicts() -> None:
    np.testing.assert_allclose(averaging_weights([np.log(3.0), 0.0]), [0.75, 0.25])
    np.testing.assert_allclose(averaging_weights([0.0, 0.0], [0.9, 0.1]), [0.9, 0.1])
    np.testing.assert_allclose(averaging_weights([np.nan, 0.0]), [0.0, 1.0])
    with pytest.raises(ValueError, match="finite"):
        averaging_weights([np.nan, -np.inf])


def test_averaged_quantiles_of_equal_models_are_theirs() -> None:
    members = np.random.default_rng(0).standard_normal((4001, 1))
    both = averaged_quantiles([members, members], [0.3, 0.7])
    np.testing.assert_allclose(both[:, 0], np.quantile(members, (0.05, 0.5, 0.95)), atol=0.01)
    np.testing.assert_allclose(
        averaged_quantiles([members, members + 100.0], [1.0, 0.0])[1, 0], np.median(members), atol=0.01
    )


def test_forecast_quantiles_hold_belief_and_assay() -> None:
    belief = Belief.of([2.0], [[9.0]])
    draws = ndtri(qmc.Sobol(2, rng=np.random.default_rng(1)).random(2**14))
    band = forecast_quantiles(belief, lambda e: e, [Noise(additive=4.0)], draws)
    assert band.mean[0] == pytest.approx(2.0, abs=0.05)
    assert band.sd[0] == pytest.approx(5.0, rel=0.01)
    np.testing.assert_allclose(band.quantiles[:, 0], 2.0 + 5.0 * np.array([-1.645, 0.0, 1.645]), atol=0.06)


def test_a_forecast_of_failures_is_nan() -> None:
    belief = Belief.of([2.0], [[9.0]])
    draws = np.zeros((10, 2))
    band = forecast_quantiles(belief, lambda e: np.full((len(e), 1), np.nan), [Noise(additive=1.0)], draws)
    assert np.isnan(band.quantiles).all()


def test_log_forecasts_stay_positive() -> None:
    draws = np.random.default_rng(1).standard_normal((1000, 2))
    band = forecast_quantiles(Belief.of([0.0], [[1.0]]), np.exp, [Noise("log", 0.0, 0.5)], draws)
    assert np.all(band.members > 0.0)


def test_ninety_percent_bands_hold_the_truth_nine_times_in_ten() -> None:
    """Simulated patients of a bolus model: next-level bands of the filter, 400 patients with 3 levels each."""
    rng = np.random.default_rng(42)
    omega, sd, times = np.diag([0.09, 0.06]), 0.15, (1.0, 6.0, 14.0)
    law, inside, scores = Noise(proportional=sd), 0, []

    def level(e: np.ndarray, t: float) -> np.ndarray:
        return (20.0 * np.exp(-e[:, 1] - 0.1 * np.exp(e[:, 0] - e[:, 1]) * t))[:, None]

    draws = ndtri(qmc.Sobol(3, rng=rng).random(512))
    for _ in range(400):
        truth = rng.multivariate_normal(np.zeros(2), omega)[None]
        belief = Belief.of([0.0, 0.0], omega)
        for t in times:
            y = float(level(truth, t)[0, 0]) * (1.0 + sd * rng.standard_normal())
            band = forecast_quantiles(belief, lambda e, t=t: level(e, t), [law], draws)
            inside += int(band.quantiles[0, 0] <= y <= band.quantiles[2, 0])
            predict, observed = (lambda e, t=t: level(e, t)), ObservedReadings.create([y], [law])
            update = refined(belief, predict, observed, unscented_update(belief, predict, observed, gate=None))
            scores.append(float(update.report.nis[0]))
            belief = update.belief
    # binomial standard error of 1200 readings: 0.87 %
    assert 0.875 < inside / 1200.0 < 0.925
    assert np.mean(scores) == pytest.approx(1.0, abs=0.12)
