"""What every servicer works with, and the two shapes of its work: a write that applies once, an answer that is kept."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message
from sqlalchemy import Connection

from twin_service.service import call as calls
from twin_service.service.engine import Engine
from twin_service.service.errors import DeadlinePassed
from twin_service.service.metrics import Metrics
from twin_service.service.operations import Operations
from twin_service.service.window import Window
from twin_service.settings import Settings
from twin_service.store.requests import AnswerRow, RequestKey, find_response, keep_answer, keep_response
from twin_service.store.twins import Act
from twin_service.store.unit_of_work import Store
from twin_service.v1 import common_pb2

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Rooms:
    """The parts of one server."""

    settings: Settings
    store: Store
    engine: Engine
    metrics: Metrics
    operations: Operations


def act(action: str, detail: str = "") -> Act:
    """The audit row of the current call."""
    call = calls.current()
    return Act(call.actor, action, call.now_us, detail)


def window(rooms: Rooms) -> Window:
    return Window.around(calls.current().now_us, rooms.settings)


def apply_once(
    rooms: Rooms,
    request: Any,
    owner: tuple[str, str],
    *,
    kind: type[M],
    prepare: Callable[[], Callable[[Connection], M]],
) -> M:
    """The response to a write that is applied at most once under its request_id.

    `owner` is tenant and patient. `prepare` checks the request and returns the transaction; neither runs when the
    request was answered before.
    """
    call = calls.current()
    content = request.SerializeToString(deterministic=True)
    digest = hashlib.sha256(call.method.encode() + b"\0" + content).hexdigest()
    key = RequestKey(*owner, request.request_id.lower(), digest)
    earlier = rooms.store.read(lambda c: find_response(c, key))
    if earlier is not None:
        return _read(kind, earlier)
    work = prepare()

    def job(connection: Connection) -> bytes:
        answered = find_response(connection, key)
        if answered is not None:
            return answered
        response: bytes = work(connection).SerializeToString(deterministic=True)
        keep_response(connection, key, response, call.now_us)
        return response

    return _read(kind, rooms.store.write(job))


def _read(kind: type[M], data: bytes) -> M:
    message = kind()
    message.ParseFromString(data)
    return message


def remember(rooms: Rooms, request: Message, response: Any, owner: tuple[str, str]) -> None:
    """Keep the question and the digest of its answer, and name it in the answer's basis.

    `owner` is tenant and patient; the patient is "" for questions about several. Raises DeadlinePassed for an answer
    that was broken off.
    """
    call = calls.current()
    if call.deadline.expired:
        raise DeadlinePassed
    response.basis.answer_id = str(uuid.uuid4())
    tenant, patient = owner
    row = AnswerRow(
        tenant,
        response.basis.answer_id,
        patient,
        call.method,
        request.SerializeToString(deterministic=True),
        response.basis.SerializeToString(deterministic=True),
        response_digest(response),
        response.basis.belief_revision,
        call.now_us,
    )
    rooms.store.write(lambda connection: keep_answer(connection, row))


def response_digest(response: Any) -> str:
    """SHA-256 of an answer without its basis, which names the moment it was computed."""
    bare = type(response)()
    bare.CopyFrom(response)
    bare.ClearField("basis")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def basis_of_several(members: int = 0, assumptions: tuple[str, ...] = ()) -> common_pb2.Basis:
    """The basis of an answer that rests on the request alone."""
    from twin_service.service.numeric import SOFTWARE_VERSION, software_digest
    from twin_service.service.translate import stamp

    return common_pb2.Basis(
        software_version=SOFTWARE_VERSION,
        software_digest=software_digest(),
        members=members,
        assumptions=assumptions,
        computed_time=stamp(calls.current().now_us),
    )
