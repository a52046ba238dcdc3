"""A running escalation: any past decision is made again, corrections say what they change, nonsense is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.house.source import ROOT
from twin_service.outcome import Refusal
from twin_service.report.page import render
from twin_service.trial.phase1.comparison import compare, standard_scenarios
from twin_service.trial.phase1.decision import changed_by_corrections, decide, history
from twin_service.trial.phase1.dose_toxicity import DoseOutcomes, LogisticPrior, logistic_risk
from twin_service.trial.phase1.escalation_page import answer, comparison_page, decision_page
from twin_service.trial.phase1.escalation_plan import EscalationPlan, running_design, with_dose
from twin_service.trial.phase1.journal import event_from_json, event_to_json, open_trial, read_trial, record
from twin_service.trial.phase1.live import (
    Corrected,
    DoseAdded,
    Dosed,
    ObservedOutcome,
    TrialEvent,
    Withdrawn,
    append,
    cohort,
    fold,
)
from twin_service.trial.phase1.plan_file import plan_of, read_plan

PLAN = read_plan(ROOT / "clients/tutorials/first_cohort/escalation.toml", EscalationPlan)


def with_design(**design: object) -> EscalationPlan:
    raw = PLAN.model_dump(mode="json")
    return plan_of({**raw, "design": [design]}, EscalationPlan)


def run(plan: EscalationPlan, *cohorts: tuple[float, int]) -> tuple[TrialEvent, ...]:
    events: tuple[TrialEvent, ...] = ()
    for k, (dose, toxic) in enumerate(cohorts):
        for event in cohort(dose, 3, toxic, 30.0 * k, events=events):
            events = append(plan, events, event)
    return events


def test_the_decision_is_the_design_s_and_its_numbers_the_quadrature_s() -> None:
    events = run(PLAN, (10, 0), (20, 0), (40, 1))
    found = decide(PLAN, events)
    exact = logistic_risk(
        LogisticPrior(60, (-1.1, 0.1), ((2.25, 0), (0, 0.49))),
        DoseOutcomes.create([10, 20, 40], [3] * 3, [0, 0, 1]),
        PLAN.doses,
    )
    assert [v.risk for v in found.doses] == [r.mean for r in exact]
    allowed = [r for r in exact if r.overdose <= 0.25 and r.dose <= 80]
    assert found.next_dose == max(allowed, key=lambda r: r.shares[1]).dose
    assert all(bool(v.barred) == (r not in allowed) for v, r in zip(found.doses, exact, strict=True))


@pytest.mark.parametrize(
    ("design", "wanted"),
    [
        ({"kind": "3+3"}, [10, 20, 40, 40]),
        ({"kind": "boin"}, [10, 20, 40, 40]),
        ({"kind": "crm", "guess": 4, "coherent": True}, [10, 20, 40, 40]),
    ],
)
def test_each_design_runs_a_trial(design: dict, wanted: list[float]) -> None:
    plan = with_design(**design)
    events = run(plan, (10, 0), (20, 0), (40, 1), (40, 2))
    assert [d.next_dose for d in history(plan, events)] == wanted
    last = decide(plan, events)
    assert last.ends or (last.next_dose or 99) <= 40
    if design["kind"] == "3+3":
        assert not last.ends and last.next_dose == 20  # filled to six before it is declared


def test_every_past_decision_is_reproducible() -> None:
    events = run(PLAN, (10, 0), (20, 0), (40, 1), (40, 1))
    then = [decide(PLAN, events[: 4 * k]) for k in range(4)]
    assert list(history(PLAN, events)) == then
    assert len({d.digest for d in then}) == 4


def test_a_correction_to_cohort_one_after_cohort_four() -> None:
    events = run(PLAN, (10, 0), (20, 0), (40, 1), (40, 1))
    before = decide(PLAN, events)
    to = ObservedOutcome("c1p1o", 20, "c1p1", True)
    events = append(PLAN, events, Corrected("k", 130, "c1p1o", to, "source data verification"))
    after = decide(PLAN, events)
    assert after.doses[0].toxicities == 1 and after.doses[0].risk > before.doses[0].risk  # type: ignore[operator]
    changed = changed_by_corrections(PLAN, events)
    assert [c.cohort for c in changed] == [2, 3, 4] and changed[0].said == 20 and changed[0].now == 10
    assert [d.next_dose for d in history(PLAN, events)] == [10, 20, 40, 40]  # what was said stays what was said
    assert any("corrected on day 130" in n for n in after.notes)


def test_a_retraction_takes_an_event_back() -> None:
    events = run(PLAN, (10, 0), (20, 3))
    assert decide(PLAN, events).ends
    for k in (1, 2, 3):
        events = append(PLAN, events, Corrected(f"k{k}", 60, f"c2p{k}o", None, "entered for another trial"))
    after = decide(PLAN, events)
    assert after.next_dose is None and not after.ends and after.doses[1].pending == 3


def test_pending_late_and_withdrawn_patients() -> None:
    events: tuple[TrialEvent, ...] = (Dosed("a", 0, 10, ("p1", "p2", "p3")),)
    waits = decide(PLAN, events)
    assert waits.next_dose is None and not waits.ends and "wait" in waits.reasons[0]
    events += (
        ObservedOutcome("o1", 28, "p1", False),
        ObservedOutcome("o2", 28, "p2", False),
        Withdrawn("w", 10, "p3", "moved"),
    )
    found = decide(PLAN, events)
    assert (found.doses[0].patients, found.next_dose) == (2, 20)
    events += (ObservedOutcome("late", 60, "p1", True),)
    late = decide(PLAN, events)
    assert late.late == ("p1 on day 60",) and late.doses[0].toxicities == 1
    lenient = PLAN.model_copy(update={"conduct": PLAN.conduct.model_copy(update={"late": "report"})})
    told = decide(lenient, events)
    assert told.late and (told.doses[0].patients, told.doses[0].toxicities) == (2, 0)


def test_a_rolling_design_decides_before_all_are_followed() -> None:
    plan = with_design(kind="crm", guess=4, rolling=True)
    events: tuple[TrialEvent, ...] = (Dosed("a", 0, 10, ("p1", "p2", "p3")), ObservedOutcome("o1", 20, "p1", True))
    assert decide(plan, events).next_dose is None  # two of three are watched
    events += (ObservedOutcome("o2", 28, "p2", False),)
    assert decide(plan, events).next_dose == 10
    assert decide(with_design(kind="boin", rolling=True), events).next_dose is not None


def test_an_intermediate_dose_is_added_with_a_reason() -> None:
    events = run(PLAN, (10, 0), (20, 0), (40, 1))
    events = append(PLAN, events, DoseAdded("d", 95, 30, "committee"))
    found = decide(PLAN, events)
    assert [v.dose for v in found.doses] == [10, 20, 30, 40, 60, 90, 120]
    skeleton = with_dose(with_design(kind="crm", skeleton=[0.05, 0.1, 0.2, 0.3, 0.4, 0.5]), 30)
    risks = running_design(skeleton).skeleton.risks  # type: ignore[attr-defined]
    assert 0.1 < risks[2] < 0.2 and risks[3] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Dosed("x", 1, 25, ("q",)), "not a planned dose; nearest: 20"),
        (Dosed("x", 1, 20, ("c1p1",)), "was dosed already"),
        (Dosed("x", 1, 20, ()), "one or more patients"),
        (ObservedOutcome("x", 1, "nobody", True), "never dosed"),
        (ObservedOutcome("x", 1, "c1p1", False), "followed to the end already"),
        (ObservedOutcome("x", -1, "c1p1", True), "before the dose"),
        (Withdrawn("x", 1, "c1p1"), "recorded already"),
        (Corrected("x", 1, "zz", None, "why"), "was not recorded before"),
        (Corrected("x", 1, "c1", None, ""), "says why"),
        (Corrected("x", 1, "c1", None, "gone"), "never dosed"),  # its outcomes would hang in the air
        (ObservedOutcome("c1", 1, "c1p1", True), "recorded already; correct it"),
        (DoseAdded("x", 1, 30, ""), "says why"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_recorded(event: TrialEvent, told: str) -> None:
    events = run(PLAN, (10, 0))
    with pytest.raises(Refusal, match=told):
        append(PLAN, events, event)


def test_more_toxicities_than_patients() -> None:
    with pytest.raises(Refusal, match="4 toxicities in 3 patients"):
        cohort(10, 3, 4, 0, events=())


def test_plans_are_checked() -> None:
    raw = PLAN.model_dump(mode="json")
    with pytest.raises(Refusal, match="put them in rising order"):
        plan_of({**raw, "doses": [10, 40, 20, 60, 90, 120]}, EscalationPlan)
    with pytest.raises(Refusal, match="expected 6 risks"):
        plan_of({**raw, "scenario": [{"name": "x", "risks": [0.1]}]}, EscalationPlan)
    with pytest.raises(Refusal, match="did you mean 'skeleton'"):
        plan_of({**raw, "design": [{"kind": "crm", "skelton": [0.1]}]}, EscalationPlan)
    with pytest.raises(Refusal, match="the design's own limit"):
        running_design(PLAN.model_copy(update={"start": 5}))
    with pytest.raises(Refusal, match="cohorts of three"):
        running_design(
            with_design(kind="3+3").model_copy(update={"conduct": PLAN.conduct.model_copy(update={"cohort": 4})})
        )


def test_the_file_of_a_trial_keeps_its_chain(tmp_path: Path) -> None:
    path = tmp_path / "trial.jsonl"
    open_trial(PLAN, path)
    record(path, cohort(10, 3, 0, 0, events=()))
    with pytest.raises(Refusal, match="opened once"):
        open_trial(PLAN, path)
    with pytest.raises(Refusal, match="never dosed"):
        record(path, [ObservedOutcome("x", 1, "c1p1", True), ObservedOutcome("y", 1, "nobody", True)])
    plan, events = read_trial(path)
    assert plan == PLAN and len(events) == 4  # all or none
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[3]]) + "\n")
    with pytest.raises(Refusal, match="line 3 was altered"):
        read_trial(path)


def test_events_survive_json() -> None:
    events = run(PLAN, (10, 0))
    events = append(PLAN, events, Corrected("k", 5, "c1p1o", ObservedOutcome("c1p1o", 4, "c1p1", True), "typo"))
    for event in events:
        assert event_from_json(json.loads(json.dumps(event_to_json(event)))) == event
    with pytest.raises(Refusal, match="did you mean 'observed'"):
        event_from_json({"kind": "observd"})
    with pytest.raises(Refusal, match="did you mean 'patient'"):
        event_from_json({"kind": "observed", "patint": "x"})
    with pytest.raises(Refusal, match="toxic"):
        event_from_json({"kind": "observed", "id": "a", "day": 1, "patient": "x", "toxic": "perhaps"})


def test_co_data_move_the_first_decision() -> None:
    earlier = {"doses": [40, 60], "patients": [6, 6], "toxicities": [2, 3]}
    blrm = PLAN.model_dump(mode="json")["design"][0]
    plan = with_design(**{**blrm, "co_data": [earlier]})
    assert decide(plan, ()).doses[2].overdose > decide(PLAN, ()).doses[2].overdose  # type: ignore[operator]


def test_the_page_of_a_decision() -> None:
    events = run(PLAN, (10, 0), (20, 1))
    decision = decide(PLAN, events)
    html = render(decision_page(fold(PLAN, events), decision, history(PLAN, events), ()))
    assert answer(PLAN, decision) in html and html.count("<svg") == 2 and decision.digest[:12] in html


def test_designs_are_compared_and_chosen_within_the_constraints() -> None:
    heard: list[float] = []
    found = compare(PLAN, 300, 1, heard.append)
    assert heard[-1] == 1.0 and len(found.rows) == 5 * 4
    assert found.chosen == found.ranked[0].design and found.ranked[0].admissible
    exact = [r for r in found.rows if r.exact]
    assert {r.design for r in exact} == {"3 + 3"}
    for row in found.rows:
        assert row.found.selection.sum() == pytest.approx(1)
        np.testing.assert_allclose(row.found.patients.sum(), row.found.total)
    tight = PLAN.model_copy(update={"constraints": PLAN.constraints.model_copy(update={"patients_max": 5.0})})
    none = compare(replace_trials(tight), 100, 1)
    assert none.chosen is None and "allow more" in none.reason
    html = render(comparison_page(found))
    assert html.count("<svg") == 5 and "enumerated exactly" in html


def replace_trials(plan: EscalationPlan) -> EscalationPlan:
    return plan.model_copy(update={"design": plan.design[-1:], "scenario": plan.scenario[:1]})


def test_standard_scenarios_put_the_target_at_each_dose() -> None:
    found = standard_scenarios(PLAN.model_copy(update={"scenario": ()}))
    assert len(found) == 7
    for k, scenario in enumerate(found[:-1]):
        assert scenario.risks[k] == pytest.approx(0.3)
    assert min(found[-1].risks) > 0.33


def test_a_state_knows_its_late_patients() -> None:
    state = fold(PLAN, run(PLAN, (10, 1)))
    toxic = next(p for p in state.patients if p.toxic)
    assert not state.is_late(toxic) and state.is_late(toxic._replace(outcome_day=29.0))
    assert replace(state, patients=()).current is None
