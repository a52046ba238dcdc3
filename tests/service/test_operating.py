"""Health, metrics, reflection, logs, tokens, TLS, limits, deadlines: what an operator relies on."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.service.conftest import COURSE, Client, dose, level, refused, rid, server_settings, simulate_request, spec
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door import logs
from twin_service.service.door import status as errors
from twin_service.service.server import SERVICES, Server
from twin_service.settings import Settings
from twin_service.solver.tolerances import Deadline
from twin_service.store.errors import StoreUnavailable
from twin_service.v1 import twin_pb2

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health(client: Client, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(client.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service)).status  # type: ignore[no-any-return]


def metric(server: Server, name: str, **labels: str) -> float:
    return server.metrics.registry.get_sample_value(name, labels) or 0.0


def test_each_subsystem_and_service_is_healthy(client: Client) -> None:
    for name in ("", "store", "assimilation", *SERVICES):
        assert health(client, name) == SERVING, name


def test_a_store_that_cannot_write_is_seen_and_its_recovery_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(server_settings(tmp_path))
    server.start()
    client = Client(server.port)
    name = client.new_twin()
    submit = server.store._writer.submit

    def full(work: Any) -> Any:
        raise StoreUnavailable("STORE_FULL", "the store is out of space")

    monkeypatch.setattr(server.store._writer, "submit", full)
    server.health.look()
    assert health(client, "store") == NOT_SERVING and health(client, "") == NOT_SERVING
    assert health(client, "assimilation") == SERVING
    assert metric(server, "twin_subsystem_serving", subsystem="store") == 0
    found = refused(lambda: client.record(name, COURSE[0]))
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
    assert found.retry_s is not None and found.retry_s > 0
    assert client.get(name).twin.name == name
    monkeypatch.setattr(server.store._writer, "submit", submit)
    server.health.look()
    assert health(client, "") == SERVING
    assert client.record(name, COURSE[0]).timeline_revision == 1
    client.channel.close()
    server.stop()


def test_the_watch_outlives_a_bug_in_what_it_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(server_settings(tmp_path))
    server.health._period_s = 0.05
    server.start()
    client = Client(server.port)

    def waits_for(status: int) -> bool:
        return any(health(client, "store") == status or time.sleep(0.05) for _ in range(200))

    with monkeypatch.context() as broken:
        broken.setattr(server.store, "probe", lambda: 1 / 0)
        assert waits_for(NOT_SERVING)
    assert waits_for(SERVING)
    client.channel.close()
    server.stop()


def test_metrics_count_calls_events_and_assimilations_without_names(server: Server, client: Client) -> None:
    before = metric(server, "twin_events_recorded_total", kind="lab")
    name = client.known_twin()
    client.record(name, COURSE[1])
    assert metric(server, "twin_events_recorded_total", kind="lab") == before + 2
    assert metric(server, "twin_events_duplicate_total") >= 1
    refused(lambda: client.get("nonsense"))
    page = urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics").read().decode()
    words = (
        "twin_call_seconds_bucket",
        "twin_assimilate_seconds_count",
        "twin_nis_ratio",
        "twin_store_commits_total",
        'code="INVALID_ARGUMENT"',
        "twin_assimilation_queue",
        "twin_verdicts_total",
    )
    for word in words:
        assert word in page, word
    assert "acme" not in page and name.split("/")[3] + '"' not in page


def test_logs_are_json_without_identifiers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = server_settings(tmp_path, log_level="INFO")
    logs.configure(settings)
    server = Server(settings)
    server.start()
    client = Client(server.port)
    request = twin_pb2.CreateTwinRequest(parent="tenants/acme", patient_id="jane-doe", spec=spec(), request_id=rid())
    name = client.twins.CreateTwin(request).twin.name
    client.record(name, *COURSE)
    client.get(name, 4)
    refused(lambda: client.get(name, 99))
    server.service.engine._folded = lambda row, view: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    client.record(name, level("boom", 40, 9.0))
    found = refused(lambda: client.get(name, 5))
    client.channel.close()
    server.stop()
    logs.configure(server_settings(tmp_path))
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert {"started", "call", "incident", "stopped"} <= {line["event"] for line in lines}
    assert "jane-doe" not in json.dumps(lines) and "acme" not in json.dumps(lines)
    assert found.code is grpc.StatusCode.FAILED_PRECONDITION and "incident" in found.message
    incident = next(line for line in lines if line["event"] == "incident")
    assert incident["incident"] in found.message and incident["error"].startswith("ZeroDivisionError")


def test_a_bug_is_internal_with_an_incident_and_nothing_else(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = metric(server, "twin_incidents_total")
    with monkeypatch.context() as broken:
        broken.setattr(server.store, "read", lambda work: 1 / 0)
        found = refused(lambda: client.get("tenants/acme/patients/x/twin"))
    server.health.look()
    assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "BUG")
    assert found.metadata["incident"] in found.message and "division" not in found.message
    assert metric(server, "twin_incidents_total") == before + 1


def test_every_refusal_has_a_status() -> None:
    assert set(errors.STATUS) == set(RefusalCode)
    for code, status in errors.STATUS.items():
        assert status.name == code.value
        told = errors.of_refusal(Refusal(code, "m", field="f", reason="R"), 0.5)
        assert told.code == status.value[0] and len(told.details) == 2
    assert len(errors.of_refusal(Refusal(RefusalCode.TOO_MUCH, "m", reason="OVERLOADED"), 0.5).details) == 2


def test_reflection_names_every_service(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICES[0]),
    ]
    named, described = list(stub.ServerReflectionInfo(iter(asked)))
    assert set(SERVICES) <= {s.name for s in named.list_services_response.service}
    assert b"twin_service/v1/twin.proto" in described.file_descriptor_response.file_descriptor_proto[0]


def test_tokens_keep_tenants_apart(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    digest = {t: hashlib.sha256(t.encode()).hexdigest() for t in ("for-a", "for-b")}
    tokens.write_text(f'[tokens]\n"{digest["for-a"]}" = "a"\n"{digest["for-b"]}" = "b"\n')
    server = Server(server_settings(tmp_path, tenant_tokens=tokens))
    server.start()
    client = Client(server.port)
    a, b = ([("authorization", f"Bearer {t}")] for t in ("for-a", "for-b"))
    request = twin_pb2.CreateTwinRequest(parent="tenants/a", patient_id="p", spec=spec(), request_id=rid())
    assert refused(lambda: client.twins.CreateTwin(request)).code is grpc.StatusCode.UNAUTHENTICATED
    bad = [("authorization", "Bearer wrong")]
    assert refused(lambda: client.twins.CreateTwin(request, metadata=bad)).code is grpc.StatusCode.UNAUTHENTICATED
    name = client.twins.CreateTwin(request, metadata=a).twin.name
    answer = client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=name), metadata=a).basis.answer_id
    calls = [
        lambda m: client.twins.GetTwin(twin_pb2.GetTwinRequest(name=name), metadata=m),
        lambda m: client.twins.ListTwins(twin_pb2.ListTwinsRequest(parent="tenants/a"), metadata=m),
        lambda m: client.twins.ListEvents(twin_pb2.ListEventsRequest(name=name), metadata=m),
        lambda m: client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=name), metadata=m),
        lambda m: client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(name=name), metadata=m),
        lambda m: client.twins.GetAnswer(twin_pb2.GetAnswerRequest(name=f"tenants/a/answers/{answer}"), metadata=m),
        lambda m: client.simulation.Simulate(simulate_request(name), metadata=m),
        lambda m: next(client.twins.WatchTwin(twin_pb2.WatchTwinRequest(name=name), metadata=m)),
        lambda m: client.twins.RecordEvents(
            twin_pb2.RecordEventsRequest(name=name, events=COURSE[:1], request_id=rid()), metadata=m
        ),
        lambda m: client.twins.DeleteTwin(twin_pb2.DeleteTwinRequest(name=name, request_id=rid()), metadata=m),
    ]
    for call in calls:
        found = refused(lambda call=call: call(b))
        assert (found.code, found.message) == (grpc.StatusCode.NOT_FOUND, "no such twin; create it first")
    for call in calls:
        call(a)
    assert health(client, "") == SERVING
    client.channel.close()
    server.stop()
    tokens.write_text("[tokens]\nshort = 'a'\n")
    with pytest.raises(Refusal, match="SHA-256"):
        Server(server_settings(tmp_path, tenant_tokens=tokens))


def test_too_many_calls_are_refused_with_a_time_to_retry(tmp_path: Path) -> None:
    server = Server(server_settings(tmp_path, read_threads=1, read_queue_max=0, watch_streams_max=1))
    server.start()
    client = Client(server.port)
    name = client.new_twin()
    gate, entered = threading.Event(), threading.Event()
    row = server.engine.row

    def slow(asked: Any) -> Any:
        entered.set()
        gate.wait(20)
        return row(asked)

    server.engine.row = slow  # type: ignore[method-assign]
    first = client.twins.GetTwin.future(twin_pb2.GetTwinRequest(name=name))
    assert entered.wait(10)
    found = refused(lambda: client.get(name))
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert found.retry_s == pytest.approx(0.5)
    gate.set()
    assert first.result(20).twin.name == name
    assert client.get(name).twin.name == name
    watch = client.twins.WatchTwin(twin_pb2.WatchTwinRequest(name=name))
    next(watch)
    found = refused(lambda: next(client.twins.WatchTwin(twin_pb2.WatchTwinRequest(name=name))))
    assert found.reason == "TOO_MANY_STREAMS"
    watch.cancel()
    client.channel.close()
    server.stop()


def test_a_deadline_ends_the_work(client: Client, twin: str, server: Server) -> None:
    request = simulate_request(twin)
    request.members, request.horizon.value = 4096, 1500
    started = time.monotonic()
    assert refused(lambda: client.simulation.Simulate(request, timeout=0.05)).code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 5
    for _ in range(100):
        if metric(server, "twin_calls_in_flight") == 0:
            break
        time.sleep(0.1)
    assert metric(server, "twin_calls_in_flight") == 0
    waiting = client.new_twin()
    found = refused(lambda: client.twins.GetTwin(twin_pb2.GetTwinRequest(name=waiting, min_revision=1), timeout=5))
    assert found.code is grpc.StatusCode.OUT_OF_RANGE


def test_an_assimilation_that_is_broken_off_is_not_a_belief(tmp_path: Path) -> None:
    server = Server(server_settings(tmp_path, assimilation_budget_s=1e-6))
    server.start()
    client = Client(server.port)
    name = client.new_twin()
    client.record(name, *COURSE)
    found = refused(lambda: client.get(name, 4))
    assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ASSIMILATION_BUDGET")
    assert client.get(name).twin.meta.belief_revision == 0
    client.channel.close()
    server.stop()
    patient = Server(server_settings(tmp_path))
    patient.start()
    client = Client(patient.port)
    client.record(name, level("l3", 40, 13.0))
    assert client.get(name, 5).basis.belief_revision == 5
    client.channel.close()
    patient.stop()


class CountedDeadline(Deadline):
    """Passes after it was asked `looks` times: a budget that does not depend on how fast the machine is."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    @property
    def expired(self) -> bool:
        self._looks -= 1
        return self._looks < 0 or super().expired


def test_a_backlog_of_many_budgets_is_folded_in_turns(client: Client, server: Server) -> None:
    """While it lasts readers keep the belief they had; in the end it is the fold of everything, bit for bit."""
    doses = [dose(f"d{i}", 12.0 * i, 5.0) for i in range(60)]
    levels = [level(f"l{i}", 12.0 * i + 6.0, 20.0 + i % 7) for i in range(60)]
    at_once, in_turns = client.new_twin(), client.new_twin()
    client.record(at_once, *doses, *levels)
    whole = client.get(at_once, 120)
    client.record(in_turns, doses[0], levels[0])
    client.get(in_turns, 2)
    budget = server.engine.budget
    server.engine.budget = lambda: CountedDeadline(600)
    try:
        before = metric(server, "twin_assimilations_total", outcome="partly")
        client.record(in_turns, *doses[1:], *levels[1:])
        assert client.get(in_turns).basis.belief_revision in (2, 120)
        found = client.get(in_turns, 120)
        assert metric(server, "twin_assimilations_total", outcome="partly") > before
    finally:
        server.engine.budget = budget
    assert found.basis.belief_digest == whole.basis.belief_digest


def test_watch_streams_end_when_the_server_stops(tmp_path: Path) -> None:
    server = Server(server_settings(tmp_path))
    server.start()
    client = Client(server.port)
    stream = client.twins.WatchTwin(twin_pb2.WatchTwinRequest(name=client.new_twin()))
    next(stream)
    threading.Timer(0.2, server.stop, [5.0]).start()
    started = time.monotonic()
    code = refused(lambda: list(stream)).code
    assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert time.monotonic() - started < 20
    client.channel.close()


def test_an_address_that_cannot_be_had_is_a_refusal(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot listen"):
        Server(Settings(database_url=f"sqlite:///{tmp_path / 'x.db'}", listen=f"127.0.0.1:{server.port}"))
