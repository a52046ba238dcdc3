"""A real server in this process, on a free loopback port with its own store, for the suites that use the client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twin_client import TwinClient
from twin_service.service.server import Server
from twin_service.settings import Settings


@contextmanager
def live_client(folder: Path, tenant: str = "test", **settings: object) -> Iterator[TwinClient]:
    chosen = {"listen": "127.0.0.1:0", "metrics_port": -1, "database_url": f"sqlite:///{folder}/twin.db"} | settings
    server = Server(Settings(**chosen))
    server.start()
    try:
        with TwinClient(f"127.0.0.1:{server.port}", tenant, timeout_s=60.0) as client:
            yield client
    finally:
        server.stop(0.5)
