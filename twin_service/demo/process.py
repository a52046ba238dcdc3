"""The server as a process of its own, on a free loopback port, with a store that goes when the demo ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from twin_client import TwinClient

READY_S = 90.0
STOP_S = 20.0


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def running_server(log: Path) -> Iterator[str]:
    """Yield the address of a fresh server; it is stopped gracefully at the end, and its log kept in `log`."""
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="twin-demo-") as folder, log.open("w") as lines:
        settings = {
            "TWIN_LISTEN": address,
            "TWIN_METRICS_PORT": "0",
            "TWIN_DATABASE_URL": f"sqlite:///{folder}/twin.db",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "twin_service", "serve"],
            env={**os.environ, **settings},
            stdout=lines,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server accepts calls; a server that ends is noticed at once."""
    end = time.monotonic() + READY_S
    with TwinClient(address, "demo") as client:
        while time.monotonic() < end:
            try:
                client.wait_until_ready(0.5)
                return
            except grpc.FutureTimeoutError:
                if process.poll() is not None:
                    break
    state = "ended" if process.poll() is not None else "did not answer"
    raise RuntimeError(f"the server {state} within {READY_S:.0f} s; its log is {log}")
