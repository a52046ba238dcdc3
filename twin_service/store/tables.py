"""The schema. Every row carries a digest over its other columns, so that an altered byte is found by `verify`.

With keys, digests are signed and the columns that hold what was said of a patient are sealed (sealed.py says which).

Times are microseconds since 1970-01-01T00:00Z. A twin is (tenant, patient); its events are numbered from 1 by
revision, in order of arrival, and chained by SHA-256.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import BigInteger, Column, Double, Index, LargeBinary, String, Text
from sqlmodel import Field, SQLModel


def _text(length: int, *, key: bool = False) -> Column[str]:
    return Column(String(length), primary_key=key, nullable=False)


def _whole() -> Column[int]:
    return Column(BigInteger, nullable=False)


def _bytes(*, optional: bool = False) -> Column[bytes]:
    return Column(LargeBinary, nullable=optional)


class TwinTable(SQLModel, table=True):
    """One patient's twin: what the caller said (`spec`), how far it has come, and the heads of its two chains.

    `salt` keeps digests of short records from being guessed; erasing it with the bodies makes them meaningless.
    """

    __tablename__: ClassVar[str] = "twins"
    tenant: str = Field(sa_column=_text(64, key=True))
    patient: str = Field(sa_column=_text(64, key=True))
    spec: bytes | None = Field(sa_column=_bytes(optional=True))
    salt: bytes | None = Field(sa_column=_bytes(optional=True))
    spec_revision: int = Field(sa_column=_whole())
    timeline_revision: int = Field(sa_column=_whole())
    belief_revision: int = Field(sa_column=_whole())
    belief_digest: str = Field(sa_column=_text(64))
    trouble: str = Field(sa_column=Column(Text, nullable=False))
    chain_digest: str = Field(sa_column=_text(64))
    audit_count: int = Field(sa_column=_whole())
    audit_digest: str = Field(sa_column=_text(64))
    created_us: int = Field(sa_column=_whole())
    updated_us: int = Field(sa_column=_whole())
    erased_us: int = Field(sa_column=_whole())
    row_digest: str = Field(sa_column=_text(64))


class EventRow(SQLModel, table=True):
    """One recorded event; `body` is its canonical text, null once erased."""

    __tablename__: ClassVar[str] = "events"
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("events_by_id", "tenant", "patient", "event_id", unique=True),
        Index("events_by_time", "tenant", "patient", "time_us"),
    )
    tenant: str = Field(sa_column=_text(64, key=True))
    patient: str = Field(sa_column=_text(64, key=True))
    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    event_id: str = Field(sa_column=_text(160))
    time_us: int = Field(sa_column=_whole())
    arrival_us: int = Field(sa_column=_whole())
    body: bytes | None = Field(sa_column=_bytes(optional=True))
    body_digest: str = Field(sa_column=_text(64))
    chain_digest: str = Field(sa_column=_text(64))


class HeldTable(SQLModel, table=True):
    """An event that waits for someone to confirm it, or waited: it is no part of the record while it does.

    `said` tells why it is held; `state` is waiting, released or withdrawn.
    """

    __tablename__: ClassVar[str] = "held"
    tenant: str = Field(sa_column=_text(64, key=True))
    patient: str = Field(sa_column=_text(64, key=True))
    event_id: str = Field(sa_column=_text(160, key=True))
    time_us: int = Field(sa_column=_whole())
    arrival_us: int = Field(sa_column=_whole())
    state: str = Field(sa_column=_text(16))
    body: bytes = Field(sa_column=_bytes())
    said: bytes = Field(sa_column=_bytes())
    row_digest: str = Field(sa_column=_text(64))


class SpecTable(SQLModel, table=True):
    """What was said of a twin before it was changed: an answer of any age is computed again under its own."""

    __tablename__: ClassVar[str] = "specs"
    tenant: str = Field(sa_column=_text(64, key=True))
    patient: str = Field(sa_column=_text(64, key=True))
    spec_revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    spec: bytes = Field(sa_column=_bytes())
    since_us: int = Field(sa_column=_whole())
    row_digest: str = Field(sa_column=_text(64))


class AuditTable(SQLModel, table=True):
    """What was done to a twin, when, by whom; each row is chained to the one before."""

    __tablename__: ClassVar[str] = "audit"
    tenant: str = Field(sa_column=_text(64, key=True))
    patient: str = Field(sa_column=_text(64, key=True))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    time_us: int = Field(sa_column=_whole())
    actor: str = Field(sa_column=_text(128))
    action: str = Field(sa_column=_text(32))
    detail: str = Field(sa_column=Column(Text, nullable=False))
    call: str = Field(sa_column=_text(36))
    purpose: str = Field(sa_column=_text(64))
    chain_digest: str = Field(sa_column=_text(64))


class RequestTable(SQLModel, table=True):
    """A write that was applied, with the answer given: the same request again gets it again."""

    __tablename__: ClassVar[str] = "requests"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("requests_by_patient", "tenant", "patient"),)
    tenant: str = Field(sa_column=_text(64, key=True))
    request_id: str = Field(sa_column=_text(36, key=True))
    patient: str = Field(sa_column=_text(64))
    request_digest: str = Field(sa_column=_text(64))
    response: bytes = Field(sa_column=_bytes())
    created_us: int = Field(sa_column=_whole())
    row_digest: str = Field(sa_column=_text(64))


class SnapshotTable(SQLModel, table=True):
    """A belief at a clinical time, from which folding can go on after a restart."""

    __tablename__: ClassVar[str] = "snapshots"
    tenant: str = Field(sa_column=_text(64, key=True))
    patient: str = Field(sa_column=_text(64, key=True))
    time_us: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    prefix_digest: str = Field(sa_column=_text(64))
    body: bytes = Field(sa_column=_bytes())
    row_digest: str = Field(sa_column=_text(64))


class ForecastTable(SQLModel, table=True):
    """The forecast made before one measurement was seen; the row with the highest revision is in force."""

    __tablename__: ClassVar[str] = "forecasts"
    tenant: str = Field(sa_column=_text(64, key=True))
    patient: str = Field(sa_column=_text(64, key=True))
    event_id: str = Field(sa_column=_text(160, key=True))
    belief_revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    body: bytes = Field(sa_column=_bytes())
    row_digest: str = Field(sa_column=_text(64))


class AnswerTable(SQLModel, table=True):
    """A question that was answered, so that the same answer can be asked for again. `patient` "": of several."""

    __tablename__: ClassVar[str] = "answers"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("answers_by_patient", "tenant", "patient"),)
    tenant: str = Field(sa_column=_text(64, key=True))
    answer_id: str = Field(sa_column=_text(36, key=True))
    patient: str = Field(sa_column=_text(64))
    method: str = Field(sa_column=_text(128))
    request: bytes = Field(sa_column=_bytes())
    basis: bytes = Field(sa_column=_bytes())
    response_digest: str = Field(sa_column=_text(64))
    timeline_revision: int = Field(sa_column=_whole())
    created_us: int = Field(sa_column=_whole())
    row_digest: str = Field(sa_column=_text(64))


class OperationTable(SQLModel, table=True):
    """A long-running operation of a tenant: its question, and its answer or failure once it ended."""

    __tablename__: ClassVar[str] = "operations"
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("operations_by_state", "state"),
        Index("operations_by_time", "tenant", "created_us"),
    )
    tenant: str = Field(sa_column=_text(64, key=True))
    operation: str = Field(sa_column=_text(36, key=True))
    kind: str = Field(sa_column=_text(64))
    state: str = Field(sa_column=_text(16))
    request: bytes = Field(sa_column=_bytes())
    response: bytes = Field(sa_column=_bytes())
    error_code: int = Field(sa_column=_whole())
    error_message: str = Field(sa_column=Column(Text, nullable=False))
    created_us: int = Field(sa_column=_whole())
    ended_us: int = Field(sa_column=_whole())
    row_digest: str = Field(sa_column=_text(64))


class PopulationTable(SQLModel, table=True):
    """A virtual population: how it is drawn, and its weights."""

    __tablename__: ClassVar[str] = "populations"
    tenant: str = Field(sa_column=_text(64, key=True))
    population: str = Field(sa_column=_text(36, key=True))
    request: bytes = Field(sa_column=_bytes())
    weights: bytes = Field(sa_column=_bytes())
    effective_size: float = Field(sa_column=Column(Double, nullable=False))
    remark: str = Field(sa_column=Column(Text, nullable=False))
    created_us: int = Field(sa_column=_whole())
    row_digest: str = Field(sa_column=_text(64))


class LeaseTable(SQLModel, table=True):
    """Who works on something, until when, and with which fencing token."""

    __tablename__: ClassVar[str] = "leases"
    lease: str = Field(sa_column=_text(160, key=True))
    owner: str = Field(sa_column=_text(64))
    fence: int = Field(sa_column=_whole())
    until_us: int = Field(sa_column=_whole())


class ProbeTable(SQLModel, table=True):
    """What a health check writes, so that it notices a store that only seems to write."""

    __tablename__: ClassVar[str] = "probes"
    probe: str = Field(sa_column=_text(64, key=True))
    count: int = Field(sa_column=_whole())


class EscalationTable(SQLModel, table=True):
    """A running dose escalation: its plan at revision 0, then one event a revision."""

    __tablename__: ClassVar[str] = "escalations"
    tenant: str = Field(sa_column=_text(64, key=True))
    escalation: str = Field(sa_column=_text(64, key=True))
    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    body: bytes = Field(sa_column=_bytes())
    created_us: int = Field(sa_column=_whole())
    row_digest: str = Field(sa_column=_text(64))


class DataKeyTable(SQLModel, table=True):
    """The wrapped data key of an owner; without its row, what it sealed is noise. Never in a backup of the data."""

    __tablename__: ClassVar[str] = "data_keys"
    tenant: str = Field(sa_column=_text(64, key=True))
    kind: str = Field(sa_column=_text(16, key=True))
    name: str = Field(sa_column=_text(64, key=True))
    key_id: str = Field(sa_column=_text(64))
    wrapped: bytes = Field(sa_column=_bytes())


class TallyTable(SQLModel, table=True):
    """How many rows a patient (a tenant: patient ""; the store: both "") has in each table, and the sum of what they
    stand for, so that a row that was taken away, or put back, is missed."""

    __tablename__: ClassVar[str] = "tallies"
    tenant: str = Field(sa_column=_text(64, key=True))
    patient: str = Field(sa_column=_text(64, key=True))
    key_id: str = Field(sa_column=_text(16))
    body: str = Field(sa_column=Column(Text, nullable=False))
    row_digest: str = Field(sa_column=_text(64))


class AccessTable(SQLModel, table=True):
    """Who asked for what, when and why, and what came of it: a chain for each server process (`stream`)."""

    __tablename__: ClassVar[str] = "accesses"
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("accesses_by_patient", "tenant", "patient", "time_us"),)
    stream: str = Field(sa_column=_text(36, key=True))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    time_us: int = Field(sa_column=_whole())
    tenant: str = Field(sa_column=_text(64))
    patient: str = Field(sa_column=_text(64))
    actor: str = Field(sa_column=_text(128))
    method: str = Field(sa_column=_text(128))
    outcome: str = Field(sa_column=_text(32))
    call: str = Field(sa_column=_text(36))
    purpose: str = Field(sa_column=_text(64))
    chain_digest: str = Field(sa_column=_text(64))


class ProtectionTable(SQLModel, table=True):
    """Whether rows are signed and sealed, and a signature by which other keys than the store's are noticed."""

    __tablename__: ClassVar[str] = "protection"
    name: str = Field(sa_column=_text(16, key=True))
    key_id: str = Field(sa_column=_text(16))
    seals: int = Field(sa_column=_whole())
    row_digest: str = Field(sa_column=_text(64))


METADATA = SQLModel.metadata
