"""One suite over both databases: an SQLite file, and a PostgreSQL server started here as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from twin_service.settings import Settings
from twin_service.store.adopt import migrate
from twin_service.store.keys import new_keys, write_key_file
from twin_service.store.unit_of_work import Store


def server_programs() -> Path | None:
    """The folder with initdb and postgres: on the path, or where Debian keeps them."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


def unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; who it runs as then."""
    if os.getuid() != 0:
        return None
    names = {p.pw_name for p in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgreSQL:
    """A server on loopback with its data in a temporary folder."""

    def __init__(self, programs: Path) -> None:
        self.programs, self.user = programs, unprivileged()
        # In memory where there is such a file system: a hundred databases are made and thrown away.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 2**30 else None
        self.folder = Path(tempfile.mkdtemp(prefix="twin-pg-", dir=memory))
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        subprocess.run(
            [programs / "initdb", "-D", self.folder / "data", "-U", "twin", "-A", "trust", "--no-sync"],
            check=True,
            user=self.user,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                self.programs / "postgres",
                "-D",
                self.folder / "data",
                "-p",
                str(self.port),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                "log_min_messages=fatal",
            ],
            user=self.user,
            cwd="/",
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(1200):  # a minute: recovery after a kill is slow on a loaded machine
            try:
                psycopg.connect(self.dsn("postgres")).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError("PostgreSQL did not start")

    def dsn(self, database: str) -> str:
        return f"postgresql://twin@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://twin@127.0.0.1:{self.port}/{name}"

    def kill(self) -> None:
        """The whole process group at once, as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        # An immediate shutdown: what is in the folder is thrown away.
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    programs = server_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb found")
    server = PostgreSQL(programs)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'twin.db'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture(params=["plain", "sealed"])
def settings(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Settings:
    """Without keys, as in development, and signed and sealed."""
    if request.param == "plain":
        return Settings(database_url=url, database_connections=4)
    write_key_file(tmp_path / "keys.toml", new_keys())
    return Settings(database_url=url, database_connections=4, keys=f"file:{tmp_path / 'keys.toml'}")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    migrate(settings)
    opened = Store(settings)
    yield opened
    opened.close()
