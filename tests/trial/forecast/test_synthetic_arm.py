"""Twin forecasts of the control outcome against the exact conditional Gaussian of the same model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.trial.cohorts import COURSE, simulated_trial
from twin_service.cohort.learning import HOURS_PER_YEAR
from twin_service.model.progression import progression_model
from twin_service.outcome import Refusal
from twin_service.trial.forecast.control_arm import candidate
from twin_service.trial.forecast.synthetic_arm import (
    LEVELS,
    Lab,
    RandomizedPatient,
    calibration,
    control_forecasts,
    synthetic_difference,
)

MODEL = progression_model(COURSE)
PATIENT = RandomizedPatient("a", {"age_y": 60.0}, (Lab(0.0, "marker", 4.0),))


def exact(labs: list[tuple[float, float]], age: float, years: float) -> tuple[float, float]:
    """Mean and variance of log marker at `years` given log readings at `labs` (years, log value): joint Gaussian."""
    x = np.array([1.0, (age - 50) / 10])
    m = np.array([x @ COURSE.level, x @ COURSE.slope])
    z = np.array([1.0, years])
    mean, variance = z @ m, z @ COURSE.omega @ z + COURSE.sigma**2
    if labs:
        Z = np.array([[1.0, t] for t, _ in labs])
        S = Z @ COURSE.omega @ Z.T + COURSE.sigma**2 * np.eye(len(labs))
        c = z @ COURSE.omega @ Z.T
        mean = mean + c @ np.linalg.solve(S, np.array([v for _, v in labs]) - Z @ m)
        variance = variance - c @ np.linalg.solve(S, c)
    return float(mean), float(variance)


def one(patient: RandomizedPatient, years: float = 1.0, members: int = 1024):  # type: ignore[no-untyped-def]
    times = [years * HOURS_PER_YEAR]
    return control_forecasts(MODEL, [patient], times, analyte="marker", scale="log", members=members)[0]


@pytest.mark.parametrize("years", [0.5, 1.0, 4.0])
def test_one_baseline_lab(years: float) -> None:
    found = one(PATIENT, years)
    mean, variance = exact([(0.0, np.log(4.0))], 60.0, years)
    # 1,024 Sobol members: mean to 1 % of an SD, SD to 1 %
    assert found.mean[0] == pytest.approx(mean, abs=0.01 * np.sqrt(variance))
    assert found.sd[0] == pytest.approx(np.sqrt(variance), rel=0.01)
    assert found.quantiles[LEVELS.index(0.95), 0] == pytest.approx(mean + 1.6449 * np.sqrt(variance), abs=0.03)
    assert found.outcome.ok


def test_no_lab_is_the_population() -> None:
    found = one(replace(PATIENT, baseline=()))
    mean, variance = exact([], 60.0, 1.0)
    assert found.mean[0] == pytest.approx(mean, abs=0.01)
    assert found.sd[0] == pytest.approx(np.sqrt(variance), rel=0.01)


def test_several_screening_labs_count_from_the_first() -> None:
    """Hour 0 of the course is the first reading, so the visit lies a quarter year later on it."""
    quarter = 0.25 * HOURS_PER_YEAR
    patient = replace(PATIENT, baseline=(Lab(-quarter, "marker", 3.0), Lab(0.0, "marker", 4.0)))
    mean, variance = exact([(0.0, np.log(3.0)), (0.25, np.log(4.0))], 60.0, 1.25)
    found = one(patient)
    assert found.mean[0] == pytest.approx(mean, abs=0.01)
    assert found.sd[0] == pytest.approx(np.sqrt(variance), rel=0.01)


def test_a_forecast_depends_on_its_patient_alone() -> None:
    others = [RandomizedPatient(f"o{i}", {"age_y": 40.0 + i}, (Lab(0.0, "marker", 1.0 + i),)) for i in range(3)]
    times = [HOURS_PER_YEAR]
    alone = control_forecasts(MODEL, [PATIENT], times, analyte="marker")[0]
    among = control_forecasts(MODEL, [*others, PATIENT], times, analyte="marker")[3]
    np.testing.assert_array_equal(alone.mean, among.mean)
    np.testing.assert_array_equal(alone.quantiles, among.quantiles)


def test_every_visit_in_one_go() -> None:
    times = [0.5 * HOURS_PER_YEAR, HOURS_PER_YEAR]
    both = control_forecasts(MODEL, [PATIENT], times, analyte="marker", scale="log")[0]
    assert both.mean.shape == (2,) and both.quantiles.shape == (len(LEVELS), 2)
    assert both.mean[0] == pytest.approx(one(PATIENT, 0.5, 128).mean[0])
    assert both.mean[1] == pytest.approx(one(PATIENT, 1.0, 128).mean[0])
    assert both.sd[1] > both.sd[0]


def test_it_names_the_model_it_rests_on() -> None:
    assert COURSE.version in one(PATIENT).model
    other = progression_model(replace(COURSE, sigma=0.21))
    found = control_forecasts(other, [PATIENT], [1.0], analyte="marker")[0]
    assert found.model != one(PATIENT).model


def test_outside_the_patients_it_was_learned_from_it_warns() -> None:
    assert one(PATIENT).warnings == ()
    assert any("age_y" in w for w in one(replace(PATIENT, covariates={"age_y": 90.0})).warnings)


@pytest.mark.parametrize(
    ("patient", "times", "analyte", "field"),
    [
        (replace(PATIENT, baseline=(Lab(1.0, "marker", 4.0),)), [100.0], "marker", "candidates[0].baseline[0].time_h"),
        (PATIENT, [100.0], "weight", "analyte"),
        (PATIENT, [0.0], "marker", "times_h"),
        (PATIENT, [], "marker", "times_h"),
        (PATIENT, [200.0, 100.0], "marker", "times_h"),
        (replace(PATIENT, covariates={}), [100.0], "marker", "candidates[0].covariates.age_y"),
    ],
)
def test_what_cannot_be_forecast_is_refused(patient: RandomizedPatient, times: list, analyte: str, field: str) -> None:
    with pytest.raises(Refusal) as caught:
        control_forecasts(MODEL, [patient], times, analyte=analyte)
    assert caught.value.field == field


def test_bands_hold_for_patients_who_follow_the_model() -> None:
    """240 patients: a true 90 % is seen as 84-95 % except once in a thousand times."""
    patients = simulated_trial(np.random.default_rng(3), 120)
    found = control_forecasts(
        MODEL, [candidate(p, "marker") for p in patients], [HOURS_PER_YEAR], analyte="marker", scale="log", members=64
    )
    y = [float(np.log(p.readings[2].value)) for p in patients]
    held = calibration(found, y)
    assert 0.84 <= held.coverage90 <= 0.96
    assert abs(held.bias) < 4 * held.rmse / np.sqrt(240)
    assert held.z_sd == pytest.approx(1.0, abs=0.15)
    assert held.correlation > 0.8


def test_calibration_refuses_unequal_lengths() -> None:
    with pytest.raises(Refusal, match="1 readings for 3 forecasts"):
        calibration([one(PATIENT)] * 3, [1.0])


def test_synthetic_difference_is_welch_on_the_deviations() -> None:
    from scipy import stats

    rng = np.random.default_rng(4)
    f1, f0 = rng.normal(size=30), rng.normal(size=20)
    y1, y0 = f1 + 0.2 + rng.normal(size=30), f0 + 0.1 + 2 * rng.normal(size=20)
    found = synthetic_difference(y1, f1, y0, f0)
    wanted = stats.ttest_ind(y1 - f1, y0 - f0, equal_var=False)
    interval = wanted.confidence_interval(0.95)
    assert (found.p, found.df) == pytest.approx((wanted.pvalue, wanted.df))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.n_treated, found.n_control) == (30, 20)


def test_a_biased_forecast_biases_nothing() -> None:
    rng = np.random.default_rng(5)
    f1, f0 = rng.normal(size=50), rng.normal(size=50)
    y1, y0 = f1 + 0.3 * rng.normal(size=50), f0 + 0.3 * rng.normal(size=50)
    a, b = synthetic_difference(y1, f1, y0, f0), synthetic_difference(y1, f1 + 7, y0, f0 + 7)
    assert a.estimate == pytest.approx(b.estimate)
    with pytest.raises(Refusal):
        synthetic_difference(y1, f1, y0[:1], f0[:1])
