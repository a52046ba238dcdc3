"""Counts rows, so that a row that was deleted, or an old one put back, is missed.

For a patient, a tenant and the whole store, `tallies` holds for each table the number of rows and the sum of
HMAC(key, row) modulo 2^256 (a multiset hash: it does not depend on order, and a row is added or taken out without
reading the others; Clarke et al. 2003, doi:10.1007/978-3-540-40061-5_12). A transaction notes what it inserts and
deletes; the writer brings the tallies up to date once for a whole group of writes, before it commits.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, Table, insert, select, tuple_, update

from twin_service.store import chain
from twin_service.store.tables import TallyTable
from twin_service.store.vault import Vault, fresh, vault_of

TALLIES: Table = TallyTable.__table__  # type: ignore[attr-defined]
MODULUS = 2**256
CHUNK = 300
Scope = tuple[str, str]
ROOT: Scope = ("", "")
SCOPES = "scopes"


class RowNote(NamedTuple):
    """One row more (`sign` 1) or less (-1) in `table`; `row` is its stored digest. `sign` 0: the table was emptied."""

    scope: Scope
    table: str
    row: str
    sign: int


class TableTally(NamedTuple):
    """Rows of one table in one scope."""

    rows: int = 0
    total: int = 0


def note(connection: Connection, scope: Scope, table: str, row: str, sign: int = 1) -> None:
    """Remember that a row came or went; counted when the transaction is about to be committed."""
    _notes(connection).append(RowNote(scope, table, row, sign))


def mark(connection: Connection) -> tuple[int, int]:
    """Where the notes of a savepoint begin."""
    return len(_notes(connection)), len(fresh(connection))


def back_to(connection: Connection, place: tuple[int, int]) -> None:
    """Forget what a savepoint noted that is rolled back."""
    del _notes(connection)[place[0] :]
    keys = fresh(connection)
    while len(keys) > place[1]:
        keys.popitem()


def begin(connection: Connection) -> None:
    """Forget what a transaction noted that was rolled back."""
    _notes(connection).clear()
    fresh(connection).clear()


def settle(connection: Connection) -> None:
    """Write what was noted into the tallies, in the transaction that made the rows."""
    vault, notes = vault_of(connection), _notes(connection)
    if not notes:
        return
    by_scope: dict[Scope, list[RowNote]] = defaultdict(list)
    for n in notes:
        by_scope[n.scope].append(n)
    known = read_tallies(connection, by_scope)
    for is_patient in (True, False):
        parents = _parents({s for s in by_scope if s not in known and bool(s[1]) is is_patient})
        known |= read_tallies(connection, parents.keys() - known.keys())
        for parent, children in parents.items():
            by_scope[parent] += [RowNote(parent, SCOPES, child, 1) for child in children]
    for scope in sorted(by_scope):
        _save(connection, vault, scope, by_scope[scope], known.get(scope))
    notes.clear()


def read_tallies(connection: Connection, scopes: Iterable[Scope]) -> dict[Scope, tuple[str, dict[str, TableTally]]]:
    """(key id, tally by table) of each scope that has one; on PostgreSQL the rows are locked."""
    c, wanted = TALLIES.c, sorted(scopes)
    found = {}
    for start in range(0, len(wanted), CHUNK):
        query = select(c.tenant, c.patient, c.key_id, c.body).where(
            tuple_(c.tenant, c.patient).in_(wanted[start : start + CHUNK])
        )
        query = query.order_by(c.tenant, c.patient).with_for_update()
        for row in connection.execute(query):
            found[row[0], row[1]] = (row[2], tables_of(row[3]))
    return found


def tables_of(body: str) -> dict[str, TableTally]:
    return {t: TableTally(int(n), int(total, 16)) for t, (n, total) in json.loads(body).items()}


def body_of(tables: Mapping[str, TableTally]) -> str:
    kept = {t: [v.rows, f"{v.total:064x}"] for t, v in sorted(tables.items()) if v.rows}
    return json.dumps(kept, separators=(",", ":"))


def counted(vault: Vault, key_id: str, table: str, rows: Iterable[str]) -> TableTally:
    """The tally of rows, from their stored digests."""
    numbers = [vault.number(key_id, f"{table}:{r}") for r in rows]
    return TableTally(len(numbers), sum(numbers) % MODULUS)


def tally_digest(scope: Scope, key_id: str, body: str) -> str:
    return chain.digest("tally", *scope, key_id, body)


def row_of(vault: Vault, scope: Scope, tables: Mapping[str, TableTally], key_id: str) -> dict[str, str]:
    """A tally as it is stored."""
    body = body_of(tables)
    digest = vault.sign(tally_digest(scope, key_id, body))
    return {"tenant": scope[0], "patient": scope[1], "key_id": key_id, "body": body, "row_digest": digest}


def _save(
    connection: Connection,
    vault: Vault,
    scope: Scope,
    notes: list[RowNote],
    known: tuple[str, dict[str, TableTally]] | None,
) -> None:
    key_id, tables = known if known is not None else (vault.key_id, {})
    for n in notes:
        old = tables.get(n.table, TableTally())
        if n.sign == 0:
            tables[n.table] = TableTally()
            continue
        number = vault.number(key_id, f"{n.table}:{n.row}")
        tables[n.table] = TableTally(old.rows + n.sign, (old.total + n.sign * number) % MODULUS)
    values = row_of(vault, scope, tables, key_id)
    if known is None:
        connection.execute(insert(TALLIES).values(**values))
        return
    c = TALLIES.c
    connection.execute(update(TALLIES).where(c.tenant == scope[0], c.patient == scope[1]).values(**values))


def _parents(scopes: Iterable[Scope]) -> dict[Scope, list[str]]:
    """The scopes above those that are new, each with what is new in it."""
    found: dict[Scope, list[str]] = defaultdict(list)
    for tenant, patient in sorted(scopes):
        if patient:
            found[tenant, ""].append(patient)
        elif tenant:
            found[ROOT].append(tenant)
    return found


def _notes(connection: Connection) -> list[RowNote]:
    notes: list[RowNote] = connection.info.setdefault("twin_row_notes", [])
    return notes
