"""Forecasts from historical controls: the same course whoever asks, extrapolation told, nobody teaching himself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.trial.cohorts import simulated_trial
from twin_service.cohort.learning import HOURS_PER_YEAR, CohortSubject, CovariateUse, EndpointReading
from twin_service.outcome import Refusal
from twin_service.trial.forecast.history import forecast_from_history, longest_follow_up_h, shared_covariates

OPTIONS = {"analyte": "marker", "unit": "mg/L"}


def people(seed: int, count: int, prefix: str) -> list[CohortSubject]:
    patients = simulated_trial(np.random.default_rng(seed), count // 2)
    return [CohortSubject(f"{prefix}{p.id}", p.covariates, p.readings) for p in patients]


def at_baseline(subjects: list[CohortSubject]) -> list[CohortSubject]:
    return [replace(s, readings=s.readings[:1]) for s in subjects]


HISTORY = people(1, 120, "h")
NEW = people(2, 60, "n")


def test_new_patients_are_forecast_and_the_bands_hold() -> None:
    found = forecast_from_history(at_baseline(NEW), HISTORY, [HOURS_PER_YEAR], answer_scale="log", **OPTIONS)
    y = np.array([np.log(s.readings[2].value) for s in NEW])
    mean = np.array([f.mean[0] for f in found.forecasts])
    inside = [f.quantiles[0, 0] <= v <= f.quantiles[-1, 0] for f, v in zip(found.forecasts, y, strict=True)]
    assert np.corrcoef(mean, y)[0, 1] > 0.8
    # 60 patients: a true 90 % is seen as 76-100 % except once in a thousand times
    assert np.mean(inside) > 0.76
    assert found.progression.learned_from == "historical controls; 120 patients, 480 readings"


def test_answers_can_be_in_the_endpoints_unit() -> None:
    log = forecast_from_history(at_baseline(NEW[:2]), HISTORY, [1000.0], answer_scale="log", **OPTIONS)
    plain = forecast_from_history(at_baseline(NEW[:2]), HISTORY, [1000.0], **OPTIONS)
    for a, b in zip(log.forecasts, plain.forecasts, strict=True):
        np.testing.assert_allclose(np.exp(a.quantiles[2]), b.quantiles[2], rtol=1e-3)
        assert b.mean[0] > b.quantiles[2, 0]


def test_a_subject_does_not_change_anothers_forecast() -> None:
    alone = forecast_from_history(at_baseline(NEW[:1]), HISTORY, [1000.0], **OPTIONS).forecasts[0]
    among = forecast_from_history(at_baseline(NEW), HISTORY, [1000.0], **OPTIONS).forecasts[0]
    np.testing.assert_array_equal(alone.mean, among.mean)


def test_shared_covariates_are_those_all_have_and_that_vary() -> None:
    a = CohortSubject("a", {"age_y": 50.0, "site": 1.0, "albumin": 35.0}, ())
    b = CohortSubject("b", {"age_y": 60.0, "site": 1.0}, ())
    assert shared_covariates([a, b], [a, b]) == (CovariateUse("age_y", "1"),)
    assert shared_covariates([], []) == ()


def test_beyond_the_longest_follow_up_it_warns() -> None:
    assert longest_follow_up_h(HISTORY) == pytest.approx(2 * HOURS_PER_YEAR)
    assert longest_follow_up_h([]) == 0.0
    near = forecast_from_history(at_baseline(NEW[:1]), HISTORY, [HOURS_PER_YEAR], **OPTIONS)
    far = forecast_from_history(at_baseline(NEW[:1]), HISTORY, [3 * HOURS_PER_YEAR], **OPTIONS)
    assert not near.forecasts[0].warnings
    assert "no historical control was followed" in far.forecasts[0].warnings[-1]


def test_a_patient_in_both_groups_is_refused_without_his_name() -> None:
    with pytest.raises(Refusal) as caught:
        forecast_from_history(at_baseline(HISTORY[:2]), HISTORY, [1000.0], **OPTIONS)
    assert caught.value.reason == "TEACHES_ITSELF"
    assert HISTORY[0].id not in caught.value.message


def test_a_reading_after_the_index_date_is_refused() -> None:
    late = [replace(NEW[0], readings=(*NEW[0].readings[:1], EndpointReading(24.0, 3.0)))]
    with pytest.raises(Refusal, match="nothing measured after randomization"):
        forecast_from_history(late, HISTORY, [1000.0], **OPTIONS)


def test_no_history_is_refused() -> None:
    with pytest.raises(Refusal, match="no series"):
        forecast_from_history(at_baseline(NEW[:1]), [], [1000.0], **OPTIONS)
