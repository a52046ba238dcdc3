"""Events, forecasts and snapshots of one twin, read and written inside one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, String, Table, cast, insert, literal, select, update

from twin_service.record.events import Event, from_json
from twin_service.record.person import TwinName
from twin_service.store.sealed import EVENT, FORECAST, HELD, SNAPSHOT, SPEC, blinded, empty, plain, remove, to_stored
from twin_service.store.specs import keep_spec
from twin_service.store.tables import AnswerTable, EventRow, ForecastTable, RequestTable, SnapshotTable
from twin_service.store.twins import Act, TwinRow, get_twin, save_twin
from twin_service.store.vault import PATIENT, Owner, vault_of

EVENTS: Table = EventRow.__table__  # type: ignore[attr-defined]
FORECASTS: Table = ForecastTable.__table__  # type: ignore[attr-defined]
SNAPSHOTS: Table = SnapshotTable.__table__  # type: ignore[attr-defined]
REQUESTS: Table = RequestTable.__table__  # type: ignore[attr-defined]
ANSWERS: Table = AnswerTable.__table__  # type: ignore[attr-defined]
CHUNK = 500


@dataclass(frozen=True)
class Stored:
    """An event with its place in the record."""

    event: Event
    revision: int
    chain_digest: str


class BeliefAt(NamedTuple):
    """A snapshot: its clinical time, the digest of the past it summarizes, and its bytes, made when they are stored."""

    time_us: int
    prefix: str
    body: Callable[[], bytes]


@dataclass(frozen=True)
class Assimilated:
    """A belief to be kept: by event id the forecasts that are new, and every snapshot that is wanted."""

    revision: int
    digest: str
    forecasts: Mapping[str, bytes]
    snapshots: Sequence[BeliefAt]
    trouble: str = ""


def read_events(
    connection: Connection, name: TwinName, *, after_revision: int = 0, until_revision: int | None = None
) -> list[Stored]:
    """Events in order of revision, those after `after_revision` up to `until_revision` (None: all)."""
    c = EVENTS.c
    query = select(c.tenant, c.patient, c.body, c.arrival_us, c.revision, c.chain_digest)
    query = query.where(*_key(EVENTS, name), c.body.is_not(None))
    if after_revision:
        query = query.where(c.revision > after_revision)
    if until_revision is not None:
        query = query.where(c.revision <= until_revision)
    return [
        Stored(_event(connection, r), r.revision, r.chain_digest)
        for r in connection.execute(query.order_by(c.revision))
    ]


def save_belief(connection: Connection, name: TwinName, kept: Assimilated) -> bool:
    """Keep what was assimilated unless a later belief is stored already; whether it was kept."""
    row = get_twin(connection, name)
    if kept.revision < row.belief_revision or kept.revision > row.timeline_revision:
        return False
    if kept.trouble:
        if kept.revision < row.timeline_revision:
            # events came while it was met: they may be what was missing, so the trouble is not theirs
            return False
        save_twin(connection, row, replace(row, trouble=kept.trouble))
        return True
    save_twin(connection, row, replace(row, belief_revision=kept.revision, belief_digest=kept.digest, trouble=""))
    _save_forecasts(connection, name, kept)
    _save_snapshots(connection, name, kept.snapshots)
    return True


def reset_belief(connection: Connection, old: TwinRow, new: TwinRow, act: Act) -> TwinRow:
    """Save `new` without any belief, forecast or snapshot: its record is to be folded anew; the old spec is kept."""
    for table in (FORECASTS, SNAPSHOTS):
        empty(connection, table, name=(old.tenant, old.patient))
    keep_spec(connection, old)
    return save_twin(connection, old, replace(new, belief_revision=0, belief_digest="", trouble=""), act)


def read_forecasts(connection: Connection, name: TwinName, ids: Iterable[str] | None = None) -> dict[str, bytes]:
    """The forecast in force of every measurement by event id as it is stored, or of those with these ids by id."""
    c = FORECASTS.c
    query = select(c.tenant, c.patient, c.event_id, c.body).where(*_key(FORECASTS, name)).order_by(c.belief_revision)
    if ids is None:
        return {r.event_id: plain(connection, FORECAST, r._mapping)["body"] for r in connection.execute(query)}
    owner = Owner(name.tenant, PATIENT, name.patient)
    asked, found = {blinded(connection, owner, i): i for i in ids}, dict[str, bytes]()
    stored = list(asked)
    for start in range(0, len(stored), CHUNK):
        rows = connection.execute(query.where(c.event_id.in_(stored[start : start + CHUNK])))
        found |= {asked[r.event_id]: plain(connection, FORECAST, r._mapping)["body"] for r in rows}
    return found


def read_snapshots(connection: Connection, name: TwinName) -> list[tuple[str, bytes]]:
    """(prefix digest, body) by clinical time."""
    c = SNAPSHOTS.c
    query = select(c.tenant, c.patient, c.prefix_digest, c.body).where(*_key(SNAPSHOTS, name)).order_by(c.time_us)
    return [(r.prefix_digest, plain(connection, SNAPSHOT, r._mapping)["body"]) for r in connection.execute(query)]


def erase_twin(connection: Connection, row: TwinRow, act: Act) -> int:
    """Make a twin's record unreadable: bodies, salt, forecasts, snapshots, answers go; the chain of digests stays.

    The data key goes too, so that copies of the rows (logs, backups, replicas) cannot be read either.

    Returns the number of events erased.
    """
    name = row.name
    for table in (FORECASTS, SNAPSHOTS, REQUESTS, ANSWERS, HELD.table, SPEC.table):
        empty(connection, table, name=(name.tenant, name.patient))
    vault_of(connection).destroy(connection, [Owner(name.tenant, PATIENT, name.patient)])
    retired = literal("erased/") + cast(EVENTS.c.revision, String)
    done = connection.execute(update(EVENTS).where(*_key(EVENTS, name)).values(body=None, time_us=0, event_id=retired))
    bare = replace(
        row, spec=None, salt=None, belief_digest="", trouble="", erased_us=act.time_us, updated_us=act.time_us
    )
    save_twin(connection, row, bare, replace(act, detail=f"{done.rowcount} events erased"))
    return int(done.rowcount)


def _event(connection: Connection, row: Row[*tuple[Any, ...]]) -> Event:
    return from_json(plain(connection, EVENT, row._mapping)["body"].decode(), row.arrival_us)


def _save_forecasts(connection: Connection, name: TwinName, kept: Assimilated) -> None:
    """Rows for forecasts that are new or differ from the one in force."""
    now, owner = read_forecasts(connection, name, kept.forecasts), Owner(name.tenant, PATIENT, name.patient)
    changed = [(i, body) for i, body in kept.forecasts.items() if now.get(i) != body]
    if not changed:
        return
    c, stale = FORECASTS.c, [blinded(connection, owner, i) for i, _ in changed]
    for start in range(0, len(stale), CHUNK):
        some = c.event_id.in_(stale[start : start + CHUNK])
        remove(connection, FORECASTS, *_key(FORECASTS, name), c.belief_revision == kept.revision, some)
    rows = [
        {"tenant": name.tenant, "patient": name.patient, "event_id": i, "belief_revision": kept.revision, "body": body}
        for i, body in changed
    ]
    connection.execute(insert(FORECASTS), [to_stored(connection, FORECAST, r) for r in rows])


def _save_snapshots(connection: Connection, name: TwinName, snapshots: Sequence[BeliefAt]) -> None:
    """Exactly these, rewriting only what differs."""
    c = SNAPSHOTS.c
    query = select(c.time_us, c.prefix_digest).where(*_key(SNAPSHOTS, name))
    stored = {(r[0], r[1]) for r in connection.execute(query)}
    wanted = {(t, prefix): body for t, prefix, body in snapshots if (t, prefix) not in stored}
    stale = stored - {(t, prefix) for t, prefix, _ in snapshots}
    gone = [t for t, _ in stale]
    if gone:
        remove(connection, SNAPSHOTS, *_key(SNAPSHOTS, name), c.time_us.in_(gone))
    rows = [
        {"tenant": name.tenant, "patient": name.patient, "time_us": t, "prefix_digest": prefix, "body": body()}
        for (t, prefix), body in wanted.items()
    ]
    if rows:
        connection.execute(insert(SNAPSHOTS), [to_stored(connection, SNAPSHOT, r) for r in rows])


def _key(table: Table, name: TwinName) -> tuple[ColumnElement[bool], ...]:
    c = table.c
    return c.tenant == name.tenant, c.patient == name.patient
