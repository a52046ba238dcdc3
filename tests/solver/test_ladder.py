"""Failures are seen, retried and told; never returned as numbers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from tests.solver.systems import saturable, scalar
from twin_service.outcome import Verdict
from twin_service.solver import engine, ladder
from twin_service.solver.expression import constant, symbol
from twin_service.solver.functions import log
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Deadline, Tolerances, simulate
from twin_service.solver.tolerances import DEFAULT

y = symbol("y")
COURSE = Schedule((Dose(0.0, "oral", 100.0),))


def failing(original: Any, *, pivoted_too: bool) -> Any:
    """The compiled engine, except that it cannot solve the first member."""

    def run(model: engine.Model, run: Any, members: Any, **how: Any) -> engine.Computed:
        done = original(model, run, members, **how)
        pivoted = model is engine.model_of(model.system, 1, pivoted=True)
        if not pivoted or pivoted_too:
            done.outcomes[0] = engine._outcome(model.system, 2, 1.5, 0)
            done.outputs[0] = 1e9
        return done

    return run


@pytest.mark.parametrize(("pivoted_too", "says"), [(False, "pivoted after"), (True, "LSODA after")])
def test_each_rung_takes_over_from_the_one_before(
    monkeypatch: pytest.MonkeyPatch, pivoted_too: bool, says: str
) -> None:
    system = saturable()
    p = [[q.value for q in system.parameters]] * 3
    healthy = simulate(system, p, COURSE, [1.0, 5.0], keep_states=True)
    monkeypatch.setattr(ladder, "run_compiled", failing(engine.run_compiled, pivoted_too=pivoted_too))
    found = simulate(system, p, COURSE, [1.0, 5.0], keep_states=True)
    assert found.ok
    assert found.outcomes[0].verdict is Verdict.RETRIED
    assert found.outcomes[0].detail.startswith(says)
    assert "model saturable, t = 1.5 h, state D" in found.outcomes[0].detail
    assert found.outcomes[1].verdict is Verdict.OK
    assert np.allclose(found.outputs, healthy.outputs, rtol=1e-5)
    assert found.states is not None and healthy.states is not None
    assert np.allclose(found.states, healthy.states, rtol=1e-4, atol=1e-6)


def test_the_pivoted_method_takes_the_same_steps() -> None:
    system = saturable()
    run = engine_run(system)
    members = np.arange(3)
    sparse = engine.run_compiled(engine.model_of(system), run, members, tolerances=DEFAULT)
    pivoted = engine.run_compiled(engine.model_of(system, 1, pivoted=True), run, members, tolerances=DEFAULT)
    assert np.array_equal(sparse.steps, pivoted.steps)
    assert np.allclose(sparse.outputs, pivoted.outputs, rtol=1e-11)


def engine_run(system: Any) -> Any:
    from twin_service.solver.intake import admit

    p = [[q.value for q in system.parameters]] * 3
    return admit(system, p, COURSE, [1.0, 5.0], start_h=0.0, state=None, after_dose=None)


def test_a_solution_that_leaves_to_infinity_is_told_with_time_and_state() -> None:
    """y' = y^2 from 1/3 ends at t = 3."""
    found = simulate(scalar(y * y), [[1.0]] * 2, times_h=[1.0, 2.0, 4.0], state=[[1 / 3], [0.1]])
    assert not found.outcomes[0].ok
    assert "t = 3" in found.outcomes[0].detail.replace("2.9999", "3").replace("2.99999", "3")
    assert "state y" in found.outcomes[0].detail
    assert np.isnan(found.outputs[0]).all() and np.isnan(found.final[0]).all()
    assert np.allclose(found.outputs[1, :, 0], 1 / (10 - np.array([1.0, 2.0, 4.0])), rtol=1e-5)


@pytest.mark.parametrize("rate", [constant(1.0) / y, log(y - 1.0)])
def test_an_undefined_rate_at_the_start_is_told(rate: Any) -> None:
    found = simulate(scalar(rate, constant(0.0)), [[1.0]], times_h=[1.0])
    assert found.outcomes[0].verdict is Verdict.NOT_FINITE
    assert "scalar, t = 0 h, state y" in found.outcomes[0].detail
    assert simulate(scalar(-y * y), [[1.0]], times_h=[1.0]).ok, "the process goes on"


def test_too_many_steps_are_told() -> None:
    found = simulate(scalar(-y * y), [[1.0]], times_h=[1e6], tolerances=Tolerances(1e-12, 1e-6, max_steps=5))
    assert found.outcomes[0].verdict is Verdict.TOO_MANY_STEPS


def test_a_deadline_stops_a_long_run_within_50_ms() -> None:
    """A stiff oscillator for a million cycles would take minutes."""
    x, v = symbol("x"), symbol("v")
    from tests.solver.systems import parameters
    from twin_service.solver.system import Output, System, SystemState

    system = System.create(
        "oscillator",
        states=(SystemState("x", "1", v), SystemState("v", "1", 5.0 * (1.0 - x * x) * v - x)),
        parameters=parameters(unused=1.0),
        outputs=(Output("x", "1", x),),
    )
    arguments: dict[str, Any] = {
        "times_h": [1e8],
        "state": [[2.0, 0.0]] * 40,
        "tolerances": Tolerances(max_steps=10**9),
    }
    simulate(system, [[1.0]] * 40, times_h=[1.0], state=[[2.0, 0.0]] * 40)
    late = []
    for _ in range(3):
        start = time.perf_counter()
        found = simulate(system, [[1.0]] * 40, deadline=Deadline(0.1), **arguments)
        late.append(time.perf_counter() - start - 0.1)
        assert {o.verdict for o in found.outcomes} == {Verdict.CANCELLED}
        assert np.isnan(found.outputs).all()
    assert min(late) < 0.05
    cancelled = Deadline()
    cancelled.cancel()
    assert simulate(system, [[1.0]] * 40, deadline=cancelled, **arguments).outcomes[0].verdict is Verdict.CANCELLED


def test_a_deadline_that_is_not_reached_changes_nothing() -> None:
    system = saturable()
    p = [[q.value for q in system.parameters]] * 20
    free = simulate(system, p, COURSE, [1.0, 5.0])
    bound = simulate(system, p, COURSE, [1.0, 5.0], deadline=Deadline(60.0), threads=2)
    assert bound.ok and np.array_equal(free.outputs, bound.outputs)
