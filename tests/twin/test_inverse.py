"""Doses and waiting times solved backwards, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tests.twin.one_compartment import CL, OMEGA2, V, dose, one_compartment, person, weight
from twin_service.outcome import Refusal, Verdict
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import PlannedDoses
from twin_service.scenario.target import Target
from twin_service.twin.fold import Folded, fold
from twin_service.twin.inverse import dose_for, hours_until_below, interval_for

ONE_DOSE = PlannedDoses("drugx", "iv", 1.0, 24.0, 1)


@pytest.fixture(scope="module")
def fresh() -> Folded:
    return fold(one_compartment(), person(), Timeline.of([weight(), dose(100.0, 0.0, "d")]))


@pytest.mark.parametrize("quantile", [0.5, 0.1])
def test_the_dose_for_an_auc(fresh: Folded, quantile: float) -> None:
    """After washout AUC = dose / (CL exp(eta)); its p-quantile uses the (1-p)-quantile of eta. Bound: 256-member
    quantiles and the trapezoid, 2 %."""
    found = dose_for(
        fresh, ONE_DOSE, Target("drugx", "auc"), 50.0, start_h=200.0, horizon_h=300.0, quantile=quantile, members=256
    )
    exact = 50.0 * CL * np.exp(np.sqrt(OMEGA2) * norm.ppf(1.0 - quantile))
    assert found.outcome.ok
    assert found.amount_mg == pytest.approx(exact, rel=0.02)


def test_an_unreachable_goal_is_said_not_guessed(fresh: Folded) -> None:
    found = dose_for(
        fresh,
        ONE_DOSE,
        Target("drugx", "peak"),
        1e6,
        start_h=200.0,
        horizon_h=24.0,
        bounds_mg=(1.0, 1000.0),
        members=16,
    )
    assert found.outcome.verdict is Verdict.NOT_CONVERGED and "1000 mg gives" in found.outcome.detail


def test_hours_until_a_level(fresh: Folded) -> None:
    """Median of exp(-k t): k is monotone in eta, so the median patient has eta = 0."""
    hours = hours_until_below(fresh, "drugx", 1.0, start_h=0.01, within_h=100.0, members=256)
    assert hours + 0.01 == pytest.approx(np.log(100.0 / V / 1.0) * V / CL, rel=0.01)
    assert hours_until_below(fresh, "drugx", 1.0, start_h=0.01, within_h=5.0, members=16) == np.inf
    assert hours_until_below(fresh, "drugx", 99.0, start_h=0.01, within_h=5.0, members=16) == 0.0


@pytest.mark.parametrize(("goal", "quantile"), [(-1.0, 0.5), (float("nan"), 0.5), (1.0, 1.0)])
def test_bad_goals_are_refused(fresh: Folded, goal: float, quantile: float) -> None:
    with pytest.raises(Refusal):
        dose_for(fresh, ONE_DOSE, Target("drugx", "peak"), goal, start_h=1.0, horizon_h=1.0, quantile=quantile)


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_the_interval_for_a_trough(fresh: Folded, quantile: float) -> None:
    """One dose from nothing: the level after tau is 100/V exp(-CL/V tau), largest where clearance is smallest."""
    plan = PlannedDoses("drugx", "iv", 100.0, 8.0, 1)
    start_h = 500.0
    found = interval_for(fresh, plan, "drugx", 1.0, start_h=start_h, quantile=quantile, members=1024)
    cl = CL * np.exp(norm.ppf(1 - quantile) * np.sqrt(OMEGA2))
    assert found.outcome.ok and found.interval_h == pytest.approx(np.log(100.0 / V / 1.0) * V / cl, rel=0.01)


def test_an_unreachable_trough_names_the_nearest(fresh: Folded) -> None:
    plan = PlannedDoses("drugx", "iv", 100.0, 8.0, 2)
    found = interval_for(fresh, plan, "drugx", 50.0, start_h=500.0, members=16)
    assert found.outcome.verdict is Verdict.NOT_CONVERGED and found.interval_h == 1.0
    assert "gives a trough of 50" in found.outcome.detail
