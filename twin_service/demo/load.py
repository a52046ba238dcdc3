"""How fast the service is, beside bare ceilings measured in the same run: `twin bench service`.

A server process of its own, clients as threads over loopback. The no-op is the health check of the same server; the
bare store is SQLite with the service's own durability (WAL, synchronous=FULL) in the same folder's file system.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import grpc

from twin_client import TwinClient, dose, lab
from twin_client.events import hours, quantity
from twin_service.demo.process import running_server
from twin_service.v1 import event_pb2, simulation_pb2

START = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
MODEL = "phenobarbital_neonate"
CALLERS = 16
LATE_LABS = 100
Tell = Callable[[str], None]


def run(tell: Tell, seconds: float = 4.0) -> dict[str, float]:
    """Figures by name; ratios are within this run."""
    with tempfile.TemporaryDirectory(prefix="twin-bench-") as folder:
        with running_server(Path(folder) / "server.log") as address:
            bench = Bench(address, seconds)
            figures = bench.reads(tell) | bench.writes(tell, Path(folder)) | bench.belief(tell)
            return figures | bench.late(tell) | bench.overload(tell)


class Bench:
    """One server under load."""

    def __init__(self, address: str, seconds: float) -> None:
        self._address, self._seconds = address, seconds
        self._number = 0

    def reads(self, tell: Tell) -> dict[str, float]:
        with self._client() as client, grpc.insecure_channel(self._address) as channel:
            name = self._patient(client)
            client.twin(name)
            check = _raw_call(channel, "/grpc.health.v1.Health/Check")
            no_op = self._rate(lambda k: check(b"", timeout=30.0))
            get = self._rate(lambda k: client.twin(name))
        tell(f"GetTwin {get:.0f}/s, no-op {no_op:.0f}/s")
        return {"service.noop_per_s": no_op, "service.get_per_s": get, "service.get_ratio": get / no_op}

    def writes(self, tell: Tell, folder: Path) -> dict[str, float]:
        with self._client() as client:
            names = [self._patient(client) for _ in range(CALLERS)]
            hour = [0] * CALLERS
            lock = threading.Lock()

            def record(k: int, count: int) -> None:
                w = k % CALLERS
                with lock:
                    first, hour[w] = hour[w], hour[w] + count
                client.record(names[w], [_dose(f"w{w}-{first + i}", first + i) for i in range(count)])

            single = self._rate(lambda k: record(k, 1))
            batch = 100.0 * self._rate(lambda k: record(k, 100))
        raw_batch = _raw_rate(folder / "raw.db", 100, self._seconds)
        tell(f"events: single {single:.0f}/s, in batches of 100 {batch:.0f}/s, bare store {raw_batch:.0f}/s")
        return {
            "service.durable_per_s": single,
            "service.batch_events_per_s": batch,
            "service.raw_batch_per_s": raw_batch,
            "service.batch_ratio": batch / raw_batch,
        }

    def belief(self, tell: Tell) -> dict[str, float]:
        """From a level recorded to the belief that rests on it."""
        waits: list[float] = []
        with self._client() as client:
            for _ in range(20):
                name = self._patient(client)
                client.record(name, [_dose("d", 0.0)])
                client.twin(name, min_revision=1)
                started = time.perf_counter()
                client.record(name, [_level("l", 2.0)])
                client.twin(name, min_revision=2)
                waits.append(1000.0 * (time.perf_counter() - started))
        p50, p99 = statistics.median(waits), max(waits)
        tell(f"record to belief: median {p50:.0f} ms, slowest of 20 {p99:.0f} ms")
        return {"service.belief_p50_ms": p50, "service.belief_worst_ms": p99}

    def late(self, tell: Tell) -> dict[str, float]:
        """A level that arrives late, before all others of a long record."""
        with self._client() as client:
            name = self._patient(client)
            given = [_dose(f"d{i}", 12.0 * i) for i in range(LATE_LABS)]
            client.record(name, [*given, *(_level(f"l{i}", 12.0 * i + 6.0) for i in range(LATE_LABS))])
            started = time.perf_counter()
            client.twin(name, min_revision=2 * LATE_LABS)
            whole = time.perf_counter() - started
            started = time.perf_counter()
            client.record(name, [_level("late", 1.0)])
            client.twin(name, min_revision=2 * LATE_LABS + 1)
            late = time.perf_counter() - started
        tell(f"{LATE_LABS} levels: assimilated in {whole:.1f} s, a late one in {late:.2f} s")
        return {f"service.late_lab_s_{LATE_LABS}": late, f"service.fold_s_{LATE_LABS}": whole}

    def overload(self, tell: Tell) -> dict[str, float]:
        """Simulations offered at three times what the server does: useful answers and their waits."""
        with self._client() as client, grpc.insecure_channel(self._address) as channel:
            name = self._patient(client)
            client.record(name, [_dose("d", 0.0), _level("l", 2.0)])
            client.twin(name, min_revision=2)
            call = _raw_call(channel, "/twin_service.v1.SimulationService/Simulate")
            body = _question(client.name_of(name)).SerializeToString()
            able = self._rate(lambda k: call(body, timeout=60.0), callers=4)
            waits, refused = self._offered(call, body, 3.0 * able)
        good = len([w for w in waits if w <= 1.0]) / self._seconds / able
        p99 = sorted(waits)[int(0.99 * (len(waits) - 1))] if waits else float("inf")
        tell(f"overload: {able:.0f}/s alone; at 3x {good:.0%} of it answered within 1 s, {refused} refused")
        return {
            "service.simulate_per_s": able,
            "service.overload_goodput": good,
            "service.overload_p99_s": p99,
            "service.overload_refused": float(refused),
        }

    def _offered(self, call: Callable[..., object], body: bytes, rate: float) -> tuple[list[float], int]:
        """Calls at fixed times, whether or not earlier ones were answered: seconds of those answered; refusals."""
        waits: list[float] = []
        refused: list[str] = []
        begun = time.perf_counter()

        def one(k: int) -> None:
            time.sleep(max(0.0, begun + k / rate - time.perf_counter()))
            started = time.perf_counter()
            try:
                call(body, timeout=10.0)
                waits.append(time.perf_counter() - started)
            except grpc.RpcError as error:
                refused.append(error.code().name)

        with ThreadPoolExecutor(128) as pool:
            list(pool.map(one, range(int(rate * self._seconds))))
        return waits, len(refused)

    def _rate(self, work: Callable[[int], object], callers: int = CALLERS) -> float:
        """Calls a second of `callers` that each wait for their answer."""
        work(0)
        end = time.perf_counter() + self._seconds

        def loop(k: int) -> int:
            done = 0
            while time.perf_counter() < end:
                work(k)
                done += 1
            return done

        with ThreadPoolExecutor(callers) as pool:
            return sum(pool.map(loop, range(callers))) / self._seconds

    def _client(self) -> TwinClient:
        return TwinClient(self._address, "bench", timeout_s=600.0)

    def _patient(self, client: TwinClient) -> str:
        self._number += 1
        name = f"b{self._number}"
        client.create_twin(name, poppk=MODEL, epoch=START, covariates={"weight_kg": quantity(1.4, "kg")})
        return name


def _raw_call(channel: grpc.Channel, method: str) -> Callable[..., object]:
    """A method as bytes to bytes, so that the caller's own coding is not measured."""
    call: Callable[..., object] = channel.unary_unary(method)
    return call


def _raw_rate(path: Path, batch: int, seconds: float) -> float:
    """Rows a second into a bare SQLite table, each batch durable before the next."""
    body = b"x" * 220
    with sqlite3.connect(path, isolation_level=None) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("CREATE TABLE e (k INTEGER PRIMARY KEY, body BLOB)")
        rows, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany("INSERT INTO e (body) VALUES (?)", [(body,)] * batch)
            raw.execute("COMMIT")
            rows += batch
    return rows / seconds


def _dose(id: str, hour: float) -> event_pb2.Event:
    return dose(id, START + timedelta(hours=hour), "phenobarbital", quantity(5.0, "mg"), route="iv")


def _level(id: str, hour: float) -> event_pb2.Event:
    return lab(id, START + timedelta(hours=hour), "phenobarbital", quantity(15.0 + hour % 7, "mg/L"))


def _question(name: str) -> simulation_pb2.SimulateRequest:
    request = simulation_pb2.SimulateRequest(name=name, horizon=hours(48.0), members=64)
    plan = request.what_ifs.add(name="five")
    plan.doses.add(drug="phenobarbital", route="iv", amount=quantity(5.0, "mg"), interval=hours(12.0), count=4)
    return request
