"""One door for every call: admission, decoding, contract, deadline, errors, metrics, log line. Handlers only answer."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar, cast

import grpc
import protovalidate
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

from twin_service.outcome import Refusal, RefusalCode, missing_extra
from twin_service.service.door import call as calls
from twin_service.service.door import logs
from twin_service.service.door import status as errors
from twin_service.service.door.identity import Identities
from twin_service.service.door.lane import CallerScope, Lane
from twin_service.service.door.lanes import LanePools
from twin_service.service.door.metrics import ServerMeters
from twin_service.service.door.trail import AccessTrail
from twin_service.settings import Settings
from twin_service.store.errors import StoreUnavailable

T = TypeVar("T")
Handler: TypeAlias = "grpc.RpcMethodHandler[Message, Message]"
Unary = Callable[[Message, grpc.ServicerContext], Message]
Streaming = Callable[[Message | Iterator[Message], grpc.ServicerContext], Iterator[Message]]
Answer = Callable[..., Message | Iterator[Message]]
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Garbage:
    """Stands for bytes that are not a message, so that the answer can be INVALID_ARGUMENT."""


@dataclass(frozen=True)
class DoorParts:
    """What the door works with."""

    settings: Settings
    metrics: ServerMeters
    clock: calls.Clock
    identities: Identities
    lanes: LanePools
    trail: AccessTrail


class AdmissionDoor(grpc.ServerInterceptor):
    """Wraps every handler of this service; others (health, reflection) pass untouched.

    `lane_of` names the lane and scope of each method.
    """

    def __init__(self, parts: DoorParts, needs: Mapping[str, tuple[Lane, CallerScope]]) -> None:
        self.parts = parts
        self._needs = needs

    def intercept_service(  # type: ignore[override]  # the stubs allow each handler types of its own
        self, continuation: Callable[[grpc.HandlerCallDetails], Handler | None], details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Runs when a call arrives, before it has a thread: the seat is taken or refused here."""
        handler = continuation(details)
        if handler is None or details.method not in self._needs:
            return handler
        lane, scope = self._needs[details.method]
        pool, caller = self.parts.lanes.pool(lane), caller_of(details.invocation_metadata)
        about = _About(details.method, lane, scope)
        if pool.admits(caller, self.parts.settings.caller_share_max):
            pool.expect(caller)
            return self._wrapped(handler, about, pool, refuse=False)
        return self._wrapped(handler, about, self.parts.lanes.refusing, refuse=True)

    def _wrapped(self, handler: Handler, about: _About, pool: ThreadPoolExecutor, *, refuse: bool) -> Handler:
        assert handler.request_deserializer is not None
        decode = _decoder(handler.request_deserializer)
        make: Callable[..., Handler] = grpc.unary_unary_rpc_method_handler
        if handler.response_streaming:
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
        answer: Answer
        if refuse:
            answer = self._refusal(about)
        elif handler.stream_stream is not None:
            answer = self._streaming(about, cast(Streaming, handler.stream_stream))
        elif handler.unary_stream is not None:
            answer = self._streaming(about, cast(Streaming, handler.unary_stream))
        else:
            assert handler.unary_unary is not None
            answer = self._unary(about, handler.unary_unary)
        answer.experimental_thread_pool = pool  # type: ignore[attr-defined]
        return make(answer, decode, handler.response_serializer)

    def _unary(self, about: _About, behavior: Unary) -> Answer:
        def answer(request: Message | Garbage, context: grpc.ServicerContext) -> Message:
            with _Watched(self.parts, about, context) as call:
                return call.run(lambda: behavior(_checked(request), context))

        return answer

    def _streaming(self, about: _About, behavior: Streaming) -> Answer:
        def answer(
            request: Message | Garbage | Iterator[Message | Garbage], context: grpc.ServicerContext
        ) -> Iterator[Message]:
            with _Watched(self.parts, about, context) as call:
                if isinstance(request, Iterator):
                    given = (_checked(r) for r in request)
                    replies = call.run(lambda: iter(behavior(given, context)))
                else:
                    replies = call.run(lambda: iter(behavior(_checked(request), context)))
                first = True
                while (reply := call.run(lambda: next(replies, None))) is not None:
                    if first:
                        call.opened()
                    first = False
                    yield reply

        return answer

    def _refusal(self, about: _About) -> Answer:
        stream = about.lane.endless
        said = "too many streams are open; try again later" if stream else "too many calls wait; try again later"
        reason = "TOO_MANY_STREAMS" if stream else "OVERLOADED"

        def answer(request: Message | Garbage, context: grpc.ServicerContext) -> Message:
            with _Watched(self.parts, about, context) as call:
                return call.run(lambda: _raise(Refusal(RefusalCode.TOO_MUCH, said, reason=reason)), admitted=False)

        return answer


def _raise(error: Exception) -> Message:
    raise error


def caller_of(metadata: Sequence[tuple[str, str | bytes]] | None) -> str:
    """A caller as far as it can be told before its token is verified: a digest of what it presents."""
    presented = next((str(v) for k, v in metadata or () if k == "authorization"), "")
    return hashlib.sha256(presented.encode()).hexdigest()[:16] if presented else ""


class _About(NamedTuple):
    method: str
    lane: Lane
    scope: CallerScope


class _Watched:
    """One call under way: counts, times, and turns what is raised into a status."""

    def __init__(self, parts: DoorParts, about: _About, context: grpc.ServicerContext) -> None:
        self._parts, self._about, self._context = parts, about, context
        self._method = about.method.rpartition(".")[2]
        self._code = grpc.StatusCode.OK
        self._call: calls.Call | None = None

    def __enter__(self) -> _Watched:
        self._start = time.monotonic()
        self._parts.metrics.calls_in_flight.inc()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        seconds = time.monotonic() - self._start
        if kind is GeneratorExit:
            self._code = grpc.StatusCode.CANCELLED
        metrics = self._parts.metrics
        metrics.calls_in_flight.dec()
        metrics.calls.labels(self._method, self._code.name).inc()
        metrics.call_seconds.labels(self._method).observe(seconds)
        call = self._call
        if call is not None and self._about.scope is not CallerScope.LIBRARY:
            self._parts.trail.tell(call, self._code.name)
        logs.log().info(
            "call",
            method=self._method,
            code=self._code.name,
            seconds=round(seconds, 6),
            caller=logs.pseudonym(call.actor) if call is not None else "",
            request=call.id if call is not None else "",
        )

    def opened(self) -> None:
        """A stream that may stay open for days is entered when it begins, too."""
        if self._call is not None and self._about.lane.endless:
            self._parts.trail.tell(self._call, "OPENED")

    def run(self, step: Callable[[], T], *, admitted: bool = True) -> T:
        """`step` answered under this call, or the call ended with the status its error stands for."""
        try:
            if admitted:
                calls.enter(self._entered())
            return step()
        except Exception as error:
            status = self._status(error)
        self._code = _CODES[status.code]
        self._context.abort_with_status(errors.grpc_status(status))
        raise AssertionError("abort_with_status raises")

    def _entered(self) -> calls.Call:
        if self._call is None:
            who = self._parts.identities.identify(self._context)
            deadline = calls.deadline_of(self._context, self._parts.settings, endless=self._about.lane.endless)
            now_us = self._parts.clock()
            self._call = calls.Call(self._about.method, deadline, now_us, who.actor, who.tenant, purpose=who.purpose)
            who.check(self._about.scope)
        if self._call.deadline.expired:
            raise errors.DeadlinePassed
        return self._call

    def _status(self, error: Exception) -> status_pb2.Status:
        retry = self._parts.settings.retry_after_s
        passed = self._call is not None and self._call.deadline.expired
        stopped = isinstance(error, errors.DeadlinePassed)
        stopped |= isinstance(error, Refusal) and error.code is RefusalCode.CANCELLED and passed
        if stopped and self._call is not None and self._call.deadline.cancelled:
            return status_pb2.Status(code=grpc.StatusCode.CANCELLED.value[0], message="the caller went away")
        if stopped:
            return errors.of_deadline()
        if isinstance(error, Refusal):
            return errors.of_refusal(error, retry)
        if (absent := missing_extra(error)) is not None:
            return errors.of_refusal(absent, retry)
        if isinstance(error, protovalidate.ValidationError):
            return errors.of_violations(error.violations)
        if isinstance(error, StoreUnavailable):
            return errors.of_unavailable(error, retry)
        if isinstance(error, errors.Unauthenticated):
            return errors.of_unauthenticated(str(error))
        if isinstance(error, grpc.RpcError):
            # The stream of requests broke: the caller cancelled or went away.
            return status_pb2.Status(code=grpc.StatusCode.CANCELLED.value[0], message="the caller went away")
        return self._incident(error)

    def _incident(self, error: Exception) -> status_pb2.Status:
        incident = str(uuid.uuid4())
        self._parts.metrics.incidents.inc()
        logs.log().error(
            "incident",
            incident=incident,
            method=self._method,
            request=self._call.id if self._call is not None else "",
            error=logs.where(error),
            trace=logs.trace(error),
        )
        return errors.of_bug(incident)


def _decoder(decode: Callable[[bytes], Message]) -> Callable[[bytes], Message | Garbage]:
    def decoded(data: bytes) -> Message | Garbage:
        try:
            return decode(data)
        except DecodeError:
            return Garbage()

    return decoded


def _checked(request: Message | Garbage) -> Message:
    """The request if it keeps the contract's rules; raises Refusal or ValidationError."""
    if isinstance(request, Garbage):
        raise Refusal(RefusalCode.INVALID, "the bytes received are not a message of this method", reason="GARBAGE")
    protovalidate.validate(request)
    return request
