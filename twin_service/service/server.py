"""The server process: opens the store, starts the workers, answers calls, stops gracefully."""

from __future__ import annotations

import signal
import threading
from concurrent import futures
from functools import partial
from types import FrameType
from wsgiref.simple_server import WSGIServer

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from twin_service import units
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door import call as calls
from twin_service.service.door import logs
from twin_service.service.door.admission import AdmissionDoor, DoorParts
from twin_service.service.door.identity import Identities
from twin_service.service.door.lanes import LanePools
from twin_service.service.door.metrics import ServerMeters
from twin_service.service.door.trail import AccessTrail
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import MethodRoute
from twin_service.service.handlers.table import KINDS, ROUTES
from twin_service.service.health import HealthWatch
from twin_service.service.wire.rpc import SERVICE_NAMES
from twin_service.service.work.assimilation import Engine
from twin_service.service.work.operations import Operations
from twin_service.settings import Settings
from twin_service.store.adopt import migrate
from twin_service.store.unit_of_work import Store

SERVICES = SERVICE_NAMES


class Server:
    """One running server. `port` and `metrics_port` are where it listens; `stop` returns when all calls are answered
    and every acknowledged write is durable."""

    def __init__(self, settings: Settings, *, clock: calls.Clock = calls.wall_clock_us) -> None:
        identities = Identities(settings)
        check_identity(settings, identities)
        if settings.migrate_on_start:
            migrate(settings, adopt=False)
        self.settings = settings
        self.metrics = ServerMeters()
        self.store = Store(settings, on_commit=self.metrics.committed_group)
        self.engine = Engine(self.store, settings, self.metrics)
        self.health = HealthWatch(
            self.store, self.engine, self.metrics, SERVICES, free_min=settings.disk_free_min_bytes
        )
        self.operations = Operations(self.store, settings, self.metrics, clock)
        again = {r.method: r.again for r in ROUTES if r.again is not None}
        self.service = Service(settings, self.store, self.engine, self.metrics, self.operations, again)
        self.lanes = LanePools(settings)
        self.trail = AccessTrail(self.store, settings, self.metrics)
        self._grpc = self._make(DoorParts(settings, self.metrics, clock, identities, self.lanes, self.trail))
        self.port = self._bind()
        self._probes = self._probe_port()
        self._page: WSGIServer | None = None

    @property
    def metrics_port(self) -> int:
        return self._page.server_port if self._page is not None else -1

    def start(self) -> None:
        self.engine.start()
        self.operations.start({kind.name: partial(kind.work, self.service) for kind in KINDS})
        self.health.start()
        self.trail.start()
        if self.settings.metrics_port >= 0:
            self._page = self.metrics.serve(self.settings.metrics_host, self.settings.metrics_port)
        self._grpc.start()
        if self._probes is not None:
            self._probes.start()
        threading.Thread(target=units.warm, name="warm", daemon=True).start()
        logs.log().info("started", port=self.port, metrics_port=self.metrics_port)

    def stop(self, grace_s: float | None = None) -> None:
        """Refuse new calls, let those in flight finish within the grace, finish writes, close the store."""
        self.health.stop()
        grace = self.settings.stop_grace_s if grace_s is None else grace_s
        ended = self._grpc.stop(grace)
        self.engine.stop()
        self.operations.stop()
        ended.wait(grace + 1.0)
        self.lanes.close()
        self.trail.stop()
        if self._probes is not None:
            self._probes.stop(0)
        if self._page is not None:
            self._page.shutdown()
            self._page.server_close()
        self.store.close()
        logs.log().info("stopped")

    def _make(self, parts: DoorParts) -> grpc.Server:
        s = self.settings
        server = grpc.server(
            futures.ThreadPoolExecutor(s.rpc_threads, thread_name_prefix="rpc"),
            interceptors=[AdmissionDoor(parts, {r.method: (r.lane, r.scope) for r in ROUTES})],
            options=[
                ("grpc.max_receive_message_length", s.message_bytes_max),
                ("grpc.max_send_message_length", s.reply_bytes_max),
                ("grpc.max_metadata_size", s.metadata_bytes_max),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
                ("grpc.http2.max_ping_strikes", 0),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
            ],
        )
        server.add_generic_rpc_handlers((_Table(self.service),))
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, server)
        if s.reflection:
            names = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        return server

    def _probe_port(self) -> grpc.Server | None:
        """Health alone, in plain text: what kubelet and container probes can ask when TLS is on."""
        if not self.settings.health_listen:
            return None
        server = grpc.server(futures.ThreadPoolExecutor(2, thread_name_prefix="health-rpc"))
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, server)
        self.health_port = int(server.add_insecure_port(self.settings.health_listen))
        return server

    def _bind(self) -> int:
        s = self.settings
        try:
            if s.tls_certificate is None and s.tls_key is None and s.tls_client_authority is None:
                return int(self._grpc.add_insecure_port(s.listen))
            if s.tls_certificate is None or s.tls_key is None:
                raise OSError("encryption needs tls_certificate and tls_key together")
            authority = s.tls_client_authority.read_bytes() if s.tls_client_authority else None
            credentials = grpc.ssl_server_credentials(
                [(s.tls_key.read_bytes(), s.tls_certificate.read_bytes())], authority, authority is not None
            )
            return int(self._grpc.add_secure_port(s.listen, credentials))
        except (RuntimeError, OSError) as error:
            self.store.close()
            raise Refusal(
                RefusalCode.PRECONDITION, f"cannot listen on {s.listen}: {error}", field="listen", reason="SETTINGS"
            ) from None


def check_identity(settings: Settings, identities: Identities) -> None:
    """A server that others can reach must know who calls. Raises Refusal."""
    host = settings.listen.rpartition(":")[0].strip("[]")
    loopback = host in ("localhost", "::1") or host.startswith(("127.", "unix"))
    if loopback or identities.configured or settings.allow_anonymous:
        return
    said = f"listening on {settings.listen} needs identity: oidc_issuer, tls_client_names or tenant_tokens"
    raise Refusal(RefusalCode.PRECONDITION, said, field="listen", reason="NO_IDENTITY")


class _Table(grpc.GenericRpcHandler):
    """The routes of the contract as gRPC looks them up."""

    def __init__(self, service: Service) -> None:
        self._handlers = {r.method: _handler(r, service) for r in ROUTES}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Message, Message] | None:
        return self._handlers.get(details.method)


def _handler(route: MethodRoute, service: Service) -> grpc.RpcMethodHandler[Message, Message]:
    if route.unary is not None:
        unary = route.unary
        return grpc.unary_unary_rpc_method_handler(lambda r, c: unary(service, r), route.parse, _bytes)
    if route.streaming is not None:
        streaming = route.streaming
        return grpc.unary_stream_rpc_method_handler(lambda r, c: streaming(service, r), route.parse, _bytes)
    assert route.duplex is not None
    duplex = route.duplex
    return grpc.stream_stream_rpc_method_handler(lambda r, c: duplex(service, r), route.parse, _bytes)


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


def serve(settings: Settings) -> None:
    """Run a server until SIGTERM or SIGINT, then stop it gracefully. Prints where it listens."""
    logs.configure(settings)
    server = Server(settings)
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    server.start()
    print(f"twin service: grpc port {server.port}, metrics port {server.metrics_port}", flush=True)
    asked.wait()
    server.stop()
