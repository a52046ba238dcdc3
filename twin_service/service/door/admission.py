"""One door for every call: admission, decoding, contract, deadline, errors, metrics, log line. Handlers only answer."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import protovalidate
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door import call as calls
from twin_service.service.door import logs
from twin_service.service.door import status as errors
from twin_service.service.door.metrics import Metrics
from twin_service.service.door.tenancy import Tenancy
from twin_service.settings import Settings
from twin_service.store.errors import StoreUnavailable

OURS = "/twin_service.v1."
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class _Garbage:
    """Stands for bytes that are not a message, so that the answer can be INVALID_ARGUMENT."""


class Door(grpc.ServerInterceptor):
    """Wraps every handler of this service; others (health, reflection) pass untouched."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: calls.Clock) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._tenancy = Tenancy(settings.tenant_tokens)
        self._seats = threading.BoundedSemaphore(settings.concurrent_calls_max)
        self._streams = threading.BoundedSemaphore(settings.watch_streams_max)

    def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
        handler = continuation(details)
        if handler is None or not details.method.startswith(OURS):
            return handler
        decode = _decoder(handler.request_deserializer)
        wrap = {
            (False, False): (grpc.unary_unary_rpc_method_handler, self._unary, handler.unary_unary),
            (False, True): (grpc.unary_stream_rpc_method_handler, self._streaming, handler.unary_stream),
            (True, True): (grpc.stream_stream_rpc_method_handler, self._streaming, handler.stream_stream),
        }
        make, answer, behavior = wrap[handler.request_streaming, handler.response_streaming]
        return make(answer(details.method, behavior), decode, handler.response_serializer)

    def _unary(self, method: str, behavior: Callable[..., Any]) -> Callable[..., Any]:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            with _Watched(self, method, context, self._seats) as seat:
                return seat.run(lambda: behavior(_checked(request), context))

        return answer

    def _streaming(self, method: str, behavior: Callable[..., Any]) -> Callable[..., Any]:
        seats = self._seats if method.endswith("/StreamSimulate") else self._streams

        def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with _Watched(self, method, context, seats) as seat:
                given = (_checked(r) for r in request) if isinstance(request, Iterator) else None
                replies = seat.run(lambda: iter(behavior(_checked(request) if given is None else given, context)))
                while (reply := seat.run(lambda: next(replies, None))) is not None:
                    yield reply

        return answer


class _Watched:
    """One call under way: takes a seat, counts, times, and turns what is raised into a status."""

    def __init__(self, door: Door, method: str, context: grpc.ServicerContext, seats: threading.Semaphore) -> None:
        self._door, self._context, self._seats = door, context, seats
        self._method = method.rpartition(".")[2]
        self._full_method = method
        self._code = grpc.StatusCode.OK

    def __enter__(self) -> _Watched:
        self._start = time.monotonic()
        self._seated = self._seats.acquire(blocking=False)
        self._door._metrics.calls_in_flight.inc()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        seconds = time.monotonic() - self._start
        if kind is GeneratorExit:
            self._code = grpc.StatusCode.CANCELLED
        if self._seated:
            self._seats.release()
        metrics = self._door._metrics
        metrics.calls_in_flight.dec()
        metrics.calls.labels(self._method, self._code.name).inc()
        metrics.call_seconds.labels(self._method).observe(seconds)
        logs.log().info("call", method=self._method, code=self._code.name, seconds=round(seconds, 6))

    def run(self, step: Callable[[], Any]) -> Any:
        """`step` answered under this call, or the call ended with the status its error stands for."""
        try:
            self._enter_call()
            return step()
        except Exception as error:
            status = self._status(error)
        self._code = _CODES[status.code]
        self._context.abort_with_status(errors.grpc_status(status))

    def _enter_call(self) -> None:
        if not self._seated:
            stream = self._seats is self._door._streams
            raise Refusal(
                RefusalCode.TOO_MUCH,
                "too many streams are open; try again later"
                if stream
                else "too many calls are in flight; try again later",
                reason="TOO_MANY_STREAMS" if stream else "OVERLOADED",
            )
        if not hasattr(self, "_call"):
            tenant = self._door._tenancy.tenant(self._full_method, self._context.invocation_metadata())
            endless = self._seats is self._door._streams
            deadline = calls.deadline_of(self._context, self._door._settings, endless=endless)
            actor = f"tenant:{tenant}" if tenant else "anonymous"
            self._call = calls.Call(self._full_method, deadline, self._door._clock(), actor, tenant)
        calls.enter(self._call)

    def _status(self, error: Exception) -> status_pb2.Status:
        retry = self._door._settings.retry_after_s
        if isinstance(error, Refusal) and error.code is RefusalCode.CANCELLED and self._call.deadline.expired:
            return errors.of_deadline()
        if isinstance(error, Refusal):
            return errors.of_refusal(error, retry)
        if isinstance(error, protovalidate.ValidationError):
            return errors.of_violations(error.violations)
        if isinstance(error, StoreUnavailable):
            return errors.of_unavailable(error, retry)
        if isinstance(error, errors.DeadlinePassed):
            return errors.of_deadline()
        if isinstance(error, errors.Unauthenticated):
            return errors.of_unauthenticated(str(error))
        if isinstance(error, grpc.RpcError):
            # The stream of requests broke: the caller cancelled or went away.
            return status_pb2.Status(code=grpc.StatusCode.CANCELLED.value[0], message="the caller went away")
        incident = str(uuid.uuid4())
        self._door._metrics.incidents.inc()
        logs.log().error(
            "incident", incident=incident, method=self._method, error=logs.where(error), trace=logs.trace(error)
        )
        return errors.of_bug(incident)


def _decoder(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decoded(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return _Garbage()

    return decoded


def _checked(request: Any) -> Any:
    """The request if it keeps the contract's rules; raises Refusal or ValidationError."""
    if isinstance(request, _Garbage):
        raise Refusal(RefusalCode.INVALID, "the bytes received are not a message of this method", reason="GARBAGE")
    protovalidate.validate(request)
    return request
