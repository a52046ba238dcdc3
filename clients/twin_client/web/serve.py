"""Run the page: `twin web serve`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import uvicorn

from twin_client.web.app import create_app
from twin_client.web.sealing import KEY_BYTES
from twin_client.web.ward import WebSettings

KEEP_ALIVE_S = 5
CONNECTIONS_MAX = 200


def key_of(path: Path | None) -> bytes:
    """The key in a file, or a new one whose links end with this process."""
    return secrets.token_bytes(KEY_BYTES) if path is None else path.read_bytes()[:KEY_BYTES]


def serve(settings: WebSettings, host: str, port: int, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. Nothing is logged of requests: their paths would say who looked at whom."""
    made = uvicorn.Config(
        create_app(settings),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        limit_concurrency=CONNECTIONS_MAX,
    )
    tell(f"page at http://{host}:{port}/")
    uvicorn.Server(made).run()
