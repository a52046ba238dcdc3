"""What moves a level between occasions, beside the assay: variances add up, laws keep their scale, none is negative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from twin_service.model.structure import ErrorLaw
from twin_service.scenario.occasion import (
    WithinPatient,
    lasting,
    load_occasions,
    next_readings,
    true_levels,
    variances,
    within_patient,
)

Z = ndtri((np.arange(4096) + 0.5) / 4096)
PLAIN = WithinPatient(0.05)


def test_assay_and_patient_share_the_residual_variance() -> None:
    f = np.full(4096, 10.0)
    law = ErrorLaw(additive=0.3, proportional=0.2)
    read, true = next_readings(f, law, Z, PLAIN), true_levels(f, law, Z, PLAIN)
    assert read.var() == pytest.approx(0.3**2 + 2.0**2, rel=2e-3)
    assert read.var() - true.var() == pytest.approx(0.5**2, rel=5e-3)


def test_a_model_whose_error_is_the_assay_moves_no_level() -> None:
    f = np.array([1.0, 7.0])
    assert list(true_levels(f, ErrorLaw(proportional=0.04), np.array([1.0, -2.0]), PLAIN)) == [1.0, 7.0]


def test_a_lognormal_law_stays_lognormal_and_nothing_is_negative() -> None:
    f = np.full(4096, 3.0)
    law = ErrorLaw(proportional=0.4, kind="log")
    assert np.log(next_readings(f, law, Z, PLAIN)).std() == pytest.approx(0.4, rel=2e-3)
    assert true_levels(np.full(4096, 0.1), ErrorLaw(additive=1.0), Z, PLAIN).min() == 0.0
    assert true_levels(np.full(4096, -2.0), ErrorLaw(additive=1.0), Z, PLAIN).min() < -2.0


def test_the_scale_follows_what_the_past_of_this_patient_shows() -> None:
    start = replace(PLAIN, freedom=30.0)
    assert start.learned([]) == start
    assert start.learned([1.0] * 10).scale == pytest.approx(1.0)
    assert start.learned([4.0] * 10).scale == pytest.approx((30 + 40) / 40)
    assert start.learned([0.1] * 10).scale < 1.0
    assert start.learned([1e9]).scale == pytest.approx(55 / 31), "an impossible reading says nothing of the patient"
    assert start.learned([float("nan")]) == start


def test_effects_of_the_next_occasion_keep_the_variance_of_the_population() -> None:
    rng = np.random.default_rng(1)
    eta, fresh = rng.standard_normal((2, 40_000, 1))
    then = lasting(eta, fresh, 0.8)
    assert then.std() == pytest.approx(1.0, abs=0.02)
    assert np.corrcoef(eta[:, 0], then[:, 0])[0, 1] == pytest.approx(0.8, abs=0.02)
    assert lasting(eta, fresh, 1.0) is eta


def test_the_library_says_what_was_learned_and_where() -> None:
    assert within_patient(("warfarin_oreilly",)).persistence == 0.8
    assert within_patient(("no_such_model",)).scale == 1.0
    assert all(r.scale.origin and r.persistence.origin for r in load_occasions().within_patient)
    parts = variances(np.array([10.0]), ErrorLaw(proportional=0.2), PLAIN)
    assert (parts[0] + parts[1])[0] == pytest.approx(4.0)
