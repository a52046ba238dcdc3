"""Markers that work are found, noise is not; designs that use a marker have the power that formulas give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, norm

from twin_service.outcome import Refusal
from twin_service.trial.phase1.designs import OverdoseControl
from twin_service.trial.phase1.dose_toxicity import LogisticPrior
from twin_service.trial.phase1.enrichment import MarkerTruth, designs, perform
from twin_service.trial.phase1.exposure import (
    ExposurePlan,
    ExposureVariability,
    Truth,
    conduct,
    exposure_risk,
    population_risks,
)
from twin_service.trial.phase1.human_course import HumanPk
from twin_service.trial.phase1.interim import Doubt, MarkerSeen, Worlds, expansion_size, look, target_worlds, too_toxic
from twin_service.trial.phase1.occupancy import SampledTarget
from twin_service.trial.phase1.selection import Candidates, accuracy, decision_curve, explain, fit, validate


def drawn(effect: float, n: int, seed: int, markers: int = 3) -> Candidates:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, markers))
    y = (rng.random(n) < 1 / (1 + np.exp(0.4 - effect * x[:, 0]))).astype(float)
    return Candidates.create([f"m{k}" for k in range(markers)], x, y)


def test_the_fit_is_the_penalized_maximum() -> None:
    """A general optimizer finds the same coefficients."""
    seen = drawn(1.0, 150, 1)
    model = fit(seen, np.random.default_rng(1))
    x = np.column_stack([np.ones(150), (seen.values - model.center) / model.scale])

    def cost(b: np.ndarray) -> float:
        odds = x @ b
        nll = np.logaddexp(0, np.where(seen.responded == 1, -odds, odds)).sum()
        return float(nll + model.penalty * (b[1:] @ b[1:]) / 2)

    np.testing.assert_allclose(model.coefficients, minimize(cost, np.zeros(4), tol=1e-10).x, atol=1e-4)


def test_a_marker_that_works_is_useful_and_optimism_is_taken_off() -> None:
    found = validate(drawn(1.5, 200, 2), np.random.default_rng(2), bootstraps=60)
    assert found.useful and found.p_value < 1e-4
    assert found.nested.auc < found.apparent.auc + 0.01
    assert found.corrected_auc < found.apparent.auc
    low, high = found.threshold_interval
    assert low <= high and 0 < found.threshold < 1
    assert "tell responders apart" in found.verdict


def test_noise_is_rarely_useful_and_the_verdict_says_so() -> None:
    """100 noise sets: at most 7 pass with probability 0.99 when 3 in a hundred do."""
    rng = np.random.default_rng(3)
    found = [validate(drawn(0.0, 100, 100 + k), rng, bootstraps=0) for k in range(100)]
    assert sum(f.useful for f in found) <= 7
    assert "do not select by them" in next(f for f in found if not f.useful).verdict


def test_a_patient_s_score_never_saw_his_outcome() -> None:
    """Nested scores of noise order at random, where apparent ones look good."""
    rng = np.random.default_rng(4)
    found = [validate(drawn(0.0, 60, 200 + k, markers=8), rng, bootstraps=0) for k in range(30)]
    assert np.mean([f.apparent.auc for f in found]) > 0.6
    assert abs(np.mean([f.nested.auc for f in found]) - 0.5) < 0.06


def test_accuracy_of_the_truth_is_calibrated() -> None:
    rng = np.random.default_rng(5)
    p = rng.uniform(0.1, 0.9, 20_000)
    y = (rng.random(20_000) < p).astype(float)
    found = accuracy(p, y)
    assert (found.slope, found.intercept) == pytest.approx((1, 0), abs=0.06)
    assert found.brier == pytest.approx(np.mean(p * (1 - p)), abs=0.005)


def test_net_benefit_by_hand() -> None:
    p, y = np.array([0.9, 0.6, 0.3, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    found = decision_curve(p, y, np.array([0.2, 0.5]))
    np.testing.assert_allclose(found.model, [2 / 4 - 1 / 4 * 0.25, 1 / 4 - 1 / 4 * 1.0])
    np.testing.assert_allclose(found.everyone, [0.5 - 0.5 * 0.25, 0.0])


def test_one_patient_with_reasons_and_doubts() -> None:
    seen = drawn(2.0, 200, 6)
    model = fit(seen, np.random.default_rng(6))
    found = explain(model, np.array([1.5, 0.0, 9.0]), seen)
    assert found.reasons[0][0] in ("m0", "m2") and found.low < found.probability < found.high
    assert found.doubts == ("m2 lies outside what was seen",)
    assert found.probability == pytest.approx(float(model.probability(np.array([1.5, 0.0, 9.0]))[0]))


@pytest.mark.parametrize(
    ("values", "responded", "told"),
    [
        (np.full((40, 1), np.nan), np.arange(40) % 2, "missing values in a"),
        (np.ones((40, 1)), np.arange(40) % 2, "never varies"),
        (np.arange(40.0)[:, None], np.zeros(40), "fewer than 8"),
        (np.arange(40.0)[:, None], np.full(40, 2.0), "0 or 1"),
        (np.arange(40.0), np.zeros(40), "one row a patient"),
    ],
)
def test_data_that_teach_nothing_are_refused(values: np.ndarray, responded: np.ndarray, told: str) -> None:
    with pytest.raises(Refusal, match=told):
        Candidates.create(["a"], values, responded)


TRUTH = MarkerTruth.create(
    prevalence=0.3, control_positive=0.2, control_negative=0.2, treated_positive=0.5, treated_negative=0.2
)


def test_power_is_the_textbook_s() -> None:
    """Enriched, 80 an arm, 0.5 against 0.2: the normal approximation to within 3 points."""
    enriched = perform(designs()[1], TRUTH, 80, 20_000, np.random.default_rng(1))
    p = 0.35
    z = (0.3 - norm.isf(0.025) * np.sqrt(2 * p * (1 - p) / 40)) / np.sqrt((0.5 * 0.5 + 0.2 * 0.8) / 40)
    assert enriched.power == pytest.approx(norm.cdf(z), abs=0.03)
    assert enriched.screened == pytest.approx(80 / 0.3, rel=0.02)
    assert enriched.months == pytest.approx(80 / 0.3 / 10, rel=0.02)


def test_no_effect_is_declared_at_the_level() -> None:
    """Pooled z of small groups is a little liberal or conservative: 2.5 % plus three standard errors and 0.5 points."""
    null = MarkerTruth.create(
        prevalence=0.3, control_positive=0.3, control_negative=0.3, treated_positive=0.3, treated_negative=0.3
    )
    for design in designs():
        assert perform(design, null, 200, 20_000, np.random.default_rng(2)).power < 0.025 + 3 * 0.0011 + 0.005


def test_a_poor_assay_costs_power() -> None:
    poor = MarkerTruth.create(**{**vars(TRUTH), "sensitivity": 0.7, "specificity": 0.7})
    good, bad = (perform(designs()[1], t, 80, 5000, np.random.default_rng(3)).power for t in (TRUTH, poor))
    assert bad < good - 0.1
    with pytest.raises(Refusal, match="truth"):
        MarkerTruth.create(**{**vars(TRUTH), "prevalence": 1.2})


PRIOR = LogisticPrior(60, (-1.1, 0.1), ((2.25, 0.0), (0.0, 0.49)))
DOSES = (10.0, 20.0, 40.0, 60.0, 90.0, 120.0)


def test_exposure_overdoses_fewer_where_exposure_varies() -> None:
    plan = ExposurePlan.create(DOSES, DOSES, PRIOR, OverdoseControl())
    share = {}
    for by in (False, True):
        found = conduct(
            plan,
            Truth(-1.1, 1.8, 60),
            ExposureVariability(0.5, 0.3),
            (300, 8, 3),
            np.random.default_rng(1),
            by_exposure=by,
        )
        share[by] = found.overdosed.sum() / found.patients.sum()
        assert np.all(found.toxicities <= found.patients) and found.selected.max() < 6
    assert share[True] < share[False]


def test_without_variability_exposure_and_dose_are_one_design() -> None:
    plan = ExposurePlan.create(DOSES, DOSES, PRIOR, OverdoseControl())
    one, two = (
        conduct(
            plan, Truth(-1.1, 1.8, 60), ExposureVariability(0, 0), (50, 6, 3), np.random.default_rng(1), by_exposure=by
        )
        for by in (False, True)
    )
    np.testing.assert_array_equal(one.selected, two.selected)
    np.testing.assert_array_equal(one.toxicities, two.toxicities)


def test_risk_by_exposure_is_the_same_quadrature() -> None:
    plan = ExposurePlan.create(DOSES, DOSES, PRIOR, OverdoseControl())
    quiet, loud = exposure_risk(plan, [10, 25, 33], [0, 0, 0]), exposure_risk(plan, [10, 25, 33], [0, 0, 1])
    assert all(a.mean < b.mean for a, b in zip(quiet, loud, strict=True))
    assert population_risks(Truth(-1.1, 1.8, 60), [60], 0.0)[0] == pytest.approx(1 / (1 + np.exp(1.1)))
    with pytest.raises(Refusal, match="rising with the doses"):
        ExposurePlan.create([1, 2], [2, 1], PRIOR, OverdoseControl())


def test_one_world_is_a_binomial() -> None:
    worlds = Worlds.create([1, 2], np.array([[0.2, 0.4]]))
    first, second = look(worlds, MarkerSeen(np.array([6.0, 3.0]), np.array([1.0, 0.0])), total=12, needed=4)
    assert first.predictive == pytest.approx(binom.sf(2, 6, 0.2))
    assert second.predictive == pytest.approx(binom.sf(3, 9, 0.4))
    assert (first.expected, first.low, first.high) == pytest.approx((0.2, 0.2, 0.2))


def test_inactivity_below_speaks_about_doses_above() -> None:
    """Kd is common to all doses: nothing seen where much was expected lowers the hope higher up."""
    pk, target = HumanPk(5.0, 50.0, 1.0, 0.5), SampledTarget.create(0.02, 0.001)
    worlds = target_worlds(pk, target, [1.0, 3.0, 9.0], 0.5, Doubt(1.5, 0.3, 0.2), np.random.default_rng(1))
    assert np.all(np.diff(worlds.response, axis=1) >= 0)
    before = look(worlds, MarkerSeen(np.zeros(3), np.zeros(3)), total=12, needed=6)
    after = look(worlds, MarkerSeen(np.array([6.0, 6.0, 0.0]), np.zeros(3)), total=12, needed=6)
    assert after[2].expected < before[2].expected and after[2].effective < before[2].effective
    assert after[0].futile and "inactivity" in after[0].reason


def test_toxicity_and_expansion() -> None:
    assert too_toxic(6, 5, 0.3).stops and not too_toxic(6, 1, 0.3).stops
    worlds = Worlds.create([1], np.array([[0.5]]))
    n = expansion_size(worlds, 0, np.ones(1), futile_rate=0.2)
    assert n is not None
    assert binom.sf(binom.isf(0.05, n, 0.2), n, 0.5) >= 0.8
    assert expansion_size(Worlds.create([1], np.array([[0.2]])), 0, np.ones(1), futile_rate=0.2) is None
    for ask in (
        lambda: too_toxic(3, 4, 0.3),
        lambda: look(worlds, MarkerSeen(np.array([3.0]), np.array([4.0])), total=9, needed=2),
    ):
        with pytest.raises(Refusal):
            ask()
