"""Reads everything back and checks it against its digests and chains; an altered byte is a finding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields

from sqlalchemy import Connection, select

from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store import chain
from twin_service.store.connect import parse_url, reader_engine
from twin_service.store.escalations import ESCALATIONS, EscalationRow
from twin_service.store.held import HELD, HeldRow
from twin_service.store.operations import OPERATIONS, POPULATIONS, OperationRow, PopulationRow
from twin_service.store.repository import (
    ANSWERS,
    EVENTS,
    FORECASTS,
    REQUESTS,
    SNAPSHOTS,
    forecast_digest,
    snapshot_digest,
)
from twin_service.store.requests import AnswerRow, RequestKey, response_row_digest
from twin_service.store.specs import SPECS, SpecRow
from twin_service.store.twins import COLUMNS, TWINS, TwinRow, audit_rows


def verify(settings: Settings) -> list[str]:
    """One sentence for each row that is not what was written; empty when all is well.

    Twins are named by a digest of their name, so that the findings can be shown to anyone.
    """
    engine = reader_engine(parse_url(settings.database_url), 1)
    try:
        with engine.connect() as connection, connection.begin():
            return list(_findings(connection))
    finally:
        engine.dispose()


def pseudonym(name: TwinName) -> str:
    """A short digest by which an operator who knows a twin's name recognizes it."""
    return f"twin {hashlib.sha256(str(name).encode()).hexdigest()[:12]}"


def _findings(connection: Connection) -> Iterator[str]:
    rows = connection.execute(select(*(TWINS.c[c] for c in COLUMNS), TWINS.c.row_digest)).all()
    for row in rows:
        *values, digest = row
        twin = TwinRow(*values)
        if twin.row_digest != digest:
            yield f"{pseudonym(twin.name)}: its row was altered"
        for finding in (*_events(connection, twin), *_audit(connection, twin), *_beliefs(connection, twin)):
            yield f"{pseudonym(twin.name)}: {finding}"
    known = {(r.tenant, r.patient) for r in rows}
    for table in (EVENTS, FORECASTS, SNAPSHOTS):
        for tenant, patient in connection.execute(select(table.c.tenant, table.c.patient).distinct()):
            if (tenant, patient) not in known:
                yield f"{pseudonym(TwinName(tenant, patient))}: {table.name} without a twin"
    yield from _requests(connection)
    yield from _answers(connection)
    yield from _operations(connection)


def _events(connection: Connection, twin: TwinRow) -> Iterator[str]:
    c = EVENTS.c
    query = (
        select(c.revision, c.event_id, c.time_us, c.arrival_us, c.body, c.body_digest, c.chain_digest)
        .where(c.tenant == twin.tenant, c.patient == twin.patient)
        .order_by(c.revision)
    )
    link, expected = chain.START, 0
    for revision, event_id, time_us, arrival_us, body, digest, stored in connection.execute(query):
        expected += 1
        if revision != expected:
            yield f"event {expected} is missing"
            expected = revision
        link = chain.next_event(link, revision, digest, arrival_us)
        if stored != link:
            yield f"event {revision}: the chain is broken"
            link = stored
        if twin.erased_us:
            if body is not None:
                yield f"event {revision}: not erased"
        elif body is None or twin.salt is None or chain.body_digest(twin.salt, body) != digest:
            yield f"event {revision}: its content was altered"
        elif (event_id, time_us) != _id_and_time(body):
            yield f"event {revision}: its id or time column was altered"
    if expected != twin.timeline_revision or link != twin.chain_digest:
        yield f"the record ends at event {expected}, the twin says {twin.timeline_revision}"


def _id_and_time(body: bytes) -> tuple[str, int]:
    raw = json.loads(body)
    return raw["id"], raw["time_us"]


def _audit(connection: Connection, twin: TwinRow) -> Iterator[str]:
    link, expected = chain.START, 0
    for number, time_us, actor, action, detail, stored in audit_rows(connection, twin.name):
        expected += 1
        link = chain.next_audit(link, number, time_us, actor=actor, action=action, detail=detail)
        if number != expected or stored != link:
            yield f"audit {number}: the chain is broken"
            expected, link = number, stored
    if expected != twin.audit_count or link != twin.audit_digest:
        yield f"the audit trail ends at {expected}, the twin says {twin.audit_count}"


def _beliefs(connection: Connection, twin: TwinRow) -> Iterator[str]:
    c = FORECASTS.c
    query = select(c.event_id, c.belief_revision, c.body, c.row_digest)
    for i, revision, body, digest in connection.execute(
        query.where(c.tenant == twin.tenant, c.patient == twin.patient).order_by(c.event_id, c.belief_revision)
    ):
        if forecast_digest(twin.name, i, revision, body) != digest:
            yield f"a forecast of revision {revision} was altered"
    c = SNAPSHOTS.c
    query = select(c.time_us, c.prefix_digest, c.body, c.row_digest)
    for time_us, prefix, body, digest in connection.execute(
        query.where(c.tenant == twin.tenant, c.patient == twin.patient)
    ):
        if snapshot_digest(twin.name, time_us, prefix, body) != digest:
            yield "a snapshot was altered"


def _requests(connection: Connection) -> Iterator[str]:
    c = REQUESTS.c
    query = select(c.tenant, c.patient, c.request_id, c.request_digest, c.response, c.created_us, c.row_digest)
    for *key, response, created_us, digest in connection.execute(query):
        if response_row_digest(RequestKey(*key), response, created_us) != digest:
            yield f"request {key[2]}: its row was altered"


def _answers(connection: Connection) -> Iterator[str]:
    names = [f.name for f in fields(AnswerRow)]
    for *values, digest in connection.execute(select(*(ANSWERS.c[n] for n in names), ANSWERS.c.row_digest)):
        answer = AnswerRow(*values)
        if answer.row_digest != digest:
            yield f"answer {answer.answer_id}: its row was altered"


def _operations(connection: Connection) -> Iterator[str]:
    kept = (
        (OPERATIONS, OperationRow),
        (POPULATIONS, PopulationRow),
        (ESCALATIONS, EscalationRow),
        (HELD, HeldRow),
        (SPECS, SpecRow),
    )
    for table, kind in kept:
        names = [f.name for f in fields(kind)]
        for *values, digest in connection.execute(select(*(table.c[n] for n in names), table.c.row_digest)):
            if kind(*values).row_digest != digest:
                whose = pseudonym(TwinName(*values[:2])) if table in (HELD, SPECS) else values[1]
                yield f"{table.name} {whose}: its row was altered"
