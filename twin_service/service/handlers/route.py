"""One RPC beside its handler: which messages, which lane, which scope, and how the answer is asked for again.

ROUTES = (
    write(rpc(CreateTwinRequest, CreateTwinResponse), create),
    about_twin(rpc(SimulateRequest, SimulateResponse), moment_of, simulate),
)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from google.protobuf.message import Message

from twin_service.record.person import TwinName
from twin_service.service.door import call as calls
from twin_service.service.door.lane import CallerScope, Lane
from twin_service.service.door.name import tenant_of
from twin_service.service.handlers.context import Service, remember
from twin_service.service.view import AskedTwin
from twin_service.service.wire.kept import spec_of
from twin_service.service.wire.question import Moment
from twin_service.service.wire.rpc import Rpc
from twin_service.service.work.operations import Finished, Progress
from twin_service.store.operations import OperationRow
from twin_service.store.requests import AnswerRow

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
Unary = Callable[[Service, Message], Message]
Streaming = Callable[[Service, Message], Iterator[Message]]
Duplex = Callable[[Service, Iterable[Message]], Iterator[Message]]
Again = Callable[[Service, AnswerRow], Message]


@dataclass(frozen=True)
class MethodRoute:
    """How one method is answered; exactly one of `unary`, `streaming` and `duplex` is set.

    `again` computes a kept answer anew from its row; None: its answers are not kept.
    """

    method: str
    parse: Callable[[bytes], Message]
    lane: Lane
    scope: CallerScope
    unary: Unary | None = None
    streaming: Streaming | None = None
    duplex: Duplex | None = None
    again: Again | None = None


@dataclass(frozen=True)
class OperationKind:
    """A kind of operation: the name it is stored under, and the work it stands for."""

    name: str
    work: Callable[[Service, OperationRow, Progress], Finished]


def read(
    rpc: Rpc[Q, R], answer: Callable[[Service, Q], R], scope: CallerScope = CallerScope.PATIENT_READ
) -> MethodRoute:
    """A question whose answer is not kept."""
    return _unary(rpc, answer, Lane.READ, scope)


def write(
    rpc: Rpc[Q, R], answer: Callable[[Service, Q], R], scope: CallerScope = CallerScope.PATIENT_WRITE
) -> MethodRoute:
    """A request that changes what is stored."""
    return _unary(rpc, answer, Lane.WRITE, scope)


def waiting(
    rpc: Rpc[Q, R], answer: Callable[[Service, Q], R], scope: CallerScope = CallerScope.OPERATION
) -> MethodRoute:
    """A call that does little but wait."""
    return _unary(rpc, answer, Lane.LONG, scope)


def about_twin(
    rpc: Rpc[Q, R], moment: Callable[[Q], Moment], compute: Callable[[Service, Q, AskedTwin], R]
) -> MethodRoute:
    """A question about one twin; its answer is kept and can be asked for again."""

    def answer(service: Service, request: Q) -> R:
        subject = subject_of(service, moment(request))
        response = compute(service, request, subject)
        remember(service, request, response, (subject.row.tenant, subject.row.patient))
        return response

    def again(service: Service, kept: AnswerRow) -> Message:
        question = rpc.request.FromString(kept.request)
        name = TwinName(kept.tenant, kept.patient)
        as_of_us = moment(question).as_of_us
        deadline = calls.current().deadline
        said = spec_of(kept)
        found = service.engine.as_of(name, deadline, revision=kept.timeline_revision, time_us=as_of_us, said=said)
        return compute(service, question, AskedTwin(*found))

    return replace(_unary(rpc, answer, Lane.SIMULATION, CallerScope.PATIENT_READ), again=again)


def about_tenant(rpc: Rpc[Q, R], parent: Callable[[Q], str], compute: Callable[[Service, Q], R]) -> MethodRoute:
    """A question that rests on the request alone; its answer is kept and can be asked for again."""

    def answer(service: Service, request: Q) -> R:
        tenant = allowed_tenant(parent(request))
        response = compute(service, request)
        remember(service, request, response, (tenant, ""))
        return response

    def again(service: Service, kept: AnswerRow) -> Message:
        return compute(service, rpc.request.FromString(kept.request))

    return replace(_unary(rpc, answer, Lane.SIMULATION, CallerScope.TRIAL), again=again)


def stream(
    rpc: Rpc[Q, R],
    answer: Callable[[Service, Q], Iterator[R]],
    *,
    lane: Lane = Lane.WATCH,
    scope: CallerScope = CallerScope.PATIENT_READ,
) -> MethodRoute:
    """One request, many replies."""

    def run(service: Service, request: Message) -> Iterator[Message]:
        assert isinstance(request, rpc.request)
        return answer(service, request)

    return MethodRoute(rpc.method, rpc.request.FromString, lane, scope, streaming=run)


def duplex(rpc: Rpc[Q, R], answer: Callable[[Service, Iterable[Q]], Iterator[R]]) -> MethodRoute:
    """Many requests, a reply for each."""

    def run(service: Service, requests: Iterable[Message]) -> Iterator[Message]:
        return answer(service, (r for r in requests if isinstance(r, rpc.request)))

    return MethodRoute(rpc.method, rpc.request.FromString, Lane.INGEST, CallerScope.PATIENT_WRITE, duplex=run)


def subject_of(service: Service, moment: Moment) -> AskedTwin:
    """The twin a question is asked of: the present one, or one as of a revision or a clinical time."""
    call = calls.current()
    call.about(moment.name.tenant, moment.name.patient)
    if moment.as_of_revision or moment.as_of_us is not None:
        revision = moment.as_of_revision or None
        then = service.engine.as_of(moment.name, call.deadline, revision=revision, time_us=moment.as_of_us)
        return service.engine.asked(*then)
    return service.engine.asked(*service.engine.current(moment.name, moment.min_revision, call.deadline))


def allowed_tenant(name: str) -> str:
    """The tenant in a resource name, if the caller may speak for it."""
    tenant = tenant_of(name)
    calls.current().about(tenant)
    return tenant


def _unary(rpc: Rpc[Q, R], answer: Callable[[Service, Q], R], lane: Lane, scope: CallerScope) -> MethodRoute:
    def run(service: Service, request: Message) -> Message:
        assert isinstance(request, rpc.request)
        return answer(service, request)

    return MethodRoute(rpc.method, rpc.request.FromString, lane, scope, unary=run)
