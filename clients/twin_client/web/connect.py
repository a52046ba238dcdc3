"""JSON over HTTP: `POST /package.Service/Method` by the Connect protocol's unary convention.

The body is the request in ProtoJSON (or binary, `application/proto`), the answer likewise; a failure is
`{"code", "message", "details"}` under the HTTP status of its code. The caller's `authorization` goes to the service
untouched, so identity, tenant, validation and status are the service's own.
Source: Connect protocol specification, https://connectrpc.com/docs/protocol (unary, errors, HTTP to error code).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import grpc
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2  # noqa: F401  # its messages are in the pool, so details can be shown as JSON
from grpc_status import rpc_status

from twin_client.errors import retry_delay_s
from twin_client.web.methods import RemoteMethod, methods

HTTP_STATUS = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}
JSON, PROTO = "application/json", "application/proto"
PASSED_ON = ("authorization", "twin-break-glass", "traceparent", "tracestate")
BODY_BYTES_MAX = 32 * 1024 * 1024
TIMEOUT_S, TIMEOUT_MAX_MS = 60.0, 10**10 - 1


@dataclass(frozen=True)
class HttpAnswer:
    """What goes back over HTTP."""

    status: int
    body: bytes
    headers: dict[str, str]


class ConnectFault(Exception):
    """What this door itself refuses, before the service is asked."""

    def __init__(self, code: str, message: str, *, status: int = 0, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.headers = code, message, dict(headers or {})
        self.status = status or HTTP_STATUS[code]


class Gateway:
    """The contract's methods on one channel to the service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._methods = methods()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self._methods)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """The answer to one POST; never raises for what a caller can send."""
        try:
            return self._asked(path, headers, body)
        except ConnectFault as fault:
            return _refused(fault.status, fault.code, fault.message, [], fault.headers)
        except grpc.RpcError as error:
            return _failed(error)

    def _asked(self, path: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        method = self._methods.get(path)
        if method is None:
            raise ConnectFault("unimplemented", f"{path} is no method of this service", status=404)
        if method.streams:
            raise ConnectFault("unimplemented", f"{path} streams; ask for it over gRPC, or use its unary sibling")
        kind = _content_type(headers)
        request = _parsed(method, kind, body)
        given = tuple((k, headers[k]) for k in PASSED_ON if k in headers)
        answer = method.on(self._channel)(request, timeout=_timeout_s(headers), metadata=given)
        return HttpAnswer(200, _rendered(answer, kind), {"content-type": kind, "cache-control": "no-store"})


def too_large() -> HttpAnswer:
    """The answer to a body that is not read to its end."""
    said = f"the body is larger than {BODY_BYTES_MAX // 2**20} MB; send fewer events at a time"
    return _refused(413, "resource_exhausted", said, [], {})


def _content_type(headers: Mapping[str, str]) -> str:
    given = headers.get("content-type", "").split(";")[0].strip().lower()
    if given not in (JSON, PROTO):
        accepted = {"accept-post": f"{JSON}, {PROTO}"}
        raise ConnectFault("unknown", f"send {JSON} or {PROTO}, not {given!r}", status=415, headers=accepted)
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        supported = {"accept-encoding": "identity"}
        raise ConnectFault("unimplemented", f"send the body as it is, not as {encoding}", headers=supported)
    if headers.get("connect-protocol-version", "1") != "1":
        raise ConnectFault("invalid_argument", "connect-protocol-version: this door speaks version 1")
    return given


def _timeout_s(headers: Mapping[str, str]) -> float:
    """Seconds of `connect-timeout-ms`; without it a minute."""
    given = headers.get("connect-timeout-ms")
    if given is None:
        return TIMEOUT_S
    if not given.isascii() or not given.isdigit() or int(given) > TIMEOUT_MAX_MS:
        raise ConnectFault("invalid_argument", "connect-timeout-ms: expected milliseconds, at most ten digits")
    return int(given) / 1000


def _parsed(method: RemoteMethod, kind: str, body: bytes) -> Message:
    request = method.request()
    try:
        if kind == PROTO:
            request.ParseFromString(body)
        else:
            json_format.Parse(body.decode("utf-8"), request)
    except (json_format.ParseError, DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConnectFault("invalid_argument", f"the body is no {request.DESCRIPTOR.full_name}: {said}") from error
    return request


def _rendered(answer: Message, kind: str) -> bytes:
    if kind == PROTO:
        return answer.SerializeToString()
    return json_format.MessageToJson(answer, indent=None).encode()


def _failed(error: grpc.RpcError) -> HttpAnswer:
    """The service's own refusal: its code, sentence and details, and when to come back."""
    name: str = error.code().name.lower()
    code = "canceled" if name == "cancelled" else name
    pause = retry_delay_s(error)
    headers = {} if pause is None else {"retry-after": str(max(1, round(pause)))}
    return _refused(HTTP_STATUS[code], code, error.details() or "", _details(error), headers)


def _details(error: grpc.RpcError) -> list[dict[str, object]]:
    status = rpc_status.from_call(cast(grpc.Call, error))  # a failed call is both
    return [
        {
            "type": detail.type_url.rpartition("/")[2],
            "value": base64.b64encode(detail.value).decode().rstrip("="),
            "debug": {k: v for k, v in json_format.MessageToDict(detail).items() if k != "@type"},
        }
        for detail in (status.details if status is not None else ())
    ]


def _refused(
    status: int, code: str, message: str, details: list[dict[str, object]], headers: Mapping[str, str]
) -> HttpAnswer:
    body: dict[str, object] = {"code": code, "message": message}
    if details:
        body["details"] = details
    return HttpAnswer(status, json.dumps(body).encode(), {"content-type": JSON, "cache-control": "no-store", **headers})
