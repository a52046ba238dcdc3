from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.solver.systems import one_compartment, saturable
from twin_service.outcome import Refusal
from twin_service.solver.expression import symbol
from twin_service.solver.schedule import Schedule
from twin_service.solver.simulate import Tolerances, simulate
from twin_service.solver.system import StateEvent, System

SYSTEM = one_compartment()
P = [p.value for p in SYSTEM.parameters]
NAN = float("nan")


@pytest.mark.parametrize(
    ("arguments", "field", "says"),
    [
        ({"parameters": [[1.0, 2.0]]}, "parameters", r"shape \(1, 2\); expected \(N, 6\)"),
        ({"parameters": [[*P[:-1], NAN]]}, "parameters", "D1 of member 0, row 0 is not a finite number"),
        ({"parameters": [[*P[:-1], "x"]]}, "parameters", "not an array of numbers"),
        ({"times_h": [[0.0], [1.0]]}, "times_h", "shape"),
        ({"times_h": [1.0, 0.5]}, "times_h", "decrease"),
        ({"times_h": [1.0, NAN]}, "times_h", "not a finite number"),
        ({"times_h": [1.0], "start_h": 2.0}, "times_h", "before start_h"),
        ({"start_h": NAN}, "start_h", "not a finite number"),
        ({"state": [[1.0]]}, "state", "shape"),
        ({"state": [[1.0, NAN]]}, "state", "not a finite number"),
        ({"schedules": [Schedule(), Schedule()]}, "schedules", "2 schedules for 1 patients"),
        ({"schedules": Schedule(change_times_h=(1.0,))}, "parameters", "1 rows for 1 changes"),
        ({"schedules": Schedule(change_times_h=(2.0, 1.0)), "parameters": [[P, P, P]]}, "schedules", "nondecreasing"),
        ({"times_h": [1.0, 2.0], "after_dose": [True]}, "after_dose", "shape"),
        ({"times_h": [1.0, 1.0], "after_dose": [True, False]}, "after_dose", "must come first"),
    ],
)
def test_bad_input_is_refused_at_the_door(arguments: dict[str, Any], field: str, says: str) -> None:
    given: dict[str, Any] = {"parameters": [P], "times_h": [1.0], **arguments}
    with pytest.raises(Refusal, match=says) as caught:
        simulate(SYSTEM, given.pop("parameters"), given.pop("schedules", Schedule()), given.pop("times_h"), **given)
    assert caught.value.field.startswith(field)
    assert "one_compartment" in caught.value.message


def test_unused_parameter_rows_may_be_nan() -> None:
    rows = np.array([[P, P], [P, [NAN] * 6]])
    schedules = [Schedule(change_times_h=(1.0,)), Schedule()]
    assert simulate(SYSTEM, rows, schedules, [2.0]).ok
    with pytest.raises(Refusal, match="member 1, row 1"):
        simulate(SYSTEM, rows, Schedule(change_times_h=(1.0,)), [2.0])


@pytest.mark.parametrize("bad", [{"rtol": 0.0}, {"rtol": NAN}, {"atol_scale": -1.0}, {"max_steps": 0}])
def test_bad_tolerances_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="tolerances"):
        Tolerances(**bad)


def test_state_events_are_not_ignored() -> None:
    base = saturable()
    event = StateEvent("empty", symbol("A") < 1.0, {"A": symbol("A") + 1.0})
    system = System.create("eventful", states=base.states, parameters=base.parameters, events=(event,))
    with pytest.raises(Refusal, match="empty"):
        simulate(system, [[p.value for p in base.parameters]], times_h=[1.0])
