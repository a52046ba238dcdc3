"""Events that wait until someone confirms them: durable, and no part of the record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from sqlalchemy import Connection, Table, delete, insert, select

from twin_service.record.events import Event, from_json
from twin_service.record.person import TwinName
from twin_service.store import chain
from twin_service.store.tables import HeldTable

HELD: Table = HeldTable.__table__  # type: ignore[attr-defined]


class Waits(StrEnum):
    """Where a held event stands: it waits, was released into the record, or withdrawn."""

    WAITING = "waiting"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class HeldRow:
    """A held event as stored; `body` is its canonical text, `said` (opaque to the store) why it is held."""

    tenant: str
    patient: str
    event_id: str
    time_us: int
    arrival_us: int
    state: Waits
    body: bytes
    said: bytes

    @property
    def row_digest(self) -> str:
        return chain.digest("held", *(self.values.values()))

    @property
    def values(self) -> dict[str, object]:
        """By column, as the store keeps them."""
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "state": Waits(self.state).value}

    @property
    def event(self) -> Event:
        return from_json(self.body.decode(), self.arrival_us)

    @property
    def is_waiting(self) -> bool:
        return self.state == Waits.WAITING


COLUMNS = tuple(f.name for f in fields(HeldRow))


def read_held(connection: Connection, name: TwinName) -> dict[str, HeldRow]:
    """Every event that is or was held, by id, in clinical order."""
    c = HELD.c
    query = select(*(c[n] for n in COLUMNS)).where(c.tenant == name.tenant, c.patient == name.patient)
    rows = connection.execute(query.order_by(c.time_us, c.event_id))
    return {r.event_id: replace(HeldRow(*r), state=Waits(r.state)) for r in rows}


def save_held(connection: Connection, name: TwinName, rows: Iterable[HeldRow]) -> None:
    """Keep these, each in place of the one with its id."""
    rows = list(rows)
    if not rows:
        return
    c = HELD.c
    ids = [r.event_id for r in rows]
    connection.execute(delete(HELD).where(c.tenant == name.tenant, c.patient == name.patient, c.event_id.in_(ids)))
    made = [{**r.values, "row_digest": r.row_digest} for r in rows]
    connection.execute(insert(HELD), made)
