"""Who read and changed whose data is entered for every call, signed, exported; identifiers stay out of logs."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.service.conftest import COURSE, Client, refused, rid, server_settings, simulate_request
from twin_service.cli.app import app
from twin_service.demo.faults.messages import Filler, call, methods
from twin_service.service.audit_event import export
from twin_service.service.door import logs
from twin_service.service.door.lane import CallerScope
from twin_service.service.handlers.table import ROUTES
from twin_service.service.server import Server
from twin_service.settings import Settings
from twin_service.store.accesses import Access, read_accesses
from twin_service.store.errors import StoreUnavailable
from twin_service.store.keys import new_keys, write_key_file
from twin_service.store.verify import check, verify
from twin_service.v1 import twin_pb2

PURPOSE = (("twin-purpose", "TREAT"),)


def keyed(folder: Path, **more: Any) -> Settings:
    write_key_file(folder / "k.toml", new_keys())
    return server_settings(folder, keys=f"file:{folder / 'k.toml'}", **more)


def entries(server: Server, *, at_least: int = 0) -> list[Access]:
    for _ in range(200):
        found = server.store.read(lambda c: list(read_accesses(c, "acme")))
        if len(found) >= at_least:
            break
        time.sleep(0.05)
    return found


def test_every_read_and_write_is_entered_with_who_what_when_and_why(tmp_path: Path) -> None:
    settings = keyed(tmp_path)
    server = Server(settings, clock=lambda: 1_700_200_000_000_000)
    server.start()
    client = Client(server.port)
    name = client.new_twin()
    patient = name.split("/")[3]
    client.record(name, *COURSE)
    client.twins.GetTwin(twin_pb2.GetTwinRequest(name=name), metadata=PURPOSE)
    answer = client.simulation.Simulate(simulate_request(name), timeout=60)
    answer_name = f"tenants/acme/answers/{answer.basis.answer_id}"
    client.twins.GetAnswer(twin_pb2.GetAnswerRequest(name=answer_name), timeout=60)
    watch = client.twins.WatchTwin(twin_pb2.WatchTwinRequest(name=name))
    next(watch)
    watch.cancel()
    client.twins.ListTwins(twin_pb2.ListTwinsRequest(parent="tenants/acme"))
    refused(lambda: client.twins.GetTwin(twin_pb2.GetTwinRequest(name="tenants/acme/patients/nobody/twin")))
    client.twins.DeleteTwin(twin_pb2.DeleteTwinRequest(name=name, request_id=rid()))
    found = entries(server, at_least=10)
    said = [(e.method.rpartition("/")[2], e.patient, e.outcome) for e in found]
    assert sorted(said) == sorted(
        [
            ("CreateTwin", patient, "OK"),
            ("RecordEvents", patient, "OK"),
            ("GetTwin", patient, "OK"),
            ("Simulate", patient, "OK"),
            ("GetAnswer", patient, "OK"),
            ("WatchTwin", patient, "OPENED"),
            ("WatchTwin", patient, "CANCELLED"),
            ("ListTwins", "", "OK"),
            ("GetTwin", "nobody", "NOT_FOUND"),
            ("DeleteTwin", patient, "OK"),
        ]
    )
    assert {e.actor for e in found} == {"anonymous"} and {e.time_us for e in found} == {1_700_200_000_000_000}
    assert [e.purpose for e in found if e.method.endswith("GetTwin") and e.outcome == "OK"] == ["TREAT"]
    assert len({e.call for e in found}) == 9
    client.channel.close()
    server.stop()
    assert verify(settings) == []
    assert check(settings).counts["accesses"] == 10
    resources = [json.loads(line) for line in export(settings, "acme")]
    assert len(resources) == 10  # writes are not told twice
    for resource in resources:
        _valid(resource)
    assert sorted(r["action"] for r in resources) == sorted("CURERRRRRD")
    assert len({r["id"] for r in resources}) == 10
    assert len(list(export(settings, "acme", patient))) == 8 and not list(export(settings, "other"))
    result = CliRunner().invoke(
        app,
        ["audit", "export", "--tenant", "acme", "--out", str(tmp_path / "audit.ndjson")],
        env={"TWIN_DATABASE_URL": settings.database_url, "TWIN_KEYS": settings.keys},
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "audit.ndjson").read_text().count("\n") == 10


def _valid(resource: dict[str, Any]) -> None:
    """FHIR R4B's model of AuditEvent, which R4 resources satisfy."""
    kind = pytest.importorskip("fhir.resources.R4B.auditevent").AuditEvent
    assert kind.model_validate(resource).get_resource_type() == "AuditEvent"


def test_a_write_whose_server_died_before_its_entry_is_exported_from_its_audit_row(tmp_path: Path) -> None:
    settings = keyed(tmp_path, audit_flush_s=3600.0)
    server = Server(settings)
    server.start()
    client = Client(server.port)
    client.new_twin()
    assert entries(server) == []  # not written yet
    (line,) = export(settings, "acme")
    assert json.loads(line)["subtype"][0]["code"] == "CreateTwin"
    client.channel.close()
    server.stop()
    assert len(list(export(settings, "acme"))) == 1


def test_an_answer_can_wait_for_its_entry(tmp_path: Path) -> None:
    server = Server(keyed(tmp_path, audit_wait=True, audit_flush_s=3600.0))
    server.start()
    client = Client(server.port)
    name = client.new_twin()
    client.get(name)
    assert len(server.store.read(lambda c: list(read_accesses(c, "acme")))) == 2
    client.channel.close()
    server.stop()


def test_entries_wait_while_the_store_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(keyed(tmp_path))
    server.start()
    client = Client(server.port)
    name = client.new_twin()
    entries(server, at_least=1)
    write = server.store.write

    def full(work: Any) -> Any:
        raise StoreUnavailable("STORE_FULL", "the store is out of space")

    monkeypatch.setattr(server.store, "write", full)
    client.get(name)
    time.sleep(0.5)
    assert len(entries(server)) == 1
    monkeypatch.setattr(server.store, "write", write)
    assert len(entries(server, at_least=2)) == 2
    client.channel.close()
    server.stop()


def test_every_method_is_entered_but_those_of_the_library() -> None:
    """A new route is in the trail by default; what is left out knows no patient."""
    left_out = {r.method.rpartition("/")[2] for r in ROUTES if r.scope is CallerScope.LIBRARY}
    assert left_out == {"DescribeModel", "GetDrug", "ListAnalytes", "ListDrugs", "ListModels", "ValidateDrug"}


PLANTED = tuple(f"Zz{kind}Q{kind.encode().hex()}" for kind in ("mrn", "name", "dob", "note", "lab"))


def test_no_identifier_of_any_request_reaches_a_log_line_or_a_metric(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Identifiers in every text of every request of every method, good ones and nonsense; then they are searched."""
    settings = keyed(tmp_path, metrics_port=0, log_level="DEBUG")
    logs.configure(settings)
    server = Server(settings)
    server.start()
    client = Client(server.port)
    patient = "ZzpatientQ77"
    rng = np.random.default_rng(3)
    name = f"tenants/acme/patients/{patient}/twin"
    made = twin_pb2.CreateTwinRequest(parent="tenants/acme", patient_id=patient, request_id=rid())
    from tests.service.conftest import dose, level, spec

    made.spec.CopyFrom(spec(labels={"ward": PLANTED[0]}))
    client.twins.CreateTwin(made)
    client.record(name, dose(PLANTED[1], 0), level(PLANTED[2], 2, 17.3))
    client.get(name, 2)
    outcomes: set[str] = set()
    for method in methods():
        for _ in range(6):
            filler = Filler(rng, patient=patient, words=PLANTED, extremes=False)
            try:
                call(client.channel, method, filler.message(method.request), 2.0)
                outcomes.add("OK")
            except grpc.RpcError as error:
                outcomes.add(error.code().name)
                # what a caller is told of its own request stays with the caller; another's never comes back
    page = urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics").read().decode()
    client.channel.close()
    server.stop()
    lines = capsys.readouterr().err
    logs.configure(server_settings(tmp_path))
    assert lines.count('"event": "call"') > 6 * len(methods()) * 0.9
    assert {"INVALID_ARGUMENT", "NOT_FOUND"} <= outcomes, outcomes
    assert "INTERNAL" not in outcomes
    for planted in (*PLANTED, patient):
        assert planted not in lines, [x for x in lines.splitlines() if planted in x][:2]
        assert planted not in page
    for line in lines.splitlines():
        said = json.loads(line)
        if said["event"] == "call" and said["request"]:
            assert said["caller"].startswith("twin ")
