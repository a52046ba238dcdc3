"""Engines for a database URL. SQLite: one connection writes and checkpoints, any number read, one process at a time.

Why one: SQLite before 3.51.3 can corrupt its write-ahead log when two connections write or checkpoint, and competing
writers starve each other.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store.vault import Vault


def parse_url(url: str) -> URL:
    """Raises Refusal for anything but an SQLite file or PostgreSQL through psycopg."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is not None and parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed is not None and parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise Refusal(
        RefusalCode.INVALID,
        "the database URL is neither sqlite:///FILE nor postgresql+psycopg://...",
        field="database_url",
        reason="SETTINGS",
    )


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def writer_engine(url: URL, vault: Vault | None = None) -> Engine:
    """One connection, used by one thread, that begins its transactions at once."""
    if not is_sqlite(url):
        return create_engine(url, poolclass=NullPool, connect_args=_timeouts(), execution_options={"vault": vault})
    _own_file(Path(str(url.database)))
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 30}, execution_options={"vault": vault})
    _sqlite(
        engine,
        ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "wal_autocheckpoint=1000"),
        begin="BEGIN IMMEDIATE",
    )
    return engine


def reader_engine(url: URL, connections: int, vault: Vault | None = None) -> Engine:
    """Connections that only read."""
    options = {"vault": vault}
    if not is_sqlite(url):
        return create_engine(
            url,
            pool_size=connections,
            pool_pre_ping=True,
            pool_timeout=POOL_S,
            connect_args=_timeouts(),
            execution_options=options,
        )
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=connections,
        connect_args={"timeout": 30, "check_same_thread": False},
        execution_options=options,
    )
    _sqlite(engine, ("query_only=ON", "wal_autocheckpoint=0"), begin="BEGIN")
    return engine


def _own_file(path: Path) -> None:
    """Make an SQLite database and its folder, for its owner only; SQLite gives its log the mode of the database."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(OSError):  # SQLite says it better
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        elif stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(path.stat().st_mode & 0o700)


CONNECT_S, STATEMENT_MS, LOCK_MS, IDLE_MS, POOL_S = 5, 20_000, 5_000, 30_000, 10
"""PostgreSQL: longest wait for a connection, a statement, a lock, inside a transaction, and for a place in the pool."""


def _timeouts() -> dict[str, object]:
    """A server that is frozen or unreachable is an error soon, not a wait for ever."""
    options = {
        "statement_timeout": STATEMENT_MS,
        "lock_timeout": LOCK_MS,
        "idle_in_transaction_session_timeout": IDLE_MS,
    }
    return {
        "connect_timeout": CONNECT_S,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }


def _sqlite(engine: Engine, pragmas: tuple[str, ...], *, begin: str) -> None:
    """Take transactions out of the driver's hands, so that savepoints work and reads see one state."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def truncate_log(connection: Connection) -> None:
    """Move the write-ahead log into the database and empty it; must run between two transactions."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def lock_file(url: URL) -> IO[str] | None:
    """Hold an SQLite database for this process; raises Refusal when another process has it. None for PostgreSQL."""
    if not is_sqlite(url):
        return None
    path = Path(f"{url.database}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise Refusal(
            RefusalCode.PRECONDITION,
            "another process has this database open; one server an SQLite file",
            field="database_url",
            reason="STORE_IN_USE",
        ) from None
    return handle
