"""Brings stored rows to the keys in use: signs and seals a database that was plain, signs anew after a rotation, or
makes it plain again. All in one transaction, and only when what is there verifies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, delete, insert, select, update

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import TwinName
from twin_service.store import accesses, chain, sealed, tally
from twin_service.store.connect import parse_url, writer_engine
from twin_service.store.tables import AuditTable, ProtectionTable
from twin_service.store.twins import COLUMNS, TWINS, TwinRow, audit_link, audit_rows, twin_values
from twin_service.store.vault import DATA_KEYS, PATIENT, Owner, Vault

PROTECTION: Table = ProtectionTable.__table__  # type: ignore[attr-defined]
AUDIT: Table = AuditTable.__table__  # type: ignore[attr-defined]


class Protection(NamedTuple):
    """What a database says of itself: the key it was signed with ("": none), and whether contents are sealed."""

    key_id: str
    seals: bool
    row_digest: str

    @property
    def digest(self) -> str:
        return chain.digest("protection", self.key_id, int(self.seals))


def protection_of(connection: Connection) -> Protection | None:
    """None: rows were never counted, by a version before there were keys."""
    row = connection.execute(select(PROTECTION).where(PROTECTION.c.name == "store")).first()
    return None if row is None else Protection(row.key_id, bool(row.seals), row.row_digest)


def check_protection(url: str, vault: Vault) -> None:
    """Raises Refusal when the database was protected with other keys, or is not protected as the settings say."""
    engine = writer_engine(parse_url(url), vault)
    try:
        with engine.connect() as connection:
            said = mismatch(protection_of(connection), vault)
    finally:
        engine.dispose()
    if said:
        raise Refusal(RefusalCode.PRECONDITION, said, field="keys", reason="PROTECTION")


def mismatch(found: Protection | None, vault: Vault) -> str:
    """What does not fit between a database and the keys given; "": they fit."""
    if found is None:
        return "the rows of this database are not counted yet: run `twin migrate`"
    if found.key_id and not vault.signs:
        return "this database is signed: set `keys` to where its keys are"
    if vault.signs and not found.key_id:
        return "this database is not signed and keys are given: run `twin migrate` to sign it"
    if not vault.holds(found.digest, found.row_digest):
        return "the keys given are not those of this database, or its protection row was altered"
    if found.seals is not vault.seals:
        return (
            f"`encrypt` is {vault.seals} and the database is {'' if found.seals else 'not '}sealed: run `twin migrate`"
        )
    return ""


def is_empty(connection: Connection) -> bool:
    tables = (TWINS, accesses.ACCESSES, *(k.table for k in sealed.COUNTED))
    return all(connection.execute(select(1).select_from(t).limit(1)).first() is None for t in tables)


def bring(connection: Connection, old: Vault, new: Vault) -> None:
    """Rewrite every row from the protection of `old` to that of `new`; the rows were verified by the caller."""
    tally.begin(connection)
    resealed = old.seals is not new.seals
    if old.seals and not new.seals:
        _drop_blinded(connection)
    for twin in _twins(connection, old):
        if new.seals and not old.seals and not twin.erased_us:
            new.create(connection, Owner(twin.tenant, PATIENT, twin.patient))
        twin = _events(connection, old, new, twin, resealed=resealed)
        twin = _audit(connection, old, new, twin)
        if old.seals and not new.seals:
            twin = replace(twin, belief_revision=0, belief_digest="")
        _use(connection, new)
        key = (TWINS.c.tenant == twin.tenant, TWINS.c.patient == twin.patient)
        connection.execute(update(TWINS).where(*key).values(**twin_values(connection, twin)))
    for kind in sealed.COUNTED:
        _rows(connection, old, new, kind, resealed=resealed)
    _accesses(connection, new)
    if new.seals:
        new.rewrap(connection)
    elif old.seals:
        connection.execute(delete(DATA_KEYS))
    _use(connection, new)
    for name, row in tally_rows(connection, new).items():
        del name
        connection.execute(insert(tally.TALLIES).values(**row))
    found = Protection(new.key_id, new.seals, "")
    connection.execute(delete(PROTECTION))
    connection.execute(
        insert(PROTECTION).values(
            name="store", key_id=found.key_id, seals=int(found.seals), row_digest=new.sign(found.digest)
        )
    )
    tally.begin(connection)


def tally_rows(connection: Connection, vault: Vault) -> dict[tally.Scope, Mapping[str, str]]:
    """All tallies anew, from the rows that are there; what was stored of them is deleted."""
    connection.execute(delete(tally.TALLIES))
    counted = counted_rows(connection)
    return {
        scope: tally.row_of(
            vault, scope, {t: tally.counted(vault, vault.key_id, t, rows) for t, rows in tables.items()}, vault.key_id
        )
        for scope, tables in counted.items()
    }


def counted_rows(connection: Connection) -> dict[tally.Scope, dict[str, list[str]]]:
    """What is counted, from the rows that are there: by scope and table, their stored digests."""
    found: dict[tally.Scope, dict[str, list[str]]] = {}

    def add(scope: tally.Scope, table: str, row: str) -> None:
        found.setdefault(scope, {}).setdefault(table, []).append(row)

    for tenant, patient in connection.execute(select(TWINS.c.tenant, TWINS.c.patient)):
        add((tenant, patient), TWINS.name, patient)
    for kind in sealed.COUNTED:
        c = kind.table.c
        patient_of = c.patient if "patient" in c else None
        columns = (c.tenant, c.row_digest) if patient_of is None else (c.tenant, c.row_digest, patient_of)
        for row in connection.execute(select(*columns)):
            add((row[0], row[2] if patient_of is not None else ""), kind.table.name, row[1])
    for stream, link in connection.execute(select(accesses.ACCESSES.c.stream, accesses.ACCESSES.c.chain_digest)):
        add(accesses.scope_of(stream), accesses.ACCESSES.name, link)
    for tenant, patient in [s for s in found if s[1]]:
        add((tenant, ""), tally.SCOPES, patient)
    for tenant, _ in [s for s in found if s[0] and not s[1]]:
        add(tally.ROOT, tally.SCOPES, tenant)
    return found


def _use(connection: Connection, vault: Vault) -> None:
    connection.execution_options(vault=vault)


def _twins(connection: Connection, old: Vault) -> list[TwinRow]:
    _use(connection, old)
    rows = connection.execute(select(*(TWINS.c[c] for c in COLUMNS))).all()
    return [TwinRow(**sealed.plain(connection, sealed.TWIN, r._mapping)) for r in rows]


def _events(connection: Connection, old: Vault, new: Vault, twin: TwinRow, *, resealed: bool) -> TwinRow:
    table = sealed.EVENT.table
    c, link = table.c, chain.START
    query = select(table).where(c.tenant == twin.tenant, c.patient == twin.patient).order_by(c.revision)
    for row in connection.execute(query).all():
        link = new.sign(chain.next_event(link, row.revision, row.body_digest, row.arrival_us))
        values: dict[str, Any] = {"chain_digest": link}
        if resealed and row.body is not None:
            _use(connection, old)
            plain = sealed.plain(connection, sealed.EVENT, row._mapping)
            plain["event_id"] = sealed.event_id_of(plain["body"])
            _use(connection, new)
            values = {**sealed.to_stored(connection, sealed.EVENT, plain), **values}
        this = (c.tenant == row.tenant, c.patient == row.patient, c.revision == row.revision)
        connection.execute(update(table).where(*this).values(**values))
    return replace(twin, chain_digest=link)


def _audit(connection: Connection, old: Vault, new: Vault, twin: TwinRow) -> TwinRow:
    link, c = chain.START, AUDIT.c
    for number, act, _ in audit_rows(connection, TwinName(twin.tenant, twin.patient)):
        link = new.sign(audit_link(link, number, act))
        this = (c.tenant == twin.tenant, c.patient == twin.patient, c.number == number)
        connection.execute(update(AUDIT).where(*this).values(chain_digest=link))
    return replace(twin, audit_digest=link)


def _rows(connection: Connection, old: Vault, new: Vault, kind: sealed.SealedTable, *, resealed: bool) -> None:
    assert kind.digest is not None
    _use(connection, old)
    rows = [(r._mapping, sealed.plain(connection, kind, r._mapping)) for r in connection.execute(select(kind.table))]
    _use(connection, new)
    for stored, plain in rows:
        plain.pop("row_digest")
        if resealed and kind is sealed.HELD:
            plain["event_id"] = sealed.event_id_of(plain["body"])
        if resealed:
            values = sealed.to_stored(connection, kind, plain, counts=False)
        else:
            values = {"row_digest": new.sign(kind.digest(plain))}
        this = [k == stored[k.name] for k in kind.table.primary_key.columns]
        connection.execute(update(kind.table).where(*this).values(**values))


def _accesses(connection: Connection, new: Vault) -> None:
    c = accesses.ACCESSES.c
    for stream in accesses.streams(connection):
        previous = chain.START
        for number, access, _ in list(accesses.read_stream(connection, stream)):
            previous = new.sign(accesses.link(previous, stream, number, access))
            this = (c.stream == stream, c.number == number)
            connection.execute(update(accesses.ACCESSES).where(*this).values(chain_digest=previous))


def _drop_blinded(connection: Connection) -> None:
    """Names that cannot be read back: beliefs are folded anew, and requests can no longer be recognized."""
    for kind in (sealed.FORECAST, sealed.SNAPSHOT, sealed.REQUEST):
        connection.execute(delete(kind.table))
