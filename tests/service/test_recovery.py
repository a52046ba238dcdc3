"""What survives trouble: work left behind is taken up, a woken server writes nothing, answers go out on a full disk."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import event, select

from tests.service.conftest import COURSE, Client, level, quantity, rid, server_settings, simulate_request
from twin_service.record.person import TwinName
from twin_service.service.server import Server
from twin_service.store.leases import LEASES, claim, give_up, renew
from twin_service.store.operations import DONE, WAITING, OperationRow, get_operation, insert_operation
from twin_service.v1 import cohort_pb2, common_pb2

SERVING = health_pb2.HealthCheckResponse.SERVING


def until(claim_: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if claim_():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def own(tmp_path: Path) -> Server:
    made = Server(server_settings(tmp_path, sweep_s=0.2, lease_s=1.0))
    made.start()
    yield made  # type: ignore[misc]
    made.stop()


def _read_only(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA query_only = ON")


@contextmanager
def unwritable(server: Server) -> Iterator[None]:
    """Every connection that writes finds the database read-only, new ones too."""
    event.listen(server.store._writing, "connect", _read_only)
    server.store._writer.outside(lambda c: c.connection.driver_connection.execute("PRAGMA query_only = ON"))  # type: ignore[union-attr]
    try:
        yield
    finally:
        event.remove(server.store._writing, "connect", _read_only)
        server.store._writer.outside(lambda c: c.connection.driver_connection.execute("PRAGMA query_only = OFF"))  # type: ignore[union-attr]


def test_an_answer_that_cannot_be_kept_is_served_and_says_so(own: Server) -> None:
    client = Client(own.port)
    name = client.known_twin()
    kept = client.simulation.Simulate(simulate_request(name))
    with unwritable(own):
        found = client.simulation.Simulate(simulate_request(name))
    assert not found.basis.answer_id and "not kept" in found.basis.warnings[-1]
    assert found.what_ifs == kept.what_ifs
    client.channel.close()


def test_a_twin_that_was_left_behind_is_taken_up(own: Server) -> None:
    """As after the death of another server: the events are in the store and nobody was told."""
    client = Client(own.port)
    name = client.new_twin()
    recorded, own.engine.recorded = own.engine.recorded, lambda name: None  # type: ignore[method-assign]
    client.record(name, *COURSE)
    own.engine.recorded = recorded  # type: ignore[method-assign]
    assert until(lambda: own.engine.row(TwinName.parse(name)).belief_revision == len(COURSE), 60)
    client.channel.close()


def test_an_operation_of_a_dead_server_is_taken_over_and_the_woken_one_writes_nothing(own: Server) -> None:
    request = cohort_pb2.GeneratePopulationRequest(
        parent="tenants/acme", model=common_pb2.ModelSpec(poppk="phenobarbital_neonate"), size=20, request_id=rid()
    )
    request.covariates.add(name="weight_kg", mean=quantity(1.5, "kg"), sd=quantity(0.2, "kg"), low=quantity(1, "kg"))
    row = OperationRow(
        "acme", str(uuid.uuid4()), "generate_population", WAITING, request.SerializeToString(), b"", 0, "", 1, 0
    )
    lease, now_us = f"operation/acme/{row.operation}", time.time_ns() // 1000
    dead = own.store.write(lambda c: claim(c, lease, "dead", now_us=now_us, until_us=now_us + 1_000_000))
    assert dead == 1
    own.store.write(lambda c: insert_operation(c, row))
    key = ("acme", row.operation)
    assert own.operations.find(key).state == WAITING
    assert until(lambda: own.operations.find(key).state == DONE)
    assert not own.store.write(lambda c: give_up(c, lease, dead)), "the woken server's token must be worth nothing"
    assert own.store.read(lambda c: get_operation(c, *key)).error_message == ""


def test_a_lease_has_one_holder_and_its_token_rises(own: Server) -> None:
    def at(now_s: float, owner: str) -> int | None:
        us = round(now_s * 1e6)
        return own.store.write(lambda c: claim(c, "x", owner, now_us=us, until_us=us + 4_000_000))

    assert (at(0, "a"), at(1, "b"), at(3.9, "b")) == (1, None, None)
    assert at(4.1, "b") == 2 and at(5, "a") is None
    assert not own.store.write(lambda c: renew(c, "x", 1, 10**9)), "a's token is outdated"
    assert own.store.write(lambda c: renew(c, "x", 2, 20 * 10**6)) and at(19, "a") is None
    assert own.store.write(lambda c: give_up(c, "x", 2))
    assert own.store.read(lambda c: c.execute(select(LEASES.c.lease)).first()) is None


def test_health_commits_what_it_asks_and_tells_a_store_that_cannot_write(own: Server) -> None:
    client = Client(own.port)
    stub = health_pb2_grpc.HealthStub(client.channel)

    def state() -> int:
        return int(stub.Check(health_pb2.HealthCheckRequest(service="store")).status)

    assert state() == SERVING
    with unwritable(own):
        own.health.look()
        assert state() != SERVING
    own.health.look()
    assert state() == SERVING
    client.channel.close()


def test_a_defect_met_before_is_tried_again_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose fold fails, then one of a version in which it does not; what was known before is answered."""
    settings = server_settings(tmp_path)
    server = Server(settings)
    server.start()
    client = Client(server.port)
    name = client.known_twin()
    with monkeypatch.context() as broken:
        broken.setattr("twin_service.service.work.assimilation.fold", _fails)
        client.record(name, level("l3", 40, 12.0))
        assert until(lambda: client.get(name).twin.meta.trouble.reason == "BUG")
    assert client.get(name).basis.belief_revision == len(COURSE)
    server.stop()
    server = Server(settings)
    server.start()
    client = Client(server.port)
    assert until(lambda: client.get(name).twin.meta.belief_revision == len(COURSE) + 1)
    assert not client.get(name).twin.meta.HasField("trouble")
    server.stop()


def _fails(*args: object, **more: object) -> None:
    raise IndexError("a defect")
