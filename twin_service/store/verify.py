"""Reads everything back and checks it against signatures, chains and tallies; what was altered, taken away, put back
or put in another order is a finding.

What it cannot see: a whole database put back to an earlier state, or its newest rows cut off together with what
counts them. For that there are anchors (anchor.py): signed heads that are kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from twin_service.outcome import Refusal
from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store import accesses, chain, sealed, tally
from twin_service.store.connect import is_sqlite, parse_url, reader_engine
from twin_service.store.errors import unavailable
from twin_service.store.migrate import current, newest
from twin_service.store.protect import counted_rows, mismatch, protection_of
from twin_service.store.twins import COLUMNS, TWINS, TwinRow, audit_link, audit_rows
from twin_service.store.vault import PATIENT, Altered, Owner, Vault, vault_at, vault_of


class Integrity(Enum):
    """What a check came to; the value is the exit code of `twin verify`."""

    INTACT = 0
    TAMPERED = 1
    DAMAGED = 3
    ABSENT = 4


@dataclass(frozen=True)
class StoreCheck:
    """What was read and what was found. `counts`: rows by table; `findings`: one sentence each, without a name."""

    integrity: Integrity
    findings: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    key_id: str = ""
    seals: bool = False


def verify(settings: Settings) -> list[str]:
    """One sentence for each row that is not what was written; empty when all is well.

    Twins are named by a digest of their name, so that the findings can be shown to anyone.
    """
    return list(check(settings).findings)


def check(settings: Settings) -> StoreCheck:
    """Read and check everything. A file that is no database any more is DAMAGED; raises Refusal for keys that cannot
    be read."""
    url, vault = parse_url(settings.database_url), vault_at(settings.keys, seals=settings.encrypt)
    if is_sqlite(url) and not Path(str(url.database)).exists():
        return StoreCheck(Integrity.ABSENT, ("there is no such database file",))
    engine = reader_engine(url, 1, vault)
    try:
        with engine.connect() as connection, connection.begin():
            if is_sqlite(url) and (broken := _structure(connection)):
                return StoreCheck(Integrity.DAMAGED, broken)
            if current(connection) is None and not _has_tables(connection):
                return StoreCheck(Integrity.ABSENT, ("the database is empty",))
            found = _checked(connection, vault)
            if found.integrity is not Integrity.DAMAGED and protection_of(connection) is None:
                lost = (mismatch(None, vault), *found.findings)
                return replace(found, integrity=Integrity.TAMPERED, findings=lost)
            return found
    except DBAPIError as error:
        trouble = unavailable(error)
        if trouble is not None and trouble.reason == "STORE_UNREACHABLE":
            return StoreCheck(Integrity.ABSENT, (str(trouble),))
        return StoreCheck(Integrity.DAMAGED, (f"the database cannot be read: {type(error.orig).__name__}",))
    except (UnicodeDecodeError, OverflowError, ValueError, TypeError) as error:
        return StoreCheck(Integrity.DAMAGED, (f"a stored value cannot be read: {type(error).__name__}",))
    finally:
        engine.dispose()


def check_connection(connection: Connection) -> StoreCheck:
    """As `check`, of an open connection with its vault (before rows are rewritten)."""
    return _checked(connection, vault_of(connection))


def pseudonym(name: TwinName) -> str:
    """A short digest by which an operator who knows a twin's name recognizes it."""
    return f"twin {hashlib.sha256(str(name).encode()).hexdigest()[:12]}"


def _checked(connection: Connection, vault: Vault) -> StoreCheck:
    if current(connection) != newest():
        return StoreCheck(Integrity.DAMAGED, (f"its schema is {current(connection)}, this version reads {newest()}",))
    counts: Counter[str] = Counter()
    findings = tuple(dict.fromkeys(_findings(connection, vault, counts)))
    result = Integrity.TAMPERED if findings else Integrity.INTACT
    return StoreCheck(result, findings, dict(sorted(counts.items())), vault.key_id, vault.seals)


def _structure(connection: Connection) -> tuple[str, ...]:
    """What SQLite finds wrong with its own pages and indexes."""
    said = [str(r[0]) for r in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    return () if said == ["ok"] else tuple(f"the file is damaged: {line}" for line in said)


def _has_tables(connection: Connection) -> bool:
    return bool(connection.dialect.has_table(connection, TWINS.name))


def _findings(connection: Connection, vault: Vault, counts: Counter[str]) -> Iterator[str]:
    protection = protection_of(connection)
    if protection is not None and (said := mismatch(protection, vault)):
        yield said
    rows = connection.execute(select(*(TWINS.c[c] for c in COLUMNS), TWINS.c.row_digest)).all()
    for row in rows:
        counts[TWINS.name] += 1
        name = TwinName(row.tenant, row.patient)
        for finding in _twin(connection, row._mapping, counts):
            yield f"{pseudonym(name)}: {finding}"
    yield from _orphans(connection, {(r.tenant, r.patient) for r in rows})
    for kind in sealed.COUNTED:
        yield from _rows(connection, kind, counts)
    yield from _accesses(connection, counts)
    if protection is not None:
        yield from _tallies(connection, vault, counts)


def _twin(connection: Connection, row: sealed.Values, counts: Counter[str]) -> Iterator[str]:
    values = dict(row)
    digest = values.pop("row_digest")
    vault = vault_of(connection)
    try:
        twin = TwinRow(**sealed.to_plain(connection, sealed.TWIN, values))
        if not vault.holds(twin.row_digest, digest):
            yield "its row was altered"
    except (Altered, Refusal):
        yield "its row was altered"
        twin = TwinRow(**values)
    yield from _events(connection, twin, counts)
    yield from _audit(connection, twin, counts)


def _orphans(connection: Connection, known: set[tuple[str, str]]) -> Iterator[str]:
    for kind in (sealed.EVENT, sealed.FORECAST, sealed.SNAPSHOT, sealed.HELD, sealed.SPEC):
        c = kind.table.c
        for tenant, patient in connection.execute(select(c.tenant, c.patient).distinct()):
            if (tenant, patient) not in known:
                yield f"{pseudonym(TwinName(tenant, patient))}: {kind.table.name} without a twin"


def _events(connection: Connection, twin: TwinRow, counts: Counter[str]) -> Iterator[str]:
    table, vault = sealed.EVENT.table, vault_of(connection)
    query = select(table).where(table.c.tenant == twin.tenant, table.c.patient == twin.patient)
    link, expected = chain.START, 0
    for row in connection.execute(query.order_by(table.c.revision)):
        expected += 1
        counts[table.name] += 1
        if row.revision != expected:
            yield f"event {expected} is missing"
            expected = row.revision
        if not vault.holds(chain.next_event(link, row.revision, row.body_digest, row.arrival_us), row.chain_digest):
            yield f"event {row.revision}: the chain is broken"
        link = row.chain_digest
        if twin.erased_us:
            if row.body is not None:
                yield f"event {row.revision}: not erased"
        elif said := _content(connection, twin, row._mapping):
            yield f"event {row.revision}: {said}"
    if expected != twin.timeline_revision or link != twin.chain_digest:
        yield f"the record ends at event {expected}, the twin says {twin.timeline_revision}"


def _content(connection: Connection, twin: TwinRow, row: sealed.Values) -> str:
    """What is wrong with an event's content; "": nothing."""
    try:
        body = sealed.to_plain(connection, sealed.EVENT, row)["body"]
    except (Altered, Refusal):
        return "its content was altered"
    if body is None or twin.salt is None or chain.body_digest(twin.salt, bytes(body)) != row["body_digest"]:
        return "its content was altered"
    raw = json.loads(body)
    owner = Owner(twin.tenant, PATIENT, twin.patient)
    if (sealed.blinded(connection, owner, raw["id"]), raw["time_us"]) != (row["event_id"], row["time_us"]):
        return "its id or time column was altered"
    return ""


def _audit(connection: Connection, twin: TwinRow, counts: Counter[str]) -> Iterator[str]:
    link, expected, vault = chain.START, 0, vault_of(connection)
    for number, act, stored in audit_rows(connection, twin.name):
        expected += 1
        counts["audit"] += 1
        if number != expected or not vault.holds(audit_link(link, number, act), stored):
            yield f"audit {number}: the chain is broken"
        expected, link = number, stored
    if expected != twin.audit_count or link != twin.audit_digest:
        yield f"the audit trail ends at {expected}, the twin says {twin.audit_count}"


def _rows(connection: Connection, kind: sealed.SealedTable, counts: Counter[str]) -> Iterator[str]:
    vault = vault_of(connection)
    assert kind.digest is not None
    for row in connection.execute(select(kind.table)):
        counts[kind.table.name] += 1
        values = row._mapping
        try:
            intact = vault.holds(kind.digest(sealed.to_plain(connection, kind, values)), values["row_digest"])
        except (Altered, Refusal):
            intact = False
        if not intact:
            yield _altered(kind, values)


def _altered(kind: sealed.SealedTable, row: sealed.Values) -> str:
    noun = kind.table.name.removesuffix("s")
    if row.get("patient"):
        about = pseudonym(TwinName(row["tenant"], row["patient"]))
        if kind is sealed.FORECAST:
            return f"{about}: a forecast of revision {row['belief_revision']} was altered"
        if kind is sealed.SNAPSHOT:
            return f"{about}: a snapshot was altered"
        if not kind.object_:
            return f"{about}: a row of {kind.table.name} was altered"
    return f"{noun} {row[kind.object_]}: its row was altered"


def _accesses(connection: Connection, counts: Counter[str]) -> Iterator[str]:
    vault = vault_of(connection)
    for stream in accesses.streams(connection):
        link, expected = chain.START, 0
        for number, access, stored in accesses.read_stream(connection, stream):
            expected += 1
            counts["accesses"] += 1
            if number != expected or not vault.holds(accesses.link(link, stream, number, access), stored):
                yield f"access {number} of {stream}: the chain is broken"
            expected, link = number, stored


def _tallies(connection: Connection, vault: Vault, counts: Counter[str]) -> Iterator[str]:
    """Rows that were taken away or put back, with their digests right."""
    expected = counted_rows(connection)
    stored = {(r.tenant, r.patient): r for r in connection.execute(select(tally.TALLIES))}
    for scope in stored:
        # a scope is counted in the one above it although its own rows are gone
        if scope[1]:
            _add(expected, (scope[0], ""), tally.SCOPES, scope[1])
        elif scope[0]:
            _add(expected, tally.ROOT, tally.SCOPES, scope[0])
    for scope in sorted(expected.keys() | stored.keys()):
        name = _scope_name(scope)
        row = stored.get(scope)
        if row is None:
            yield f"{name}: its tally is missing"
            continue
        counts["tallies"] += 1
        if not vault.holds(tally.tally_digest(scope, row.key_id, row.body), row.row_digest):
            yield f"{name}: its tally was altered"
            continue
        kept, found = tally.tables_of(row.body), expected.get(scope, {})
        for table in sorted(kept.keys() | found.keys()):
            was = kept.get(table, tally.TableTally())
            now = tally.counted(vault, row.key_id, table, found.get(table, ()))
            if was != now:
                yield f"{name}: {now.rows} {table}, {was.rows} were written" + (
                    "" if was.rows != now.rows else ", not the same"
                )


def _add(found: dict[tally.Scope, dict[str, list[str]]], scope: tally.Scope, table: str, row: str) -> None:
    rows = found.setdefault(scope, {}).setdefault(table, [])
    if row not in rows:
        rows.append(row)


def _scope_name(scope: tally.Scope) -> str:
    if scope == tally.ROOT:
        return "the store"
    if scope[1].startswith("/"):
        return f"the access trail {scope[1][1:]}"
    if scope[1]:
        return pseudonym(TwinName(*scope))
    return f"tenant {hashlib.sha256(scope[0].encode()).hexdigest()[:12]}"
