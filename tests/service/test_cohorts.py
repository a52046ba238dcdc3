"""CohortService on a real server: populations, operations that outlive the server, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.service.conftest import Client, quantity, refused, rid, server_settings
from twin_service.service.server import Server
from twin_service.store.verify import verify
from twin_service.v1 import cohort_pb2, simulation_pb2

PARENT = "tenants/acme"


def generate_request(size: int = 1200, **more: Any) -> cohort_pb2.GeneratePopulationRequest:
    request = cohort_pb2.GeneratePopulationRequest(
        parent=PARENT, model={"poppk": "phenobarbital_neonate"}, size=size, seed=7, request_id=rid(), **more
    )
    request.covariates.add(
        name="weight_kg",
        mean=quantity(1500, "g"),
        sd=quantity(0.4, "kg"),
        low=quantity(0.6, "kg"),
        high=quantity(4, "kg"),
    )
    return request


def simulate_request(population: str, **more: Any) -> cohort_pb2.SimulatePopulationRequest:
    request = cohort_pb2.SimulatePopulationRequest(
        population=population, **{"horizon": quantity(2, "d"), "request_id": rid(), **more}
    )
    plan = request.regimens.add(name="load")
    plan.doses.add(drug="phenobarbital", route="iv", amount=quantity(30, "mg"), interval=quantity(12, "h"), count=4)
    request.regimens.add(name="none")
    request.targets.add(output="phenobarbital", metric=simulation_pb2.METRIC_FINAL, low=quantity(60, "mg/L"))
    return request


def done(client: Client, operation: str, seconds: float = 60.0) -> Any:
    request = cohort_pb2.WaitOperationRequest(name=operation)
    return client.cohort.WaitOperation(request, timeout=seconds).operation


@pytest.fixture(scope="module")
def population(client: Client) -> str:
    response = client.cohort.GeneratePopulation(generate_request())
    assert done(client, response.operation.name).error_message == ""
    return str(response.population)


def test_a_population_is_drawn_and_treated(client: Client, population: str) -> None:
    accepted = client.cohort.SimulatePopulation(simulate_request(population)).operation
    assert not accepted.done and accepted.kind == "simulate_population"
    ended = done(client, accepted.name)
    assert ended.done and ended.progress == 1.0 and ended.error_code == 0 and ended.HasField("end_time")
    result = client.cohort.GetPopulationResult(cohort_pb2.GetPopulationResultRequest(operation=accepted.name))
    treated, untreated = result.what_ifs
    assert (treated.name, untreated.name) == ("load", "none")
    assert result.members == 1200 and result.effective_sample_size == pytest.approx(1200.0)
    assert 0.5 < treated.targets[0].probability < 1.0 and untreated.targets[0].probability == 0.0
    (series,) = treated.bands.series
    low, middle, high = (next(q.values[-1] for q in series.quantiles if q.level == p) for p in (0.05, 0.5, 0.95))
    assert low < middle < high
    assert untreated.bands.series[0].mean[-1] == 0.0
    assert "characteristics are drawn independently of each other" in result.basis.assumptions


def test_the_same_question_has_the_same_answer(client: Client, population: str) -> None:
    found = []
    for _ in range(2):
        name = client.cohort.SimulatePopulation(simulate_request(population)).operation.name
        done(client, name)
        result = client.cohort.GetPopulationResult(cohort_pb2.GetPopulationResultRequest(operation=name))
        result.ClearField("basis")
        found.append(result.SerializeToString(deterministic=True))
    assert found[0] == found[1]


def test_a_request_sent_twice_is_one_operation(client: Client, population: str) -> None:
    request = simulate_request(population)
    first, second = client.cohort.SimulatePopulation(request), client.cohort.SimulatePopulation(request)
    assert first.operation.name == second.operation.name


def test_matched_populations_weigh_their_members(client: Client) -> None:
    request = cohort_pb2.GeneratePopulationRequest(
        parent=PARENT, model={"effects": ["neutropenia_generic"]}, size=2000, seed=2, request_id=rid()
    )
    request.matches.add(output="neutrophils", mean=quantity(4.5, "10*9/L"), sd=quantity(1.2, "10*9/L"))
    response = client.cohort.GeneratePopulation(request)
    assert done(client, response.operation.name).error_message == ""
    question = cohort_pb2.SimulatePopulationRequest(
        population=response.population, horizon=quantity(1, "d"), request_id=rid()
    )
    question.regimens.add(name="untreated")
    name = client.cohort.SimulatePopulation(question).operation.name
    done(client, name)
    result = client.cohort.GetPopulationResult(cohort_pb2.GetPopulationResultRequest(operation=name))
    assert result.effective_sample_size < 1900.0
    (series,) = result.what_ifs[0].bands.series
    assert series.mean[0] == pytest.approx(4.5, abs=0.1)


def test_operations_are_listed_newest_first_and_kept_apart_by_tenant(client: Client, population: str) -> None:
    names = [client.cohort.SimulatePopulation(simulate_request(population)).operation.name for _ in range(3)]
    request = cohort_pb2.ListOperationsRequest(parent=PARENT, page_size=2)
    first = client.cohort.ListOperations(request)
    assert [o.name for o in first.operations] == [names[2], names[1]]
    request.page_token = first.next_page_token
    assert client.cohort.ListOperations(request).operations[0].name == names[0]
    others = client.cohort.ListOperations(cohort_pb2.ListOperationsRequest(parent="tenants/other"))
    assert not others.operations
    for name in names:
        done(client, name)


def test_a_cancelled_operation_says_so_and_has_no_result(client: Client) -> None:
    drawn = client.cohort.GeneratePopulation(generate_request(200_000))
    assert done(client, drawn.operation.name).done
    name = client.cohort.SimulatePopulation(simulate_request(drawn.population)).operation.name
    ended = client.cohort.CancelOperation(cohort_pb2.CancelOperationRequest(name=name)).operation
    assert ended.done and ended.error_code == grpc.StatusCode.CANCELLED.value[0]
    why = refused(lambda: client.cohort.GetPopulationResult(cohort_pb2.GetPopulationResultRequest(operation=name)))
    assert why.reason == "OPERATION_NOT_DONE"
    assert done(client, name).error_message == "cancelled by its caller"


def test_waiting_ends_with_the_asked_time_not_with_an_error(client: Client) -> None:
    drawn = client.cohort.GeneratePopulation(generate_request(300_000))
    done(client, drawn.operation.name)
    name = client.cohort.SimulatePopulation(simulate_request(drawn.population)).operation.name
    request = cohort_pb2.WaitOperationRequest(name=name, timeout={"nanos": 50_000_000})
    assert not client.cohort.WaitOperation(request).operation.done
    client.cohort.CancelOperation(cohort_pb2.CancelOperationRequest(name=name))


def test_an_operation_outlives_the_server(tmp_path: Path) -> None:
    settings = server_settings(tmp_path)
    first = Server(settings)
    first.start()
    client = Client(first.port)
    drawn = client.cohort.GeneratePopulation(generate_request(60_000))
    done(client, drawn.operation.name)
    name = client.cohort.SimulatePopulation(simulate_request(drawn.population)).operation.name
    client.channel.close()
    first.stop(0.1)
    second = Server(settings)
    second.start()
    client = Client(second.port)
    ended = done(client, name)
    assert ended.done and ended.error_code == 0
    result = client.cohort.GetPopulationResult(cohort_pb2.GetPopulationResultRequest(operation=name))
    assert result.members == 60_000
    client.channel.close()
    second.stop(0.1)
    assert verify(settings) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda r: r.covariates.add(name="shoe_size", mean=quantity(42, "1")), "covariates[1].name"),
        (
            lambda r: r.covariates[0].mean.MergeFrom(type(r.covariates[0].mean)(value=900.0, unit="kg")),
            "covariates[0].mean",
        ),
        (lambda r: r.covariates[0].sd.MergeFrom(type(r.covariates[0].sd)(value=1.0, unit="m")), "covariates[0].sd"),
        (lambda r: r.ClearField("covariates"), "covariates"),
        (
            lambda r: r.matches.add(output="albumin", mean=quantity(1, "g/L"), sd=quantity(1, "g/L")),
            "matches[0].output",
        ),
        (
            lambda r: r.matches.add(output="phenobarbital", mean=quantity(1, "mg/L"), sd=quantity(0, "mg/L")),
            "matches[0].sd",
        ),
        (lambda r: setattr(r.model, "poppk", "no_such_model"), "model.poppk"),
        (lambda r: r.correlations.add(first="weight_kg", second="weight_kg", value=0.5), "correlations[0]"),
        (lambda r: r.correlations.add(first="weight_kg", second="apgar_score", value=0.5), "correlations[0].second"),
        (lambda r: r.correlations.add(first="weight_kg", second="apgar_score", value=1.0), "correlations[0].value"),
    ],
)
def test_an_impossible_population_is_refused_at_once(client: Client, change: Any, field: str) -> None:
    request = generate_request()
    change(request)
    why = refused(lambda: client.cohort.GeneratePopulation(request))
    assert why.fields[0].startswith(field), (why.fields, why.message)


def test_impossible_questions_to_a_population_are_refused_at_once(client: Client, population: str) -> None:
    unknown = simulate_request("tenants/acme/populations/none")
    assert refused(lambda: client.cohort.SimulatePopulation(unknown)).reason == "NO_SUCH_POPULATION"
    other = simulate_request(population, outputs=["glucose"])
    assert refused(lambda: client.cohort.SimulatePopulation(other)).reason == "NO_SUCH_OUTPUT"
    short = simulate_request(population, horizon=quantity(0, "h"))
    assert refused(lambda: client.cohort.SimulatePopulation(short)).fields == ["horizon.value"]
    nothing = cohort_pb2.GetOperationRequest(name="tenants/acme/operations/none")
    assert refused(lambda: client.cohort.GetOperation(nothing)).reason == "NO_SUCH_OPERATION"
