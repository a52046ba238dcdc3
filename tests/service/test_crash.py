"""A server process killed at any moment loses nothing it acknowledged; the client's retries are absorbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest

from tests.service.conftest import Client, dose, level, rid, server_settings
from twin_service.outcome import Refusal
from twin_service.record.person import TwinName
from twin_service.service.server import Server
from twin_service.settings import Settings
from twin_service.store.twins import get_twin
from twin_service.store.unit_of_work import Store
from twin_service.store.verify import verify
from twin_service.v1 import twin_pb2

SERVE = "from twin_service.service.server import serve; from twin_service.settings import load; serve(load())"


class Process:
    """`twin serve` as its own process on a given store."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.url = f"sqlite:///{folder / 'twin.db'}"
        environment = {
            "TWIN_DATABASE_URL": self.url,
            "TWIN_LISTEN": "127.0.0.1:0",
            "TWIN_METRICS_PORT": "-1",
            "TWIN_LOG_LEVEL": "ERROR",
            **more,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "grpc port" in line, line
        self.client = Client(int(line.split("grpc port ")[1].split(",")[0]))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self._end()

    def _end(self) -> int:
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.client.channel.close()
        return code


def run_kills(folder: Path, kills: int) -> None:
    """Write, be killed between or amid requests, start again, send what was not acknowledged again, compare."""
    chance = random.Random(11)
    name, acknowledged, number = "", set(), 0
    pending: twin_pb2.RecordEventsRequest | None = None
    for _ in range(kills + 1):
        server = Process(folder)
        if not name:
            name = server.client.new_twin()
            server.client.record(name, dose("d0", 0))
            acknowledged.add("d0")
        found = {e.event.id for e in listed(server.client, name)}
        assert acknowledged <= found
        unsure = {e.id for e in pending.events} if pending is not None else set()
        assert found <= acknowledged | unsure
        assert found & unsure in (set(), unsure), "half a batch was kept"
        if pending is not None:
            server.client.twins.RecordEvents(pending, timeout=30)
            acknowledged |= unsure
        killer = threading.Timer(chance.uniform(0.02, 0.3), server.process.send_signal, [signal.SIGKILL])
        killer.start()
        pending = None
        while server.process.poll() is None:
            events = [level(f"l{number + i}", 1 + 2 * (number + i), 20.0 + number % 5) for i in range(3)]
            pending = twin_pb2.RecordEventsRequest(name=name, events=events, request_id=rid())
            number += 3
            try:
                server.client.twins.RecordEvents(pending, timeout=10)
            except grpc.RpcError:
                break
            acknowledged |= {e.id for e in events}
            pending = None
        killer.join()
        server.kill()
        assert verify(Settings(database_url=server.url)) == []


def listed(client: Client, name: str) -> list[object]:
    found, token = [], ""
    while True:
        request = twin_pb2.ListEventsRequest(name=name, page_size=1000, page_token=token)
        page = client.twins.ListEvents(request, timeout=30)
        found += page.events
        token = page.next_page_token
        if not token:
            return found


def test_three_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    run_kills(tmp_path, 3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    run_kills(tmp_path, 20)


def test_a_restarted_server_believes_what_it_believed(tmp_path: Path) -> None:
    """After a restart a twin goes on from its stored anchors to the same state as a fresh fold."""
    first = Server(server_settings(tmp_path))
    first.start()
    client = Client(first.port)
    name = client.new_twin()
    client.record(name, dose("d", 0), *(level(f"l{i}", 2 + 5 * i, 17 - i) for i in range(12)))
    before = client.get(name, 13)
    forecasts = client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=name)).forecasts
    client.channel.close()
    first.stop()
    second = Server(server_settings(tmp_path))
    second.start()
    client = Client(second.port)
    after = client.get(name, 13)
    assert after.basis.belief_digest == before.basis.belief_digest
    assert len(second.engine._view(TwinName.parse(name)).folded.anchors) == 10  # of 12: the older, the fewer
    assert client.twins.ListForecasts(twin_pb2.ListForecastsRequest(name=name)).forecasts == forecasts
    client.record(name, level("late", 1, 18.0), level("new", 70, 5.0))
    asked = {"name": name, "smoothing": twin_pb2.SMOOTHING_FILTERED, "members": 32}
    kept = client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(**asked, min_revision=15))
    whole = client.twins.GetTrajectory(twin_pb2.GetTrajectoryRequest(**asked, as_of_revision=15))
    assert whole.bands == kept.bands
    client.channel.close()
    second.stop()


def test_stopping_answers_what_is_in_flight_and_exits_cleanly(tmp_path: Path) -> None:
    server = Process(tmp_path)
    name = server.client.new_twin()
    answers: list[object] = []

    def write(start: int) -> None:
        for i in range(start, start + 1000):
            try:
                answers.append(server.client.record(name, level(f"l{i}", 1 + 2 * i, 20.0 + i % 5)))
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED), error
                return

    threads = [threading.Thread(target=write, args=(1000 * i,)) for i in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.5)
    assert server.stop() == 0
    for t in threads:
        t.join()
    assert len(answers) > 0
    settings = Settings(database_url=server.url)
    store = Store(settings)
    recorded = store.read(lambda c: get_twin(c, TwinName.parse(name))).timeline_revision
    store.close()
    assert recorded >= len(answers)
    assert verify(settings) == []


def test_a_second_server_on_the_same_file_says_so(tmp_path: Path) -> None:
    first = Server(server_settings(tmp_path))
    with pytest.raises(Refusal, match="another process has this database open"):
        Server(server_settings(tmp_path))
    first.start()
    first.stop()
