"""A full disk, a server that dies, two writers, a conflict: nothing acknowledged is lost, nothing is half-written."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import event, text

from tests.store.conftest import PostgreSQL
from tests.store.test_record import ACT, NAME, append, create, dose, row_of
from twin_service.outcome import Refusal, RefusalCode
from twin_service.settings import Settings
from twin_service.store import repository as rows
from twin_service.store.adopt import migrate
from twin_service.store.errors import Conflict, StoreUnavailable
from twin_service.store.unit_of_work import Store
from twin_service.store.verify import verify

# A process that appends events one by one and prints each number once it is acknowledged.
APPENDER = """
import sys
from twin_service.record.events import DoseGiven, Event
from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store.append import append_events
from twin_service.store.twins import Act
from twin_service.store.unit_of_work import Store
store = Store(Settings(database_url=sys.argv[1]))
for i in range(int(sys.argv[2]), int(sys.argv[2]) + 100000):
    event = Event(f"e{i}", i, DoseGiven("quinidine", 1.0, "oral"))
    store.write(lambda c: append_events(c, TwinName("acme", "p1"), [event], Act("x", "record", 1),
                                             twin_limit=1000000))
    print(i, flush=True)
"""


def kill_while_appending(settings: Settings, first: int, acknowledged: int) -> int:
    """Start an appender, kill it after some acknowledgements; the last number acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, settings.database_url, str(first)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TWIN_KEYS": settings.keys},
    )
    assert process.stdout is not None
    last = first - 1
    for _ in range(acknowledged):
        last = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    return int(rest[-1]) if rest else last


def test_a_killed_writer_loses_nothing_acknowledged(settings: Settings) -> None:
    migrate(settings)
    store = Store(settings)
    create(store)
    store.close()
    last = 0
    for kill in range(3):
        last = kill_while_appending(settings, last + 100 * kill + 1, 5 + 7 * kill)
        store = Store(settings)
        ids = {s.event.id for s in store.read(lambda c: rows.read_events(c, NAME))}
        assert f"e{last}" in ids
        assert row_of(store).timeline_revision == len(ids)
        store.close()
        assert verify(settings) == []


@pytest.mark.postgres
def test_a_killed_database_loses_nothing_acknowledged_and_is_found_again(postgresql: PostgreSQL) -> None:
    settings = Settings(database_url=postgresql.new_database())
    migrate(settings)
    store = Store(settings)
    create(store)
    append(store, [dose(i) for i in range(20)])
    postgresql.kill()
    with pytest.raises(StoreUnavailable):
        append(store, [dose(100)])
    with pytest.raises(StoreUnavailable):
        row_of(store)
    assert store.trouble is not None and store.trouble.reason == "STORE_UNREACHABLE"
    postgresql.start()
    append(store, [dose(i) for i in range(20, 25)])
    assert row_of(store).timeline_revision == 25
    assert store.trouble is None
    store.close()
    assert verify(settings) == []


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """SQLite's page limit fails as a full file system does; it holds for one connection, so it is set on each."""
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'twin.db'}")
    migrate(settings)
    store = Store(settings)
    create(store)
    limit = {"pages": 200}

    @event.listens_for(store._writing, "connect")
    def limited(connection: sqlite3.Connection, record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit['pages']}")

    store._writer.outside(lambda c: c.connection.driver_connection.execute("PRAGMA max_page_count = 200"))
    kept = 0
    with pytest.raises(StoreUnavailable) as caught:
        for batch in range(100):
            append(store, [dose(100 * batch + i) for i in range(50)], limit=100_000)
            kept += 50
    assert caught.value.reason == "STORE_FULL" and kept > 0
    assert store.trouble is not None and store.trouble.reason == "STORE_FULL"
    assert row_of(store).timeline_revision == kept == len(store.read(lambda c: rows.read_events(c, NAME)))
    limit["pages"] = 100_000
    append(store, [dose(10**6)], limit=100_000)
    assert store.trouble is None and store.probe() is None
    store.close()
    assert verify(settings) == []


def test_a_second_server_on_one_file_is_refused(store: Store, settings: Settings) -> None:
    if not settings.database_url.startswith("sqlite"):
        second = Store(settings)
        second.close()
        return
    with pytest.raises(Refusal, match="another process"):
        Store(settings)


@pytest.mark.postgres
def test_two_servers_on_one_database_number_without_gaps(postgresql: PostgreSQL) -> None:
    settings = Settings(database_url=postgresql.new_database())
    migrate(settings)
    left, right = Store(settings), Store(settings)
    create(left)
    failures: list[BaseException] = []

    def run(store: Store, start: int) -> None:
        for i in range(start, start + 40):
            while True:
                try:
                    append(store, [dose(i)])
                    break
                except Refusal as refusal:
                    if refusal.code is not RefusalCode.CONFLICT:
                        failures.append(refusal)
                        return

    threads = [threading.Thread(target=run, args=(s, 1000 * i)) for i, s in enumerate((left, right))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert [s.revision for s in left.read(lambda c: rows.read_events(c, NAME))] == list(range(1, 81))
    left.close()
    right.close()
    assert verify(settings) == []


def test_a_conflict_is_tried_again_and_then_told(store: Store) -> None:
    create(store)
    tries = []

    def sometimes(connection: object) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise Conflict("someone was faster")
        return "done"

    assert store.write(sometimes) == "done"

    def never(connection: object) -> None:
        raise Conflict("someone was faster")

    with pytest.raises(Refusal) as caught:
        store.write(never)
    assert caught.value.code is RefusalCode.CONFLICT


def test_a_mistake_in_a_statement_is_not_called_an_outage(store: Store) -> None:
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError):
        store.write(lambda c: c.execute(text("SELECT * FROM nowhere")))
    create(store)


def test_a_full_queue_is_refused_at_once(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'twin.db'}", write_queue_max=1, group_commit_max=1)
    migrate(settings)
    store = Store(settings)
    gate = threading.Event()
    first = store._writer.submit(lambda c: gate.wait(10))
    time.sleep(0.1)
    second = store._writer.submit(lambda c: 2)
    with pytest.raises(Refusal) as caught:
        store._writer.submit(lambda c: 3)
    assert caught.value.reason == "WRITE_QUEUE_FULL"
    gate.set()
    assert first.result(5) is True and second.result(5) == 2
    store.close()


def test_writes_that_wait_share_a_commit(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'twin.db'}")
    migrate(settings)
    groups: list[int] = []
    store = Store(settings, on_commit=groups.append)
    gate = threading.Event()
    store._writer.submit(lambda c: gate.wait(10))
    time.sleep(0.1)
    waiting = [store._writer.submit(lambda c, i=i: i) for i in range(20)]
    gate.set()
    assert [w.result(5) for w in waiting] == list(range(20))
    assert groups == [1, 20]
    store.close()
    with pytest.raises(StoreUnavailable):
        store.write(lambda c: None)


def test_the_connection_that_writes_is_the_only_one_that_can(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'twin.db'}")
    migrate(settings)
    store = Store(settings)
    with pytest.raises(StoreUnavailable) as caught:
        store.read(lambda c: c.execute(text("DELETE FROM twins")))
    assert caught.value.reason == "STORE_READ_ONLY"
    mode, full = store.write(
        lambda c: (c.exec_driver_sql("PRAGMA journal_mode").scalar(), c.exec_driver_sql("PRAGMA synchronous").scalar())
    )
    assert (mode, full) == ("wal", 2)
    store.close()
    assert os.path.exists(tmp_path / "twin.db")
    assert ACT.actor == "tester"
