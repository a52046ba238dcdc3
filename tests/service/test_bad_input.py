"""Bad input gets a clear refusal with the path of the field, never INTERNAL, and nothing of it is written."""

from __future__ import annotations

import math
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.conftest import COURSE, Client, dose, event, level, quantity, refused, rid, simulate_request, spec
from twin_service.service.server import Server
from twin_service.v1 import event_pb2, simulation_pb2, trial_pb2, twin_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LAB: dict[str, Any] = {"analyte": "phenobarbital", "value": quantity(10, "mg/L")}
DOSE: dict[str, Any] = {"drug": "phenobarbital", "amount": quantity(10, "mg"), "route": "iv"}
YEAR_3000_H = 9e6


@pytest.mark.parametrize(
    ("bad", "code", "field", "reason"),
    [
        (event("x", 1, dose={**DOSE, "drug": "unobtainium"}), INVALID, "dose.drug", "UNKNOWN_DRUG"),
        (
            event("x", 1, dose={**DOSE, "drug": "quinidine"}),
            grpc.StatusCode.FAILED_PRECONDITION,
            "dose.drug",
            "NO_SUCH_ROUTE",
        ),
        (
            event("x", 1, dose={**DOSE, "route": "rectal"}),
            grpc.StatusCode.FAILED_PRECONDITION,
            "dose.route",
            "NO_SUCH_ROUTE",
        ),
        (event("x", 1, dose={**DOSE, "amount": quantity(-1, "mg")}), INVALID, "dose.amount.value", "NEGATIVE"),
        (event("x", 1, dose={**DOSE, "amount": quantity(math.nan, "mg")}), INVALID, "dose.amount.value", "CONTRACT"),
        (event("x", 1, dose={**DOSE, "amount": quantity(math.inf, "mg")}), INVALID, "dose.amount.value", "CONTRACT"),
        (event("x", 1, dose={**DOSE, "amount": quantity(1, "mL")}), INVALID, "dose.amount.unit", "BAD_UNIT"),
        (event("x", 1, dose={**DOSE, "amount": quantity(3, "kg")}), INVALID, "dose.amount.value", "IMPLAUSIBLE"),
        (event("x", 1, dose={**DOSE, "duration": quantity(-1, "h")}), INVALID, "dose.duration.value", "NEGATIVE"),
        (event("x", 1, dose={"drug": "phenobarbital", "route": "iv"}), INVALID, "dose.amount", "CONTRACT"),
        (event("x", 1, lab={**LAB, "analyte": "unobtainium"}), INVALID, "lab.analyte", "UNKNOWN_ANALYTE"),
        (event("x", 1, lab={**LAB, "analyte": ""}), INVALID, "lab.analyte", "NO_ANALYTE"),
        (event("x", 1, lab={**LAB, "loinc": "99999-9"}), INVALID, "lab.loinc", "UNKNOWN_CODE"),
        (event("x", 1, lab={**LAB, "loinc": "2160-0"}), INVALID, "lab.loinc", "CODES_DISAGREE"),
        (event("x", 1, lab={"loinc": "29463-7", "value": quantity(70, "kg")}), INVALID, "lab.loinc", "NOT_A_LAB"),
        (event("x", 1, lab={**LAB, "value": quantity(1, "furlong")}), INVALID, "lab.value.unit", "BAD_UNIT"),
        (event("x", 1, lab={**LAB, "value": quantity(1, "")}), INVALID, "lab.value.unit", "CONTRACT"),
        (event("x", 1, lab={**LAB, "value": quantity(math.nan, "mg/L")}), INVALID, "lab.value.value", "CONTRACT"),
        (event("x", 1, lab={**LAB, "value": quantity(-3, "mg/L")}), INVALID, "lab.value.value", "IMPLAUSIBLE"),
        (
            event("x", 1, image={"analyte": "tumor_sld", "value": quantity(1, "kg")}),
            INVALID,
            "image.value.unit",
            "BAD_UNIT",
        ),
        (
            event("x", 1, covariate={"name": "shoe", "value": quantity(1, "1")}),
            INVALID,
            "covariate.name",
            "UNKNOWN_CHARACTERISTIC",
        ),
        (
            event("x", 1, covariate={"name": "weight", "value": quantity(0, "kg")}),
            INVALID,
            "covariate.value.value",
            "IMPLAUSIBLE",
        ),
        (event("x", 1, genotype={"gene": "cyp", "activity": 1}), INVALID, "genotype.gene", "CONTRACT"),
        (event("x", 1, genotype={"gene": "CYP2D6", "activity": -1}), INVALID, "genotype.activity", "CONTRACT"),
        (event("x", YEAR_3000_H, lab=LAB), INVALID, "time", "FUTURE_TIME"),
        (event("x", -2e6, lab=LAB), INVALID, "time", "PAST_TIME"),
        (event_pb2.Event(id="x", time={"seconds": 1, "nanos": -5}, lab=LAB), INVALID, "time", "BAD_TIME"),
        (event_pb2.Event(id="x", lab=LAB), INVALID, "time", "CONTRACT"),
        (event("", 1, lab=LAB), INVALID, "id", "CONTRACT"),
        (event("x y", 1, lab=LAB), INVALID, "id", "CONTRACT"),
        (event("x", 1), INVALID, "payload", "CONTRACT"),
        (
            event(
                "x",
                1,
                correction={
                    "target_event_id": "l1",
                    "replacement": {"lab": {**LAB, "value": quantity(1, "m")}},
                    "replacement_time": {"seconds": 1_700_000_000},
                },
            ),
            INVALID,
            "correction.replacement.lab.value.unit",
            "BAD_UNIT",
        ),
        (
            event(
                "x",
                1,
                correction={
                    "target_event_id": "l1",
                    "replacement": {"lab": LAB},
                    "replacement_time": {"seconds": 40_000_000_000},
                },
            ),
            INVALID,
            "correction.replacement_time",
            "FUTURE_TIME",
        ),
        (
            event("x", 1, correction={"target_event_id": "l1", "replacement": {}, "replacement_time": {"seconds": 1}}),
            INVALID,
            "correction.replacement.finding",
            "CONTRACT",
        ),
        (event("x", 1, retraction={}), INVALID, "retraction.target_event_id", "CONTRACT"),
    ],
)
def test_a_bad_event_is_refused_with_its_path_and_nothing_is_written(
    client: Client, twin: str, bad: event_pb2.Event, code: grpc.StatusCode, field: str, reason: str
) -> None:
    before = client.get(twin).twin.meta.timeline_revision
    found = refused(lambda: client.record(twin, level("fine", 3, 12.0), bad))
    assert (found.code, found.reason) == (code, reason), found.message
    assert found.fields == [f"events[1].{field}"]
    assert client.get(twin).twin.meta.timeline_revision == before


def test_an_unknown_patient_is_not_found(client: Client) -> None:
    name = "tenants/acme/patients/nobody/twin"
    for call in (
        lambda: client.record(name, level("l", 1, 1.0)),
        lambda: client.get(name),
        lambda: client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=name)),
        lambda: client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=name)),
        lambda: client.twins.ListEvents(twin_pb2.ListEventsRequest(name=name)),
        lambda: next(client.twins.WatchTwin(twin_pb2.WatchTwinRequest(name=name))),
        lambda: client.twins.DeleteTwin(twin_pb2.DeleteTwinRequest(name=name, request_id=rid())),
        lambda: client.simulation.Simulate(simulate_request(name)),
    ):
        found = refused(call)
        assert (found.code, found.reason, found.fields) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_TWIN", ["name"])


@pytest.mark.parametrize(
    "name", ["", "x", "tenants/Acme/patients/p/twin", "tenants/a/patients/p", "tenants/a/patients/../twin"]
)
def test_a_bad_name_is_invalid(client: Client, name: str) -> None:
    found = refused(lambda: client.get(name))
    assert (found.code, found.fields) == (INVALID, ["name"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"parent": "tenants/UPPER"}, "parent"),
        ({"patient_id": "Jane Doe"}, "patient_id"),
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"spec": None}, "spec"),
        ({"spec": twin_pb2.TwinSpec()}, "spec.model"),
        ({"spec": twin_pb2.TwinSpec(model={})}, "spec.model"),
        ({"spec": twin_pb2.TwinSpec(model={"poppk": "nothing_like_it"})}, "spec.model.poppk"),
        ({"spec": twin_pb2.TwinSpec(model={"poppk": "Bad Name"})}, "spec.model.poppk"),
        ({"spec": spec(estimator=77)}, "spec.estimator"),
        ({"spec": spec(covariates=[{"name": "weight", "value": quantity(1, "m")}])}, "spec.covariates[0].value.unit"),
        ({"spec": spec(labels={"Bad Key": "x"})}, 'spec.labels["Bad Key"]'),
    ],
)
def test_a_bad_twin_is_invalid(client: Client, change: dict[str, Any], field: str) -> None:
    request = twin_pb2.CreateTwinRequest(
        **{"parent": "tenants/acme", "patient_id": "new", "spec": spec(), "request_id": rid(), **change}
    )
    found = refused(lambda: client.twins.CreateTwin(request))
    assert found.code is INVALID and field.replace('"', "") in [f.replace('"', "") for f in found.fields], found.fields


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        (
            lambda r: r.targets[0].low.CopyFrom(simulation_pb2.Target(low=quantity(1, "kg")).low),
            "targets[0].low.unit",
            INVALID,
        ),
        (lambda r: setattr(r.targets[0].low, "value", 99.0), "targets[0].low", INVALID),
        (lambda r: setattr(r.targets[0], "output", "nothing"), "targets[0].output", INVALID),
        (lambda r: setattr(r.targets[0], "metric", 0), "targets[0].metric", INVALID),
        (lambda r: r.outputs.append("nothing"), "outputs[0]", INVALID),
        (lambda r: setattr(r.what_ifs[1], "name", "five"), "what_ifs[1].name", INVALID),
        (lambda r: setattr(r.what_ifs[0].doses[0], "drug", "unobtainium"), "what_ifs[0].doses[0].drug", INVALID),
        (lambda r: setattr(r.what_ifs[0].doses[0].amount, "value", -1.0), "what_ifs[0].doses[0].amount.value", INVALID),
        (lambda r: setattr(r.what_ifs[0].doses[0], "count", 0), "what_ifs[0].doses[0].count", INVALID),
        (lambda r: r.what_ifs[0].doses[0].ClearField("interval"), "what_ifs[0].interval_h", INVALID),
        (
            lambda r: r.horizon.CopyFrom(simulation_pb2.SimulateRequest(horizon=quantity(0, "h")).horizon),
            "horizon.value",
            grpc.StatusCode.OUT_OF_RANGE,
        ),
        (lambda r: setattr(r.horizon, "unit", "mg"), "horizon.unit", INVALID),
        (lambda r: r.ClearField("horizon"), "horizon", INVALID),
        (lambda r: r.ClearField("what_ifs"), "what_ifs", INVALID),
        (lambda r: setattr(r, "members", 10**6), "members", grpc.StatusCode.OUT_OF_RANGE),
        (lambda r: setattr(r, "min_revision", 10**6), "min_revision", grpc.StatusCode.OUT_OF_RANGE),
        (lambda r: setattr(r, "as_of_revision", 10**6), "as_of_revision", grpc.StatusCode.OUT_OF_RANGE),
        (lambda r: setattr(r.start_time, "seconds", 1000), "start_time", INVALID),
    ],
)
def test_a_bad_question_is_refused(client: Client, twin: str, change: Any, field: str, code: grpc.StatusCode) -> None:
    request = simulate_request(twin)
    change(request)
    found = refused(lambda: client.simulation.Simulate(request))
    assert (found.code, found.fields) == (code, [field]), found.message


def test_too_many_of_anything_is_refused(client: Client, twin: str) -> None:
    many = [level(f"m{i}", 1 + i / 1000, 1.0) for i in range(1001)]
    found = refused(lambda: client.record(twin, *many))
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "BATCH_TOO_LARGE")
    request = simulate_request(twin)
    for i in range(40):
        request.what_ifs.add(name=f"plan {i}")
    found = refused(lambda: client.simulation.Simulate(request))
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_PLANS")
    grid = twin_pb2.GetTrajectoryRequest(name=twin, step_h=1e-6)
    found = refused(lambda: client.twins.GetTrajectory(grid))
    assert (found.code, found.fields) == (grpc.StatusCode.RESOURCE_EXHAUSTED, ["step_h"])


def test_a_message_of_64_megabytes_is_refused_and_the_server_goes_on(client: Client, twin: str) -> None:
    huge = twin_pb2.RecordEventsRequest(name="x" * 64 * 1024 * 1024)
    assert refused(lambda: client.twins.RecordEvents(huge)).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert client.get(twin).twin.name == twin


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_garbage_bytes_are_never_internal(server: Server, data: bytes) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for method in ("TwinService/RecordEvents", "SimulationService/Simulate", "LibraryService/ValidateDrug"):
            call = channel.unary_unary(f"/twin_service.v1.{method}")
            try:
                call(data, timeout=20)
            except grpc.RpcError as error:
                assert error.code() in (INVALID, grpc.StatusCode.NOT_FOUND), (error.code(), error.details())


def test_what_is_not_a_message_says_so(server: Server) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        found = refused(lambda: channel.unary_unary("/twin_service.v1.TwinService/GetTwin")(b"\xff\xff\xff"))
    assert (found.code, found.reason) == (INVALID, "GARBAGE")


def test_one_id_with_two_contents_is_refused(client: Client) -> None:
    name = client.known_twin()
    found = refused(lambda: client.record(name, level("new", 5, 1.0), level("l1", 2, 18.0)))
    assert (found.code, found.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EVENT_ID_REUSED")
    assert found.fields == ["events[1].id"]
    found = refused(lambda: client.record(name, level("new", 5, 1.0), level("new", 5, 2.0)))
    assert (found.code, found.fields) == (INVALID, ["events[1].id"])
    assert client.get(name).twin.meta.timeline_revision == len(COURSE)


def test_a_trial_table_with_mistakes_is_refused(client: Client) -> None:
    rows = [
        trial_pb2.TrialRow(subject=f"s{i}", treated=i % 2 == 0, outcome=i, prognostic_score=i * 1.5) for i in range(8)
    ]
    rows[3].subject = "s1"
    request = trial_pb2.AnalyzeTrialRequest(parent="tenants/acme", rows=rows)
    assert refused(lambda: client.trial.AnalyzeTrial(request)).fields == ["rows[3].subject"]
    rows[3].subject = "s3"
    rows[5].covariates["age"] = 4.0
    request = trial_pb2.AnalyzeTrialRequest(parent="tenants/acme", rows=rows)
    assert refused(lambda: client.trial.AnalyzeTrial(request)).fields == ["rows[5].covariates"]
    one_arm = [trial_pb2.TrialRow(subject=f"s{i}", outcome=i, prognostic_score=i) for i in range(8)]
    request = trial_pb2.AnalyzeTrialRequest(parent="tenants/acme", rows=one_arm)
    found = refused(lambda: client.trial.AnalyzeTrial(request))
    assert found.code in (INVALID, grpc.StatusCode.FAILED_PRECONDITION)


def test_dose_helper_is_valid(client: Client) -> None:
    name = client.new_twin()
    assert client.record(name, dose("ok", 0)).timeline_revision == 1
