"""Distances to the exact posterior, on a problem whose posterior is known and on patients of large variance."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.fit.individual import assimilate, prior_of
from twin_service.fit.subject import observed, predictor
from twin_service.kalman.posterior import log_likelihood
from twin_service.qualification.estimation.calibration import TRIALS, simulated
from twin_service.qualification.estimation.exact import Distance, distance, distances, exact_belief, has_large_variance
from twin_service.qualification.estimation.exact import large_variance_figures as figures
from twin_service.twin.assemble import build

TRIAL = TRIALS["poppk"]


def far(worst: float, effective: float) -> Distance:
    return Distance("m", "s", np.array([0.1, worst]), np.array([0.1, worst]), effective)


def test_worst_counts_trusted_references_only() -> None:
    found = figures([far(0.3, 1000.0), far(0.5, 1000.0), far(9.0, 5.0)])
    assert found["estimation.large_variance_worst_sd"] == 0.5
    assert found["estimation.large_variance_patients"] == 3.0 and found["estimation.large_variance_trusted"] == 2.0


def test_nothing_trusted_is_not_a_good_result() -> None:
    assert np.isnan(figures([far(0.1, 1.0)])["estimation.large_variance_worst_sd"])


def test_reference_is_the_posterior_by_brute_force() -> None:
    """400,000 draws from the prior weighted by the likelihood: no proposal, no mode, no derivatives."""
    model = build(TRIAL.model)
    (subject,) = simulated(TRIAL, model, 1, np.random.default_rng(2))
    eta = prior_of(model).draw(100_000, np.random.default_rng(3))
    log_w = log_likelihood(predictor(model, subject), observed(model, subject), eta)
    w = np.exp(log_w - log_w.max())
    mean = w @ eta / w.sum()
    exact, effective = exact_belief(model, subject)
    assert effective > 1000.0
    np.testing.assert_allclose(exact.mean, mean, atol=0.05 * np.sqrt(np.diag(exact.covariance)).max())


def test_large_variance_patients_end_within_a_standard_deviation() -> None:
    model = build(TRIAL.model)
    assert has_large_variance(model)
    patients = [(model, s) for s in simulated(TRIAL, model, 8, np.random.default_rng(11))]
    worst = figures(distances(patients, count=1024, workers=1))
    assert worst["estimation.large_variance_worst_sd"] < 0.5


def test_a_mode_is_farther_than_moments_and_the_distance_shows_it() -> None:
    model = build(TRIAL.model)
    subjects = simulated(TRIAL, model, 6, np.random.default_rng(12))
    mode = np.median([np.max(distance(model, s, "laplace", count=1024).in_sd) for s in subjects])
    auto = np.median([np.max(distance(model, s, "auto", count=1024).in_sd) for s in subjects])
    assert auto < mode


def test_auto_is_the_twins_policy() -> None:
    model = build(TRIAL.model)
    (subject,) = simulated(TRIAL, model, 1, np.random.default_rng(4))
    assert assimilate(model, subject, prior_of(model), "auto").report.estimator == "laplace+moments (first readings)"


@pytest.mark.slow
def test_nonmem_patients_of_large_variance() -> None:
    from tests.estimation.nonmem_cases import reference
    from twin_service.qualification.estimation.run import FOLDER, large_variance_patients

    reference("nonmem_map", "model_511.json")
    found = figures(distances(large_variance_patients(FOLDER / "mipd")))
    assert found["estimation.large_variance_patients"] == 42
    assert found["estimation.large_variance_worst_sd"] <= 1.0
