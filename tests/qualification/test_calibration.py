"""The judge of calibration judged: it passes what is calibrated and finds what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_service.fit.forecast import SubjectForecast
from twin_service.fit.process_pool import shared_out
from twin_service.qualification.estimation.calibration import (
    TRIALS,
    calibration_figures,
    forecast_all,
    judged,
    simulated,
    trial_forecasts,
)
from twin_service.twin.assemble import build


def forecasts(width: float, shift: float, count: int = 4000) -> list[SubjectForecast]:
    """Standard normal readings with bands `width` times as wide as they should be, moved by `shift`."""
    from scipy.special import ndtr

    y = np.random.default_rng(5).standard_normal(count)
    return [
        SubjectForecast(
            f"s{k // 4}",
            0.0,
            "a",
            k % 4,
            v,
            False,
            0.0,
            -1.0,
            1.0,
            shift,
            shift - 1.645 * width,
            shift + 1.645 * width,
            float(ndtr((v - shift) / width)),
        )
        for k, v in enumerate(y)
    ]


def test_what_is_calibrated_passes() -> None:
    c = judged(forecasts(1.0, 0.0))
    assert 0.89 < c.coverage90 < 0.91 and c.p_mean > 0.01 and c.p_variance > 0.01


@pytest.mark.parametrize(("width", "shift"), [(0.8, 0.0), (1.25, 0.0), (1.0, 0.2)])
def test_what_is_not_is_found(width: float, shift: float) -> None:
    c = judged(forecasts(width, shift))
    assert min(c.p_mean, c.p_variance) < 1e-6


# A whole-body cohort takes half a minute; the bounded slice of the default run is the others.
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "pbpk" else n for n in sorted(TRIALS)]
)
def test_bands_of_a_small_cohort_are_neither_useless_nor_blind(name: str) -> None:
    """20 patients: the share inside has a standard error of 0.035; the full 500 are `twin qualify --estimation`."""
    trial = TRIALS[name]
    model = build(trial.model)
    subjects = simulated(trial, model, 20, np.random.default_rng(3))
    c = judged(forecast_all(model, subjects, "auto", workers=1))
    assert c.readings == 20 * len(trial.readings)
    assert 0.77 <= c.coverage90 <= 0.99
    assert 0.5 < c.npde_variance < 1.8


def test_bands_of_another_model_are_seen_to_be_wrong() -> None:
    """Patients three times as different as the model says fall outside its first bands."""
    trial = TRIALS["poppk"]
    model = build(trial.model)
    wild = replace(model, omega=9.0 * model.omega)
    subjects = simulated(trial, wild, 60, np.random.default_rng(4))
    assert judged(forecast_all(model, subjects, "unscented", workers=1)).npde_variance > 1.5


def test_readings_of_one_patient_are_not_counted_as_independent() -> None:
    """The same shift in all four readings of a patient: 1000 patients, not 4000, stand behind the test."""
    alone = forecasts(1.0, 0.0, 1000)
    together = [replace(f, subject=f"p{k}", history=j) for k, f in enumerate(alone) for j in range(4)]
    one, four = judged([replace(f, subject=f"p{k}") for k, f in enumerate(alone)]), judged(together)
    assert four.readings == 4 * one.readings and four.patients == one.patients
    assert four.p_mean == pytest.approx(one.p_mean) and four.p_variance == pytest.approx(one.p_variance)


def test_diseases_are_also_judged_together() -> None:
    trials = {"qsp_inr": TRIALS["qsp_inr"]}
    found = trial_forecasts(4, estimator="unscented", trials=trials)
    assert len(found["qsp"]) == len(found["qsp_inr"]) == 16
    assert calibration_figures(found)["estimation.calibration_patients_qsp"] == 4.0


def test_tasks_come_back_in_order_whatever_the_workers() -> None:
    told: list[str] = []
    assert shared_out(lambda k: k * k, 37, workers=2, say=told.append) == [k * k for k in range(37)]
    assert told[0] == "3 of 37" and len(told) == 12


@pytest.mark.slow
def test_five_hundred_patients_of_each_kind_are_calibrated() -> None:
    found = calibration_figures(trial_forecasts(500))
    for name in (*TRIALS, "qsp"):
        assert 0.88 <= found[f"estimation.coverage90_{name}"] <= 0.92
        assert found[f"estimation.npde_p_mean_{name}"] > 0.01
        assert found[f"estimation.npde_p_variance_{name}"] > 0.01
