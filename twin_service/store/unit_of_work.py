"""The door to the store: `write` runs a function in a durable transaction, `read` in one that sees a single state."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Table, insert, update
from sqlalchemy.exc import DBAPIError

from twin_service.outcome import Refusal
from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store.connect import is_sqlite, lock_file, parse_url, reader_engine, truncate_log, writer_engine
from twin_service.store.errors import StoreUnavailable, unavailable
from twin_service.store.known import KnownTwins
from twin_service.store.migrate import check_schema
from twin_service.store.protect import check_protection
from twin_service.store.tables import ProbeTable
from twin_service.store.vault import PATIENT, Owner, vault_at
from twin_service.store.writer import GroupWriter

T = TypeVar("T")


class Store:
    """An open database. Closing it finishes the writes that wait."""

    def __init__(self, settings: Settings, *, on_commit: Callable[[int], None] | None = None) -> None:
        self._url = parse_url(settings.database_url)
        self._timeout_s = settings.write_timeout_s
        self._on_commit = on_commit or (lambda size: None)
        self._probe_s = settings.probe_timeout_s
        self._trouble: StoreUnavailable | None = None
        self._state = threading.Lock()
        self._lock = lock_file(self._url)
        try:
            check_schema(settings.database_url)
            self._vault = vault_at(settings.keys, seals=settings.encrypt)
            check_protection(settings.database_url, self._vault)
        except BaseException:
            self._unlock()
            raise
        self._writing = writer_engine(self._url, self._vault)
        self._writer = GroupWriter(
            self._writing, group_max=settings.group_commit_max, queue_max=settings.write_queue_max, watch=self._heard
        )
        self._reading = reader_engine(self._url, settings.database_connections, self._vault)
        self.known = KnownTwins()

    def write(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, once it is durable. `work` may run more than once; only one run is committed.

        Raises what `work` raises, Refusal when writes pile up or others are faster, StoreUnavailable.
        """
        try:
            return self._writer.submit(work).result(self._timeout_s)
        except FutureTimeout:
            raise StoreUnavailable(
                "STORE_SLOW",
                "the store did not confirm in time; the write may still be applied: send the same request again",
            ) from None

    def read(self, work: Callable[[Connection], T]) -> T:
        """The result of `work` on one state of the database."""
        try:
            with self._reading.connect() as connection, connection.begin():
                return work(connection)
        except DBAPIError as error:
            raise unavailable(error) or error from error

    @property
    def trouble(self) -> StoreUnavailable | None:
        """Why the last write failed; None when it did not."""
        with self._state:
            return self._trouble

    def probe(self) -> StoreUnavailable | None:
        """Commit a changed row; what stands in the way of writing, if anything does."""
        try:
            self._writer.submit(_touch).result(self._probe_s)
        except FutureTimeout:
            return StoreUnavailable("STORE_SLOW", "the store did not confirm a probe in time")
        except StoreUnavailable as trouble:
            return trouble
        except Refusal as refusal:
            return StoreUnavailable(refusal.reason, refusal.message)
        return None

    @property
    def free_bytes(self) -> int | None:
        """Space left where an SQLite database lies; None for PostgreSQL."""
        return shutil.disk_usage(Path(str(self._url.database)).parent).free if is_sqlite(self._url) else None

    def erased(self, name: TwinName) -> None:
        """Forget the key of an erased patient, and move SQLite's log into the database, so that nothing is left."""
        self._vault.forget(Owner(name.tenant, PATIENT, name.patient))
        if is_sqlite(self._url):
            self._writer.outside(truncate_log)

    def close(self) -> None:
        self._reading.dispose()
        self._writer.close()
        self._writing.dispose()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _heard(self, size: int, trouble: StoreUnavailable | None) -> None:
        with self._state:
            self._trouble = trouble
        if trouble is None:
            self._on_commit(size)


def _touch(connection: Connection) -> None:
    """Change one row, so that the commit has something to make durable."""
    table: Table = ProbeTable.__table__  # type: ignore[attr-defined]
    done = connection.execute(update(table).where(table.c.probe == "health").values(count=table.c.count + 1))
    if not done.rowcount:
        connection.execute(insert(table).values(probe="health", count=1))
