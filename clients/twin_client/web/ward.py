"""What one web process keeps: its channel, its sessions, and how its pages are written."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc
import jinja2

from twin_client import TwinClient
from twin_client.client import MESSAGE_BYTES_MAX
from twin_client.web import words
from twin_client.web.connect import Gateway
from twin_client.web.memory import SightMemory
from twin_client.web.sealing import Sealer
from twin_client.web.sessions import Sessions, WebSession

HERE = Path(__file__).parent
CALL_S = 30.0
CLIENTS_MAX = 64


@dataclass(frozen=True)
class WebSettings:
    """How the page is served.

    server        "host:port" of the twin service
    key           64 bytes that seal the names in links
    open_tenant   tenant shown without signing in; only for a service that asks for no identity, on loopback
    hosts         names under which the page may be reached
    frame_hosts   sites that may frame the page (an EHR), as CSP sources
    secure        cookies only over HTTPS
    tls           credentials of the channel to the service; None: unencrypted
    """

    server: str
    key: bytes = field(repr=False)
    open_tenant: str = ""
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    frame_hosts: tuple[str, ...] = ()
    secure: bool = False
    tls: grpc.ChannelCredentials | None = None


class Ward:
    """One process's state, shared by all its requests."""

    def __init__(self, settings: WebSettings) -> None:
        self.settings = settings
        limits = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
        self._channel = (
            grpc.insecure_channel(settings.server, limits)
            if settings.tls is None
            else grpc.secure_channel(settings.server, settings.tls, limits)
        )
        self.gateway = Gateway(self._channel)
        self.sealer = Sealer(settings.key)
        self.sessions = Sessions()
        self.tickets = Sessions()
        # outer work waits for inner calls: two pools, so that waiting never takes the last thread
        self.pool = ThreadPoolExecutor(16, thread_name_prefix="asks")
        self.waiting = ThreadPoolExecutor(16, thread_name_prefix="waits")
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], tuple[TwinClient, SightMemory]] = {}
        self.pages = _pages()

    def client(self, session: WebSession) -> tuple[TwinClient, SightMemory]:
        """The service as this visitor may see it, and what was read of it."""
        key = (session.tenant, session.token)
        with self._lock:
            found = self._clients.pop(key, None)
            if found is None:
                while len(self._clients) >= CLIENTS_MAX:
                    self._clients.pop(next(iter(self._clients)))
                found = self.new_client(session.tenant, session.token), SightMemory()
            self._clients[key] = found
            return found

    def new_client(self, tenant: str, token: str) -> TwinClient:
        s = self.settings
        return TwinClient(s.server, tenant, token=token, tls=s.tls, timeout_s=CALL_S)

    def close(self) -> None:
        self.waiting.shutdown(wait=False, cancel_futures=True)
        self.pool.shutdown(wait=False, cancel_futures=True)
        for client, _ in self._clients.values():
            client.close()
        self._channel.close()


def _pages() -> jinja2.Environment:
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    pages.filters |= {
        "number": words.number,
        "chance": words.chance,
        "clock": words.clock,
        "hours": words.length,
        "moment": words.moment,
        "word": words.name,
        "unit": words.unit,
        "eventwords": words.event,
        "plainname": words.plain,
        "ceiling": _ceiling,
        "ends": lambda ends: words.clock(datetime.fromtimestamp(ends, UTC)),
    }
    return pages


def _ceiling(mg: float) -> float:
    """Where a dose slider ends: a round number at least two and a half times the dose; 1000 where none was given."""
    return next((s * 10.0**d for d in range(-3, 7) for s in (1, 2, 5) if s * 10.0**d >= 2.5 * mg), mg) if mg else 1000.0
