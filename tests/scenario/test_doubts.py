"""Doses outside a model's domain: said beside what a twin answers, or refused, in history and in plans."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.one_compartment import dose, one_compartment, person, weight
from twin_service.model.compose import compose
from twin_service.model.pbpk.body import build_body
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.record.timeline import Timeline
from twin_service.scenario.doubts import plan_doubts
from twin_service.scenario.regimen import PlannedDoses, Regimen, planned_doses
from twin_service.twin.fold import fold
from twin_service.twin.reading import read_course


def limited(refuses: bool) -> PatientModel:
    model = one_compartment()
    return replace(model, routes=tuple(replace(r, most_mg=200.0, refuses=refuses) for r in model.routes))


def plan(mg: float) -> Regimen:
    return Regimen("asked", (PlannedDoses("drugx", "iv", mg, 12.0, 2),))


def test_a_given_dose_outside_is_said_or_refused() -> None:
    timeline = Timeline.of((weight(), dose(1000.0, 1.0, "d")))
    folded = fold(limited(False), person(), timeline)
    assert any("a dose of 1000 mg by iv is outside" in w for w in folded.warnings)
    with pytest.raises(Refusal, match="the file says refuse"):
        read_course(limited(True), person(), timeline)


def test_a_planned_dose_outside_is_said_or_refused() -> None:
    assert plan_doubts(limited(False), [plan(100.0)]) == ()
    assert len(plan_doubts(limited(False), [plan(1000.0), plan(1000.0)])) == 1
    with pytest.raises(Refusal, match="the file says refuse"):
        planned_doses(limited(True), plan(1000.0), 0.0)


def test_the_zero_that_says_not_known_cannot_be_recorded() -> None:
    model = compose("m", {"body": build_body(["midazolam"])})
    course = read_course(model, person(), Timeline.of(()))
    assert "weight_kg" not in course.covariates[0]
    with pytest.raises(Refusal, match="built for weight_kg from 0.5 to 300 kg, not 0"):
        read_course(model, person(), Timeline.of((weight(0.0),)))


def test_a_later_value_outside_is_refused_like_a_first_one() -> None:
    with pytest.raises(Refusal, match="not 400"):
        read_course(one_compartment(), person(), Timeline.of((weight(), weight(400.0, 5.0, "w2"))))
