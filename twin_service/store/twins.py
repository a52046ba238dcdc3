"""Rows of twins and of what was done to them, read and written inside one transaction."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields, replace
from functools import cached_property

from sqlalchemy import Connection, Table, insert, select

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import TwinName
from twin_service.store import chain
from twin_service.store.errors import Conflict
from twin_service.store.prepared import Prepared, insert_into, values_of
from twin_service.store.sealed import TWIN, Values, plain, to_stored
from twin_service.store.tables import AuditTable, TwinTable
from twin_service.store.tally import note
from twin_service.store.vault import PATIENT, Owner, vault_of

TWINS: Table = TwinTable.__table__  # type: ignore[attr-defined]
AUDIT: Table = AuditTable.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class TwinRow:
    """A twin as stored. `spec` is opaque to the store; `trouble` says why assimilation stands still ("": it does
    not); `erased_us` 0: alive."""

    tenant: str
    patient: str
    spec: bytes | None
    salt: bytes | None
    spec_revision: int
    timeline_revision: int
    belief_revision: int
    belief_digest: str
    trouble: str
    chain_digest: str
    audit_count: int
    audit_digest: str
    created_us: int
    updated_us: int
    erased_us: int

    @property
    def name(self) -> TwinName:
        return TwinName(self.tenant, self.patient)

    @property
    def etag(self) -> str:
        return f"s{self.spec_revision}"

    @cached_property
    def row_digest(self) -> str:
        return chain.digest("twin", *(getattr(self, c) for c in COLUMNS))


COLUMNS = tuple(f.name for f in fields(TwinRow))


@dataclass(frozen=True)
class Act:
    """Who does what, when: the part of an audit row that the caller knows."""

    actor: str
    action: str
    time_us: int
    detail: str = ""
    call: str = ""
    purpose: str = ""


_FIND = Prepared(f"SELECT {', '.join(COLUMNS)} FROM twins WHERE tenant = ? AND patient = ?")
_SAVE = Prepared(
    f"UPDATE twins SET {', '.join(f'{c} = ?' for c in (*COLUMNS, 'row_digest'))} "
    "WHERE tenant = ? AND patient = ? AND row_digest = ?"
)
_AUDIT = insert_into(AUDIT)


def find_twin(connection: Connection, name: TwinName) -> TwinRow | None:
    """The stored twin, erased ones included."""
    row = _FIND.first(connection, name.tenant, name.patient)
    return None if row is None else _plain(connection, dict(zip(COLUMNS, row, strict=True)))


def get_twin(connection: Connection, name: TwinName) -> TwinRow:
    """Raises Refusal (NOT_FOUND) for a twin that does not exist or was erased."""
    row = find_twin(connection, name)
    if row is None or row.erased_us:
        raise Refusal(RefusalCode.NOT_FOUND, "no such twin; create it first", field="name", reason="NO_SUCH_TWIN")
    return row


def list_twins(connection: Connection, tenant: str, *, after: str, limit: int) -> list[TwinRow]:
    """Living twins of a tenant by patient, after patient `after`."""
    query = (
        select(*(TWINS.c[c] for c in COLUMNS))
        .where(TWINS.c.tenant == tenant, TWINS.c.patient > after, TWINS.c.erased_us == 0)
        .order_by(TWINS.c.patient)
        .limit(limit)
    )
    return [_plain(connection, r._mapping) for r in connection.execute(query)]


def behind(connection: Connection) -> list[TwinName]:
    """Living twins that have events they have not assimilated and nothing that stops them."""
    query = select(TWINS.c.tenant, TWINS.c.patient).where(
        TWINS.c.erased_us == 0, TWINS.c.belief_revision < TWINS.c.timeline_revision, TWINS.c.trouble == ""
    )
    return [TwinName(*r) for r in connection.execute(query)]


def behind_at(connection: Connection) -> list[tuple[TwinName, int]]:
    """As `behind`, each with the revision of its record."""
    query = select(TWINS.c.tenant, TWINS.c.patient, TWINS.c.timeline_revision).where(
        TWINS.c.erased_us == 0, TWINS.c.belief_revision < TWINS.c.timeline_revision, TWINS.c.trouble == ""
    )
    return [(TwinName(r[0], r[1]), int(r[2])) for r in connection.execute(query)]


def troubled(connection: Connection) -> list[tuple[TwinName, str]]:
    """Living twins whose events could not be assimilated, and why."""
    query = select(TWINS.c.tenant, TWINS.c.patient, TWINS.c.trouble).where(
        TWINS.c.erased_us == 0, TWINS.c.trouble != ""
    )
    return [(TwinName(r[0], r[1]), str(r[2])) for r in connection.execute(query)]


def insert_twin(connection: Connection, name: TwinName, spec: bytes, act: Act) -> TwinRow:
    """A new twin. Raises Refusal (EXISTS) when the patient has or had one."""
    known = find_twin(connection, name)
    if known is not None:
        raise Refusal(
            RefusalCode.EXISTS,
            "this patient's twin was erased and its name is retired"
            if known.erased_us
            else "this patient has a twin already; get or update it",
            field="patient_id",
            reason="TWIN_ERASED" if known.erased_us else "TWIN_EXISTS",
        )
    row = TwinRow(
        name.tenant,
        name.patient,
        spec,
        secrets.token_bytes(16),
        1,
        0,
        0,
        "",
        "",
        chain.START,
        0,
        chain.START,
        act.time_us,
        act.time_us,
        0,
    )
    vault_of(connection).create(connection, Owner(name.tenant, PATIENT, name.patient))
    row = _audited(connection, row, act)
    connection.execute(insert(TWINS).values(**twin_values(connection, row)))
    note(connection, (name.tenant, name.patient), TWINS.name, name.patient)
    touched(connection).add(name)
    return row


def touched(connection: Connection) -> set[TwinName]:
    """The twins whose rows this connection has written since its owner last looked."""
    names: set[TwinName] = connection.info.setdefault("touched", set())
    return names


def save_twin(connection: Connection, old: TwinRow, new: TwinRow, act: Act | None = None) -> TwinRow:
    """Replace `old` by `new` if it still is what is stored; raises Conflict when it is not."""
    if act is not None:
        new = _audited(connection, new, act)
    values = twin_values(connection, new)
    stored = [values[c] for c in (*COLUMNS, "row_digest")]
    # what is stored may still be signed with the key before the present one
    before = vault_of(connection).candidates(old.row_digest)
    if not any(_SAVE.run(connection, *stored, old.tenant, old.patient, digest) for digest in before):
        raise Conflict("the twin changed since it was read")
    touched(connection).add(old.name)
    return new


def check_etag(row: TwinRow, etag: str) -> None:
    """Raises Refusal (CONFLICT) when `etag` was given and the twin has changed since it was read."""
    if etag and etag != row.etag:
        raise Refusal(
            RefusalCode.CONFLICT,
            f"the twin changed: its etag is {row.etag}, not {etag}; read it again",
            field="etag",
            reason="ETAG_MISMATCH",
        )


def audit_rows(connection: Connection, name: TwinName) -> list[tuple[int, Act, str]]:
    """(number, act, chain_digest) in order."""
    c = AUDIT.c
    query = (
        select(c.number, c.actor, c.action, c.time_us, c.detail, c.call, c.purpose, c.chain_digest)
        .where(c.tenant == name.tenant, c.patient == name.patient)
        .order_by(c.number)
    )
    return [(r[0], Act(*r[1:7]), r[7]) for r in connection.execute(query)]


def read_audit(connection: Connection, tenant: str, patient: str = "") -> list[tuple[TwinName, Act]]:
    """What was done to the twins of a tenant, or to one, by time."""
    c = AUDIT.c
    query = select(c.patient, c.actor, c.action, c.time_us, c.detail, c.call, c.purpose).where(c.tenant == tenant)
    if patient:
        query = query.where(c.patient == patient)
    rows = connection.execute(query.order_by(c.time_us, c.patient, c.number))
    return [(TwinName(tenant, r[0]), Act(*r[1:])) for r in rows]


def audit_link(previous: str, number: int, act: Act) -> str:
    """The digest of an audit row; what later versions added takes part only where it says something."""
    more = (act.call, act.purpose) if act.call or act.purpose else ()
    return chain.digest("audit", previous, number, act.time_us, act.actor, act.action, act.detail, *more)


def twin_values(connection: Connection, row: TwinRow) -> dict[str, object]:
    """A twin as it is stored."""
    digest = vault_of(connection).sign(row.row_digest)
    return {**to_stored(connection, TWIN, {c: getattr(row, c) for c in COLUMNS}), "row_digest": digest}


def _audited(connection: Connection, row: TwinRow, act: Act) -> TwinRow:
    number = row.audit_count + 1
    link = vault_of(connection).sign(audit_link(row.audit_digest, number, act))
    made = {
        "tenant": row.tenant,
        "patient": row.patient,
        "number": number,
        "time_us": act.time_us,
        "actor": act.actor,
        "action": act.action,
        "detail": act.detail,
        "call": act.call,
        "purpose": act.purpose,
        "chain_digest": link,
    }
    _AUDIT.run(connection, *values_of(AUDIT, made))
    return replace(row, audit_count=number, audit_digest=link)


def _plain(connection: Connection, row: Values) -> TwinRow:
    return TwinRow(**plain(connection, TWIN, row))
