"""Virtual patients: draws, bounds, weights and selection against known distributions."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.cohort.plausible import OutputMeasure, PlausiblePatients, draw_effects, measured, plausible_cloud
from twin_service.cohort.weighting import MeasureTarget, accept_reject, max_entropy, sample
from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.join import two_compartment_block
from twin_service.model.structure import PatientModel
from twin_service.outcome import OK, Refusal
from twin_service.solver.schedule import Dose, Schedule

DOSE = Schedule((Dose(0.0, "drug.dose", 200.0, 1.0),))
TIMES = np.linspace(0.0, 504.0, 85)
MEASURES = (
    OutputMeasure("baseline", "anc.cells", "value", 1.5, 15.0, log=True),
    OutputMeasure("nadir", "anc.cells", "minimum", 0.02, 6.0, log=True),
    OutputMeasure("nadir_h", "anc.cells", "time_of_minimum", 72.0, 400.0),
)


@pytest.fixture(scope="module")
def model() -> PatientModel:
    drug = two_compartment_block({"cl": 37.8, "v1": 8.0, "v2": 105.0, "q": 12.0}, "umol/L")
    return compose(
        "m", {"anc": build_block("neutropenia_friberg"), "drug": drug}, {"anc.drug_concentration": "drug.level"}
    )


@pytest.fixture(scope="module")
def cloud(model: PatientModel) -> PlausiblePatients:
    eta = draw_effects(model, 4000, np.random.default_rng(2), widen=1.4)
    return plausible_cloud(model, MEASURES, eta, TIMES, schedule=DOSE)


def gaussian(count: int, rng: np.random.Generator, correlation: float = 0.0) -> PlausiblePatients:
    """A cloud of two standard normal measures, so that every answer has a closed form."""
    x = rng.standard_normal((count, 2)) @ np.linalg.cholesky([[1.0, correlation], [correlation, 1.0]]).T
    return PlausiblePatients(x, x, (OutputMeasure("a", "a", "value"), OutputMeasure("b", "b", "value")), count, OK)


def test_draws_have_the_population_s_covariance(model: PatientModel) -> None:
    eta = draw_effects(model, 20000, np.random.default_rng(1))
    assert np.cov(eta.T) == pytest.approx(model.omega, abs=0.004)
    flat = draw_effects(model, 1000, np.random.default_rng(1), uniform_sd=3.0)
    assert np.abs(flat).max() <= 3.0 * np.sqrt(np.diag(model.omega)).max()


def test_what_lies_outside_the_bounds_is_not_plausible(cloud: PlausiblePatients) -> None:
    assert cloud.outcome.ok and cloud.candidates == 4000
    for j, m in enumerate(cloud.measures):
        assert cloud.values[:, j].min() >= m.low and cloud.values[:, j].max() <= m.high
    assert 2000 < len(cloud.eta) < 4000


def test_bounds_no_body_can_meet_come_back_as_a_verdict(model: PatientModel) -> None:
    eta = draw_effects(model, 200, np.random.default_rng(2))
    nobody = plausible_cloud(model, [OutputMeasure("x", "anc.cells", "minimum", 50.0, 60.0)], eta, TIMES)
    assert not nobody.outcome.ok and "widen" in nobody.outcome.detail
    with pytest.raises(Refusal, match="anc.mood"):
        plausible_cloud(model, [OutputMeasure("x", "anc.mood", "minimum")], eta, TIMES)


def test_measures_of_a_series() -> None:
    t, y = np.array([0.0, 1.0, 2.0]), np.array([[4.0, 1.0, 2.0], [1.0, 3.0, 2.0]])
    found = {
        k: measured(OutputMeasure("m", "o", k, time_h=0.5), t, y).tolist()
        for k in ("value", "minimum", "time_of_minimum", "maximum", "time_of_maximum", "final_over_first")
    }
    assert found == {
        "value": [2.5, 2.0],
        "minimum": [1.0, 1.0],
        "time_of_minimum": [1.0, 0.0],
        "maximum": [4.0, 3.0],
        "time_of_maximum": [0.0, 1.0],
        "final_over_first": [0.5, 2.0],
    }


def test_maximum_entropy_shifts_a_gaussian_to_its_target() -> None:
    found = max_entropy(
        gaussian(20000, np.random.default_rng(3)), [MeasureTarget("a", 0.5, 0.8), MeasureTarget("b", 0.0, 1.0)]
    )
    mean = found.weights @ found.cloud.values
    sd = np.sqrt(found.weights @ (found.cloud.values - mean) ** 2)
    assert mean == pytest.approx([0.5, 0.0], abs=0.03)
    assert sd == pytest.approx([0.8, 1.0], abs=0.05)
    assert max(found.ks) < 0.03 and found.outcome.ok
    # two densities of a and their ratio give the effective sample size in closed form
    assert found.ess / 20000 == pytest.approx(0.78, abs=0.08)


def test_targets_that_are_already_met_change_nothing() -> None:
    found = max_entropy(gaussian(20000, np.random.default_rng(4)), [MeasureTarget("a", 0.0, 1.0)])
    assert found.ess > 0.99 * 20000


def test_a_joint_target_moves_the_correlation() -> None:
    wanted = np.array([[1.0, 0.6], [0.6, 1.0]])
    targets = [MeasureTarget("a", 0.0, 1.0), MeasureTarget("b", 0.0, 1.0)]
    plain = max_entropy(gaussian(20000, np.random.default_rng(5)), targets)
    joint = max_entropy(gaussian(20000, np.random.default_rng(5)), targets, correlation=wanted)
    assert abs(plain.correlation[0, 1]) < 0.05
    assert joint.correlation[0, 1] == pytest.approx(0.6, abs=0.06)


def test_accept_and_reject_follows_the_joint_density() -> None:
    wanted = np.array([[1.0, 0.5], [0.5, 1.0]])
    targets = [MeasureTarget("a", 0.4, 0.7), MeasureTarget("b", 0.0, 0.7)]
    found = accept_reject(
        gaussian(20000, np.random.default_rng(6)), targets, np.random.default_rng(7), correlation=wanted
    )
    kept = found.weights > 0
    assert np.unique(found.weights[kept]).size == 1 and found.ess == pytest.approx(kept.sum())
    assert found.weights @ found.cloud.values == pytest.approx([0.4, 0.0], abs=0.06)
    assert found.correlation[0, 1] == pytest.approx(0.5, abs=0.1)
    assert max(found.ks) < 0.07


def test_both_methods_on_the_friberg_model(cloud: PlausiblePatients) -> None:
    targets = [
        MeasureTarget("baseline", np.log(5.0), 0.3),
        MeasureTarget("nadir", np.log(0.9), 0.7),
        MeasureTarget("nadir_h", 190.0, 22.0),
    ]
    weighted, chosen = max_entropy(cloud, targets), accept_reject(cloud, targets, np.random.default_rng(8))
    assert max(weighted.ks) < 0.1 and weighted.ess > 100
    assert max(chosen.ks) < 0.15 and chosen.ess > 30
    drawn = sample(weighted, 500, np.random.default_rng(9))
    assert drawn.shape == (500, 3)
    assert drawn.mean(axis=0) == pytest.approx(weighted.weights @ cloud.eta, abs=0.05)


def test_too_small_a_population_is_flagged() -> None:
    small = max_entropy(gaussian(60, np.random.default_rng(10)), [MeasureTarget("a", 2.0, 0.3)])
    assert not small.outcome.ok and "effective sample size" in small.outcome.detail


def test_collinear_and_unknown_targets_are_refused() -> None:
    with pytest.raises(Refusal, match="same quantity"):
        max_entropy(
            gaussian(500, np.random.default_rng(11), 0.9999), [MeasureTarget("a", 0, 1), MeasureTarget("b", 0, 1)]
        )
    with pytest.raises(Refusal, match="match no measure"):
        max_entropy(gaussian(500, np.random.default_rng(11)), [MeasureTarget("c", 0, 1)])
    with pytest.raises(Refusal, match="draw more"):
        max_entropy(gaussian(10, np.random.default_rng(11)), [MeasureTarget("a", 0, 1)])
