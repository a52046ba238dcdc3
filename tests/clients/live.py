"""A real server in this process, on a free loopback port with its own store, for the suites that use the client."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twin_client import TwinClient
from twin_service.service.server import Server
from twin_service.settings import Settings


@contextmanager
def live_address(folder: Path, **settings: object) -> Iterator[str]:
    chosen = {"listen": "127.0.0.1:0", "metrics_port": -1, "database_url": f"sqlite:///{folder}/twin.db"} | settings
    server = Server(Settings(**chosen))
    server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.stop(0.5)


@contextmanager
def live_client(folder: Path, tenant: str = "test", **settings: object) -> Iterator[TwinClient]:
    with live_address(folder, **settings) as address, TwinClient(address, tenant, timeout_s=60.0) as client:
        yield client


@contextmanager
def live_web(app: Any) -> Iterator[str]:
    """An ASGI application over real HTTP on loopback."""
    import uvicorn

    served = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, log_level="warning"))
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not served.started and time.monotonic() < end:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}"
    finally:
        served.should_exit = True
        thread.join(20)
