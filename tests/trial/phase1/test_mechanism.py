"""Scenarios from virtual patients: risk rises with dose, and what the library does not know is named."""

from __future__ import annotations

import pytest

from tests.house.source import ROOT
from twin_service.outcome import Refusal
from twin_service.trial.phase1.escalation_plan import EscalationPlan
from twin_service.trial.phase1.mechanism import Mechanistic, mechanistic_risks
from twin_service.trial.phase1.plan_file import plan_of, read_plan

PLAN = read_plan(ROOT / "clients/tutorials/first_cohort/escalation.toml", EscalationPlan)


def test_a_scenario_has_risks_or_a_mechanism() -> None:
    raw = PLAN.model_dump(mode="json")
    how = {"drug": "docetaxel", "endpoint": "neutropenia_grade_4", "route": "iv"}
    made = plan_of({**raw, "scenario": [{"name": "m", "mechanism": how}]}, EscalationPlan)
    assert made.scenario[0].mechanism is not None
    with pytest.raises(Refusal, match="takes the place of risks"):
        plan_of({**raw, "scenario": [{"name": "m", "mechanism": how, "risks": [0.1] * 6}]}, EscalationPlan)
    with pytest.raises(Refusal, match="did you mean 'endpoint'"):
        plan_of({**raw, "scenario": [{"name": "m", "mechanism": {"drug": "x", "endpiont": "y"}}]}, EscalationPlan)


def test_a_drug_that_the_library_lacks_is_refused() -> None:
    with pytest.raises(Refusal):
        mechanistic_risks(Mechanistic("inhibitor_k", "x"), [10.0], 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_risk_rises_with_the_dose_of_docetaxel() -> None:
    with pytest.raises(Refusal, match="is not judged for docetaxel; known: ") as caught:
        mechanistic_risks(Mechanistic("docetaxel", "baldness", "iv", over_h=1.0, patients=20), [100.0], 1)
    endpoint = next(e for e in caught.value.message.rpartition("known: ")[2].split(", ") if "neutro" in e)
    risks = mechanistic_risks(Mechanistic("docetaxel", endpoint, "iv", over_h=1.0, patients=40), [20.0, 200.0], 1)
    assert 0 <= risks[0] < risks[1] <= 1
