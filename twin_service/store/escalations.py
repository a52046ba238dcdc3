"""Running dose escalations as rows: the plan at revision 0, then one event a revision; only ever appended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, Table, insert, select

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store.sealed import ESCALATION, plain, to_stored
from twin_service.store.tables import EscalationTable

ESCALATIONS: Table = EscalationTable.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class EscalationRow:
    """One line of a trial."""

    tenant: str
    escalation: str
    revision: int
    body: bytes
    created_us: int


def get_escalation(connection: Connection, tenant: str, escalation: str) -> tuple[EscalationRow, ...]:
    """The plan and all events, in order; empty when there is no such trial."""
    c = ESCALATIONS.c
    query = select(*(c[f.name] for f in fields(EscalationRow)))
    query = query.where(c.tenant == tenant, c.escalation == escalation).order_by(c.revision)
    return tuple(EscalationRow(**plain(connection, ESCALATION, r._mapping)) for r in connection.execute(query))


def append_escalation(connection: Connection, rows: Sequence[EscalationRow]) -> None:
    """Write rows; raises Refusal (CONFLICT) unless they continue what is stored without a gap."""
    first = rows[0]
    stored = get_escalation(connection, first.tenant, first.escalation)
    if len(stored) != first.revision:
        raise Refusal(
            RefusalCode.EXISTS if first.revision == 0 else RefusalCode.CONFLICT,
            "the trial exists already" if first.revision == 0 else "somebody recorded events meanwhile; read it again",
            field="name",
            reason="ESCALATION_MOVED_ON",
        )
    for row in rows:
        values = {f.name: getattr(row, f.name) for f in fields(row)}
        connection.execute(insert(ESCALATIONS).values(**to_stored(connection, ESCALATION, values)))
