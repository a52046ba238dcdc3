"""Events that wait until someone confirms them: durable, and no part of the record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum

from sqlalchemy import Connection, Table, insert, select

from twin_service.record.events import Event, from_json
from twin_service.record.person import TwinName
from twin_service.store import sealed
from twin_service.store.vault import PATIENT, Owner

HELD: Table = sealed.HELD.table


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
    return {r.event_id: r for r in sorted((_row(connection, r._mapping) for r in rows), key=_clinical)}


def save_held(connection: Connection, name: TwinName, rows: Iterable[HeldRow]) -> None:
    """Keep these, each in place of the one with its id."""
    rows = list(rows)
    if not rows:
        return
    c, owner = HELD.c, Owner(name.tenant, PATIENT, name.patient)
    ids = [sealed.blinded(connection, owner, r.event_id) for r in rows]
    sealed.remove(connection, HELD, c.tenant == name.tenant, c.patient == name.patient, c.event_id.in_(ids))
    connection.execute(insert(HELD), [sealed.to_stored(connection, sealed.HELD, r.values) for r in rows])


def _row(connection: Connection, stored: sealed.Values) -> HeldRow:
    """The id is that which the event itself says: what is stored may be blinded."""
    values = sealed.plain(connection, sealed.HELD, stored)
    values |= {"event_id": sealed.event_id_of(values["body"]), "state": Waits(values["state"])}
    return HeldRow(**values)


def _clinical(row: HeldRow) -> tuple[int, str]:
    return row.time_us, row.event_id
