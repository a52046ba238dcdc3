"""What went wrong, in one exception: the status, the sentence, the fields at fault, and when to try again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(frozen=True)
class FieldFault:
    """One field the server refused: its path in the request and what to do about it."""

    path: str
    description: str


class ClientError(Exception):
    """A call that failed for good.

    code         gRPC status name ("INVALID_ARGUMENT")
    reason       stable identifier from the server ("NO_SUCH_ROUTE"), "" when it gave none
    faults       fields concerned
    incident     id to quote to the operator when the fault is the server's
    """

    def __init__(
        self, code: str, message: str, *, reason: str = "", faults: tuple[FieldFault, ...] = (), incident: str = ""
    ) -> None:
        where = f" [{'; '.join(f.path for f in faults)}]" if faults else ""
        super().__init__(f"{code}{where}: {message}")
        self.code = code
        self.message = message
        self.reason = reason
        self.faults = faults
        self.incident = incident


def from_rpc(error: grpc.RpcError) -> ClientError:
    """The readable form of a failed call, rich details included where the server sent them."""
    status = _status(error)
    reason, incident, faults = "", "", []
    for detail in status.details if status is not None else ():
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            reason, incident = info.reason, info.metadata.get("incident", incident)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            faults += [FieldFault(v.field, v.description) for v in bad.field_violations]
    return ClientError(error.code().name, error.details() or "", reason=reason, faults=tuple(faults), incident=incident)


def retry_delay_s(error: grpc.RpcError) -> float | None:
    """How long the server asked to wait, None when it did not say."""
    status = _status(error)
    for detail in status.details if status is not None else ():
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            info = error_details_pb2.RetryInfo()
            detail.Unpack(info)
            return float(info.retry_delay.seconds + info.retry_delay.nanos * 1e-9)
    return None


def _status(error: grpc.RpcError) -> status_pb2.Status | None:
    """The google.rpc.Status of a failed call; None where it carries none or one that contradicts its code."""
    try:
        return rpc_status.from_call(cast(grpc.Call, error))  # a failed call is both
    except (ValueError, AttributeError):
        return None
