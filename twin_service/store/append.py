"""Appending events to a twin's record: numbered in order of arrival, chained, each id once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Table

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import Event, to_json
from twin_service.record.person import TwinName
from twin_service.store import chain
from twin_service.store.known import KnownTwin, KnownTwins
from twin_service.store.prepared import insert_into, values_of
from twin_service.store.sealed import EVENT, to_stored
from twin_service.store.tables import EventRow
from twin_service.store.twins import Act, TwinRow, save_twin
from twin_service.store.vault import vault_of

EVENTS: Table = EventRow.__table__  # type: ignore[attr-defined]
_INSERT = insert_into(EVENTS)


@dataclass(frozen=True)
class Appended:
    """What became of a batch: each event's revision (0: not recorded), and which were known before.

    `reused` are the places of events whose id is known with other content.
    """

    revisions: tuple[int, ...]
    duplicates: tuple[bool, ...]
    twin: TwinRow
    reused: tuple[int, ...] = ()


def append_events(
    connection: Connection, name: TwinName, events: Sequence[Event], act: Act, *, twin_limit: int, each: bool = False
) -> Appended:
    """Record `events`, all or none; an event known by id with the same content changes nothing.

    `each`: an event whose id is known with other content is left out instead of being refused with all the others.

    Raises Refusal: no such twin, an id known with other content (field `events[i].id`), or too many events.
    """
    found = append_to(connection, KnownTwins().of(connection, name), events, act, twin_limit=twin_limit)
    if found.reused and not each:
        raise id_reused(f"events[{found.reused[0]}].id")
    return found


def append_to(
    connection: Connection, known: KnownTwin, events: Sequence[Event], act: Act, *, twin_limit: int
) -> Appended:
    """As `append_events` with `each`, to a twin whose record is known."""
    row, salt = known.row, known.row.salt
    assert salt is not None
    link, vault = row.chain_digest, vault_of(connection)
    revisions: list[int] = []
    duplicates: list[bool] = []
    reused: list[int] = []
    new: list[dict[str, object]] = []
    fresh: dict[str, tuple[int, str]] = {}
    added: list[Event] = []
    for i, event in enumerate(events):
        body = to_json(event).encode()
        digest = chain.body_digest(salt, body)
        revision, said = known.ids.get(event.id) or fresh.get(event.id, (0, digest))
        if said != digest:
            reused.append(i)
            revision = 0
        duplicates.append(revision > 0)
        if not revision and said == digest:
            revision = row.timeline_revision + len(new) + 1
            link = vault.sign(chain.next_event(link, revision, digest, event.arrival_us))
            fresh[event.id] = (revision, digest)
            added.append(event)
            new.append(_values(row, event, revision, body=body, body_digest=digest, link=link))
        revisions.append(revision)
    last = row.timeline_revision + len(new)
    if last > twin_limit:
        said_full = f"the twin would have {last} events; at most {twin_limit}"
        raise Refusal(RefusalCode.TOO_MUCH, said_full, field="events", reason="TWIN_FULL")
    if new:
        _INSERT.many(connection, [values_of(EVENTS, to_stored(connection, EVENT, values)) for values in new])
        grown = replace(row, timeline_revision=last, chain_digest=link, trouble="")
        row = save_twin(connection, row, grown, replace(act, detail=f"{len(new)} events to revision {last}"))
        known.grow(row, added, fresh)  # last: what was not written is not known
    return Appended(tuple(revisions), tuple(duplicates), row, tuple(reused))


def id_reused(field: str) -> Refusal:
    """The id of an event says two things."""
    said = "an event with this id says something else; correct it, or choose another id"
    return Refusal(RefusalCode.EXISTS, said, field=field, reason="EVENT_ID_REUSED")


def _values(
    row: TwinRow, event: Event, revision: int, *, body: bytes, body_digest: str, link: str
) -> dict[str, object]:
    return {
        "tenant": row.tenant,
        "patient": row.patient,
        "revision": revision,
        "event_id": event.id,
        "time_us": event.time_us,
        "arrival_us": event.arrival_us,
        "body": body,
        "body_digest": body_digest,
        "chain_digest": link,
    }
