from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from scipy.stats import truncnorm

from twin_service.kalman.belief import Belief
from twin_service.kalman.ensemble import Ensemble, ensemble_update
from twin_service.kalman.errors import BELOW, Noise, ObservedReadings
from twin_service.outcome import Verdict


@pytest.mark.parametrize("method", ["square_root", "perturbed"])
def test_tends_to_the_kalman_filter_at_many_members(
    linear_problem: Any, method: Literal["square_root", "perturbed"]
) -> None:
    p = linear_problem(4, 3, 2)
    rng = np.random.default_rng(0)
    ensemble = Ensemble.of(p.prior, 100_000, rng, matched=False)
    found = ensemble_update(ensemble, p.predict, p.observed, rng=rng, method=method, gate=None).ensemble.belief
    # sampling error sd/sqrt(N) = 0.3 % of a standard deviation, times 5
    sd = np.sqrt(np.diag(p.covariance))
    np.testing.assert_allclose((found.mean - p.mean) / sd, 0.0, atol=0.02)
    np.testing.assert_allclose(found.covariance / np.outer(sd, sd), p.covariance / np.outer(sd, sd), atol=0.02)


def test_square_root_update_of_matched_members_is_exact(linear_problem: Any) -> None:
    p = linear_problem(3, 4, 4)
    rng = np.random.default_rng(0)
    ensemble = Ensemble.of(p.prior, 60, rng)
    found = ensemble_update(ensemble, p.predict, p.observed, rng=rng, regularized=False, gate=None).ensemble.belief
    np.testing.assert_allclose(found.mean, p.mean, atol=1e-10)
    np.testing.assert_allclose(found.covariance, p.covariance, atol=1e-10)


def test_error_falls_with_the_root_of_the_members(linear_problem: Any) -> None:
    p = linear_problem(3, 2, 8)
    sizes, errors = (100, 1600), []
    for n in sizes:
        runs = []
        for seed in range(30):
            rng = np.random.default_rng(seed)
            e = Ensemble.of(p.prior, n, rng, matched=False)
            got = ensemble_update(e, p.predict, p.observed, rng=rng, regularized=False, gate=None).ensemble.belief
            runs.append(np.linalg.norm(got.mean - p.mean))
        errors.append(np.mean(runs))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.35)


def test_regularization_helps_a_small_ensemble() -> None:
    """20 effects, one reading that concerns one of them: spurious correlations shrink the other 19 without it."""
    prior = Belief.of(np.zeros(20), np.eye(20))
    observed = ObservedReadings.create([2.0], [Noise(additive=0.5)])
    loss = {True: 0.0, False: 0.0}
    for seed in range(20):
        for regularized in loss:
            rng = np.random.default_rng(seed)
            e = Ensemble.of(prior, 40, rng, matched=False)
            got = ensemble_update(e, lambda x: x[:, :1], observed, rng=rng, regularized=regularized, gate=None)
            loss[regularized] += float(
                np.sum((got.ensemble.members.mean(axis=0)[1:] - e.members.mean(axis=0)[1:]) ** 2)
            )
    assert loss[True] < 0.75 * loss[False]


def test_same_generator_same_members() -> None:
    belief = Belief.of([0.0, 0.0], np.eye(2))
    runs = []
    for _ in range(2):
        rng = np.random.default_rng(7)
        e = Ensemble.of(belief, 50, rng)
        runs.append(
            ensemble_update(
                e,
                lambda x: x[:, :1],
                ObservedReadings.create([1.0], [Noise(additive=1.0)]),
                rng=rng,
                method="perturbed",
            ).ensemble.members
        )
    np.testing.assert_array_equal(runs[0], runs[1])


def test_a_censored_reading_truncates_the_members() -> None:
    rng = np.random.default_rng(1)
    e = Ensemble.of(Belief.of([1.0], [[4.0]]), 20_000, rng)
    observed = ObservedReadings.create([0.5], [Noise(additive=1e-3)], censoring=[BELOW])
    found = ensemble_update(e, lambda x: x, observed, rng=rng).ensemble
    exact = truncnorm(-np.inf, -0.25, loc=1.0, scale=2.0)
    assert found.members.mean() == pytest.approx(exact.mean(), abs=0.05)
    assert found.members.std() == pytest.approx(exact.std(), rel=0.05)


def test_a_failed_member_keeps_the_ensemble() -> None:
    rng = np.random.default_rng(1)
    e = Ensemble.of(Belief.of([1.0], [[4.0]]), 10, rng)

    def predict(x: np.ndarray) -> np.ndarray:
        f = x.copy()
        f[3] = np.inf
        return f

    found = ensemble_update(e, predict, ObservedReadings.create([0.5], [Noise(additive=1.0)]), rng=rng)
    assert found.ensemble is e
    assert found.report.outcome.verdict is Verdict.NOT_FINITE


def test_an_outlier_moves_the_members_less() -> None:
    rng = np.random.default_rng(1)
    e = Ensemble.of(Belief.of([0.0], [[1.0]]), 200, rng)
    observed = ObservedReadings.create([10.0], [Noise(additive=1.0)])
    gated = ensemble_update(e, lambda x: x, observed, rng=rng)
    free = ensemble_update(e, lambda x: x, observed, rng=rng, gate=None)
    assert gated.report.surprising[0]
    assert gated.ensemble.members.mean() < 0.5 * free.ensemble.members.mean()
