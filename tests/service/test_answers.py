"""Trajectories, forecasts, what-ifs and rankings, checked against the belief they are drawn from."""

from __future__ import annotations

import math

import grpc
import pytest

from tests.service.conftest import COURSE, EPOCH_S, Client, event, level, quantity, refused, rid, simulate_request
from twin_service.v1 import simulation_pb2, twin_pb2


def trajectory(client: Client, name: str, **more: object) -> twin_pb2.GetTrajectoryResponse:
    return client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=name, **{"members": 128, **more}))  # type: ignore[no-any-return]


def test_bands_are_ordered_and_named(client: Client, twin: str) -> None:
    found = trajectory(client, twin)
    (series,) = found.bands.series
    n = len(found.bands.times_h)
    assert series.unit == "mg/L" and series.output.endswith("central") and n >= 200
    assert found.bands.origin_time.seconds == EPOCH_S and found.bands.times_h[-1] == pytest.approx(54)
    assert [q.level for q in series.quantiles] == [0.05, 0.25, 0.5, 0.75, 0.95]
    assert len(series.mean) == len(series.median) == n
    for i in range(n):
        column = [q.values[i] for q in series.quantiles]
        assert column == sorted(column) and column[2] == series.median[i]
    assert found.bands.verdict.usable and found.basis.verdict.code == "OK"
    assert [(o.event_id, o.time_h) for o in found.observations] == [("l1", 2.0), ("l2", 30.0)]
    assert found.observations[1].forecast.history == 1


def test_times_can_be_chosen(client: Client, twin: str) -> None:
    chosen = [{"seconds": EPOCH_S + h * 3600} for h in (1, 5, 50)]
    assert list(trajectory(client, twin, times=chosen).bands.times_h) == [1, 5, 50]
    stepped = trajectory(client, twin, start_time=chosen[0], end_time=chosen[1], step_h=1.5)
    assert list(stepped.bands.times_h) == [1.0, 2.5, 4.0, 5.0]
    backwards = {"start_time": chosen[1], "end_time": chosen[0]}
    assert refused(lambda: trajectory(client, twin, **backwards)).reason == "BAD_TIME_GRID"
    early = refused(lambda: trajectory(client, twin, times=[{"seconds": EPOCH_S - 3600}]))
    assert (early.code, early.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["times"])
    assert refused(lambda: trajectory(client, twin, outputs=["nothing"])).fields == ["outputs[0]"]


def test_smoothing_says_which_data_a_value_may_use(client: Client, twin: str) -> None:
    """Before the first level filtered is prior; after the last one it is smoothed."""
    at = {"times": [{"seconds": EPOCH_S + int(3600 * h)} for h in (1, 20, 50)]}
    prior, filtered, smoothed = (
        trajectory(client, twin, smoothing=s, **at).bands.series[0].median
        for s in (twin_pb2.SMOOTHING_PRIOR, twin_pb2.SMOOTHING_FILTERED, twin_pb2.SMOOTHING_SMOOTHED)
    )
    # other times in the same run may round the last bit differently
    assert [filtered[0], filtered[2]] == pytest.approx([prior[0], smoothed[2]], rel=1e-12)
    assert smoothed[0] != prior[0] and filtered[1] not in (prior[1], smoothed[1])


def test_as_of_a_time_is_what_was_believed_then(client: Client, twin: str) -> None:
    past = {"as_of_time": {"seconds": EPOCH_S + 3 * 3600}}
    found = trajectory(client, twin, **past)
    assert list(found.basis.used_event_ids) == ["l1"] and found.basis.belief_revision == 4
    only = client.new_twin()
    client.record(only, *COURSE[:2])
    same = trajectory(client, only, min_revision=2)
    assert found.bands.series[0].median == pytest.approx(list(same.bands.series[0].median), rel=0.05)


def test_every_measurement_keeps_its_forecast(client: Client, twin: str) -> None:
    found = client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=twin))
    first, second = found.forecasts
    assert (first.event_id, first.analyte, first.unit, first.observed) == ("l1", "phenobarbital", "mg/L", 17.3)
    assert first.history == 0 and first.prior == first.forecast
    assert second.history == 1 and second.forecast.sd < second.prior.sd
    for f in found.forecasts:
        assert f.forecast.q05 < f.forecast.q50 < f.forecast.q95
        assert f.nis == pytest.approx(((f.observed - f.forecast.mean) / f.forecast.sd) ** 2, rel=0.4, abs=0.2)
        assert f.verdict.usable and not f.surprising and f.weight == 1.0 and f.estimator
    assert found.basis.belief_revision == 4 and not found.next_page_token


def test_forecasts_come_in_pages_and_by_analyte(client: Client, twin: str) -> None:
    request = twin_pb2.ListForecastsRequest(name=twin, page_size=1, analytes=["phenobarbital"])
    first = client.twins.ListForecasts(request)
    request.page_token = first.next_page_token
    second = client.twins.ListForecasts(request)
    assert [f.event_id for f in (*first.forecasts, *second.forecasts)] == ["l1", "l2"] and not second.next_page_token
    request.analytes[0] = "creatinine"
    assert refused(lambda: client.twins.ListForecasts(request)).fields == ["analytes[0]"]


def test_a_surprising_level_is_flagged_not_dropped(client: Client) -> None:
    name = client.new_twin()
    client.record(name, *COURSE, level("odd", 40, 90.0))
    client.get(name, 5)
    odd = client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=name)).forecasts[-1]
    assert odd.surprising and odd.verdict.code == "SURPRISING" and 0 <= odd.weight < 1 and odd.nis > 9


def test_what_ifs_differ_only_by_their_doses(client: Client, twin: str) -> None:
    found = client.simulation.Simulate(simulate_request(twin))
    five, stop = found.what_ifs
    assert [w.name for w in found.what_ifs] == ["five", "stop"]
    assert five.bands.series[0].median[0] == stop.bands.series[0].median[0]
    assert five.bands.series[0].median[-1] > stop.bands.series[0].median[-1]
    assert five.bands.origin_time.seconds == EPOCH_S + 30 * 3600 and five.bands.times_h[-1] == 72
    assert five.joint_probability == five.targets[0].probability > stop.joint_probability
    assert five.targets[0].unit == "mg/L" and five.targets[0].metric.q05 <= five.targets[0].metric.q95
    assert {e.endpoint for e in five.endpoints} == {"subtherapeutic", "toxic"}
    assert five.regimen.doses[0].amount.value == 5 and not stop.regimen.doses
    assert found.basis.members == 64 and any("as planned" in a for a in found.basis.assumptions)


def test_a_stream_sends_the_same_what_ifs_one_by_one(client: Client, twin: str) -> None:
    whole = client.simulation.Simulate(simulate_request(twin))
    request = simulation_pb2.StreamSimulateRequest(simulate=simulate_request(twin))
    parts = list(client.simulation.StreamSimulate(request))
    assert [p.what_if for p in parts] == list(whole.what_ifs)
    assert not parts[0].HasField("basis") and parts[-1].basis.answer_id
    kept = client.twins.GetAnswer(
        twin_pb2.GetAnswerRequest(name=f"tenants/acme/answers/{parts[-1].basis.answer_id}", reproduce=True)
    )
    assert kept.identical and kept.method.endswith("/Simulate")


def test_metrics_have_their_own_units(client: Client, twin: str) -> None:
    request = simulate_request(twin)
    del request.targets[:]
    request.targets.add(
        name="auc",
        output="phenobarbital",
        metric=simulation_pb2.METRIC_AUC,
        low=quantity(0.9, "g.h/L"),
        high=quantity(9000, "mg.h/L"),
        window_end=quantity(3, "d"),
    )
    request.targets.add(
        name="share",
        output="phenobarbital",
        metric=simulation_pb2.METRIC_FRACTION_ABOVE,
        low=quantity(50, "%"),
        threshold=quantity(15, "ug/mL"),
    )
    request.targets.add(
        name="mean", output="phenobarbital", metric=simulation_pb2.METRIC_AVERAGE, low=quantity(0, "g/L")
    )
    auc, share, mean = client.simulation.Simulate(request).what_ifs[0].targets
    assert (auc.unit, share.unit, mean.unit) == ("mg/L.h", "1", "mg/L")
    assert auc.metric.q50 == pytest.approx(72 * mean.metric.q50, rel=1e-6)
    assert 0 <= share.metric.q05 <= share.metric.q95 <= 1 and mean.probability == 1.0


def test_compare_is_the_difference_of_two_what_ifs(client: Client, twin: str) -> None:
    request = simulation_pb2.CompareRequest(simulate=simulate_request(twin), reference="stop")
    found = client.simulation.Compare(request)
    (one,) = found.comparisons
    five, stop = found.what_ifs
    assert one.name == "five"
    assert one.joint_probability_difference == five.joint_probability - stop.joint_probability
    assert one.endpoint_difference["toxic"] == five.endpoints[1].probability - stop.endpoints[1].probability
    name = five.targets[0].target
    assert one.metric_median_difference[name] == five.targets[0].metric.q50 - stop.targets[0].metric.q50 > 0
    request.reference = "nothing"
    assert refused(lambda: client.simulation.Compare(request)).fields == ["reference"]


def recommend_request(name: str, **more: object) -> simulation_pb2.RecommendRequest:
    request = simulation_pb2.RecommendRequest(
        name=name, horizon=quantity(3, "d"), members=64, targets=simulate_request(name).targets, **more
    )
    request.options.add(
        drug="phenobarbital",
        route="iv",
        amounts=[quantity(a, "mg") for a in (2, 4, 6, 12)],
        intervals=[quantity(12, "h"), quantity(1, "d")],
    )
    return request


def best_has_baseline(found: simulation_pb2.RecommendResponse) -> bool:
    return all(e.HasField("baseline_probability") for e in found.ranked[0].what_if.endpoints)


def test_a_recommendation_is_a_ranked_list_with_reasons(client: Client, twin: str) -> None:
    request = recommend_request(twin)
    request.constraints.add(endpoint="toxic", probability_max=0.2)
    found = client.simulation.Recommend(request)
    # eight to give, and nothing
    assert found.considered == 9 == len(found.ranked) and [r.rank for r in found.ranked] == list(range(1, 10))
    assert found.message.startswith(found.recommended) and best_has_baseline(found)
    best = found.ranked[0]
    assert found.recommended == best.what_if.name and best.admissible and "in range" in best.reason
    admissible = [r.admissible for r in found.ranked]
    assert admissible == sorted(admissible, reverse=True)
    apart = [r.utility for r in found.ranked if r.admissible and not r.tie]
    assert apart == sorted(apart, reverse=True)
    ties = [r.utility for r in found.ranked if r.tie]
    assert max(ties, default=0.0) - min(ties, default=0.0) <= 0.02, "ties differ by less than matters"
    toxic = [next(e.probability for e in r.what_if.endpoints if e.endpoint == "toxic") for r in found.ranked]
    assert all((p <= 0.2) == a for p, a in zip(toxic, admissible, strict=True))


def test_nothing_is_recommended_when_nothing_is_safe(client: Client, twin: str) -> None:
    request = recommend_request(twin, max_results=2)
    request.constraints.add(endpoint="subtherapeutic", probability_max=0.0)
    request.constraints.add(endpoint="toxic", probability_max=0.0)
    found = client.simulation.Recommend(request)
    assert len(found.ranked) == 2
    assert found.recommended == "" or found.ranked[0].admissible
    request.constraints.add(endpoint="nothing", probability_max=0.5)
    assert refused(lambda: client.simulation.Recommend(request)).fields == ["constraints[2].endpoint"]


def test_nothing_that_is_not_finite_leaves(client: Client, twin: str) -> None:
    answers = [trajectory(client, twin), client.simulation.Simulate(simulate_request(twin)), client.get(twin)]

    def numbers(message: object) -> list[float]:
        found: list[float] = []
        for field, value in message.ListFields():  # type: ignore[attr-defined]
            if field.type == field.TYPE_DOUBLE:
                found += list(value) if field.is_repeated else [value]
            elif field.type == field.TYPE_MESSAGE and not field.message_type.GetOptions().map_entry:
                for one in value if field.is_repeated else [value]:
                    found += numbers(one)
        return found

    for answer in answers:
        assert len(numbers(answer)) > 5 and all(map(math.isfinite, numbers(answer)))


def test_a_whole_body_twin_with_toxicity_and_tumor_walks_the_same_path(client: Client) -> None:
    """Docetaxel by PBPK, neutrophils by LOINC in cells per microliter, a tumor diameter in centimeters."""
    body = [
        {"name": n, "value": quantity(v, u)}
        for n, v, u in (("age", 60, "a"), ("weight", 70, "kg"), ("height", 165, "cm"), ("sex_female", 1, "1"))
    ]
    model = {"drugs": ["docetaxel"], "effects": ["neutropenia_friberg", "tumor_claret"]}
    name = client.new_twin(covariates=body, model=model)
    given = {"drug": "docetaxel", "amount": quantity(150, "mg"), "route": "iv", "duration": quantity(60, "min")}
    client.record(
        name,
        event("d", 0, dose=given),
        event("n", 170, lab={"loinc": "751-8", "value": quantity(900, "/uL")}),
        event("t", 400, image={"analyte": "tumor_sld", "value": quantity(5.1, "cm"), "simulated": True}),
    )
    found = client.get(name, 3)
    assert list(found.basis.used_event_ids) == ["n", "t"] and len(found.belief.effects) > 4
    assert {"neutropenia_friberg", "tumor_claret"} <= set(found.basis.library_versions)
    shown = trajectory(client, name, members=32)
    assert {s.unit for s in shown.bands.series} == {"mg/L", "10*9/L", "mm"} and shown.bands.verdict.usable
    neutrophils, tumor = shown.observations
    assert neutrophils.value.value == pytest.approx(0.9) and tumor.value.value == pytest.approx(51) and tumor.simulated
    request = simulation_pb2.SimulateRequest(name=name, horizon=quantity(21, "d"), members=32)
    plan = request.what_ifs.add(name="next cycle")
    plan.doses.add(drug="docetaxel", route="iv", amount=quantity(150, "mg"), count=1, duration=quantity(1, "h"))
    request.what_ifs.add(name="stop")
    cycle, stop = client.simulation.Simulate(request).what_ifs
    harm = {e.endpoint: (e.probability, s.probability) for e, s in zip(cycle.endpoints, stop.endpoints, strict=True)}
    assert any(given > none for given, none in harm.values()), harm


def test_a_planned_dose_outside_its_drugs_domain_is_said_beside_the_answer(client: Client) -> None:
    body = [{"name": "age", "value": quantity(40, "a")}, {"name": "weight", "value": quantity(70, "kg")}]
    name = client.new_twin(covariates=body, model={"drugs": ["midazolam"]})
    request = simulation_pb2.SimulateRequest(name=name, horizon=quantity(8, "h"), members=16)
    plan = request.what_ifs.add(name="asked")
    plan.doses.add(drug="midazolam", route="oral", amount=quantity(5, "mg"), count=1, interval=quantity(24, "h"))
    assert not any("outside what its file" in w for w in client.simulation.Simulate(request).basis.warnings)
    plan.doses[0].amount.value = 500
    said = client.simulation.Simulate(request).basis.warnings
    assert any("midazolam: a dose of 500 mg by oral is outside" in w for w in said)


def test_an_age_outside_the_body_is_refused(client: Client) -> None:
    name = client.new_twin(covariates=[{"name": "age", "value": quantity(97, "a")}], model={"drugs": ["midazolam"]})
    told = refused(lambda: trajectory(client, name))
    assert told.reason == "OUTSIDE_DOMAIN" and "age_y from 0 to 95" in told.message


def test_a_preterm_newborn_is_asked_for_its_weeks_of_gestation(client: Client) -> None:
    """1.1 kg is no child at term; at 28 weeks it is the usual one."""
    born = [{"name": "age", "value": quantity(3, "d")}, {"name": "weight", "value": quantity(1100, "g")}]
    name = client.new_twin(covariates=born, model={"drugs": ["vancomycin"]})
    assert any("say gestational_age_wk" in w for w in trajectory(client, name, members=16).basis.warnings)
    born.append({"name": "gestational_age", "value": quantity(28, "wk")})
    name = client.new_twin(covariates=born, model={"drugs": ["vancomycin"]})
    found = trajectory(client, name, members=16)
    assert found.bands.verdict.usable and not any("gestational_age_wk" in w for w in found.basis.warnings)


def test_a_surprising_level_is_told_with_what_would_explain_it(client: Client) -> None:
    """17.3 mg/L sent as ug/L: kept, flagged, counted less, and the likeliest mistake named."""
    name = client.new_twin()
    wrong = level("l2", 30, 0.0145)
    client.record(name, *COURSE[:3], wrong)
    client.get(name, 4)
    request = twin_pb2.ListForecastsRequest(name=name, min_revision=4)
    first, second = client.twins.ListForecasts(request).forecasts
    assert not first.explanations and not first.surprising
    assert second.surprising and second.weight < 0.5 and second.observed == pytest.approx(0.0145)
    assert second.explanations[0].story == "recorded a thousandfold too low"
    assert 10.0 < second.explanations[0].odds <= 1e12


def test_an_answer_is_computed_again_under_what_was_said_of_the_twin_then(client: Client) -> None:
    """Oracle: the digest of the answer kept before the twin was changed, twice."""
    name = client.known_twin()
    kept = []
    for grams in (1500, 1600):
        answer = client.simulation.Simulate(simulate_request(name))
        kept.append(f"tenants/acme/answers/{answer.basis.answer_id}")
        changed = twin_pb2.Twin(name=name, spec={"covariates": [{"name": "weight_kg", "value": quantity(grams, "g")}]})
        client.twins.UpdateTwin(
            twin_pb2.UpdateTwinRequest(twin=changed, update_mask={"paths": ["spec.covariates"]}, request_id=rid())
        )
    for answer_name in kept:
        again = client.twins.GetAnswer(twin_pb2.GetAnswerRequest(name=answer_name, reproduce=True))
        assert again.identical
    now = client.simulation.Simulate(simulate_request(name))
    assert now.basis.spec_revision == 3
