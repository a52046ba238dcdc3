"""Each request applies once, and each answer can be asked for again."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, select

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store.prepared import Prepared, insert_into, values_of
from twin_service.store.repository import ANSWERS, REQUESTS
from twin_service.store.sealed import ANSWER, REQUEST, is_same, plain, to_stored

_FOUND = ("tenant", "patient", "request_id", "request_digest", "response")
_FIND = Prepared(f"SELECT {', '.join(_FOUND)} FROM requests WHERE tenant = ? AND request_id = ?")
_KEEP, _ANSWER = insert_into(REQUESTS), insert_into(ANSWERS)


@dataclass(frozen=True)
class RequestKey:
    """A write as its caller named it; `digest` is over method and content."""

    tenant: str
    patient: str
    request_id: str
    digest: str


@dataclass(frozen=True)
class AnswerRow:
    """A question with the digest of its answer."""

    tenant: str
    answer_id: str
    patient: str
    method: str
    request: bytes
    basis: bytes
    response_digest: str
    timeline_revision: int
    created_us: int


def find_response(connection: Connection, key: RequestKey) -> bytes | None:
    """The answer given to this request before, if any. Raises Refusal (EXISTS) for another request under its id."""
    found = _FIND.first(connection, key.tenant, key.request_id)
    if found is None:
        return None
    row = dict(zip(_FOUND, found, strict=True))
    if not is_same(connection, REQUEST, row, "request_digest", key.digest):
        raise Refusal(
            RefusalCode.EXISTS,
            "this request_id was used for another request; choose a new UUID",
            field="request_id",
            reason="REQUEST_ID_REUSED",
        )
    return bytes(plain(connection, REQUEST, row)["response"])


def keep_response(connection: Connection, key: RequestKey, response: bytes, now_us: int) -> None:
    """Remember what was answered, in the transaction that applied it."""
    values = {
        "tenant": key.tenant,
        "request_id": key.request_id,
        "patient": key.patient,
        "request_digest": key.digest,
        "response": response,
        "created_us": now_us,
    }
    _KEEP.run(connection, *values_of(REQUESTS, to_stored(connection, REQUEST, values)))


def keep_answer(connection: Connection, row: AnswerRow) -> None:
    values = {f.name: getattr(row, f.name) for f in fields(row)}
    _ANSWER.run(connection, *values_of(ANSWERS, to_stored(connection, ANSWER, values)))


def get_answer(connection: Connection, tenant: str, answer_id: str) -> AnswerRow:
    """Raises Refusal (NOT_FOUND) for an answer that was never given or whose patient was erased."""
    names = [f.name for f in fields(AnswerRow)]
    row = connection.execute(
        select(*(ANSWERS.c[n] for n in names)).where(ANSWERS.c.tenant == tenant, ANSWERS.c.answer_id == answer_id)
    ).first()
    if row is None:
        raise Refusal(RefusalCode.NOT_FOUND, "no such answer is kept", field="name", reason="NO_SUCH_ANSWER")
    return AnswerRow(**plain(connection, ANSWER, row._mapping))
