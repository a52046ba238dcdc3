"""Grades, counts and member weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom, norm, poisson

from twin_service.model.qsp.likelihood import (
    count_log_likelihood,
    grade,
    grade_log_likelihood,
    grade_probabilities,
    reweighted,
    scale_of,
)
from twin_service.model.structure import ErrorLaw
from twin_service.outcome import Refusal

ANC = scale_of("neutrophils")


def test_grades_follow_ctcae() -> None:
    assert grade(ANC, np.array([5.0, 2.0, 1.9, 1.5, 1.4, 0.99, 0.5, 0.49])).tolist() == [0, 0, 1, 1, 2, 3, 3, 4]
    qtc = scale_of("qtc")
    assert grade(qtc, np.array([430.0, 451.0, 485.0, 501.0])).tolist() == [0, 1, 2, 3]


def test_grade_probabilities_follow_the_weights() -> None:
    found = grade_probabilities(ANC, np.array([3.0, 0.4, 0.4]), np.array([2.0, 1.0, 1.0]))
    assert found.tolist() == [0.5, 0.0, 0.0, 0.0, 0.5]


@pytest.mark.parametrize("error", [ErrorLaw(kind="log", proportional=0.4), ErrorLaw(additive=0.2, proportional=0.3)])
def test_the_likelihoods_of_all_grades_sum_to_one(error: ErrorLaw) -> None:
    predicted = np.array([0.05, 0.6, 2.0, 8.0])
    total = sum(np.exp(grade_log_likelihood(ANC, g, predicted, error)) for g in range(5))
    assert total == pytest.approx(1.0, rel=1e-9)


def test_a_grade_is_an_interval_censored_reading() -> None:
    got = grade_log_likelihood(ANC, 3, np.array([0.9]), ErrorLaw(kind="log", proportional=0.4))
    z = (np.log([0.5, 1.0]) - np.log(0.9)) / 0.4
    assert got[0] == pytest.approx(np.log(norm.cdf(z[1]) - norm.cdf(z[0])))


def test_far_tails_stay_finite() -> None:
    far = grade_log_likelihood(ANC, 4, np.array([50.0]), ErrorLaw(kind="log", proportional=0.1))
    assert np.isfinite(far[0]) and far[0] < -500


def test_an_unknown_grade_or_analyte_is_refused() -> None:
    with pytest.raises(Refusal, match="grades 0 to 4, not 5"):
        grade_log_likelihood(ANC, 5, np.array([1.0]), ErrorLaw(additive=1.0))
    with pytest.raises(Refusal, match="no toxicity grades for 'mood'"):
        scale_of("mood")


def test_counts_are_poisson_or_negative_binomial() -> None:
    mean = np.array([0.5, 4.0])
    assert count_log_likelihood(3, mean) == pytest.approx(poisson.logpmf(3, mean))
    r = 1 / 0.7
    assert count_log_likelihood(3, mean, overdispersion=0.7) == pytest.approx(nbinom.logpmf(3, r, r / (r + mean)))


def test_members_are_weighted_by_what_was_seen() -> None:
    found = reweighted(np.log([0.2, 0.6, 0.2]), np.array([0.5, 0.25, 0.25]))
    assert found.weights == pytest.approx(np.array([0.1, 0.15, 0.05]) / 0.3)
    assert found.ess == pytest.approx(1 / np.sum(found.weights**2)) and found.outcome.ok


def test_too_few_members_are_reported() -> None:
    lost = reweighted(np.array([0.0] + [-50.0] * 499))
    assert not lost.outcome.ok and lost.ess == pytest.approx(1.0)
    nobody = reweighted(np.full(10, -np.inf))
    assert not nobody.outcome.ok and nobody.weights == pytest.approx(0.1)
