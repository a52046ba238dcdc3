"""Treatment by rule, dosing solved backwards, MIC targets, drug choice and categories through a real server."""

from __future__ import annotations

import grpc
import pytest

from tests.service.conftest import EPOCH_S, Client, event, quantity, refused, simulate_request
from twin_service.v1 import simulation_pb2 as sim
from twin_service.v1 import twin_pb2

HOLD, ADJUST, RESCUE = sim.RULE_ACTION_HOLD, sim.RULE_ACTION_ADJUST, sim.RULE_ACTION_RESCUE


def planned(mg: float = 5.0, tau: float = 12.0, count: int = 6, **more: object) -> dict[str, object]:
    return {
        "drug": "phenobarbital",
        "route": "iv",
        "amount": quantity(mg, "mg"),
        "interval": quantity(tau, "h"),
        "count": count,
        **more,
    }


def protocol(*rules: dict[str, object], **more: object) -> sim.Protocol:
    plan = {"name": "ruled", "doses": [planned()]}
    return sim.Protocol(plan=plan, rules=rules, **{"visit_interval": quantity(12, "h"), **more})


def rule(level: float, **more: object) -> dict[str, object]:
    return {
        "id": "high",
        "output": "phenobarbital",
        "side": sim.RULE_SIDE_ABOVE,
        "action": HOLD,
        "threshold": quantity(level, "ug/mL"),
        **more,
    }


def ask(client: Client, name: str, *protocols: sim.Protocol) -> sim.SimulateProtocolResponse:
    question = simulate_request(name)
    return client.simulation.SimulateProtocol(sim.SimulateProtocolRequest(simulate=question, protocols=protocols))  # type: ignore[no-any-return]


def test_a_rule_that_never_speaks_is_the_plan_bit_for_bit(client: Client, twin: str) -> None:
    found = ask(client, twin, protocol(rule(1e6)))
    ruled, five = found.protocols[0], found.what_ifs[0]
    assert ruled.what_if.bands.series == five.bands.series and ruled.what_if.targets == five.targets
    assert ruled.what_if.endpoints == five.endpoints and ruled.held_share == 0.0
    assert ruled.relative_dose_intensity["phenobarbital"].q05 == 1.0 and len(ruled.members) == 64
    assert ruled.rules[0].members_share == 0.0 and not any("as planned" in a for a in found.basis.assumptions)


def test_members_follow_their_own_rules_and_say_what_they_were_given(client: Client, twin: str) -> None:
    levels = sorted(ask(client, twin, protocol(rule(1e6))).what_ifs[0].bands.series[0].median)
    found = ask(client, twin, protocol(rule(levels[len(levels) // 2]), held=sim.HELD_DOSE_OMITTED)).protocols[0]
    assert 0 < found.held_share <= 1
    for m in found.members:
        assert m.given_mg["phenobarbital"] == pytest.approx(30.0 - 5.0 * m.holds)
        assert m.relative_dose_intensity["phenobarbital"] == pytest.approx(1 - m.holds / 6)
    shares = [m.relative_dose_intensity["phenobarbital"] for m in found.members]
    assert found.relative_dose_intensity["phenobarbital"].mean == pytest.approx(sum(shares) / 64)
    assert found.held_share == sum(m.holds > 0 for m in found.members) / 64
    assert found.rules[0].times_mean == pytest.approx(sum(m.holds for m in found.members) / 64)


def test_reductions_and_rescues_are_counted(client: Client, twin: str) -> None:
    low = {
        "id": "low",
        "output": "phenobarbital",
        "side": sim.RULE_SIDE_BELOW,
        "threshold": quantity(1e5, "mg/L"),
        "action": RESCUE,
        "times_max": 1,
        "rescue": planned(10.0, count=1),
    }
    less = {**rule(0.001), "id": "less", "action": ADJUST, "factor": 0.5, "share_min": 0.5}
    found = ask(client, twin, protocol(low, less)).protocols[0]
    assert found.adjusted_share == 1.0 and {(m.rescues, m.adjustments) for m in found.members} == {(1, 1)}
    assert {round(m.given_mg["phenobarbital"], 9) for m in found.members} == {10.0 + 5.0 + 5 * 2.5}
    assert found.what_if.verdict.usable and len(found.rules) == 2


def test_the_answer_can_be_asked_for_again(client: Client, twin: str) -> None:
    found = ask(client, twin, protocol(rule(20.0)))
    kept = client.twins.GetAnswer(
        twin_pb2.GetAnswerRequest(name=f"tenants/acme/answers/{found.basis.answer_id}", reproduce=True)
    )
    assert kept.identical and kept.method.endswith("/SimulateProtocol")


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (protocol(rule(20.0, output="nothing")), "protocols[0].rules[0].output"),
        (protocol(rule(20.0), visit_interval=quantity(7, "h")), "protocols[0].plan.doses[0].interval"),
        (protocol(rule(20.0), visit_interval=quantity(0, "h")), "protocols[0].visit_interval"),
        (protocol(rule(20.0, threshold=quantity(20, "mmol"))), "protocols[0].rules[0].threshold.unit"),
        (protocol(rule(20.0, action=RESCUE)), "protocols[0].rules[0].rescue"),
        (protocol(rule(20.0), rule(30.0)), "protocols[0].rules[1].id"),
        (protocol(rule(20.0, drugs=["docetaxel"])), "protocols[0].rules[0].drugs"),
        (protocol(rule(20.0, action=sim.RULE_ACTION_UNSPECIFIED)), "protocols[0].rules[0].action"),
    ],
)
def test_a_protocol_that_cannot_be_followed_is_refused(
    client: Client, twin: str, broken: sim.Protocol, field: str
) -> None:
    said = refused(lambda: ask(client, twin, broken))
    assert (said.code, said.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def solve(client: Client, name: str, **question: object) -> sim.SolveDosingResponse:
    return client.simulation.SolveDosing(sim.SolveDosingRequest(name=name, members=128, **question))  # type: ignore[no-any-return]


def test_the_dose_for_an_area_gives_that_area(client: Client, twin: str) -> None:
    target = {"output": "phenobarbital", "metric": sim.METRIC_AUC_DAY}
    found = solve(
        client,
        twin,
        dose={"plan": planned(1.0), "target": target, "goal": quantity(0.5, "g.h/L"), "horizon": quantity(3, "d")},
    )
    assert found.found.unit == "mg" and found.verdict.usable and found.quantile == 0.5
    request = simulate_request(twin, targets=[target])
    del request.targets[1:]
    request.members = 128
    request.what_ifs[0].doses[0].amount.value = found.found.value
    (auc,) = client.simulation.Simulate(request).what_ifs[0].targets
    assert auc.metric.q50 == pytest.approx(500.0, rel=2e-3)


def test_the_interval_and_the_wait_for_a_level(client: Client, twin: str) -> None:
    interval = {
        "plan": planned(8.0, count=4),
        "output": "phenobarbital",
        "trough": quantity(17, "ug/mL"),
        "interval_max": quantity(5, "d"),
    }
    short = solve(client, twin, interval=interval)
    long = solve(client, twin, interval={**interval, "trough": quantity(12, "mg/L")})
    assert short.verdict.usable and 1 < short.found.value < long.found.value and short.found.unit == "h"
    wait = {"output": "phenobarbital", "level": quantity(10, "mg/L"), "within": quantity(30, "d")}
    median, sure = (solve(client, twin, wait=wait, quantile=q).found.value for q in (0.5, 0.95))
    assert 24 < median < sure
    never = solve(client, twin, wait={**wait, "within": quantity(1, "h")})
    assert not never.verdict.usable and "still at or above" in never.verdict.detail


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({}, "question"),
        ({"wait": {"output": "nothing", "level": quantity(1, "mg/L"), "within": quantity(1, "d")}}, "wait.output"),
        (
            {"wait": {"output": "phenobarbital", "level": quantity(-1, "mg/L"), "within": quantity(1, "d")}},
            "wait.level.value",
        ),
        (
            {"interval": {"plan": planned(), "output": "phenobarbital", "trough": quantity(1, "kg")}},
            "interval.trough.unit",
        ),
        (
            {
                "dose": {
                    "plan": planned(),
                    "target": {"output": "phenobarbital", "metric": sim.METRIC_TIME_ABOVE_MIC},
                    "goal": quantity(1, "1"),
                    "horizon": quantity(1, "d"),
                }
            },
            "dose.target.mics",
        ),
    ],
)
def test_a_backward_question_that_cannot_be_answered_is_refused(
    client: Client, twin: str, question: dict[str, object], field: str
) -> None:
    assert refused(lambda: solve(client, twin, **question)).fields == [field]


@pytest.fixture(scope="module")
def infected(client: Client) -> str:
    """An adult on the library's meropenem model."""
    covariates = [
        {"name": "weight_kg", "value": quantity(70, "kg")},
        {"name": "age_y", "value": quantity(40, "a")},
        {"name": "creatinine_umol_l", "value": quantity(80, "umol/L")},
        {"name": "height_cm", "value": quantity(175, "cm")},
        {"name": "sex_female", "value": quantity(0, "1")},
    ]
    name = client.new_twin(model={"poppk": "meropenem_li"}, covariates=covariates)
    client.record(name, event("d", 0, dose={"drug": "meropenem", "amount": quantity(1, "g"), "route": "iv"}))
    client.get(name, 1)
    return name


def mic_target(*mics: tuple[float, float], **more: object) -> dict[str, object]:
    return {
        "output": "meropenem",
        "metric": sim.METRIC_TIME_ABOVE_MIC,
        "low": quantity(40, "%"),
        "name": "T>MIC",
        "mics": [{"mic": quantity(m, "ug/mL"), "share": s} for m, s in mics],
        "unbound_fraction": 0.98,
        **more,
    }


def test_time_above_a_distribution_of_mics_is_the_fraction_of_response(client: Client, infected: str) -> None:
    mics = ((0.5, 60.0), (4.0, 30.0), (16.0, 10.0))
    options = [
        {
            "drug": "meropenem",
            "route": "iv",
            "amounts": [quantity(0.5, "g"), quantity(2, "g")],
            "intervals": [quantity(8, "h")],
            "durations": [quantity(30, "min"), quantity(3, "h")],
        }
    ]
    request = sim.RecommendRequest(
        name=infected, options=options, targets=[mic_target(*mics)], members=128, horizon=quantity(48, "h")
    )
    found = client.simulation.Recommend(request)
    best = found.ranked[0].what_if
    assert best.regimen.doses[0].amount.value == 2000 and best.regimen.doses[0].duration.value == 3
    assert found.considered == 5, "four to give, and nothing"
    for r in found.ranked:
        (t,) = r.what_if.targets
        assert [m.share for m in t.by_mic] == pytest.approx([0.6, 0.3, 0.1])
        assert [m.mic for m in t.by_mic] == pytest.approx([0.5, 4.0, 16.0])
        assert t.by_mic[0].probability >= t.by_mic[1].probability >= t.by_mic[2].probability
        assert t.probability == pytest.approx(sum(m.share * m.probability for m in t.by_mic)) and t.unit == "1"
        assert r.benefit_probability == pytest.approx(t.probability)


def test_a_drug_the_twin_does_not_have_is_weighed_by_its_own_model(client: Client, infected: str) -> None:
    """Against an isolate that meropenem does not reach, piperacillin-like exposure of another model may serve."""
    options = [
        {
            "drug": "meropenem",
            "route": "iv",
            "amounts": [quantity(1, "g")],
            "intervals": [quantity(8, "h")],
            "durations": [quantity(30, "min")],
            "targets": [mic_target((64.0, 1.0))],
        },
        {
            "drug": "piperacillin",
            "route": "iv",
            "amounts": [quantity(4, "g")],
            "intervals": [quantity(6, "h")],
            "durations": [quantity(3, "h")],
            "model": {"poppk": "piperacillin_roberts"},
            "targets": [{**mic_target((4.0, 1.0)), "output": "piperacillin", "name": "pip"}],
        },
    ]
    request = sim.RecommendRequest(name=infected, options=options, horizon=quantity(48, "h"), members=64)
    found = client.simulation.Recommend(request)
    given = [r for r in found.ranked if r.what_if.regimen.doses]
    assert [r.what_if.regimen.doses[0].drug for r in given] == ["piperacillin", "meropenem"]
    assert found.ranked[0].model_id == "piperacillin_roberts" and found.ranked[0].benefit_probability > 0.9
    assert any("piperacillin_roberts knows what of the record fits" in a for a in found.basis.assumptions)
    request.options[1].model.poppk = "nothing_known"
    assert refused(lambda: client.simulation.Recommend(request)).fields == ["options[1].model.poppk"]


def test_limits_and_named_harm_in_a_ranking(client: Client, twin: str) -> None:
    options = [
        {
            "drug": "phenobarbital",
            "route": "iv",
            "amounts": [quantity(m, "mg") for m in (3, 6, 30)],
            "intervals": [quantity(12, "h")],
            "loadings": [quantity(10, "mg")],
        }
    ]
    trough = {
        "output": "phenobarbital",
        "metric": sim.METRIC_TROUGH,
        "name": "in range",
        "low": quantity(12, "mg/L"),
        "high": quantity(40, "mg/L"),
    }
    high = {"output": "phenobarbital", "metric": sim.METRIC_PEAK, "name": "peak above 40", "low": quantity(40, "mg/L")}
    request = sim.RecommendRequest(
        name=twin,
        options=options,
        targets=[trough],
        horizon=quantity(5, "d"),
        members=64,
        limits=[{"target": high, "probability_max": 0.1}],
    )
    found = client.simulation.Recommend(request)
    assert found.considered == 7  # giving nothing is a candidate of its own
    worst = found.ranked[-1]
    assert not worst.admissible and "peak above 40" in worst.reason and worst.limits[0].probability > 0.1
    assert worst.harm_endpoint == "toxic" and worst.harm_title and worst.harm_probability > 0.1
    assert {e.endpoint for e in worst.what_if.endpoints} == {"toxic", "subtherapeutic"}
    assert found.ranked[0].admissible and found.ranked[0].limits[0].unit == "mg/L"
    request.limits[0].probability_min = 0.5
    assert refused(lambda: client.simulation.Recommend(request)).fields == ["limits[0].probability_min"]


@pytest.fixture(scope="module")
def patient(client: Client) -> str:
    """A tumor seen twice, neutrophils graded."""
    name = client.new_twin(
        model={"poppk": "docetaxel_neutropenia", "effects": ["tumor_claret_constant"]},
        covariates=[{"name": "weight_kg", "value": quantity(70, "kg")}],
    )
    client.record(
        name,
        event("s0", 0, image={"analyte": "tumor_sld", "value": quantity(8, "cm"), "simulated": True}),
        event("s1", 1008, image={"analyte": "tumor_sld", "value": quantity(52, "mm"), "simulated": True}),
    )
    client.get(name, 2)
    return name


def test_responses_are_forecast_from_the_recorded_baseline(client: Client, patient: str) -> None:
    request = sim.SimulateRequest(name=patient, what_ifs=[{"name": "stop"}], horizon=quantity(12, "wk"), members=64)
    request.categories.add(analyte="recist_response", times=[quantity(6, "wk"), quantity(12, "wk")])
    found = client.simulation.Simulate(request).what_ifs[0].categories
    for time_h in (1008.0, 2016.0):
        at = {c.label: c.probability for c in found if c.time_h == time_h and not c.overall}
        assert set(at) == {"CR", "PR", "SD", "PD"} and sum(at.values()) == pytest.approx(1.0)
    best = {c.label: c.probability for c in found if c.overall}
    assert best["PR"] + best["CR"] > 0.9, "the recorded scan is already a response: 52 of 80 mm"


def test_a_response_without_a_baseline_is_refused_by_name(client: Client) -> None:
    name = client.new_twin(
        model={"effects": ["tumor_claret_constant"]}, covariates=[{"name": "weight_kg", "value": quantity(70, "kg")}]
    )
    request = sim.SimulateRequest(name=name, what_ifs=[{"name": "stop"}], horizon=quantity(12, "wk"), members=32)
    request.start_time.seconds = EPOCH_S
    request.categories.add(analyte="recist_response")
    said = refused(lambda: client.simulation.Simulate(request))
    assert said.reason == "RECIST_WITHOUT_BASELINE" and said.fields == ["categories[0].baseline"]
    request.categories[0].baseline.value, request.categories[0].baseline.unit = 8, "cm"
    assert len(client.simulation.Simulate(request).what_ifs[0].categories) == 8
    request.categories[0].analyte = "fatigue_grade"
    assert refused(lambda: client.simulation.Simulate(request)).fields == ["categories[0].analyte"]


def test_meals_and_a_rescue_by_rule_are_doses_too(client: Client) -> None:
    """A diet is a plan of meals; one more meal is the rescue when glucose falls (here: whenever below 400 mg/dL)."""
    name = client.new_twin(
        model={"effects": ["glucose_meal"]}, covariates=[{"name": "weight_kg", "value": quantity(78, "kg")}]
    )
    meal = {
        "drug": "carbohydrate",
        "route": "oral",
        "amount": quantity(78, "g"),
        "interval": quantity(6, "h"),
        "count": 2,
    }
    snack = {
        "id": "snack",
        "output": "glucose",
        "side": sim.RULE_SIDE_BELOW,
        "threshold": quantity(400, "mg/dL"),
        "action": RESCUE,
        "times_max": 1,
        "rescue": {**meal, "amount": quantity(15, "g"), "count": 1},
    }
    question = sim.SimulateRequest(
        name=name, what_ifs=[{"name": "fast"}, {"name": "eat", "doses": [meal]}], horizon=quantity(12, "h"), members=16
    )
    question.start_time.seconds = EPOCH_S
    rules = sim.Protocol(plan={"name": "diet", "doses": [meal]}, rules=[snack], visit_interval=quantity(1, "h"))
    found = client.simulation.SimulateProtocol(sim.SimulateProtocolRequest(simulate=question, protocols=[rules]))
    fast, eat = found.what_ifs
    assert max(eat.bands.series[0].median) > 1.3 * max(fast.bands.series[0].median)
    assert {m.given_mg["carbohydrate"] for m in found.protocols[0].members} == {171_000.0}
    assert max(found.protocols[0].what_if.bands.series[0].median) > max(eat.bands.series[0].median)
