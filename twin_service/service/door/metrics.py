"""What is counted: nouns with units, never a patient, tenant or twin as a label."""

from __future__ import annotations

from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class ServerMeters:
    """All meters of one server, on their own registry."""

    def __init__(self) -> None:
        r = self.registry = CollectorRegistry()
        self.calls = Counter("twin_calls_total", "calls answered", ["method", "code"], registry=r)
        self.call_seconds = Histogram("twin_call_seconds", "time to answer", ["method"], buckets=_FAST, registry=r)
        self.calls_in_flight = Gauge("twin_calls_in_flight", "calls being answered", registry=r)
        self.streams = Gauge("twin_streams_open", "watch and ingest streams open", registry=r)
        self.events = Counter("twin_events_recorded_total", "events made durable", ["kind"], registry=r)
        self.duplicates = Counter("twin_events_duplicate_total", "events known before", registry=r)
        self.commits = Counter("twin_store_commits_total", "durable commits", registry=r)
        self.committed = Counter("twin_store_writes_total", "writes made durable", registry=r)
        self.assimilate_seconds = Histogram(
            "twin_assimilate_seconds", "time of one assimilation", buckets=_FAST, registry=r
        )
        self.assimilated = Counter("twin_assimilations_total", "assimilations", ["outcome"], registry=r)
        self.waiting = Gauge("twin_assimilation_queue", "twins that wait for assimilation", registry=r)
        self.nis = Histogram(
            "twin_nis_ratio",
            "squared innovation over its variance",
            registry=r,
            buckets=(0.01, 0.1, 0.5, 1, 2, 4, 8, 16, 64),
        )
        self.verdicts = Counter("twin_verdicts_total", "how computations ended", ["verdict"], registry=r)
        self.operations = Counter(
            "twin_operations_total", "long-running operations ended", ["kind", "state"], registry=r
        )
        self.in_memory = Gauge("twin_twins_in_memory", "folded twins kept in memory", registry=r)
        self.incidents = Counter("twin_incidents_total", "defects met", registry=r)
        self.serving = Gauge("twin_subsystem_serving", "1 while a subsystem serves", ["subsystem"], registry=r)

    def committed_group(self, size: int) -> None:
        self.commits.inc()
        self.committed.inc(size)

    def serve(self, host: str, port: int) -> WSGIServer:
        """Open the Prometheus page; the returned server's `server_port` says where."""
        server, _ = start_http_server(port, host, registry=self.registry)
        return server
