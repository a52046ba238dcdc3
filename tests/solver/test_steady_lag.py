"""Steady states of doses that are on their way for a while: they hold from the record on, not from the entry."""

from __future__ import annotations

import numpy as np
import pytest

from tests.solver.systems import one_compartment, saturable
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.sensitivity import simulate_sensitivities
from twin_service.solver.simulate import Tolerances, simulate
from twin_service.solver.system import System

TIGHT = Tolerances(rtol=1e-10, atol_scale=1e-4)
T, TAU = 40.0, 12.0
TIMES = T + np.array([0.0, 0.0, 1.0, 4.0, 7.5, 11.9, 14.0, 23.0, 30.5, 47.0])
AFTER = np.array([False, True, *(False for _ in TIMES[2:])])


def values(system: System, **changed: float) -> list[float]:
    return [changed.get(p.name, p.value) for p in system.parameters]


def course(input: str, duration: float, *, adds: bool = False) -> Schedule:
    """Something else before, then the steady state at T with the doses that follow it."""
    before = Dose(T - 3.0, "iv", 70.0)
    return Schedule((before, Dose(T, input, 100.0, duration, TAU, adds), Dose(T + TAU, input, 100.0, duration)))


def long_past(input: str, duration: float, count: int = 150) -> Schedule:
    return Schedule(tuple(Dose(T - k * TAU, input, 100.0, duration) for k in range(count, -2, -1)))


@pytest.mark.parametrize("make", [one_compartment, saturable])
@pytest.mark.parametrize("lag", [0.0, 5.0, 12.0, 17.0, 30.0])
@pytest.mark.parametrize(("input", "duration"), [("oral", 0.0), ("oral", 3.0), ("oral", 14.0), ("zero_order", 0.0)])
def test_it_is_what_a_long_past_of_the_same_doses_leads_to(make, lag: float, input: str, duration: float) -> None:  # type: ignore[no-untyped-def]
    system = make()
    p = values(system, lag=lag)
    found = simulate(system, [p], course(input, duration), TIMES, after_dose=AFTER, tolerances=TIGHT).outputs[0, :, 0]
    start = T - 160 * TAU
    expected = simulate(
        system, [p], long_past(input, duration), TIMES, start_h=start, after_dose=AFTER, tolerances=TIGHT
    ).outputs[0, :, 0]
    np.testing.assert_allclose(found[1:], expected[1:], rtol=2e-6)
    # just before the record, what was there still is: the other dose alone
    assert found[0] == pytest.approx(
        simulate(system, [p], Schedule((Dose(T - 3.0, "iv", 70.0),)), [T], tolerances=TIGHT).outputs[0, 0, 0], rel=1e-8
    )


def test_an_added_steady_state_leaves_what_was_there() -> None:
    system = one_compartment()
    p = values(system, lag=5.0)
    other = Schedule((Dose(T - 3.0, "iv", 70.0),))
    found, alone, past = (
        simulate(system, [p], s, TIMES, start_h=start, after_dose=AFTER, tolerances=TIGHT).outputs[0, :, 0]
        for s, start in ((course("oral", 0.0, adds=True), 0.0), (other, 0.0), (long_past("oral", 0.0), -2000.0))
    )
    np.testing.assert_allclose(found[1:], alone[1:] + past[1:], rtol=1e-7)


@pytest.mark.parametrize(("input", "duration"), [("oral", 0.0), ("oral", 3.0), ("oral", 14.0), ("zero_order", 0.0)])
@pytest.mark.parametrize("lag", [5.0, 17.0])
def test_its_sensitivities_are_those_of_differences(lag: float, input: str, duration: float) -> None:
    system = saturable()
    wrt = ["ka", "V", "Vm", "F", "lag", "D1"]
    schedule, p = course(input, duration), np.array(values(system, lag=lag))
    _, slopes, _ = simulate_sensitivities(
        system, [p], schedule, TIMES[1:], wrt=wrt, after_dose=AFTER[1:], tolerances=TIGHT
    )
    for k, name in enumerate(wrt):
        j = system.parameter_index[name]
        h = 1e-4 * p[j]
        rows = np.array([p, p])
        rows[0, j] += h
        rows[1, j] -= h
        up, down = simulate(system, rows, schedule, TIMES[1:], after_dose=AFTER[1:], tolerances=TIGHT).outputs[:, :, 0]
        scale = np.abs(up - down).max() / (2 * h)
        np.testing.assert_allclose(slopes[0, :, 0, k], (up - down) / (2 * h), atol=2e-4 * max(scale, 1e-6))
