"""Sample sizes against the closed form, published examples of the saving, and simulated power."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.adjust.ancova import ancova
from twin_service.trial.adjust.planning import Assumptions, plan, power

BASE = Assumptions(effect=0.3, sd_control=1.0)


def test_without_a_forecast_it_is_the_textbook_size() -> None:
    """4 (1.959964 + 1.281552)^2 / 0.3^2 = 466.997."""
    found = plan(BASE)
    assert found.exact == pytest.approx(466.9966, abs=1e-3)
    assert (found.treated, found.control, found.patients) == (234, 234, 468)
    assert found.patients_unadjusted == 468
    assert found.saved_share == pytest.approx(0)


@pytest.mark.parametrize("r", [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
def test_the_saving_is_the_squared_correlation(r: float) -> None:
    found = plan(replace(BASE, correlation_control=r))
    assert found.saved_share == pytest.approx(r**2)
    assert found.exact == pytest.approx(466.99658 * (1 - r**2), rel=1e-6)


def test_planned_power_is_reached() -> None:
    assumptions = replace(BASE, correlation_control=0.5, share_treated=2 / 3)
    found = plan(assumptions)
    assert power(assumptions, found.patients) >= 0.9
    assert power(assumptions, found.patients - 6) < 0.9
    assert found.treated == pytest.approx(2 * found.control, abs=1)


def test_planned_power_is_what_simulated_trials_show() -> None:
    """2,000 trials: power of 0.9 is known to 0.7 points (1 SE); normal theory is 1 point generous at n = 150."""
    rng = np.random.default_rng(1)
    n = plan(Assumptions(effect=0.45, sd_control=1.0, correlation_control=0.6)).patients
    found = []
    for _ in range(2000):
        w = (rng.permutation(n) < n // 2).astype(float)
        f = rng.normal(size=n)
        y = 0.45 * w + 0.6 * f + 0.8 * rng.normal(size=n)
        found.append(ancova(y, w, f, errors="classical").p < 0.05)
    assert np.mean(found) == pytest.approx(0.9, abs=0.025)


def test_discounts_cost_patients() -> None:
    bold = plan(replace(BASE, correlation_control=0.6))
    careful = plan(replace(BASE, correlation_control=0.6, deflate=0.8, inflate=1.1))
    assert careful.patients > bold.patients
    assert careful.exact == pytest.approx(466.99658 * 1.21 * (1 - 0.48**2), rel=1e-6)


def test_dropout_is_added_before_rounding() -> None:
    found = plan(replace(BASE, dropout=0.2))
    assert found.treated == found.control == int(np.ceil(466.99658 / 2 / 0.8))


def test_no_effect_has_the_power_of_the_level() -> None:
    assert power(replace(BASE, effect=1e-9), 200) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"effect": 0.0},
        {"effect": float("nan")},
        {"alpha": 0.0},
        {"power": 0.01},
        {"power": 1.0},
        {"deflate": 1.1},
        {"inflate": 0.9},
        {"dropout": 1.0},
        {"sd_control": -1.0},
        {"correlation_control": 1.0},
        {"share_treated": 0.0},
    ],
)
def test_impossible_plans_are_refused(change: dict) -> None:
    with pytest.raises(Refusal):
        plan(replace(BASE, **change))


def test_a_trial_of_three_is_refused() -> None:
    with pytest.raises(Refusal, match="patients"):
        power(BASE, 3)
