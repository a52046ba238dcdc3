"""First dose, escalation and selection from a client: `Phase1(client)` speaks for the client's tenant."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import grpc

from twin_client.calls import call
from twin_service.v1 import cohort_pb2, cohort_pb2_grpc, common_pb2, phase1_pb2, phase1_pb2_grpc

MESSAGE_BYTES_MAX = 32 * 1024 * 1024
WAIT_S = 20.0


class Phase1:
    """Calls of Phase1Service with deadlines and retries; every write carries a request_id.

    address, tenant, token, tls and timeout_s as in `TwinClient`. Plans are the TOML texts of `twin first-dose` and
    `twin escalate`.
    """

    def __init__(
        self,
        address: str,
        tenant: str,
        *,
        token: str = "",
        tls: grpc.ChannelCredentials | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        limits = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
        self._channel = (
            grpc.insecure_channel(address, limits) if tls is None else grpc.secure_channel(address, tls, limits)
        )
        self._parent, self._timeout_s = f"tenants/{tenant}", timeout_s
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._stub = phase1_pb2_grpc.Phase1ServiceStub(self._channel)
        self._operations = cohort_pb2_grpc.CohortServiceStub(self._channel)

    def __enter__(self) -> Phase1:
        return self

    def __exit__(self, *error: object) -> None:
        self._channel.close()

    def first_dose(self, plan: str, *, seed: int = 1) -> phase1_pb2.ProposeFirstDoseResponse:
        """Every route to a starting dose, the ladder, the caps, and the page for a brochure."""
        request = phase1_pb2.ProposeFirstDoseRequest(parent=self._parent, plan=plan, seed=seed)
        return call(self._stub.ProposeFirstDose, request, timeout_s=self._timeout_s, metadata=self._metadata)

    def open(self, trial: str, plan: str, *, request_id: str = "") -> phase1_pb2.OpenEscalationResponse:
        """Start a trial; its name is that of later calls."""
        request = phase1_pb2.OpenEscalationRequest(
            parent=self._parent, escalation_id=trial, plan=plan, request_id=request_id or str(uuid.uuid4())
        )
        return call(self._stub.OpenEscalation, request, timeout_s=self._timeout_s, metadata=self._metadata)

    def record(
        self, trial: str, events: Sequence[phase1_pb2.EscalationEvent], *, request_id: str = ""
    ) -> phase1_pb2.RecordEscalationEventsResponse:
        """Append events, all or none."""
        request = phase1_pb2.RecordEscalationEventsRequest(
            name=f"{self._parent}/escalations/{trial}", events=events, request_id=request_id or str(uuid.uuid4())
        )
        return call(self._stub.RecordEscalationEvents, request, timeout_s=self._timeout_s, metadata=self._metadata)

    def decide(
        self, trial: str, *, as_of_revision: int | None = None, report: bool = False
    ) -> phase1_pb2.DecideEscalationResponse:
        """What follows, or what followed after so many events."""
        request = phase1_pb2.DecideEscalationRequest(
            name=f"{self._parent}/escalations/{trial}", as_of_revision=as_of_revision, report=report
        )
        return call(self._stub.DecideEscalation, request, timeout_s=self._timeout_s, metadata=self._metadata)

    def compare(self, plan: str, *, trials: int = 0, seed: int = 1) -> common_pb2.Operation:
        """Ask for a comparison of a plan's designs; `wait`, then `comparison`."""
        request = phase1_pb2.CompareDesignsRequest(
            parent=self._parent, plan=plan, trials=trials, seed=seed, request_id=str(uuid.uuid4())
        )
        found = call(self._stub.CompareDesigns, request, timeout_s=self._timeout_s, metadata=self._metadata)
        return found.operation

    def wait(self, operation: str) -> common_pb2.Operation:
        """The operation once it is done, or as it is after some seconds."""
        request = cohort_pb2.WaitOperationRequest(name=operation)
        return call(self._operations.WaitOperation, request, timeout_s=WAIT_S, metadata=self._metadata).operation

    def comparison(self, operation: str) -> phase1_pb2.GetDesignComparisonResponse:
        """What a finished comparison found."""
        request = phase1_pb2.GetDesignComparisonRequest(operation=operation)
        return call(self._stub.GetDesignComparison, request, timeout_s=self._timeout_s, metadata=self._metadata)

    def select(
        self,
        learned: Sequence[tuple[str, Mapping[str, float], bool]],
        asked: Sequence[tuple[str, Mapping[str, float]]] = (),
        *,
        seed: int = 1,
    ) -> phase1_pb2.SelectRespondersResponse:
        """`learned`: subject, markers, responded; `asked`: subject, markers."""
        rows = [phase1_pb2.MarkerRow(subject=s, markers=m, responded=r) for s, m, r in learned]
        rows += [phase1_pb2.MarkerRow(subject=s, markers=m) for s, m in asked]
        request = phase1_pb2.SelectRespondersRequest(parent=self._parent, rows=rows, seed=seed)
        return call(self._stub.SelectResponders, request, timeout_s=self._timeout_s, metadata=self._metadata)


def cohort(number: int, dose: float, *, day: float, outcomes: Sequence[bool]) -> list[phase1_pb2.EscalationEvent]:
    """A whole cohort: one patient an outcome (True: toxic), dosed on `day`, followed to its end."""
    names = [f"c{number}p{k + 1}" for k in range(len(outcomes))]
    event = phase1_pb2.EscalationEvent
    found = [event(kind="dosed", id=f"c{number}", day=day, dose=dose, patients=names)]
    return found + [
        event(kind="observed", id=f"{p}o", day=day, patient=p, toxic=toxic)
        for p, toxic in zip(names, outcomes, strict=True)
    ]
