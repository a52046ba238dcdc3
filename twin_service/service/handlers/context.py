"""What every handler works with, and the two shapes of its work: a write that applies once, an answer that is kept."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import Connection

from twin_service.record.person import TwinName
from twin_service.service.door import call as calls
from twin_service.service.door.metrics import ServerMeters
from twin_service.service.door.status import DeadlinePassed
from twin_service.service.wire.quantity import twin_name
from twin_service.service.wire.rpc import basis_in, request_id_of
from twin_service.service.wire.window import AcceptedTimes
from twin_service.service.work.assimilation import Engine
from twin_service.service.work.operations import Operations
from twin_service.settings import Settings
from twin_service.store.errors import StoreUnavailable
from twin_service.store.requests import AnswerRow, RequestKey, find_response, keep_answer, keep_response
from twin_service.store.twins import Act
from twin_service.store.unit_of_work import Store

R = TypeVar("R", bound=Message)


@dataclass(frozen=True)
class Service:
    """The parts of one server. `again`: how kept answers are computed anew, by full method name."""

    settings: Settings
    store: Store
    engine: Engine
    metrics: ServerMeters
    operations: Operations
    again: Mapping[str, Callable[[Service, AnswerRow], Message]]


def act(action: str, detail: str = "") -> Act:
    """The audit row of the current call."""
    call = calls.current()
    return Act(call.actor, action, call.now_us, detail)


def window(service: Service) -> AcceptedTimes:
    return AcceptedTimes.around(calls.current().now_us, service.settings)


def allowed_twin(text: str, field: str = "name") -> TwinName:
    """The twin named, if the caller may speak for its tenant."""
    name = twin_name(text, field)
    calls.current().allow(name.tenant)
    return name


def apply_once(
    service: Service,
    request: Message,
    owner: tuple[str, str],
    *,
    kind: type[R],
    prepare: Callable[[], Callable[[Connection], R]],
) -> R:
    """The response to a write that is applied at most once under its request_id.

    `owner` is tenant and patient. `prepare` checks the request and returns the transaction; neither runs when the
    request was answered before.
    """
    call = calls.current()
    content = request.SerializeToString(deterministic=True)
    digest = hashlib.sha256(call.method.encode() + b"\0" + content).hexdigest()
    key = RequestKey(*owner, request_id_of(request), digest)
    earlier = service.store.read(lambda c: find_response(c, key))
    if earlier is not None:
        return kind.FromString(earlier)
    work = prepare()

    def job(connection: Connection) -> bytes:
        answered = find_response(connection, key)
        if answered is not None:
            return answered
        response = work(connection).SerializeToString(deterministic=True)
        keep_response(connection, key, response, call.now_us)
        return response

    return kind.FromString(service.store.write(job))


def remember(service: Service, request: Message, response: Message, owner: tuple[str, str]) -> None:
    """Keep the question and the digest of its answer, and name it in the answer's basis.

    `owner` is tenant and patient; the patient is "" for questions about several. Raises DeadlinePassed for an answer
    that was broken off.
    """
    call = calls.current()
    if call.deadline.expired:
        raise DeadlinePassed
    basis = basis_in(response)
    basis.answer_id = str(uuid.uuid4())
    tenant, patient = owner
    row = AnswerRow(
        tenant,
        basis.answer_id,
        patient,
        call.method,
        request.SerializeToString(deterministic=True),
        basis.SerializeToString(deterministic=True),
        response_digest(response),
        basis.belief_revision,
        call.now_us,
    )
    try:
        service.store.write(lambda connection: keep_answer(connection, row))
    except StoreUnavailable as trouble:
        # an answer is worth more than its copy: a ward gets it on a full disk too
        basis.answer_id = ""
        basis.warnings.append(f"this answer is not kept and cannot be asked for again: {trouble}")


def response_digest(response: Message) -> str:
    """SHA-256 of an answer without its basis, which names the moment it was computed."""
    bare = type(response)()
    bare.CopyFrom(response)
    bare.ClearField("basis")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()
