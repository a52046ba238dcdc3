from __future__ import annotations

import numpy as np
import pytest

from tests.solver.systems import one_compartment
from twin_service.outcome import Refusal
from twin_service.solver.action import BOLUS, CHANGE, RESET, START, STEADY, STEADY_ADD, STOP
from twin_service.solver.plan import ActionPlan, make_plan
from twin_service.solver.schedule import Dose, Schedule

SYSTEM = one_compartment()
P = np.array([[[1.2, 5.0, 50.0, 0.7, 0.25, 2.0]]])
Row = tuple[float, int, int, float]


def rows(plan: ActionPlan, i: int = 0) -> list[Row]:
    part = slice(plan.offset[i], plan.offset[i + 1])
    columns = (plan.time[part], plan.kind[part], plan.target[part], plan.value[part])
    return [(float(a), int(b), int(c), round(float(d), 9)) for a, b, c, d in zip(*columns, strict=True)]


def planned(
    *doses: Dose, start: float = 0.0, changes: tuple[float, ...] = (), resets: tuple[float, ...] = ()
) -> list[Row]:
    p = np.repeat(P, 1 + len(changes), axis=1)
    return rows(make_plan(SYSTEM, p, [Schedule(doses, changes, resets)], np.array([start])))


def test_bioavailability_and_lag_apply() -> None:
    assert planned(Dose(1.0, "oral", 100.0)) == [(1.25, BOLUS, 0, 70.0)]


def test_a_modelled_duration_replaces_the_doses_own() -> None:
    assert planned(Dose(1.0, "zero_order", 100.0, 9.0)) == [(1.25, START, 1, 35.0), (3.25, STOP, 1, 35.0)]


def test_parameters_in_force_at_the_dose_decide() -> None:
    p = np.repeat(P, 2, axis=1)
    p[0, 1, 3] = 0.1
    doses = (Dose(1.0, "oral", 100.0), Dose(2.0, "oral", 100.0))
    found = rows(make_plan(SYSTEM, p, [Schedule(doses, (2.0,))], np.array([0.0])))
    assert [r for r in found if r[1] == BOLUS] == [(1.25, BOLUS, 0, 70.0), (2.25, BOLUS, 0, 10.0)]


def test_at_one_time_changes_come_first_and_doses_last() -> None:
    found = planned(
        Dose(0.0, "iv", 5.0, 2.0),
        Dose(2.0, "iv", 7.0),
        Dose(2.0, "iv", 3.0, 0.0, 12.0, True),
        changes=(2.0,),
        resets=(2.0,),
    )
    assert [r[1] for r in found if r[0] == 2.0] == [CHANGE, STOP, RESET, STEADY_ADD, BOLUS, BOLUS]


def test_an_infusion_under_way_at_the_start_continues() -> None:
    assert planned(Dose(0.0, "iv", 10.0, 4.0), start=1.0) == [(1.0, START, 1, 2.5), (4.0, STOP, 1, 2.5)]
    assert planned(Dose(0.0, "iv", 10.0), Dose(0.0, "iv", 10.0, 1.0), start=1.0) == []
    # Given before the start, it enters after it: the lag decides.
    assert planned(Dose(0.9, "oral", 10.0), start=1.0) == [(1.15, BOLUS, 0, 7.0)]


def test_a_reset_cancels_what_is_running_and_what_has_not_entered() -> None:
    found = planned(Dose(0.0, "iv", 10.0, 4.0), Dose(1.9, "oral", 10.0), resets=(2.0,))
    assert found == [(0.0, START, 1, 2.5), (2.0, STOP, 1, 2.5), (2.0, RESET, 0, 0.0)]


def test_a_replacing_steady_state_cancels_too_an_adding_one_does_not() -> None:
    replaced = planned(Dose(0.0, "iv", 10.0, 4.0), Dose(2.0, "iv", 8.0, 0.0, 12.0))
    assert replaced == [(0.0, START, 1, 2.5), (2.0, STOP, 1, 2.5), (2.0, STEADY, 1, 8.0), (2.0, BOLUS, 1, 8.0)]
    added = planned(Dose(0.0, "iv", 10.0, 4.0), Dose(2.0, "iv", 8.0, 0.0, 12.0, True))
    assert (4.0, STOP, 1, 2.5) in added


def test_long_infusions_overlap_at_steady_state() -> None:
    """30 h every 12 h: those begun 12 h and 24 h ago run on for 18 h and 6 h."""
    found = planned(Dose(2.0, "iv", 30.0, 30.0, 12.0))
    assert [r for r in found if r[1] == STOP] == [(8.0, STOP, 1, 1.0), (20.0, STOP, 1, 1.0), (32.0, STOP, 1, 1.0)]
    assert sum(r[1] == START for r in found) == 3


def test_each_patient_has_its_own_actions() -> None:
    schedules = [
        Schedule((Dose(3.0, "iv", 1.0), Dose(1.0, "iv", 2.0))),
        Schedule(),
        Schedule((Dose(2.0, "oral", 4.0),)),
    ]
    plan = make_plan(SYSTEM, np.repeat(P, 3, axis=0), schedules, np.zeros(3))
    assert rows(plan, 0) == [(1.0, BOLUS, 1, 2.0), (3.0, BOLUS, 1, 1.0)]
    assert rows(plan, 1) == []
    assert rows(plan, 2) == [(2.25, BOLUS, 0, 2.8)]
    shared = make_plan(SYSTEM, np.repeat(P, 3, axis=0), schedules[:1], np.zeros(3))
    assert rows(shared, 2) == rows(plan, 0)


@pytest.mark.parametrize(
    ("dose", "says"),
    [
        (Dose(0.0, "nasal", 1.0), "no input 'nasal'; known: oral, iv, zero_order"),
        (Dose(float("nan"), "iv", 1.0), "not finite"),
        (Dose(0.0, "iv", float("inf")), "not finite"),
        (Dose(0.0, "iv", 1.0, -1.0), "negative"),
    ],
)
def test_bad_doses_are_refused(dose: Dose, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        planned(dose)


def test_a_negative_lag_is_refused() -> None:
    p = P.copy()
    p[0, 0, 4] = -1.0
    with pytest.raises(Refusal, match="input oral: bioavailability, lag or duration"):
        make_plan(SYSTEM, p, [Schedule((Dose(0.0, "oral", 1.0),))], np.zeros(1))
