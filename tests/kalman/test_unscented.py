from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import truncnorm

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import ABOVE, BELOW, Noise, ObservedReadings
from twin_service.kalman.unscented import unscented_update
from twin_service.outcome import Verdict


def bolus(eta: np.ndarray, times: np.ndarray) -> np.ndarray:
    cl, v = 5.0 * np.exp(eta[:, :1]), 50.0 * np.exp(eta[:, 1:2])
    return 1000.0 / v * np.exp(-cl / v * times)


@pytest.mark.parametrize(("nx", "ny", "seed"), [(1, 1, 0), (3, 1, 1), (4, 3, 2), (12, 5, 3), (2, 8, 4)])
def test_equals_the_kalman_filter_when_linear(linear_problem: Any, nx: int, ny: int, seed: int) -> None:
    p = linear_problem(nx, ny, seed)
    found = unscented_update(p.prior, p.predict, p.observed, gate=None)
    np.testing.assert_allclose(found.belief.mean, p.mean, atol=1e-10)
    np.testing.assert_allclose(found.belief.covariance, p.covariance, atol=1e-10)
    assert found.report.outcome.ok


def test_nis_is_the_innovation_over_its_variance() -> None:
    belief = Belief.of([0.0], [[4.0]])
    found = unscented_update(
        belief, lambda e: 3.0 * e, ObservedReadings.create([6.0], [Noise(additive=2.0)]), gate=None
    )
    assert found.report.nis[0] == pytest.approx(36.0 / (36.0 + 4.0))
    assert found.report.forecast_sd[0] == pytest.approx(np.sqrt(40.0))
    assert found.report.log_evidence == pytest.approx(-0.5 * (0.9 + np.log(2 * np.pi * 40.0)))


def test_missing_rows_are_dropped_and_all_missing_is_a_no_op(linear_problem: Any) -> None:
    p = linear_problem(3, 4, 5)
    y = p.observed.values.copy()
    y[[0, 2]] = np.nan
    some = ObservedReadings.create(y, p.observed.noise)
    kept = p.observed.rows(np.array([False, True, False, True]))
    a = unscented_update(p.prior, p.predict, some, gate=None).belief
    b = unscented_update(p.prior, lambda e: p.predict(e)[:, [1, 3]], kept, gate=None).belief
    np.testing.assert_allclose(a.mean, b.mean, atol=1e-13)
    nothing = unscented_update(p.prior, p.predict, ObservedReadings.create(np.full(4, np.nan), p.observed.noise))
    assert nothing.belief is p.prior
    assert np.all(nothing.report.weight == 0.0)


def test_simultaneous_readings_stacked_equal_one_after_the_other_when_linear(linear_problem: Any) -> None:
    p = linear_problem(3, 2, 6)
    one = unscented_update(p.prior, lambda e: p.predict(e)[:, :1], p.observed.rows(np.array([True, False])), gate=None)
    two = unscented_update(
        one.belief, lambda e: p.predict(e)[:, 1:], p.observed.rows(np.array([False, True])), gate=None
    )
    np.testing.assert_allclose(two.belief.mean, p.mean, atol=1e-10)


def test_a_prediction_that_is_not_finite_keeps_the_belief() -> None:
    belief = Belief.of([0.0, 0.0], 0.1 * np.eye(2))
    found = unscented_update(
        belief, lambda e: np.full((len(e), 1), np.nan), ObservedReadings.create([1.0], [Noise(additive=1.0)])
    )
    assert found.belief is belief
    assert found.report.outcome.verdict is Verdict.NOT_FINITE


def test_iterating_brings_the_mean_nearer_to_the_exact_posterior() -> None:
    times = np.array([2.0, 12.0])
    belief = Belief.of([0.0, 0.0], np.diag([0.8, 0.8]))
    truth = bolus(np.array([[0.9, -0.7]]), times)[0]
    observed = ObservedReadings.create(truth, [Noise(proportional=0.1)] * 2)
    # exact mean on a grid: the only oracle that makes no assumption
    g = np.linspace(-1.9, 1.9, 601)
    grid = np.stack(np.meshgrid(g, g, indexing="ij"), axis=-1).reshape(-1, 2)
    f = bolus(grid, times)
    logp = -0.5 * np.sum(((truth - f) / (0.1 * f)) ** 2 + 2 * np.log(f), axis=1) - 0.5 * np.sum(grid**2, axis=1) / 0.8
    w = np.exp(logp - logp.max())
    exact = w @ grid / w.sum()
    one = unscented_update(belief, lambda e: bolus(e, times), observed, gate=None, iterations=1)
    many = unscented_update(belief, lambda e: bolus(e, times), observed, gate=None, iterations=8)
    error = [float(np.max(np.abs(u.belief.mean - exact))) for u in (one, many)]
    assert error[1] < 0.35 * error[0]
    # half a posterior standard deviation: the rest is the filter's Gaussian assumption
    assert error[1] < 0.5 * float(many.belief.sd.min())


def test_a_surprising_reading_is_flagged_and_moves_the_belief_less() -> None:
    belief = Belief.of([0.0], [[1.0]])
    observed = ObservedReadings.create([10.0], [Noise(additive=1.0)])
    free = unscented_update(belief, lambda e: e, observed, gate=None)
    gated = unscented_update(belief, lambda e: e, observed)
    assert gated.report.surprising[0]
    assert gated.report.outcome.verdict is Verdict.SURPRISING
    assert 0.0 < gated.report.weight[0] < 1.0
    assert 0.0 < gated.belief.mean[0] < 0.5 * free.belief.mean[0]
    assert gated.belief.sd[0] > free.belief.sd[0]


def test_influence_of_an_outlier_fades_with_distance() -> None:
    belief = Belief.of([0.0], [[1.0]])
    shift = [
        float(unscented_update(belief, lambda e: e, ObservedReadings.create([y], [Noise(additive=1.0)])).belief.mean[0])
        for y in (4.0, 10.0, 100.0, 1e4)
    ]
    assert shift[0] > shift[1] > shift[2] > shift[3] > 0.0
    assert shift[3] < 0.01


@pytest.mark.parametrize("flag", [BELOW, ABOVE])
def test_censored_reading_gives_the_truncated_moments(flag: int) -> None:
    """Without assay noise the posterior is a truncated normal, whose moments are known."""
    belief = Belief.of([1.0], [[4.0]])
    limit = 0.5
    found = unscented_update(
        belief, lambda e: e, ObservedReadings.create([limit], [Noise(additive=1e-6)], censoring=[flag]), gate=None
    )
    a, b = (-np.inf, (limit - 1.0) / 2.0) if flag == BELOW else ((limit - 1.0) / 2.0, np.inf)
    exact = truncnorm(a, b, loc=1.0, scale=2.0)
    assert found.belief.mean[0] == pytest.approx(exact.mean(), rel=1e-5)
    assert found.belief.sd[0] == pytest.approx(exact.std(), rel=1e-5)


def test_an_uninformative_censored_reading_changes_nothing() -> None:
    belief = Belief.of([0.0], [[1.0]])
    found = unscented_update(
        belief, lambda e: e, ObservedReadings.create([40.0], [Noise(additive=1.0)], censoring=[BELOW])
    )
    np.testing.assert_allclose(found.belief.mean, 0.0, atol=1e-4)
    assert found.belief.sd[0] == pytest.approx(1.0, rel=1e-4)
    assert found.report.nis[0] < 1e-6


def test_a_very_exact_reading_of_a_very_vague_belief_stays_definite() -> None:
    belief = Belief.of(np.zeros(3), 1e6 * np.eye(3))
    predict = lambda e: np.stack([e.sum(axis=1), e[:, 0] - e[:, 1]], axis=1)  # noqa: E731
    observed = ObservedReadings.create([1.0, 2.0], [Noise(additive=1e-5)] * 2)
    for _ in range(20):
        belief = unscented_update(belief, predict, observed, gate=None).belief
        assert np.all(np.isfinite(belief.chol)) and np.all(np.diag(belief.chol) > 0.0)
    np.testing.assert_allclose(predict(belief.mean[None])[0], [1.0, 2.0], atol=1e-4)


def test_a_model_without_effects_is_scored_and_not_moved() -> None:
    belief = Belief.of(np.zeros(0), np.zeros((0, 0)))
    found = unscented_update(
        belief, lambda e: np.ones((len(e), 1)), ObservedReadings.create([3.0], [Noise(additive=1.0)])
    )
    assert found.report.nis[0] == pytest.approx(4.0)


def test_log_law_reads_ratios() -> None:
    belief = Belief.of([0.0], [[0.25]])
    found = unscented_update(
        belief, lambda e: 7.0 * np.exp(e), ObservedReadings.create([14.0], [Noise("log", 0.0, 0.5)])
    )
    # ln y is linear in eta here: half of the log ratio, half of the variance
    assert found.belief.mean[0] == pytest.approx(0.5 * np.log(2.0), rel=1e-9)
    assert found.belief.covariance[0, 0] == pytest.approx(0.125, rel=1e-9)
