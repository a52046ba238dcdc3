"""The sponsor's desk from a notebook: a protocol and tables in, each step's answer, page and package out.

    with Sponsor("localhost:50051", "acme") as desk:
        found = desk.run(Path("trial.toml").read_text(), "adjust", {"adsl.csv": adsl, "adqs.csv": adqs})
        print(found.answer, found.values["comparisons"])
        desk.run(protocol, "report", tables).save("package")

Tables are pandas or polars data frames, bytes, or paths; their names are those the protocol uses.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc

from twin_client.calls import call
from twin_client.errors import ClientError
from twin_service.v1 import cohort_pb2, cohort_pb2_grpc, trial_pb2, trial_pb2_grpc

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
WAIT_S = 20.0
PAGE = "page.html"


class PandasLike(Protocol):
    """A data frame of pandas."""

    def to_csv(self, *, index: bool) -> str: ...


class PolarsLike(Protocol):
    """A data frame of polars."""

    def write_csv(self) -> str: ...


TrialTable = PandasLike | PolarsLike | bytes | Path


@dataclass(frozen=True)
class TrialAnswer:
    """What a step found. `values`: every number; `warnings`: what may change what they mean; `files` by name."""

    answer: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    values: Mapping[str, Any]
    files: Mapping[str, bytes]
    operation: str

    @property
    def page(self) -> str:
        """The step's page, HTML."""
        return self.files.get(PAGE, self.files.get("report.html", b"")).decode()

    def save(self, folder: str | Path) -> list[Path]:
        """Write the page, or every file of the package."""
        where = Path(folder)
        where.mkdir(parents=True, exist_ok=True)
        paths = [where / name for name in self.files]
        for path, raw in zip(paths, self.files.values(), strict=True):
            path.write_bytes(raw)
        return paths


class Sponsor:
    """Calls of TrialService's desk. address, tenant, token, tls and timeout_s as in `TwinClient`."""

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
        self._stub = trial_pb2_grpc.TrialServiceStub(self._channel)
        self._operations = cohort_pb2_grpc.CohortServiceStub(self._channel)

    def __enter__(self) -> Sponsor:
        return self

    def __exit__(self, *error: object) -> None:
        self._channel.close()

    def run(
        self,
        protocol: str,
        step: str,
        tables: Mapping[str, TrialTable],
        *,
        progress: Callable[[float], None] = lambda share: None,
        within_s: float = 3600.0,
    ) -> TrialAnswer:
        """`step`: data, plan, forecast, adjust, external, borrow, interim, simulate or report.

        Raises ClientError for what the service refuses, TimeoutError when it is not done `within_s`.
        """
        known = [n.removeprefix("TRIAL_STEP_").lower() for n in trial_pb2.TrialStep.keys()[1:]]
        if step not in known:
            raise ValueError(f"step {step!r}; known: {', '.join(known)}")
        request = trial_pb2.RunTrialStepRequest(
            parent=self._parent,
            request_id=str(uuid.uuid4()),
            protocol=protocol,
            step=f"TRIAL_STEP_{step.upper()}",
            files=[trial_pb2.TrialFile(name=n, content=content_of(n, t)) for n, t in tables.items()],
        )
        started = call(self._stub.RunTrialStep, request, timeout_s=self._timeout_s, metadata=self._metadata)
        self._wait(started.operation.name, progress, within_s)
        return self.result(started.operation.name)

    def result(self, operation: str) -> TrialAnswer:
        """A finished step, once more."""
        asked = trial_pb2.GetTrialStepRequest(operation=operation)
        found = call(self._stub.GetTrialStep, asked, timeout_s=self._timeout_s, metadata=self._metadata)
        told = [(n.warning, f"{n.about}: {n.message}") for n in found.notes]
        return TrialAnswer(
            found.answer,
            tuple(t for w, t in told if w),
            tuple(t for w, t in told if not w),
            json.loads(found.values_json),
            {f.name: f.content for f in found.files},
            operation,
        )

    def _wait(self, operation: str, progress: Callable[[float], None], within_s: float) -> None:
        end = time.monotonic() + within_s
        request = cohort_pb2.WaitOperationRequest(name=operation)
        request.timeout.FromMilliseconds(1000)
        while True:
            found = call(self._operations.WaitOperation, request, timeout_s=WAIT_S, metadata=self._metadata).operation
            progress(found.progress)
            if found.done and found.error_code:
                code = next(c for c in grpc.StatusCode if c.value[0] == found.error_code)
                raise ClientError(code.name, found.error_message)
            if found.done:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"{operation} is not done after {within_s:g} s; ask for it later with result()")


def content_of(name: str, table: TrialTable) -> bytes:
    """A table as bytes; a data frame must have a name that ends in .csv."""
    if isinstance(table, bytes):
        return table
    if isinstance(table, Path):
        return table.read_bytes()
    if not name.endswith(".csv"):
        raise ValueError(f"{name!r}: a data frame is sent as CSV; let the protocol call it .csv")
    text = table.write_csv() if hasattr(table, "write_csv") else table.to_csv(index=False)
    return text.encode()
