"""What the writer knows of the twins it records for, so that recording one event does not read the whole record.

Nothing here is trusted: each use compares the heads of both chains with the stored row, so that what another server
wrote is read, and what was rolled back is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, Table, select

from twin_service.record.chart import Chart
from twin_service.record.events import Event, from_json
from twin_service.record.person import TwinName
from twin_service.store.held import HeldRow, read_held
from twin_service.store.sealed import EVENT, plain
from twin_service.store.tables import EventRow
from twin_service.store.twins import TwinRow, get_twin

EVENTS: Table = EventRow.__table__  # type: ignore[attr-defined]
EVENTS_MAX: Final = 200_000
"""Events of all twins together that are kept in memory, near a kilobyte each."""


class KnownTwin:
    """One twin's row, the ids it has recorded with the digests of what they say, its chart, and what it holds back."""

    def __init__(self, row: TwinRow) -> None:
        self.row = row
        self.ids: dict[str, tuple[int, str]] = {}
        self.chart = Chart()
        self.held: dict[str, HeldRow] = {}
        self.counted = 0

    def grow(self, row: TwinRow, events: Iterable[Event], ids: Mapping[str, tuple[int, str]]) -> None:
        """Take up what was written: the row as it is now, and the events recorded with their revisions and digests."""
        self.row = row
        self.ids |= ids
        for event in events:
            self.chart.add(event)


class KnownTwins:
    """Twins recorded for lately; used by the writing thread alone."""

    def __init__(self, events_max: int = EVENTS_MAX) -> None:
        self._known: OrderedDict[TwinName, KnownTwin] = OrderedDict()
        self._events_max = events_max
        self._events = 0

    def of(self, connection: Connection, name: TwinName) -> KnownTwin:
        """The twin as it is stored now. Raises Refusal (NOT_FOUND) when there is none."""
        known = self._known.pop(name, None)
        self._events -= known.counted if known is not None else 0
        row = get_twin(connection, name)
        if known is None or not _is_true(known, row):
            known = KnownTwin(row)
            _read_events(connection, known)
            known.held = read_held(connection, name)
        elif known.row.audit_digest != row.audit_digest:
            known.held = read_held(connection, name)
        known.row = row
        self._known[name] = known
        known.counted = len(known.chart)
        self._events += known.counted
        while self._events > self._events_max and len(self._known) > 1:
            _, old = self._known.popitem(last=False)
            self._events -= old.counted
        return known

    def forget(self, name: TwinName) -> None:
        """Keep nothing of a twin that is erased."""
        known = self._known.pop(name, None)
        self._events -= known.counted if known is not None else 0


def _is_true(known: KnownTwin, row: TwinRow) -> bool:
    """Whether what is known is the whole record: the head of a chain names all before it."""
    return (known.row.timeline_revision, known.row.chain_digest) == (row.timeline_revision, row.chain_digest)


def _read_events(connection: Connection, known: KnownTwin) -> None:
    c, row = EVENTS.c, known.row
    query = select(c.tenant, c.patient, c.body, c.arrival_us, c.revision, c.body_digest).where(
        c.tenant == row.tenant, c.patient == row.patient, c.body.is_not(None)
    )
    for found in connection.execute(query.order_by(c.revision)):
        body = plain(connection, EVENT, found._mapping)["body"]
        event = from_json(body.decode(), found.arrival_us)
        known.ids[event.id] = (found.revision, found.body_digest)
        known.chart.add(event)
