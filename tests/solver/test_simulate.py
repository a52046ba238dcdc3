"""What `simulate` means, on the exact path and on the compiled one, against closed forms and the SciPy path."""

from __future__ import annotations

import numpy as np
import pytest

from tests.solver.systems import one_compartment, saturable, scalar
from twin_service.solver.expression import TIME, constant, symbol
from twin_service.solver.functions import cos
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Tolerances, simulate, simulate_reference, simulate_stream, warm
from twin_service.solver.system import System

TIGHT = Tolerances(1e-10, 1e-3)
SYSTEMS = [one_compartment(), saturable()]
COURSE = Schedule(
    (
        Dose(0.0, "oral", 100.0),
        Dose(3.0, "iv", 40.0, 2.0),
        Dose(4.0, "zero_order", 60.0),
        Dose(12.0, "iv", 50.0),
        Dose(12.0, "oral", 80.0),
        Dose(20.0, "iv", 30.0, 8.0),
        Dose(24.0, "iv", 10.0),
    )
)
TIMES = [0.0, 0.0, 0.1, 3.0, 4.5, 5.0, 12.0, 12.0, 12.0, 13.0, 24.0, 24.0, 25.5, 40.0]
AFTER = [False, True, False, False, False, True, False, True, True, False, False, True, False, False]


def defaults(system: System, n: int = 1) -> np.ndarray:
    base = np.array([p.value for p in system.parameters])
    return base * np.exp(0.2 * np.random.default_rng(5).standard_normal((n, len(base))))


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.name)
def test_doses_of_every_kind_agree_with_the_oracle(system: System) -> None:
    p = defaults(system, 5)
    found = simulate(system, p, COURSE, TIMES, after_dose=AFTER, keep_states=True, tolerances=TIGHT)
    oracle = simulate_reference(system, p, COURSE, TIMES, after_dose=AFTER, keep_states=True, tolerances=TIGHT)
    assert found.ok and oracle.ok
    assert found.states is not None and oracle.states is not None
    # Global error of the oracle at a local tolerance of 1e-10, in mg of about 100.
    assert np.allclose(found.states, oracle.states, rtol=3e-8, atol=3e-8)
    assert np.allclose(found.outputs, oracle.outputs, rtol=3e-8, atol=3e-9)
    assert np.allclose(found.final, oracle.final, rtol=3e-8, atol=3e-8)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.name)
def test_values_before_and_after_a_dose(system: System) -> None:
    p = defaults(system)
    found = simulate(
        system, p, Schedule((Dose(2.0, "iv", 50.0),)), [2.0, 2.0], after_dose=[False, True], keep_states=True
    )
    bioavailable = 50.0 * (p[0, system.parameter_index["F"]] if system.name == "saturable" else 1.0)
    assert found.states is not None
    amount = system.state_index["A"]
    assert found.states[0, 0, amount] == 0.0
    assert found.states[0, 1, amount] == pytest.approx(bioavailable, rel=1e-15)
    assert found.final[0, amount] == 0.0


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.name)
def test_stopping_and_going_on_is_the_same_course(system: System) -> None:
    """The state at 24 h, handed on with the whole schedule, continues the infusion and takes the dose."""
    p = defaults(system, 3)
    p[:, system.parameter_index["lag"]] = 0.0
    whole = simulate(system, p, COURSE, [30.0, 40.0], tolerances=TIGHT)
    first = simulate(system, p, COURSE, [24.0], tolerances=TIGHT)
    second = simulate(system, p, COURSE, [30.0, 40.0], start_h=24.0, state=first.final, tolerances=TIGHT)
    assert np.allclose(second.outputs, whole.outputs, rtol=1e-8)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.name)
def test_changes_and_resets_agree_with_the_oracle(system: System) -> None:
    p = defaults(system, 4)[:, None, :] * np.array([1.0, 1.4, 0.6])[None, :, None]
    schedules = [
        Schedule(COURSE.doses, (6.0, 15.0), (10.0,)),
        Schedule(COURSE.doses, (12.0,)),
        Schedule((), (1.0, 2.0)),
        Schedule(COURSE.doses, (0.0, 24.0), (12.0, 24.0)),
    ]
    found = simulate(system, p, schedules, TIMES, after_dose=AFTER, tolerances=TIGHT)
    oracle = simulate_reference(system, p, schedules, TIMES, after_dose=AFTER, tolerances=TIGHT)
    assert np.allclose(found.outputs, oracle.outputs, rtol=3e-8, atol=3e-9)


def test_outputs_follow_the_parameters_in_force() -> None:
    """At a change the limit from the left uses the old row, the value after it the new one."""
    for system, name in ((one_compartment(), "V"), (saturable(), "base")):
        rows = np.array([[[p.value for p in system.parameters]] * 2])
        rows[0, 1, system.parameter_index[name]] = 25.0
        state = [[0.0, 100.0, 0.0][: len(system.states)]]
        found = simulate(
            system, rows, Schedule(change_times_h=(1.0,)), [1.0, 1.0], after_dose=[False, True], state=state
        )
        before, after = found.outputs[0, :, 0]
        assert after == pytest.approx(2 * before if name == "V" else before + 25.0, rel=1e-12)


def test_time_dependent_rates_have_their_closed_form() -> None:
    system = scalar(cos(TIME) * symbol("k") - symbol("y") * symbol("y") * 0.0, constant(0.5), k=2.0)
    times = np.linspace(0, 20, 41)
    found = simulate(system, [[2.0]], times_h=times, tolerances=Tolerances(1e-11))
    assert np.allclose(found.outputs[0, :, 0], 0.5 + 2 * np.sin(times), atol=1e-9)


def test_the_answer_does_not_depend_on_the_output_grid() -> None:
    system, p = saturable(), defaults(saturable(), 3)
    fine = simulate(system, p, COURSE, np.linspace(0, 40, 401), tolerances=TIGHT)
    coarse = simulate(system, p, COURSE, [40.0], tolerances=TIGHT)
    assert np.array_equal(fine.final, coarse.final)
    assert np.array_equal(fine.outputs[:, -1], coarse.outputs[:, -1])


def test_patients_may_have_their_own_times_and_starts() -> None:
    system, p = saturable(), defaults(saturable(), 3)
    times = np.array([[1.0, 2.0, 30.0], [5.0, 5.0, 6.0], [12.0, 13.0, 14.0]])
    start = np.array([0.0, 5.0, 11.0])
    state = np.array([[0.0, 0.0, 0.0], [10.0, 5.0, 1.0], [0.0, 7.0, 2.0]])
    together = simulate(system, p, COURSE, times, start_h=start, state=state)
    for i in range(3):
        alone = simulate(system, p[i : i + 1], COURSE, times[i], start_h=start[i], state=state[i : i + 1])
        assert np.array_equal(alone.outputs[0], together.outputs[i])


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.name)
def test_no_times_give_the_start_back(system: System) -> None:
    found = simulate(system, defaults(system, 2), COURSE, [])
    assert found.outputs.shape == (2, 0, 1)
    assert np.array_equal(found.final, np.zeros((2, len(system.states))))


def test_a_stream_gives_what_one_call_gives() -> None:
    system, p = saturable(), defaults(saturable(), 20)
    whole = simulate(system, p, COURSE, TIMES)
    parts = list(simulate_stream(system, (p[k : k + 7] for k in range(0, 20, 7)), COURSE, TIMES))
    assert [len(s.final) for s in parts] == [7, 7, 6]
    assert np.array_equal(np.concatenate([s.outputs for s in parts]), whole.outputs)


def test_warm_prepares_any_system() -> None:
    for system in SYSTEMS:
        warm(system)
        p = np.array([[q.value for q in system.parameters]])
        assert simulate(system, p, times_h=np.array([0.0, 1.0])).ok


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s.name)
def test_nobody_is_solved_too(system: System) -> None:
    found = simulate(system, np.zeros((0, len(system.parameters))), COURSE, TIMES)
    assert found.ok and found.outputs.shape == (0, len(TIMES), 1)
