"""The one table from refusals to gRPC statuses, and how each is told: field paths, reasons, when to try again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store.errors import StoreUnavailable

DOMAIN = "twin_service"
# gRPC allows 8 KB of trailers by default, and the status travels twice (message, and details in base64).
VIOLATIONS_BYTES = 3000
DESCRIPTION_MAX = 400
MESSAGE_MAX = 1000
STATUS: dict[RefusalCode, grpc.StatusCode] = {
    RefusalCode.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    RefusalCode.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    RefusalCode.EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    RefusalCode.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalCode.CONFLICT: grpc.StatusCode.ABORTED,
    RefusalCode.TOO_MUCH: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalCode.OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    RefusalCode.CANCELLED: grpc.StatusCode.CANCELLED,
    RefusalCode.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    RefusalCode.UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
}
# A caller of these may simply try again; others would be refused again.
_PASSING = {"WRITE_QUEUE_FULL", "OVERLOADED", "TOO_MANY_STREAMS", "CONFLICT"}


class DeadlinePassed(Exception):
    """The caller's deadline passed before there was an answer."""


class Unauthenticated(Exception):
    """The call carries no token, or one that is not known."""


def of_refusal(refusal: Refusal, retry_after_s: float) -> status_pb2.Status:
    """Status with ErrorInfo, BadRequest when a field is to blame, RetryInfo when trying again can help."""
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=refusal.details)]
    blamed = [(f.field, f.message) for f in refusal.faults if f.field]
    if blamed:
        details.append(_bad_request(blamed))
    if refusal.reason in _PASSING:
        details.append(_retry(retry_after_s))
    return _status(STATUS[refusal.code], refusal.message, details)


def of_violations(violations: Sequence[Any]) -> status_pb2.Status:
    """INVALID_ARGUMENT that lists every rule of the contract the request breaks, by field path."""
    found = [(path_of(v), v.proto.message) for v in violations]
    first = f"{found[0][0]}: {found[0][1]}" if found else "the request breaks the contract"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    info = error_details_pb2.ErrorInfo(reason="CONTRACT", domain=DOMAIN)
    return _status(grpc.StatusCode.INVALID_ARGUMENT, first + more, [info, _bad_request(found)])


def of_unavailable(trouble: StoreUnavailable, retry_after_s: float) -> status_pb2.Status:
    """A full disk is RESOURCE_EXHAUSTED, anything else UNAVAILABLE; both say when to try again."""
    code = grpc.StatusCode.RESOURCE_EXHAUSTED if trouble.reason == "STORE_FULL" else grpc.StatusCode.UNAVAILABLE
    info = error_details_pb2.ErrorInfo(reason=trouble.reason, domain=DOMAIN)
    return _status(code, str(trouble), [info, _retry(retry_after_s)])


def of_deadline() -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason="DEADLINE", domain=DOMAIN)
    return _status(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before there was an answer", [info])


def of_unauthenticated(message: str) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason="UNAUTHENTICATED", domain=DOMAIN)
    return _status(grpc.StatusCode.UNAUTHENTICATED, message, [info])


def of_bug(incident: str) -> status_pb2.Status:
    """INTERNAL with nothing but an incident id; the log holds the rest."""
    info = error_details_pb2.ErrorInfo(reason="BUG", domain=DOMAIN, metadata={"incident": incident})
    return _status(grpc.StatusCode.INTERNAL, f"a defect of the service; incident {incident}", [info])


def grpc_status(status: status_pb2.Status) -> grpc.Status:
    """What `context.abort_with_status` takes."""
    return rpc_status.to_status(status)


def path_of(violation: Any) -> str:
    """`events[3].lab.value` of a validator's field path."""
    text = ""
    for element in violation.proto.field.elements if violation.proto.field is not None else ():
        text += f".{element.field_name}" if text else element.field_name
        subscript = element.subscript
        if subscript is not None:
            text += f"[{subscript.value}]"
    return text


def _bad_request(found: Sequence[tuple[str, str]]) -> error_details_pb2.BadRequest:
    """Field violations as far as they fit into a trailer; the last one says how many were left out."""
    told = error_details_pb2.BadRequest()
    for number, (field, description) in enumerate(found):
        told.field_violations.add(field=field, description=description[:DESCRIPTION_MAX])
        if told.ByteSize() > VIOLATIONS_BYTES and number + 1 < len(found):
            told.field_violations.add(field="", description=f"and {len(found) - number - 1} more")
            break
    return told


def _retry(seconds: float) -> error_details_pb2.RetryInfo:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(int(seconds * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def _status(code: grpc.StatusCode, message: str, details: Sequence[Any]) -> status_pb2.Status:
    packed = []
    for detail in details:
        one = any_pb2.Any()
        one.Pack(detail)
        packed.append(one)
    return status_pb2.Status(code=code.value[0], message=message[:MESSAGE_MAX], details=packed)
