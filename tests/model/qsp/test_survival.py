"""Survival from tumor growth and from hazards, against closed forms and published figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import simpson
from scipy.stats import lognorm

from twin_service.model.qsp.survival import (
    LogNormalSurvival,
    current_value_hazard,
    event_log_likelihood,
    survival_curve,
    time_to_growth_h,
)
from twin_service.outcome import Refusal

DAY = 24.0


def test_time_to_growth_and_median_survival_of_the_trial() -> None:
    """MONET1: time to growth 117.33 d; median survival 363.2 d and 650.7 d."""
    ttg = time_to_growth_h(0.00107 / DAY, 0.0103 / DAY, 0.0193 / DAY) / DAY
    assert ttg == pytest.approx(117.33, rel=1e-4)
    law = LogNormalSurvival()
    assert np.exp(law.log_median(90.0, ttg, smoker=1.0)) == pytest.approx(363.2, rel=1e-3)
    assert np.exp(law.log_median(90.0, ttg, asian=1.0)) == pytest.approx(650.7, rel=1e-3)


def test_a_tumor_that_never_shrinks_has_no_time_to_growth() -> None:
    assert time_to_growth_h(2.0, 1.0, 0.5) == 0.0
    assert time_to_growth_h(np.array([1.0, 0.0]), 1.0, 0.5).tolist() == [0.0, 1e9]


def test_lognormal_survival_and_likelihood_are_those_of_the_distribution() -> None:
    law = LogNormalSurvival()
    m = np.log(363.2)
    reference = lognorm(s=law.sigma, scale=363.2)
    assert law.survival([0.0, 100.0, 363.2], m) == pytest.approx([1.0, reference.sf(100.0), 0.5])
    assert law.log_likelihood(200.0, m, event=True) == pytest.approx(reference.logpdf(200.0))
    assert law.log_likelihood(200.0, m, event=False) == pytest.approx(reference.logsf(200.0))


def test_constant_and_weibull_hazards_have_their_closed_forms() -> None:
    t = np.linspace(0.0, 100.0, 2001)
    assert survival_curve(t, np.full_like(t, 0.02))[-1] == pytest.approx(np.exp(-2.0), rel=1e-9)
    weibull = current_value_hazard(1e-3, 0.0, np.zeros_like(t), shape=1.5, times_h=t)
    assert survival_curve(t, weibull)[-1] == pytest.approx(np.exp(-1e-3 * 100.0**1.5), rel=1e-4)


def test_a_larger_marker_raises_the_hazard_as_stated() -> None:
    h = current_value_hazard(0.01, 0.5, np.array([[0.0, 2.0], [1.0, 3.0]]))
    assert h[1] / h[0] == pytest.approx(np.exp(0.5))


def test_likelihoods_of_events_integrate_to_one_with_the_survivors() -> None:
    t = np.linspace(0.0, 50.0, 5001)
    h = 0.01 + 0.002 * np.sin(t) ** 2

    density = np.array([float(np.exp(event_log_likelihood(t, h, event_h=x))) for x in t[::10]])
    died = simpson(density, x=t[::10])
    alive = float(np.exp(event_log_likelihood(t, h, alive_h=50.0)))
    assert died + alive == pytest.approx(1.0, abs=1e-5)
    between = float(np.exp(event_log_likelihood(t, h, between_h=(10.0, 20.0))))
    assert between == pytest.approx(simpson(density[100:201], x=t[1000:2001:10]), rel=1e-4)


def test_many_members_at_once() -> None:
    t = np.linspace(0.0, 10.0, 101)
    h = np.array([0.1, 0.2])[:, None] * np.ones_like(t)
    assert event_log_likelihood(t, h, event_h=5.0) == pytest.approx(np.log([0.1, 0.2]) - [0.5, 1.0])


def test_a_hazard_below_zero_is_refused() -> None:
    with pytest.raises(Refusal, match="hazard"):
        survival_curve(np.array([0.0, 1.0]), np.array([0.1, -0.1]))
