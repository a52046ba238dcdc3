"""The server process: opens the store, starts the workers, answers calls, stops gracefully."""

from __future__ import annotations

import signal
import threading
from concurrent import futures
from functools import partial
from types import FrameType
from wsgiref.simple_server import WSGIServer

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from twin_service import units
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service import call as calls
from twin_service.service import cohorts, logs
from twin_service.service.cohort_servicer import CohortServicer
from twin_service.service.engine import Engine
from twin_service.service.health import HealthWatch
from twin_service.service.interceptors import Door
from twin_service.service.library_servicer import LibraryServicer
from twin_service.service.metrics import Metrics
from twin_service.service.operations import Operations
from twin_service.service.rooms import Rooms
from twin_service.service.simulation_servicer import SimulationServicer
from twin_service.service.trial_servicer import TrialServicer
from twin_service.service.twin_servicer import TwinServicer
from twin_service.settings import Settings
from twin_service.store.migrate import migrate
from twin_service.store.unit_of_work import Store
from twin_service.v1 import (
    cohort_pb2,
    cohort_pb2_grpc,
    library_pb2,
    library_pb2_grpc,
    simulation_pb2,
    simulation_pb2_grpc,
    trial_pb2,
    trial_pb2_grpc,
    twin_pb2,
    twin_pb2_grpc,
)

SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (twin_pb2, "TwinService"),
        (simulation_pb2, "SimulationService"),
        (cohort_pb2, "CohortService"),
        (trial_pb2, "TrialService"),
        (library_pb2, "LibraryService"),
    )
)


class Server:
    """One running server. `port` and `metrics_port` are where it listens; `stop` returns when all calls are answered
    and every acknowledged write is durable."""

    def __init__(self, settings: Settings, *, clock: calls.Clock = calls.wall_clock_us) -> None:
        if settings.migrate_on_start:
            migrate(settings)
        self.settings = settings
        self.metrics = Metrics()
        self.store = Store(settings, on_commit=self.metrics.committed_group)
        self.engine = Engine(self.store, settings, self.metrics)
        self.health = HealthWatch(self.store, self.engine, self.metrics, SERVICES)
        self.operations = Operations(self.store, settings, self.metrics, clock)
        self.rooms = Rooms(settings, self.store, self.engine, self.metrics, self.operations)
        self._grpc = self._make(clock)
        self.port = self._bind()
        self._page: WSGIServer | None = None

    @property
    def metrics_port(self) -> int:
        return self._page.server_port if self._page is not None else -1

    def start(self) -> None:
        self.engine.start()
        works = {cohorts.GENERATE: cohorts.work_generate, cohorts.SIMULATE: cohorts.work_simulate}
        self.operations.start({kind: partial(work, self.rooms) for kind, work in works.items()})
        self.health.start()
        if self.settings.metrics_port >= 0:
            self._page = self.metrics.serve(self.settings.metrics_host, self.settings.metrics_port)
        self._grpc.start()
        threading.Thread(target=units.warm, name="warm", daemon=True).start()
        logs.log().info("started", port=self.port, metrics_port=self.metrics_port)

    def stop(self, grace_s: float | None = None) -> None:
        """Refuse new calls, let those in flight finish within the grace, finish writes, close the store."""
        self.health.stop()
        ended = self._grpc.stop(self.settings.stop_grace_s if grace_s is None else grace_s)
        self.engine.stop()
        self.operations.stop()
        ended.wait()
        if self._page is not None:
            self._page.shutdown()
            self._page.server_close()
        self.store.close()
        logs.log().info("stopped")

    def _make(self, clock: calls.Clock) -> grpc.Server:
        s = self.settings
        server = grpc.server(
            futures.ThreadPoolExecutor(s.rpc_threads, thread_name_prefix="rpc"),
            interceptors=[Door(s, self.metrics, clock)],
            options=[
                ("grpc.max_receive_message_length", s.message_bytes_max),
                ("grpc.max_send_message_length", s.reply_bytes_max),
                ("grpc.max_metadata_size", s.metadata_bytes_max),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
            ],
        )
        twin_pb2_grpc.add_TwinServiceServicer_to_server(TwinServicer(self.rooms), server)
        simulation_pb2_grpc.add_SimulationServiceServicer_to_server(SimulationServicer(self.rooms), server)
        cohort_pb2_grpc.add_CohortServiceServicer_to_server(CohortServicer(self.rooms), server)
        trial_pb2_grpc.add_TrialServiceServicer_to_server(TrialServicer(self.rooms), server)
        library_pb2_grpc.add_LibraryServiceServicer_to_server(LibraryServicer(s), server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, server)
        if s.reflection:
            names = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
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
