from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.solver.systems import one_compartment, saturable, scalar
from twin_service.outcome import Refusal, Verdict
from twin_service.solver.expression import symbol
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.sensitivity import simulate_sensitivities
from twin_service.solver.simulate import Tolerances, simulate
from twin_service.solver.system import System

TIGHT = Tolerances(1e-9, 1e-2)
TIMES = np.array([0.5, 2.0, 5.0, 7.5, 11.0, 13.0, 20.0, 30.0])
COURSES = {
    "oral": Schedule((Dose(0.0, "oral", 90.0), Dose(12.0, "oral", 60.0))),
    "infusion": Schedule((Dose(0.0, "iv", 80.0, 4.0), Dose(6.0, "iv", 20.0))),
    "zero order": Schedule((Dose(0.0, "zero_order", 80.0), Dose(12.0, "zero_order", 80.0))),
    "steady": Schedule((Dose(1.0, "oral", 60.0, 0.0, 12.0),)),
    "steady zero order": Schedule((Dose(1.0, "zero_order", 60.0, 0.0, 12.0),)),
    "reset": Schedule((Dose(0.0, "oral", 90.0), Dose(10.0, "iv", 30.0)), (), (9.0,)),
}
POINT = {"ka": 1.1, "V": 40.0, "Vm": 14.0, "Km": 2.5, "F": 0.8, "lag": 0.3, "D1": 2.2, "base": 0.4, "CL": 6.0}


def differences(system: System, p: NDArray[np.float64], course: Schedule, name: str) -> NDArray[np.float64]:
    """Central differences at two steps, extrapolated."""
    k = system.parameter_index[name]

    def slope(h: float) -> NDArray[np.float64]:
        both = np.repeat(p, 2, axis=0)
        both[0, k] += h
        both[1, k] -= h
        o = simulate(system, both, course, TIMES, tolerances=Tolerances(1e-12, 1e-4)).outputs[:, :, 0]
        return (o[0] - o[1]) / (2 * h)

    h = 2e-3 * max(abs(p[0, k]), 0.1)
    return (4 * slope(h) - slope(2 * h)) / 3


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("system", [one_compartment(), saturable()], ids=lambda s: s.name)
def test_sensitivities_match_differences(system: System, course: str) -> None:
    """Amounts, lags, modelled durations, steady states and resets, all against differences."""
    names = [p.name for p in system.parameters]
    p = np.array([[POINT[n] for n in names]])
    schedule = COURSES[course]
    solution, slopes, _ = simulate_sensitivities(system, p, schedule, TIMES, wrt=names, tolerances=TIGHT)
    assert solution.ok
    for w, name in enumerate(names):
        expected = differences(system, p, schedule, name)
        # Differences of adaptive runs at 1e-12 with a relative step of 2e-3 leave about 1e-7 of the peak.
        assert np.allclose(slopes[0, :, 0, w], expected, rtol=1e-5, atol=2e-6 * max(1e-3, np.abs(expected).max())), name


def test_initial_values_move_the_whole_course() -> None:
    system = saturable()
    p = [[POINT[q.name] for q in system.parameters]]
    state = np.array([[30.0, 50.0, 1.0]])
    _, slopes, final = simulate_sensitivities(
        system, p, Schedule(), TIMES, wrt=["D", "A", "AUC"], state=state, tolerances=TIGHT
    )
    tightest = Tolerances(1e-12, 1e-4)
    moved, less = (
        [simulate(system, p, Schedule(), TIMES, state=state + h * row, tolerances=tightest) for row in np.eye(3)]
        for h in (1e-3, -1e-3)
    )
    for k in range(3):
        assert np.allclose(
            slopes[0, :, 0, k], (moved[k].outputs - less[k].outputs)[0, :, 0] / 2e-3, rtol=2e-6, atol=1e-8
        )
        assert np.allclose(final[0, :, k], (moved[k].final - less[k].final)[0] / 2e-3, rtol=2e-6, atol=1e-7)


def test_a_parameter_moves_all_its_rows() -> None:
    system = one_compartment()
    names = [p.name for p in system.parameters]
    rows = np.array([[[POINT[n] for n in names]] * 2])
    rows[0, 1, 1] *= 2
    schedule = Schedule((Dose(0.0, "oral", 90.0),), (6.0,))
    _, slopes, _ = simulate_sensitivities(system, rows, schedule, TIMES, wrt=["CL"], tolerances=TIGHT)
    h = 1e-4
    up, down = rows.copy(), rows.copy()
    up[0, :, 1] += h
    down[0, :, 1] -= h
    difference = (simulate(system, up, schedule, TIMES).outputs - simulate(system, down, schedule, TIMES).outputs) / (
        2 * h
    )
    assert np.allclose(slopes[..., 0], difference, rtol=1e-6, atol=1e-9)


def test_a_patient_in_several_lanes_is_the_patient_in_one() -> None:
    """Few patients spread their directions over lanes; many do not. The derivatives are the same numbers."""
    system = saturable()
    names = [p.name for p in system.parameters]
    p = np.array([[POINT[n] for n in names]]) * np.exp(0.1 * np.random.default_rng(0).standard_normal((9, len(names))))
    wrt = ["ka", "V", "Vm", "Km", "F", "lag"]
    _, many, _ = simulate_sensitivities(system, p, COURSES["oral"], TIMES, wrt=wrt)
    _, one, _ = simulate_sensitivities(system, p[4:5], COURSES["oral"], TIMES, wrt=wrt)
    assert np.array_equal(many[4], one[0])
    _, threaded, _ = simulate_sensitivities(system, p, COURSES["oral"], TIMES, wrt=wrt, threads=2)
    assert np.array_equal(threaded, many)


@pytest.mark.parametrize("wrt", [["nothing"], []])
def test_unknown_names_are_refused(wrt: list[str]) -> None:
    with pytest.raises(Refusal, match="wrt"):
        simulate_sensitivities(saturable(), [list(POINT.values())[:8]], wrt=wrt)


def test_derivatives_left_behind_are_no_success() -> None:
    """y' = y^2 from 1/3 ends at t = 3: neither the solution nor its derivatives go on."""
    y = symbol("y")
    system = scalar(y * y, k=1.0)
    solution, slopes, final = simulate_sensitivities(
        system, [[1.0]] * 2, times_h=[1.0, 4.0], wrt=["y"], state=[[1 / 3], [0.1]]
    )
    assert [o.ok for o in solution.outcomes] == [False, True]
    assert np.isnan(slopes[0]).all() and np.isnan(final[0]).all()
    # y = 1/(1/y0 - t), so dy/dy0 = (y/y0)^2.
    assert np.allclose(slopes[1, :, 0, 0], (1 / (10 - np.array([1.0, 4.0])) / 0.1) ** 2, rtol=1e-5)


def test_without_a_steady_state_there_is_no_derivative_either() -> None:
    system = saturable()
    p = [[1.0, 50.0, 12.0, 2.0, 1.0, 0.0, 3.0, 0.0]]
    schedule = Schedule((Dose(0.0, "oral", 160.0, 0.0, 12.0),))
    solution, slopes, _ = simulate_sensitivities(system, p, schedule, [1.0], wrt=["Vm", "ka"])
    assert solution.outcomes[0].verdict is Verdict.NO_STEADY_STATE
    assert np.isnan(slopes).all()
