"""E-values against the published examples, and tipping points against their definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.external.sensitivity import e_value, tipping_point, tipping_table


@pytest.mark.parametrize(
    ("estimate", "low", "high", "point", "interval"),
    [
        (3.9, 1.8, 8.7, 7.26, 3.0),  # breastfeeding and respiratory death, VanderWeele & Ding 2017
        (0.80, 0.71, 0.91, 1.81, 1.43),  # leukemia, ibid.
        (1.1, 0.9, 1.3, 1.43, 1.0),
    ],
)
def test_published_risk_ratios(estimate: float, low: float, high: float, point: float, interval: float) -> None:
    assert e_value(estimate, low, high) == pytest.approx((point, interval), abs=5e-3)


@pytest.mark.parametrize("measure", ["risk_ratio", "hazard_ratio", "odds_ratio"])
def test_a_ratio_and_its_inverse_are_equally_strong(measure: str) -> None:
    assert e_value(2.5, measure=measure).point == pytest.approx(e_value(0.4, measure=measure).point)  # type: ignore[arg-type]


def test_approximations() -> None:
    """VanderWeele 2017: RR = sqrt(OR); RR = (1 - 0.5^sqrt(HR))/(1 - 0.5^sqrt(1/HR)); RR = exp(0.91 d)."""
    assert e_value(2.5, measure="odds_ratio").point == pytest.approx(e_value(np.sqrt(2.5)).point)
    assert e_value(0.5, measure="hazard_ratio").point == pytest.approx(2.606, abs=1e-3)
    assert e_value(0.5, measure="standardized_difference").point == pytest.approx(e_value(np.exp(0.455)).point)
    assert e_value(0.5, measure="hazard_ratio", rare=True) == pytest.approx(e_value(0.5), nan_ok=True)


def test_no_effect_needs_no_explanation() -> None:
    assert e_value(1.0).point == 1.0
    assert e_value(0.0, -0.1, 0.1, measure="standardized_difference") == (1.0, 1.0)


def test_the_tipping_shift_brings_the_limit_to_zero() -> None:
    found = tipping_point(-2.0, -3.5, -0.5, control_sd=4.0)
    assert found == (-0.5, -0.125)
    ((_, effect, low, high),) = tipping_table(-2.0, 1.5 / 1.959964, [found.shift])
    assert (effect, high) == pytest.approx((-1.5, 0.0), abs=1e-9)
    assert low < effect
    assert np.isnan(tipping_point(1.0, -1.0, 3.0, control_sd=1.0).shift)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: e_value(-1.0),
        lambda: e_value(2.0, 3.0, 4.0),
        lambda: e_value(1.5, measure="rate"),  # type: ignore[arg-type]
        lambda: tipping_point(1, 2, 3, control_sd=1),
        lambda: tipping_point(1, 0.5, 2, control_sd=0),
    ],
)
def test_impossible_input_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(Refusal):
        ask()
