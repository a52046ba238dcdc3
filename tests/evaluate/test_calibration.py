"""The judge of calibration judged: it passes what is calibrated and finds what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_service.evaluate.calibration import TRIALS, calibrate, calibration_figures, judged, simulated
from twin_service.evaluate.forecast import Forecast
from twin_service.evaluate.shares import shared_out
from twin_service.twin.assemble import build


def forecasts(width: float, shift: float, count: int = 4000) -> list[Forecast]:
    """Standard normal readings with bands `width` times as wide as they should be, moved by `shift`."""
    from scipy.special import ndtr

    y = np.random.default_rng(5).standard_normal(count)
    return [
        Forecast("s", 0.0, "a", 0, v, False, 0.0, -1.0, 1.0, shift, shift - 1.645 * width, shift + 1.645 * width,
                 float(ndtr((v - shift) / width)))
        for v in y
    ]  # fmt: skip


def test_what_is_calibrated_passes() -> None:
    c = judged(forecasts(1.0, 0.0), 4000)
    assert 0.89 < c.coverage90 < 0.91 and c.p_mean > 0.01 and c.p_variance > 0.01


@pytest.mark.parametrize(("width", "shift"), [(0.8, 0.0), (1.25, 0.0), (1.0, 0.2)])
def test_what_is_not_is_found(width: float, shift: float) -> None:
    c = judged(forecasts(width, shift), 4000)
    assert min(c.p_mean, c.p_variance) < 1e-6


@pytest.mark.parametrize("name", sorted(TRIALS))
def test_bands_of_a_small_cohort_are_neither_useless_nor_blind(name: str) -> None:
    """20 patients: the share inside has a standard error of 0.035; the full 500 are `twin qualify --estimation`."""
    trial = TRIALS[name]
    model = build(trial.model)
    subjects = simulated(trial, model, 20, np.random.default_rng(3))
    c = calibrate(model, subjects, "unscented", workers=1)
    assert c.readings == 20 * len(trial.readings)
    assert 0.77 <= c.coverage90 <= 0.99
    assert 0.5 < c.npde_variance < 1.8


def test_bands_of_another_model_are_seen_to_be_wrong() -> None:
    """Patients three times as different as the model says fall outside its first bands."""
    trial = TRIALS["poppk"]
    model = build(trial.model)
    wild = replace(model, omega=9.0 * model.omega)
    subjects = simulated(trial, wild, 60, np.random.default_rng(4))
    assert calibrate(model, subjects, "unscented", workers=1).npde_variance > 1.5


def test_tasks_come_back_in_order_whatever_the_workers() -> None:
    told: list[str] = []
    assert shared_out(lambda k: k * k, 37, workers=2, say=told.append) == [k * k for k in range(37)]
    assert told[0] == "3 of 37" and len(told) == 12


@pytest.mark.slow
def test_five_hundred_patients_of_each_kind_are_calibrated() -> None:
    found = calibration_figures()
    for name in TRIALS:
        assert 0.88 <= found[f"estimation.coverage90_{name}"] <= 0.92
        assert found[f"estimation.npde_p_mean_{name}"] > 0.01
        assert found[f"estimation.npde_p_variance_{name}"] > 0.01
