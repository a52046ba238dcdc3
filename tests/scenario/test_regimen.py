"""Plans become doses, and metrics are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.one_compartment import one_compartment
from twin_service.outcome import Refusal
from twin_service.scenario.grid import forecast_hours
from twin_service.scenario.regimen import PlannedDoses, Regimen, planned_doses
from twin_service.scenario.target import Target, measure

HOURS = np.linspace(0.0, 24.0, 2401)
DECAY = np.array([10.0 * np.exp(-0.1 * HOURS), 5.0 * np.exp(-0.1 * HOURS)])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("x", "peak"), [10.0, 5.0]),
        (Target("x", "minimum"), [10.0 * np.exp(-2.4), 5.0 * np.exp(-2.4)]),
        (Target("x", "final", to_h=10.0), [10.0 * np.exp(-1.0), 5.0 * np.exp(-1.0)]),
        (Target("x", "auc"), [100.0 * (1 - np.exp(-2.4)), 50.0 * (1 - np.exp(-2.4))]),
        (Target("x", "average"), [100.0 / 24 * (1 - np.exp(-2.4)), 50.0 / 24 * (1 - np.exp(-2.4))]),
        (Target("x", "auc", from_h=10.0, to_h=20.0), [100 * (np.exp(-1) - np.exp(-2)), 50 * (np.exp(-1) - np.exp(-2))]),
        (Target("x", "fraction_above", threshold=5.0), [10.0 * np.log(2.0) / 24.0, 0.0]),
        (Target("x", "trough"), [10.0 * np.exp(-2.4), 5.0 * np.exp(-2.4)]),
    ],
    ids=lambda v: v.metric if isinstance(v, Target) else "",
)
def test_metrics_of_an_exponential_decay(target: Target, expected: list[float]) -> None:
    """Tolerance: the trapezoid on 0.01 h steps; the share of time above is known to one step."""
    found = measure(target, HOURS, DECAY, np.array([0.0, 12.0]))
    assert found == pytest.approx(expected, rel=1e-5, abs=5e-4)


def test_the_worst_trough_counts() -> None:
    saw = np.array([[3.0, 9.0, 2.0, 8.0, 4.0]])
    assert measure(Target("x", "trough"), np.arange(5.0), saw, np.array([0.0, 2.0])) == pytest.approx([2.0])


def test_a_plan_becomes_doses_with_its_loading_dose_first() -> None:
    plan = Regimen("r", (PlannedDoses("drugx", "iv", 50.0, 12.0, 3, 1.0, 2.0, loading_mg=120.0),))
    doses = planned_doses(one_compartment(), plan, 100.0)
    assert [(d.time_h, d.amount, d.duration_h) for d in doses] == [
        (102.0, 120.0, 1.0),
        (114.0, 50.0, 1.0),
        (126.0, 50.0, 1.0),
    ]


@pytest.mark.parametrize(
    "plan",
    [
        PlannedDoses("drugx", "iv", -1.0, 12.0, 1),
        PlannedDoses("drugx", "iv", float("nan"), 12.0, 1),
        PlannedDoses("drugx", "iv", 1.0, 0.0, 2),
        PlannedDoses("drugx", "iv", 1.0, 12.0, 0),
        PlannedDoses("drugx", "iv", 1.0, 12.0, 1, duration_h=-1.0),
        PlannedDoses("drugx", "rectal", 1.0, 12.0, 1),
    ],
)
def test_an_impossible_plan_is_refused(plan: PlannedDoses) -> None:
    with pytest.raises(Refusal):
        planned_doses(one_compartment(), Regimen("r", (plan,)), 0.0)


def test_the_grid_holds_every_dose_time_and_the_end() -> None:
    doses = planned_doses(one_compartment(), Regimen("r", (PlannedDoses("drugx", "iv", 1.0, 7.3, 3),)), 5.0)
    grid = forecast_hours(doses, 5.0, 24.0, 1.0)
    assert {0.0, 7.3, 14.6, 24.0} <= set(grid.tolist())
    assert np.all(np.diff(grid) > 0) and grid[-1] == 24.0


def test_a_window_without_points_is_refused() -> None:
    with pytest.raises(Refusal, match="fewer than two time points"):
        measure(Target("x", "auc", from_h=30.0), HOURS, DECAY, np.zeros(0))
