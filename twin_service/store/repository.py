"""Events, forecasts and snapshots of one twin, read and written inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, String, Table, cast, delete, insert, literal, select, update

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import Event, from_json, to_json
from twin_service.record.person import TwinName
from twin_service.store import chain
from twin_service.store.tables import AnswerTable, EventRow, ForecastTable, RequestTable, SnapshotTable
from twin_service.store.twins import Act, TwinRow, get_twin, save_twin

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


@dataclass(frozen=True)
class Appended:
    """What became of a batch: each event's revision (0: not recorded), and which were known before.

    `reused` are the places of events whose id is known with other content.
    """

    revisions: tuple[int, ...]
    duplicates: tuple[bool, ...]
    twin: TwinRow
    reused: tuple[int, ...] = ()


@dataclass(frozen=True)
class Assimilated:
    """A belief to be kept: forecasts by event id, snapshots as (time_us, prefix digest, bytes)."""

    revision: int
    digest: str
    forecasts: Mapping[str, bytes]
    snapshots: Sequence[tuple[int, str, bytes]]
    trouble: str = ""


def append_events(
    connection: Connection, name: TwinName, events: Sequence[Event], act: Act, *, twin_limit: int, each: bool = False
) -> Appended:
    """Record `events`, all or none; an event known by id with the same content changes nothing.

    `each`: an event whose id is known with other content is left out instead of being refused with all the others.

    Raises Refusal: no such twin, an id known with other content (field `events[i].id`), or too many events.
    """
    row = get_twin(connection, name)
    assert row.salt is not None
    known = _known(connection, name, [e.id for e in events])
    revision, link = row.timeline_revision, row.chain_digest
    revisions: list[int] = []
    duplicates: list[bool] = []
    reused: list[int] = []
    new: list[dict[str, object]] = []
    for i, event in enumerate(events):
        body = to_json(event).encode()
        digest = chain.body_digest(row.salt, body)
        if event.id in known:
            if known[event.id][1] != digest and each:
                reused.append(i)
                revisions.append(0)
                duplicates.append(False)
                continue
            if known[event.id][1] != digest:
                raise Refusal(
                    RefusalCode.EXISTS,
                    "an event with this id says something else; correct it, or choose another id",
                    field=f"events[{i}].id",
                    reason="EVENT_ID_REUSED",
                )
            revisions.append(known[event.id][0])
            duplicates.append(True)
            continue
        revision += 1
        link = chain.next_event(link, revision, digest, event.arrival_us)
        known[event.id] = (revision, digest)
        revisions.append(revision)
        duplicates.append(False)
        new.append(
            {
                "tenant": name.tenant,
                "patient": name.patient,
                "revision": revision,
                "event_id": event.id,
                "time_us": event.time_us,
                "arrival_us": event.arrival_us,
                "body": body,
                "body_digest": digest,
                "chain_digest": link,
            }
        )
    if revision > twin_limit:
        raise Refusal(
            RefusalCode.TOO_MUCH,
            f"the twin would have {revision} events; at most {twin_limit}",
            field="events",
            reason="TWIN_FULL",
        )
    if new:
        connection.execute(insert(EVENTS), new)
        grown = replace(row, timeline_revision=revision, chain_digest=link, trouble="")
        row = save_twin(connection, row, grown, replace(act, detail=f"{len(new)} events to revision {revision}"))
    return Appended(tuple(revisions), tuple(duplicates), row, tuple(reused))


def read_events(
    connection: Connection, name: TwinName, *, after_revision: int = 0, until_revision: int | None = None
) -> list[Stored]:
    """Events in order of revision, those after `after_revision` up to `until_revision` (None: all)."""
    c = EVENTS.c
    query = select(c.body, c.arrival_us, c.revision, c.chain_digest).where(*_key(EVENTS, name), c.body.is_not(None))
    if after_revision:
        query = query.where(c.revision > after_revision)
    if until_revision is not None:
        query = query.where(c.revision <= until_revision)
    return [Stored(from_json(r[0].decode(), r[1]), r[2], r[3]) for r in connection.execute(query.order_by(c.revision))]


def read_events_near(connection: Connection, name: TwinName, times_us: Sequence[int], span_us: int) -> list[Event]:
    """Recorded events within `span_us` of any of the times."""
    c = EVENTS.c
    found: list[Event] = []
    for low, high in _merged(sorted(times_us), span_us):
        query = select(c.body, c.arrival_us).where(*_key(EVENTS, name), c.time_us.between(low, high))
        found += [from_json(r[0].decode(), r[1]) for r in connection.execute(query.where(c.body.is_not(None)))]
    return found


def _merged(times_us: Sequence[int], span_us: int) -> list[tuple[int, int]]:
    """Stretches of time that reach `span_us` around each of the ordered times."""
    found: list[tuple[int, int]] = []
    for t in times_us:
        if found and t - span_us <= found[-1][1]:
            found[-1] = (found[-1][0], t + span_us)
        else:
            found.append((t - span_us, t + span_us))
    return found


def save_belief(connection: Connection, name: TwinName, kept: Assimilated, *, snapshots_kept: int) -> bool:
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
    _save_snapshots(connection, name, kept.snapshots[len(kept.snapshots) - snapshots_kept :] if snapshots_kept else ())
    return True


def reset_belief(connection: Connection, old: TwinRow, new: TwinRow, act: Act) -> TwinRow:
    """Save `new` without any belief, forecast or snapshot: its record is to be folded anew."""
    for table in (FORECASTS, SNAPSHOTS):
        connection.execute(delete(table).where(*_key(table, old.name)))
    return save_twin(connection, old, replace(new, belief_revision=0, belief_digest="", trouble=""), act)


def read_forecasts(connection: Connection, name: TwinName) -> dict[str, bytes]:
    """The forecast in force of every measurement, by event id."""
    c = FORECASTS.c
    query = select(c.event_id, c.body).where(*_key(FORECASTS, name)).order_by(c.belief_revision)
    return {r[0]: r[1] for r in connection.execute(query)}


def read_snapshots(connection: Connection, name: TwinName) -> list[tuple[str, bytes]]:
    """(prefix digest, body) by clinical time."""
    c = SNAPSHOTS.c
    query = select(c.prefix_digest, c.body).where(*_key(SNAPSHOTS, name)).order_by(c.time_us)
    return [(r[0], r[1]) for r in connection.execute(query)]


def erase_twin(connection: Connection, row: TwinRow, act: Act) -> int:
    """Make a twin's record unreadable: bodies, salt, forecasts, snapshots, answers go; the chain of digests stays.

    Returns the number of events erased.
    """
    name = row.name
    for table in (FORECASTS, SNAPSHOTS, REQUESTS, ANSWERS):
        connection.execute(delete(table).where(*_key(table, name)))
    retired = literal("erased/") + cast(EVENTS.c.revision, String)
    done = connection.execute(update(EVENTS).where(*_key(EVENTS, name)).values(body=None, time_us=0, event_id=retired))
    bare = replace(
        row, spec=None, salt=None, belief_digest="", trouble="", erased_us=act.time_us, updated_us=act.time_us
    )
    save_twin(connection, row, bare, replace(act, detail=f"{done.rowcount} events erased"))
    return int(done.rowcount)


def forecast_digest(name: TwinName, event_id: str, revision: int, body: bytes) -> str:
    return chain.digest("forecast", name.tenant, name.patient, event_id, revision, body)


def snapshot_digest(name: TwinName, time_us: int, prefix: str, body: bytes) -> str:
    return chain.digest("snapshot", name.tenant, name.patient, time_us, prefix, body)


def _known(connection: Connection, name: TwinName, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    c = EVENTS.c
    found: dict[str, tuple[int, str]] = {}
    for start in range(0, len(ids), CHUNK):
        query = select(c.event_id, c.revision, c.body_digest).where(
            *_key(EVENTS, name), c.event_id.in_(ids[start : start + CHUNK])
        )
        found |= {r[0]: (r[1], r[2]) for r in connection.execute(query)}
    return found


def _save_forecasts(connection: Connection, name: TwinName, kept: Assimilated) -> None:
    """Rows for forecasts that are new or differ from the one in force."""
    now = read_forecasts(connection, name)
    rows = [
        {
            "tenant": name.tenant,
            "patient": name.patient,
            "event_id": i,
            "belief_revision": kept.revision,
            "body": body,
            "row_digest": forecast_digest(name, i, kept.revision, body),
        }
        for i, body in kept.forecasts.items()
        if now.get(i) != body
    ]
    if rows:
        stale = [r["event_id"] for r in rows]
        for start in range(0, len(stale), CHUNK):
            connection.execute(
                delete(FORECASTS).where(
                    *_key(FORECASTS, name),
                    FORECASTS.c.belief_revision == kept.revision,
                    FORECASTS.c.event_id.in_(stale[start : start + CHUNK]),
                )
            )
        connection.execute(insert(FORECASTS), rows)


def _save_snapshots(connection: Connection, name: TwinName, snapshots: Sequence[tuple[int, str, bytes]]) -> None:
    """Exactly these, rewriting only what differs."""
    c = SNAPSHOTS.c
    query = select(c.time_us, c.prefix_digest).where(*_key(SNAPSHOTS, name))
    stored = {(r[0], r[1]) for r in connection.execute(query)}
    wanted = {(t, prefix): body for t, prefix, body in snapshots}
    gone = [t for t, prefix in stored - wanted.keys()]
    if gone:
        connection.execute(delete(SNAPSHOTS).where(*_key(SNAPSHOTS, name), c.time_us.in_(gone)))
    rows = [
        {
            "tenant": name.tenant,
            "patient": name.patient,
            "time_us": t,
            "prefix_digest": prefix,
            "body": body,
            "row_digest": snapshot_digest(name, t, prefix, body),
        }
        for (t, prefix), body in wanted.items()
        if (t, prefix) not in stored
    ]
    if rows:
        connection.execute(insert(SNAPSHOTS), rows)


def _key(table: Table, name: TwinName) -> tuple[ColumnElement[bool], ...]:
    c = table.c
    return c.tenant == name.tenant, c.patient == name.patient
