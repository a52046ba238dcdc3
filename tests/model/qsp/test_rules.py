"""Treatment by rule: one patient's decision, and many simulated courses."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.join import two_compartment_block
from twin_service.model.qsp.rules import Plan, Rule, Status, apply_rule, apply_rules, run_course
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal

PLAN = Plan("drug.dose", 200.0, 504.0, cycles=4, duration_h=1.0)
HOLD = Rule("anc_below_1.5_on_day_1", "anc.cells", "below", 1.5, "hold")
REDUCE = Rule("grade_4_nadir", "anc.cells", "below", 0.5, "reduce", look="worst", factor=0.75)
STOP = Rule("collapse", "anc.cells", "below", 0.01, "stop")


def seen(now: float, low: float) -> dict[str, tuple[float, float, float]]:
    return {"anc.cells": (now, low, 5.0)}


def model() -> PatientModel:
    drug = two_compartment_block({"cl": 37.8, "v1": 8.0, "v2": 105.0, "q": 12.0}, "umol/L")
    return compose("m", {"anc": build_block("neutropenia_friberg"), "drug": drug},
                   {"anc.drug_concentration": "drug.level"})  # fmt: skip


def test_a_rule_speaks_beyond_its_threshold() -> None:
    assert apply_rule(HOLD, 1.4) and not apply_rule(HOLD, 1.5)
    assert apply_rule(Rule("x", "q", "above", 500.0, "hold"), 501.0)


def test_the_first_dose_is_given_in_full() -> None:
    decision = apply_rules(PLAN, [HOLD, REDUCE], Status(), seen(5.0, 5.0), time_h=0.0)
    assert decision.doses[0].amount == 200.0 and decision.status.given == 1 and not decision.because


def test_grade_4_reduces_and_low_counts_hold() -> None:
    after = Status(given=1, last_h=0.0)
    held = apply_rules(PLAN, [HOLD, REDUCE], after, seen(1.2, 0.3), time_h=504.0)
    assert not held.doses and set(held.because) == {"anc_below_1.5_on_day_1", "grade_4_nadir"}
    assert held.status.level == 0.75
    later = apply_rules(PLAN, [HOLD, REDUCE], held.status, seen(2.0, 0.3), time_h=672.0)
    assert later.doses[0].amount == 150.0, "one bad course reduces once, not at every visit it is waited for"


def test_nothing_is_given_early_late_or_after_the_last_cycle() -> None:
    assert not apply_rules(PLAN, [], Status(given=1, last_h=0.0), {}, time_h=336.0).doses
    assert not apply_rules(PLAN, [], Status(given=4, last_h=0.0), {}, time_h=504.0).doses
    late = apply_rules(PLAN, [HOLD], Status(given=1, last_h=0.0), seen(1.0, 1.0), time_h=1008.0)
    assert late.status.stopped
    assert not apply_rules(PLAN, [HOLD], late.status, seen(5.0, 5.0), time_h=1176.0).doses


def test_reductions_stop_at_the_floor() -> None:
    status = Status(given=1, level=0.55, last_h=0.0)
    decision = apply_rules(PLAN, [REDUCE], status, seen(3.0, 0.1), time_h=504.0)
    assert decision.status.level == 0.5


def test_stop_and_rescue() -> None:
    rescue = Rule("fever", "anc.cells", "below", 0.5, "rescue", rescue_input="gcsf.dose", rescue_amount=0.3)
    decision = apply_rules(PLAN, [STOP, rescue], Status(given=1, last_h=0.0), seen(0.005, 0.005), time_h=504.0)
    assert decision.status.stopped
    assert [(d.input, d.amount) for d in decision.doses] == [("gcsf.dose", 0.3)]


def test_courses_by_rule_have_less_grade_4_and_less_drug() -> None:
    m = model()
    eta = np.random.default_rng(4).multivariate_normal(np.zeros(3), m.omega, 60)
    rows = m.members({}, eta)
    free = run_course(m, rows, PLAN, [], horizon_h=2400.0)
    ruled = run_course(m, rows, PLAN, [HOLD, REDUCE], horizon_h=2400.0)
    column = m.system.output_index["anc.cells"]

    def grade_4_in_later_cycles(courses: object) -> float:
        late = courses.times_h > 504.0  # type: ignore[attr-defined]
        return float(np.mean(courses.outputs[:, late, column].min(axis=1) < 0.5))  # type: ignore[attr-defined]

    assert free.outcome.ok and ruled.outcome.ok
    assert all(s.given == 4 for s in free.status)
    assert ruled.spoke["grade_4_nadir"] > 0
    assert grade_4_in_later_cycles(ruled) < grade_4_in_later_cycles(free)
    amount = [sum(d.amount for d in s.doses) for s in ruled.schedules]
    assert max(amount) == 800.0 and min(amount) < 800.0
    assert ruled.outputs.shape == (60, len(ruled.times_h), len(m.system.outputs))


def test_a_course_without_rules_equals_one_simulation() -> None:
    from twin_service.solver.schedule import Dose, Schedule
    from twin_service.solver.simulate import simulate

    m = model()
    rows = m.values({})[None]
    courses = run_course(m, rows, PLAN, [], horizon_h=1008.0)
    plain = Schedule(tuple(Dose(504.0 * k, "drug.dose", 200.0, 1.0) for k in range(4)))
    whole = simulate(m.system, rows, plain, courses.times_h)
    assert courses.outputs[0] == pytest.approx(whole.outputs[0], rel=1e-4, abs=1e-6)


def test_unknown_names_are_refused() -> None:
    m = model()
    with pytest.raises(Refusal, match="'drug.pill', which is no input"):
        run_course(m, m.values({})[None], Plan("drug.pill", 1.0, 24.0, 1), [], horizon_h=24.0)
    with pytest.raises(Refusal, match="rule x reads 'anc.mood'"):
        run_course(m, m.values({})[None], PLAN, [Rule("x", "anc.mood", "below", 1.0, "hold")], horizon_h=24.0)
