"""AverageModels on a real server: weights, mixtures, reproduction, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import Client, event, quantity, refused
from twin_service.v1 import simulation_pb2, twin_pb2

MODELS = ("vancomycin_goti", "vancomycin_thomson", "vancomycin_buelga")
WHO = {"weight_kg": (70.0, "kg"), "age_y": (60.0, "a"), "sex_female": (0.0, "1"), "creatinine_umol_l": (90.0, "umol/L")}


@pytest.fixture(scope="module")
def adult(client: Client) -> str:
    """1 g of vancomycin every 12 h, three levels of somebody who clears it slowly."""
    name = client.new_twin(
        model={"poppk": MODELS[0]}, covariates=[{"name": n, "value": quantity(v, u)} for n, (v, u) in WHO.items()]
    )
    doses = [
        event(
            f"d{k}",
            12.0 * k,
            dose={"drug": "vancomycin", "amount": quantity(1, "g"), "route": "iv", "duration": quantity(1, "h")},
        )
        for k in range(4)
    ]
    levels = [
        event(f"l{k}", h, lab={"analyte": "vancomycin", "value": quantity(v, "mg/L")})
        for k, (h, v) in enumerate([(11.5, 13.0), (23.5, 19.0), (35.5, 24.0)])
    ]
    client.record(name, *doses, *levels)
    client.get(name, 7)
    return name


def question(name: str, *models: str, **more: Any) -> simulation_pb2.AverageModelsRequest:
    return simulation_pb2.AverageModelsRequest(name=name, models=[{"poppk": m} for m in models], members=200, **more)


def test_weights_and_a_plan_under_the_mixture(client: Client, adult: str) -> None:
    request = question(adult, *MODELS, horizon=quantity(2, "d"))
    plan = request.what_ifs.add(name="less")
    plan.doses.add(
        drug="vancomycin",
        route="iv",
        amount=quantity(750, "mg"),
        interval=quantity(12, "h"),
        count=4,
        duration=quantity(1, "h"),
    )
    request.targets.add(
        output="vancomycin",
        metric=simulation_pb2.METRIC_AUC_DAY,
        low=quantity(400, "mg/L.h"),
        high=quantity(600, "mg/L.h"),
        name="auc",
    )
    found = client.simulation.AverageModels(request)
    assert [m.model.poppk for m in found.models] == list(MODELS)
    assert sum(m.weight for m in found.models) == pytest.approx(1.0)
    assert found.readings == 3 and all(m.rrmse > 0 and not m.left_out for m in found.models)
    (mixed,) = found.what_ifs
    assert 0.0 < mixed.targets[0].probability < 1.0
    (series,) = mixed.bands.series
    assert series.output == "vancomycin" and series.unit == "mg/L" and min(series.mean) > 1.0
    assert {"vancomycin_thomson"} <= set(found.basis.library_versions)
    kept = client.twins.GetAnswer(
        twin_pb2.GetAnswerRequest(name=f"tenants/acme/answers/{found.basis.answer_id}", reproduce=True)
    )
    assert kept.identical


def test_without_plans_only_weights_are_told(client: Client, adult: str) -> None:
    found = client.simulation.AverageModels(question(adult, *MODELS[:2], prior_weights=[1.0, 3.0]))
    even = client.simulation.AverageModels(question(adult, *MODELS[:2]))
    assert not found.what_ifs
    odds = [m.models[1].weight / m.models[0].weight for m in (found, even)]
    assert odds[0] / odds[1] == pytest.approx(3.0)


def test_a_model_for_others_is_left_out_with_its_reason(client: Client, adult: str) -> None:
    found = client.simulation.AverageModels(question(adult, MODELS[0], "vancomycin_frymoyer"))
    assert found.models[0].weight == 1.0
    assert found.models[1].weight == 0.0 and found.models[1].left_out


def test_impossible_questions_are_refused_by_field(client: Client, adult: str) -> None:
    asked = {
        "models": question(adult, MODELS[0]),
        "models[1].poppk": question(adult, MODELS[0], "no_such_model"),
        "prior_weights": question(adult, *MODELS, prior_weights=[1.0]),
        "prior_weights[1]": question(adult, *MODELS[:2], prior_weights=[1.0, -2.0]),
    }
    for field, request in asked.items():
        why = refused(lambda request=request: client.simulation.AverageModels(request))
        assert why.fields and why.fields[0].startswith(field), (field, why.fields, why.message)
