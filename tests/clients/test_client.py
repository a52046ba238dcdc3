"""The client against a live server: the whole conversation, errors that name their field, and safe retries."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest

import twin_client
from tests.clients.live import live_client
from twin_client import ClientError, TwinClient, correction, covariate, dose, hours, lab, mg, quantity, retraction
from twin_client.calls import call
from twin_client.errors import FieldFault
from twin_service.v1 import cohort_pb2, simulation_pb2

START = datetime(2024, 5, 1, 8, tzinfo=UTC)
LEVELS = {2.0: 17.0, 26.0: 22.0}


def after(h: float) -> datetime:
    return START + timedelta(hours=h)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinClient]:
    with live_client(tmp_path_factory.mktemp("store")) as connected:
        yield connected


def admit(client: TwinClient, patient: str) -> int:
    """A neonate with a loading dose, two maintenance doses and two levels."""
    client.create_twin(
        patient, poppk="phenobarbital_neonate", epoch=START, covariates={"weight_kg": quantity(1.4, "kg")}
    )
    events = [dose("load", START, "phenobarbital", mg(25.0), route="iv")]
    events += [dose(f"d{h}", after(h), "phenobarbital", mg(3.5), route="iv") for h in (12, 24)]
    events += [lab(f"l{h:g}", after(h), "phenobarbital", quantity(v, "mg/L")) for h, v in LEVELS.items()]
    return client.record(patient, events).timeline_revision


def test_the_public_names_are_these() -> None:
    assert twin_client.__all__ == [
        "ClientError",
        "FieldFault",
        "TwinClient",
        "correction",
        "covariate",
        "dialysis",
        "dose",
        "genotype",
        "hours",
        "image",
        "lab",
        "mg",
        "quantity",
        "retraction",
    ]


def test_a_patient_from_admission_to_recommendation(client: TwinClient) -> None:
    revision = admit(client, "whole")
    twin = client.twin("whole", min_revision=revision)
    assert [e.name.split("__")[-1] for e in twin.belief.effects] and twin.basis.belief_revision == revision
    assert all(e.sd < e.prior_sd for e in twin.belief.effects)
    forecasts = client.forecasts("whole", min_revision=revision)
    assert [f.observed for f in forecasts] == list(LEVELS.values())
    assert forecasts[1].history == 1 and forecasts[1].forecast.sd < forecasts[1].prior.sd
    course = client.trajectory("whole", START, after(48.0), step_h=6.0)
    assert course.bands.times_h[0] == 0.0 and len(course.observations) == 2
    target = simulation_pb2.Target(
        output="phenobarbital", metric=simulation_pb2.METRIC_TROUGH, low=quantity(15, "mg/L"), high=quantity(30, "mg/L")
    )
    plan = simulation_pb2.Regimen(
        name="as before",
        doses=[
            simulation_pb2.PlannedDoses(drug="phenobarbital", route="iv", amount=mg(3.5), interval=hours(12), count=4)
        ],
    )
    (future,) = client.simulate("whole", [plan], horizon_h=48, targets=[target]).what_ifs
    assert 0.0 <= future.joint_probability <= 1.0 and future.verdict.usable
    option = simulation_pb2.Dispensable(
        drug="phenobarbital", route="iv", amounts=[mg(v) for v in (1, 3.5, 30)], intervals=[hours(12)]
    )
    ranking = client.recommend("whole", [option], [target], horizon_h=48)
    assert ranking.considered == 4 and ranking.recommended  # giving nothing is one of them
    assert ranking.ranked[0].benefit_probability >= ranking.ranked[-1].benefit_probability
    assert ranking.basis.model_digest == twin.basis.model_digest


def test_corrections_and_retractions_lead_where_being_right_at_once_leads(client: TwinClient) -> None:
    admit(client, "right")
    admit(client, "mended")
    wrong = [
        dose("extra", after(6.0), "phenobarbital", mg(99.0), route="iv"),
        lab("typo", after(30.0), "phenobarbital", quantity(200.0, "mg/L")),
    ]
    client.record("mended", wrong)
    fix = correction("fix", after(50.0), "typo", lab("x", after(30.0), "phenobarbital", quantity(20.0, "mg/L")))
    revision = client.record(
        "mended", [retraction("undo", after(49.0), "extra", "other patient"), fix]
    ).timeline_revision
    last = client.record("right", [lab("typo", after(30.0), "phenobarbital", quantity(20.0, "mg/L"))]).timeline_revision
    mended = client.twin("mended", min_revision=revision).belief
    right = client.twin("right", min_revision=last).belief
    assert [e.mean for e in mended.effects] == [e.mean for e in right.effects]


def test_a_population_from_question_to_answer(client: TwinClient) -> None:
    drawn = cohort_pb2.GeneratePopulationRequest(model={"poppk": "phenobarbital_neonate"}, size=1500, seed=3)
    drawn.covariates.add(name="weight_kg", mean=quantity(1.5, "kg"), sd=quantity(0.3, "kg"))
    accepted = client.generate_population(drawn)
    assert client.wait(accepted.operation.name, 30.0).done
    asked = cohort_pb2.SimulatePopulationRequest(population=accepted.population, horizon=hours(48))
    asked.regimens.add(name="load").doses.add(drug="phenobarbital", route="iv", amount=mg(30.0), count=1)
    operation = client.simulate_population(asked)
    assert client.wait(operation.name, 30.0).progress == 1.0
    found = client.population_result(operation.name)
    assert found.members == 1500
    assert found.what_ifs[0].bands.series[0].mean[-1] > 1.0


def test_a_request_id_applies_once(client: TwinClient) -> None:
    client.create_twin("once", poppk="phenobarbital_neonate", epoch=START)
    event, key = [covariate("w", START, "weight_kg", quantity(1.2, "kg"))], str(uuid.uuid4())
    first = client.record("once", event, request_id=key)
    assert client.record("once", event, request_id=key) == first
    assert len(list(client.events("once"))) == 1
    with pytest.raises(ClientError) as refused:
        client.record("once", [covariate("v", START, "weight_kg", quantity(1.3, "kg"))], request_id=key)
    assert refused.value.code == "ALREADY_EXISTS"


def test_a_refusal_names_the_field(client: TwinClient) -> None:
    admit(client, "refused")
    with pytest.raises(ClientError) as refused:
        client.record("refused", [lab("bad", after(1.0), "phenobarbital", quantity(3.0, "furlong"))])
    assert refused.value.code == "INVALID_ARGUMENT"
    assert [f.path.startswith("events[0].") for f in refused.value.faults] == [True]
    with pytest.raises(ClientError) as unknown:
        client.twin("nobody")
    assert unknown.value.code == "NOT_FOUND"


def test_a_time_without_zone_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        dose("d", datetime(2024, 1, 1), "phenobarbital", mg(1.0), route="iv")


class Failing:
    """A method that fails `times` times with `code`, then answers."""

    def __init__(self, code: grpc.StatusCode, times: int, details: str = "") -> None:
        self.code_, self.left, self.text, self.timeouts = code, times, details, []

    def __call__(self, request: object, *, timeout: float, metadata: object) -> str:
        self.timeouts.append(timeout)
        if self.left == 0:
            return f"answer to {request}"
        self.left -= 1
        raise _Error(self.code_, self.text)


class _Error(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        self._code, self._text = code, text

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._text

    def trailing_metadata(self) -> tuple[()]:
        return ()


def patiently(method: Failing, timeout_s: float = 10.0) -> str:
    now = [0.0]

    def sleep(s: float) -> None:
        now[0] += s

    return call(method, "question", timeout_s=timeout_s, clock=lambda: now[0], sleep=sleep)


def test_an_absent_server_is_tried_again_within_the_deadline() -> None:
    method = Failing(grpc.StatusCode.UNAVAILABLE, 4)
    assert patiently(method) == "answer to question"
    assert method.timeouts == sorted(method.timeouts, reverse=True) and len(method.timeouts) == 5


@pytest.mark.parametrize(
    ("code", "text", "tries"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "", 1),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)", 1),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too large, without a time to retry", 1),
        (grpc.StatusCode.UNAVAILABLE, "away", 3),
    ],
)
def test_what_cannot_succeed_is_not_tried_again(code: grpc.StatusCode, text: str, tries: int) -> None:
    method = Failing(code, 2 if tries == 3 else 99, text)
    if tries == 3:
        assert patiently(method) == "answer to question"
    else:
        with pytest.raises(ClientError):
            patiently(method)
    assert len(method.timeouts) == tries


def test_patience_ends_at_the_deadline() -> None:
    with pytest.raises(ClientError) as gave_up:
        patiently(Failing(grpc.StatusCode.UNAVAILABLE, 10_000), timeout_s=5.0)
    assert gave_up.value.code == "UNAVAILABLE"


def test_an_error_reads_well() -> None:
    error = ClientError(
        "INVALID_ARGUMENT", "unit is unknown", faults=(FieldFault("events[0].lab.value", "write mg/L"),)
    )
    assert str(error) == "INVALID_ARGUMENT [events[0].lab.value]: unit is unknown"
