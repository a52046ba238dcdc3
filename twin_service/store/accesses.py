"""Who asked for what of whose data: rows of the access trail, chained for each server process (a stream)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, Table, func, insert, select

from twin_service.store import chain
from twin_service.store.tables import AccessTable
from twin_service.store.tally import Scope, note
from twin_service.store.vault import vault_of

ACCESSES: Table = AccessTable.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Access:
    """One call on one patient's data (patient "": of several, or of a trial).

    actor    person or system, as identity names it
    method   full name of the method
    outcome  name of the status it ended with
    call     id of the call, as in log lines
    purpose  why, as far as the caller said
    """

    time_us: int
    tenant: str
    patient: str
    actor: str
    method: str
    outcome: str
    call: str
    purpose: str


COLUMNS = tuple(f.name for f in fields(Access))


def scope_of(stream: str) -> Scope:
    """Where a stream is counted; no tenant is called so."""
    return "", f"/{stream}"


def link(previous: str, stream: str, number: int, access: Access) -> str:
    """Digest of an entry, chained to the one before."""
    return chain.digest("access", previous, stream, number, *(getattr(access, c) for c in COLUMNS))


def append_accesses(connection: Connection, stream: str, accesses: Sequence[Access]) -> None:
    """Write entries at the end of a stream, in order."""
    c, vault = ACCESSES.c, vault_of(connection)
    last = connection.execute(
        select(c.number, c.chain_digest).where(c.stream == stream).order_by(c.number.desc()).limit(1)
    ).first()
    number, previous = (last[0], last[1]) if last is not None else (0, chain.START)
    rows = []
    for access in accesses:
        number += 1
        previous = vault.sign(link(previous, stream, number, access))
        note(connection, scope_of(stream), ACCESSES.name, previous)
        values = {column: getattr(access, column) for column in COLUMNS}
        rows.append({"stream": stream, "number": number, **values, "chain_digest": previous})
    if rows:
        connection.execute(insert(ACCESSES), rows)


def streams(connection: Connection) -> list[str]:
    return [r[0] for r in connection.execute(select(ACCESSES.c.stream).distinct().order_by(ACCESSES.c.stream))]


def read_stream(connection: Connection, stream: str) -> Iterator[tuple[int, Access, str]]:
    """(number, entry, chain digest) of a stream, in order."""
    c = ACCESSES.c
    query = select(c.number, *(c[n] for n in COLUMNS), c.chain_digest).where(c.stream == stream).order_by(c.number)
    for row in connection.execute(query):
        yield row[0], Access(*row[1:-1]), row[-1]


def read_accesses(
    connection: Connection, tenant: str, patient: str = "", *, from_us: int = 0, until_us: int | None = None
) -> Iterator[Access]:
    """Entries of a tenant, or of one patient, by time."""
    c = ACCESSES.c
    query = select(*(c[n] for n in COLUMNS)).where(c.tenant == tenant, c.time_us >= from_us)
    if patient:
        query = query.where(c.patient == patient)
    if until_us is not None:
        query = query.where(c.time_us < until_us)
    for row in connection.execute(query.order_by(c.time_us, c.stream, c.number)):
        yield Access(*row)


def count_accesses(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(ACCESSES)).scalar_one())
