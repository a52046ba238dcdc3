"""Earlier revisions of what was said of a twin."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from sqlalchemy import Connection, Table, insert, select

from twin_service.store import sealed
from twin_service.store.twins import TwinRow

SPECS: Table = sealed.SPEC.table


@dataclass(frozen=True)
class SpecRow:
    """What was said of a twin from `since_us` on, as revision `spec_revision`."""

    tenant: str
    patient: str
    spec_revision: int
    spec: bytes
    since_us: int


def keep_spec(connection: Connection, row: TwinRow) -> None:
    """Keep the spec of `row` before it is replaced."""
    kept = SpecRow(row.tenant, row.patient, row.spec_revision, row.spec or b"", row.updated_us)
    values = {f.name: getattr(kept, f.name) for f in fields(kept)}
    connection.execute(insert(SPECS).values(**sealed.to_stored(connection, sealed.SPEC, values)))


class SpecOfThen(NamedTuple):
    """Which spec an answer rested on: its revision (0: an older answer does not say), and when it was given."""

    revision: int
    answered_us: int


def with_spec(connection: Connection, row: TwinRow, then: SpecOfThen) -> TwinRow:
    """`row` with the spec that was in force then; its present one when no earlier one is kept."""
    c = SPECS.c
    query = select(c.tenant, c.patient, c.spec_revision, c.spec).where(c.tenant == row.tenant, c.patient == row.patient)
    if then.revision:
        query = query.where(c.spec_revision == then.revision)
    elif then.answered_us < row.updated_us:
        query = query.where(c.since_us <= then.answered_us).order_by(c.spec_revision.desc())
    else:
        return row
    found = connection.execute(query.limit(1)).first()
    if found is None:
        return row
    spec = sealed.plain(connection, sealed.SPEC, found._mapping)["spec"]
    return replace(row, spec_revision=int(found.spec_revision), spec=bytes(spec))
