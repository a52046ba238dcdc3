"""How each kind of row is stored: which columns are sealed, with whose key, and what its digest is over.

A row is handed over in plain values and read back as such; between them it is sealed, signed and counted. What stays
readable by design: tenant and patient id, times, kinds, methods, counts and who did what.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, delete, select

from twin_service.store import chain
from twin_service.store.tables import (
    AnswerTable,
    EscalationTable,
    EventRow,
    ForecastTable,
    HeldTable,
    OperationTable,
    PopulationTable,
    RequestTable,
    SnapshotTable,
    SpecTable,
    TwinTable,
)
from twin_service.store.tally import Scope, note
from twin_service.store.vault import PATIENT, Altered, DataKey, Owner, altered, blind, seal, unseal, vault_of

Values = RowMapping | Mapping[str, Any]


@dataclass(frozen=True)
class SealedTable:
    """One kind of row.

    table    where it is kept
    object_  the column that names its owner when no patient does
    secret   sealed columns of bytes
    text     sealed columns of text; an empty text stays empty
    blinded  names and digests that are only ever compared, and could be guessed
    digest   the digest of a plain row with its blinded columns as stored; None: its chain holds it
    """

    table: Table
    object_: str
    digest: Callable[[Values], str] | None
    secret: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    blinded: tuple[str, ...] = ()

    def scope(self, values: Values) -> Scope:
        return values["tenant"], values.get("patient", "")


def event_id_of(body: bytes) -> str:
    """The id an event says it has."""
    return str(json.loads(body)["id"])


def _of(table: type, object_: str, digest: Callable[[Values], str] | None, **columns: tuple[str, ...]) -> SealedTable:
    return SealedTable(table.__table__, object_, digest, **columns)  # type: ignore[attr-defined]


def _over(kind: str, *columns: str) -> Callable[[Values], str]:
    return lambda v: chain.digest(kind, *(v[c] for c in columns))


def _population_digest(v: Values) -> str:
    said = [v[c] for c in ("tenant", "population", "request", "weights", "effective_size", "remark", "created_us")]
    return chain.digest("population", *(x.hex() if isinstance(x, float) else x for x in said))


TWIN = _of(TwinTable, "", None, secret=("spec", "salt"), text=("trouble",))
EVENT = _of(EventRow, "", None, secret=("body",), blinded=("event_id",))
SNAPSHOT = _of(
    SnapshotTable, "", _over("snapshot", "tenant", "patient", "time_us", "prefix_digest", "body"), secret=("body",)
)
FORECAST = _of(
    ForecastTable,
    "",
    _over("forecast", "tenant", "patient", "event_id", "belief_revision", "body"),
    secret=("body",),
    blinded=("event_id",),
)
REQUEST = _of(
    RequestTable,
    "request_id",
    _over("request", "tenant", "request_id", "patient", "request_digest", "response", "created_us"),
    secret=("response",),
    blinded=("request_digest",),
)
ANSWER = _of(
    AnswerTable,
    "answer_id",
    _over(
        "answer",
        "tenant",
        "answer_id",
        "patient",
        "method",
        "request",
        "basis",
        "response_digest",
        "timeline_revision",
        "created_us",
    ),
    secret=("request", "basis"),
)
OPERATION = _of(
    OperationTable,
    "operation",
    _over(
        "operation",
        "tenant",
        "operation",
        "kind",
        "state",
        "request",
        "response",
        "error_code",
        "error_message",
        "created_us",
        "ended_us",
    ),
    secret=("request", "response"),
    text=("error_message",),
)
POPULATION = _of(PopulationTable, "population", _population_digest, secret=("request", "weights"), text=("remark",))
ESCALATION = _of(
    EscalationTable,
    "escalation",
    _over("escalation", "tenant", "escalation", "revision", "body", "created_us"),
    secret=("body",),
)
HELD = _of(
    HeldTable,
    "",
    _over("held", "tenant", "patient", "event_id", "time_us", "arrival_us", "state", "body", "said"),
    secret=("body", "said"),
    blinded=("event_id",),
)
SPEC = _of(SpecTable, "", _over("spec", "tenant", "patient", "spec_revision", "spec", "since_us"), secret=("spec",))
COUNTED = (SNAPSHOT, FORECAST, REQUEST, ANSWER, OPERATION, POPULATION, ESCALATION, HELD, SPEC)


def owner_of(kind: SealedTable, values: Values) -> Owner:
    """The patient of a row, or the row itself."""
    if values.get("patient"):
        return Owner(values["tenant"], PATIENT, values["patient"])
    return _own(kind, values)


def to_stored(connection: Connection, kind: SealedTable, values: Values, *, counts: bool = True) -> dict[str, Any]:
    """The row as it is written: sealed and signed, and (`counts`) counted as one row more."""
    vault, stored = vault_of(connection), dict(values)
    wanted = kind.blinded or any(values[c] for c in (*kind.secret, *kind.text))
    key = _key_to_seal(connection, kind, values) if vault.seals and wanted else None
    if key is not None:
        stored |= {c: blind(key, stored[c]) for c in kind.blinded}
    if kind.digest is not None:
        stored["row_digest"] = vault.sign(kind.digest(stored))
        if counts:
            note(connection, kind.scope(values), kind.table.name, stored["row_digest"])
    if key is not None:
        _seal(kind, stored, key)
    return stored


def to_plain(connection: Connection, kind: SealedTable, stored: Values) -> dict[str, Any]:
    """A stored row as it was handed over; blinded and signed columns stay as they are.

    Raises Altered for a sealed value that is not what was sealed, or whose key is gone.
    """
    values = dict(stored)
    if not vault_of(connection).seals or not any(stored.get(c) for c in (*kind.secret, *kind.text)):
        return values
    key = _key_of(connection, kind, stored)
    if key is None:
        raise Altered
    for c in kind.secret:
        if values.get(c) is not None:
            values[c] = unseal(key, _place(kind, c), bytes(values[c]))
    for c in kind.text:
        if values.get(c):
            values[c] = unseal(key, _place(kind, c), _decoded(values[c])).decode()
    return values


def plain(connection: Connection, kind: SealedTable, stored: Values) -> dict[str, Any]:
    """As `to_plain`; raises Refusal (PRECONDITION) for a value that was altered."""
    try:
        return to_plain(connection, kind, stored)
    except Altered:
        raise altered() from None


def empty(connection: Connection, table: Table, *, name: Scope) -> None:
    """Delete all rows of a patient."""
    connection.execute(delete(table).where(table.c.tenant == name[0], table.c.patient == name[1]))
    note(connection, name, table.name, "", 0)


def remove(connection: Connection, table: Table, *which: ColumnElement[bool]) -> None:
    """Delete some rows of patients, and count them off."""
    c = table.c
    for tenant, patient, digest in connection.execute(select(c.tenant, c.patient, c.row_digest).where(*which)).all():
        note(connection, (tenant, patient), table.name, digest, -1)
    connection.execute(delete(table).where(*which))


def blinded(connection: Connection, owner: Owner, text: str) -> str:
    """A name as it is stored, to look it up."""
    vault = vault_of(connection)
    key = vault.key(connection, owner) if vault.seals else None
    return text if key is None else blind(key, text)


def is_same(connection: Connection, kind: SealedTable, stored: Values, column: str, text: str) -> bool:
    """Whether the blinded column of a stored row stands for `text`."""
    if not vault_of(connection).seals:
        return bool(stored[column] == text)
    key = _key_of(connection, kind, stored)
    return key is not None and bool(stored[column] == blind(key, text))


def _seal(kind: SealedTable, stored: dict[str, Any], key: DataKey) -> None:
    for c in kind.secret:
        if stored.get(c) is not None:
            stored[c] = seal(key, _place(kind, c), stored[c])
    for c in kind.text:
        if stored.get(c):
            stored[c] = base64.b64encode(seal(key, _place(kind, c), stored[c].encode())).decode()


def _key_to_seal(connection: Connection, kind: SealedTable, values: Values) -> DataKey:
    """The patient's key while there is one, else a key of this row alone."""
    key = _key_of(connection, kind, values)
    if key is None and kind.object_:
        vault, own = vault_of(connection), _own(kind, values)
        vault.create(connection, own)
        key = vault.key(connection, own)
    assert key is not None, "a patient's key is made with the twin"
    return key


def _key_of(connection: Connection, kind: SealedTable, values: Values) -> DataKey | None:
    vault = vault_of(connection)
    key = vault.key(connection, owner_of(kind, values))
    if key is None and kind.object_ and values.get("patient"):
        key = vault.key(connection, _own(kind, values))
    return key


def _own(kind: SealedTable, values: Values) -> Owner:
    return Owner(values["tenant"], kind.table.name, values[kind.object_] if kind.object_ else "")


def _place(kind: SealedTable, column: str) -> bytes:
    return f"{kind.table.name}.{column}".encode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Altered from None
