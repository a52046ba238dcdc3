"""Which subsystem serves: the store, the assimilation, and with them each service."""

from __future__ import annotations

import threading

from grpc_health.v1 import health, health_pb2

from twin_service.service.door import logs
from twin_service.service.door.metrics import ServerMeters
from twin_service.service.work.assimilation import Engine
from twin_service.store.unit_of_work import Store

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SUBSYSTEMS = ("store", "assimilation")
LIVE = "live"
"""Serving as long as the process answers, whatever the store does: restarting it would not mend a database."""


class HealthWatch:
    """Looks at the subsystems every `period_s` and tells the standard health service.

    "" and every service are serving while the store can write and the workers live; "store" and "assimilation" tell
    their own state.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        metrics: ServerMeters,
        services: tuple[str, ...],
        *,
        period_s: float = 2.0,
        free_min: int = 0,
    ) -> None:
        self._free_min = free_min
        self.servicer = health.HealthServicer()
        self._store, self._engine, self._metrics = store, engine, metrics
        self._services = services
        self._period_s = period_s
        self._stopped = threading.Event()
        self._known: dict[str, bool] = {}
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        self.servicer.set(LIVE, SERVING)
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Say NOT_SERVING at once, so that balancers send no more calls."""
        self._stopped.set()
        self.servicer.enter_graceful_shutdown()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> None:
        """One look at every subsystem."""
        trouble = self._trouble()
        found = {"store": not trouble, "assimilation": self._engine.alive}
        for name, serves in found.items():
            if self._known.get(name, True) != serves:
                logs.log().warning("health", subsystem=name, serving=serves, reason=trouble)
            self._set(name, serves)
        for name in ("", *self._services):
            self._set(name, all(found.values()))

    def _trouble(self) -> str:
        """Why the store does not serve, or nothing. A bug in the probe is an answer too: a watch that died of it would
        leave the last state standing for ever."""
        try:
            trouble = self._store.probe()
        except Exception as bug:
            return f"BUG: {type(bug).__name__}: {bug}"
        free = self._store.free_bytes
        if trouble is None and free is not None and free < self._free_min:
            logs.log().warning("store nearly full", free_bytes=free)
        return trouble.reason if trouble else ""

    def _set(self, name: str, serves: bool) -> None:
        self._known[name] = serves
        self.servicer.set(name, SERVING if serves else NOT_SERVING)
        if name in SUBSYSTEMS:
            self._metrics.serving.labels(name).set(serves)

    def _run(self) -> None:
        while not self._stopped.wait(self._period_s):
            self.look()
