"""A real server with a real store in this process, and small builders of requests."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from twin_service.service.door import logs
from twin_service.service.server import Server
from twin_service.settings import Settings
from twin_service.v1 import (
    cohort_pb2_grpc,
    event_pb2,
    library_pb2_grpc,
    simulation_pb2,
    simulation_pb2_grpc,
    trial_pb2_grpc,
    twin_pb2,
    twin_pb2_grpc,
)

EPOCH_S = 1_700_000_000
MODEL = "phenobarbital_neonate"
_PATIENTS = itertools.count()


def rid() -> str:
    return str(uuid.uuid4())


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}


def spec(**more: Any) -> twin_pb2.TwinSpec:
    made = twin_pb2.TwinSpec(epoch_time={"seconds": EPOCH_S}, **{"model": {"poppk": MODEL}, **more})
    if not more.get("covariates"):
        made.covariates.add(name="weight_kg", value=quantity(1400, "g"))
    return made


def event(id: str, hour: float, **payload: Any) -> event_pb2.Event:
    us = round(EPOCH_S * 1e6 + hour * 3.6e9)
    return event_pb2.Event(id=id, time={"seconds": us // 10**6, "nanos": us % 10**6 * 1000}, source="test", **payload)


def dose(id: str, hour: float, mg: float = 25.0) -> event_pb2.Event:
    return event(id, hour, dose={"drug": "phenobarbital", "amount": quantity(mg, "mg"), "route": "iv"})


def level(id: str, hour: float, mg_l: float) -> event_pb2.Event:
    return event(id, hour, lab={"analyte": "phenobarbital", "value": quantity(mg_l, "mg/L")})


# One course used by many tests: two doses, two levels.
COURSE = (dose("d1", 0), level("l1", 2, 17.3), dose("d2", 12, 3.5), level("l2", 30, 15.0))


class Client:
    """Stubs of every service on one channel."""

    def __init__(self, port: int) -> None:
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.twins = twin_pb2_grpc.TwinServiceStub(self.channel)
        self.simulation = simulation_pb2_grpc.SimulationServiceStub(self.channel)
        self.trial = trial_pb2_grpc.TrialServiceStub(self.channel)
        self.cohort = cohort_pb2_grpc.CohortServiceStub(self.channel)
        self.library = library_pb2_grpc.LibraryServiceStub(self.channel)

    def new_twin(self, **more: Any) -> str:
        patient = f"p{next(_PATIENTS)}"
        request = twin_pb2.CreateTwinRequest(
            parent="tenants/acme", patient_id=patient, spec=spec(**more), request_id=rid()
        )
        name: str = self.twins.CreateTwin(request).twin.name
        return name

    def record(self, name: str, *events: event_pb2.Event, **more: Any) -> twin_pb2.RecordEventsResponse:
        request = twin_pb2.RecordEventsRequest(
            name=name, events=events, request_id=more.pop("request_id", rid()), **more
        )
        return self.twins.RecordEvents(request)  # type: ignore[no-any-return]

    def known_twin(self) -> str:
        """A twin with the course, assimilated."""
        name = self.new_twin()
        self.record(name, *COURSE)
        self.get(name, len(COURSE))
        return name

    def get(self, name: str, min_revision: int = 0) -> twin_pb2.GetTwinResponse:
        request = twin_pb2.GetTwinRequest(name=name, min_revision=min_revision)
        return self.twins.GetTwin(request, timeout=60)  # type: ignore[no-any-return]


def server_settings(folder: Path, **more: Any) -> Settings:
    return Settings(
        database_url=f"sqlite:///{folder / 'twin.db'}",
        listen="127.0.0.1:0",
        **{"metrics_port": -1, "log_level": "ERROR", **more},
    )


def simulate_request(name: str, **more: Any) -> simulation_pb2.SimulateRequest:
    request = simulation_pb2.SimulateRequest(name=name, horizon=quantity(3, "d"), members=64, **more)
    plan = request.what_ifs.add(name="five")
    plan.doses.add(drug="phenobarbital", route="iv", amount=quantity(5, "mg"), interval=quantity(12, "h"), count=6)
    request.what_ifs.add(name="stop")
    request.targets.add(
        output="phenobarbital",
        metric=simulation_pb2.METRIC_TROUGH,
        low=quantity(15, "ug/mL"),
        high=quantity(40, "mg/L"),
    )
    return request


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = server_settings(tmp_path_factory.mktemp("server"), metrics_port=0)
    logs.configure(settings)
    running = Server(settings)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Client]:
    made = Client(server.port)
    yield made
    made.channel.close()


@pytest.fixture(scope="session")
def twin(client: Client) -> str:
    """A twin that tests only read."""
    return client.known_twin()


class Refused:
    """What a call was refused with, unpacked."""

    def __init__(self, error: Any) -> None:
        self.code = error.code()
        self.message = error.details()
        self.reason, self.fields, self.retry_s = "", [], None
        status = rpc_status.from_call(error)
        for detail in status.details if status is not None else ():
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
                if detail.Is(kind.DESCRIPTOR):
                    self._take(kind.FromString(detail.value))

    def _take(self, detail: Any) -> None:
        if isinstance(detail, error_details_pb2.ErrorInfo):
            self.reason, self.metadata = detail.reason, dict(detail.metadata)
        elif isinstance(detail, error_details_pb2.BadRequest):
            self.fields = [v.field for v in detail.field_violations]
        else:
            self.retry_s = detail.retry_delay.ToTimedelta().total_seconds()


def refused(call: Any) -> Refused:
    """The refusal of `call`, which must not succeed."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return Refused(caught.value)
