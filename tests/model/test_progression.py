"""A learned course as a patient model: the line it says, in both scales, and a version that names its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_service.model.progression import Predictor, Progression, progression_model
from twin_service.solver.schedule import NOTHING
from twin_service.solver.simulate import simulate

COURSE = Progression(
    "marker",
    "mg/L",
    "log",
    (
        Predictor("age_y", "a", 50.0, 10.0, low=20, high=80),
        Predictor("albumin_g_l", "g/L", np.log(35), 0.2, True, 20, 50),
    ),
    level=np.array([0.5, 0.3, -0.2]),
    slope=np.array([0.2, 0.05, 0.1]),
    omega=np.array([[0.5, 0.05], [0.05, 0.04]]),
    sigma=0.2,
    unit_h=8766.0,
    learned_from="made up",
)
PATIENT = {"age_y": 65.0, "albumin_g_l": 28.0}


def line(course: Progression, eta: np.ndarray, years: np.ndarray) -> np.ndarray:
    x = np.array([1.0, (65 - 50) / 10, (np.log(28) - np.log(35)) / 0.2])
    return x @ course.level + eta[0] + (x @ course.slope + eta[1]) * years


@pytest.mark.parametrize("scale", ["log", "identity"])
def test_the_solution_is_the_line(scale: str) -> None:
    course = replace(COURSE, scale=scale)
    model = progression_model(course)
    eta, years = np.array([0.4, -0.1]), np.array([0.0, 0.3, 1.0, 7.0])
    run = simulate(model.system, model.members(PATIENT, eta), NOTHING, years * 8766.0)
    wanted = line(course, eta, years)
    column = model.system.output_index[model.observables["marker"].output]
    np.testing.assert_allclose(run.outputs[0, :, column], np.exp(wanted) if scale == "log" else wanted, rtol=1e-6)


def test_noise_is_on_the_scale_of_the_course() -> None:
    log, plain = (progression_model(replace(COURSE, scale=s)).observables["marker"].error for s in ("log", "identity"))
    assert (log.kind, log.proportional) == ("log", 0.2)
    assert (plain.kind, plain.additive, plain.proportional) == ("normal", 0.2, 0.0)


def test_effects_carry_the_learned_spread() -> None:
    model = progression_model(COURSE)
    np.testing.assert_array_equal(model.omega, COURSE.omega)
    assert [e.variance for e in model.effects] == [0.5, 0.04]


def test_version_follows_every_number() -> None:
    changes = [
        {"sigma": 0.21},
        {"level": COURSE.level + 1e-9},
        {"slope": COURSE.slope * 2},
        {"unit_h": 24.0},
        {"omega": COURSE.omega * 2},
        {"scale": "identity"},
        {"predictors": COURSE.predictors[:1]},
    ]
    versions = {COURSE.version} | {replace(COURSE, **c).version for c in changes}
    assert len(versions) == 8
    assert replace(COURSE, learned_from="elsewhere").version == COURSE.version


def test_outside_the_range_seen_there_is_a_warning() -> None:
    model = progression_model(COURSE)
    assert model.warnings(PATIENT) == []
    assert "albumin_g_l" in model.warnings({**PATIENT, "albumin_g_l": 60.0})[0]
