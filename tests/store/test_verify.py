"""An altered byte anywhere is found, and named without naming the patient."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.store.test_record import NAME, append, create, dose
from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store import repository as rows
from twin_service.store.connect import parse_url, writer_engine
from twin_service.store.requests import AnswerRow, RequestKey, keep_answer, keep_response
from twin_service.store.unit_of_work import Store
from twin_service.store.verify import pseudonym, verify


@pytest.fixture
def filled(store: Store) -> Store:
    create(store)
    append(store, [dose(i) for i in range(1, 5)])
    kept = rows.Assimilated(4, "d", {"e1": b"forecast"}, [rows.BeliefAt(10, "x", lambda: b"snapshot")])
    store.write(lambda c: rows.save_belief(c, NAME, kept))
    store.write(lambda c: keep_response(c, RequestKey("acme", "p1", "r1", "d"), b"answer", 3))
    store.write(lambda c: keep_answer(c, AnswerRow("acme", "a1", "p1", "/x", b"q", b"b", "d", 4, 9)))
    return store


def test_an_untouched_store_has_no_findings(filled: Store, settings: Settings) -> None:
    assert verify(settings) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE events SET body = :data WHERE revision = 2", "event 2: its content was altered"),
        ("UPDATE events SET body_digest = 'x' WHERE revision = 2", "event 2: the chain is broken"),
        ("UPDATE events SET time_us = 3 WHERE revision = 2", "event 2: its id or time column was altered"),
        ("UPDATE events SET event_id = 'zz' WHERE revision = 2", "event 2: its id or time column was altered"),
        ("UPDATE events SET arrival_us = 3 WHERE revision = 2", "event 2: the chain is broken"),
        ("DELETE FROM events WHERE revision = 2", "event 2 is missing"),
        ("DELETE FROM events WHERE revision = 4", "the record ends at event 3"),
        ("UPDATE events SET body = NULL WHERE revision = 1", "event 1: its content was altered"),
        ("UPDATE twins SET belief_revision = 1", "its row was altered"),
        ("UPDATE twins SET spec = :data", "its row was altered"),
        ("UPDATE audit SET detail = 'nothing' WHERE number = 1", "audit 1: the chain is broken"),
        ("DELETE FROM audit WHERE number = 2", "the audit trail ends at 1"),
        ("UPDATE forecasts SET body = :data", "a forecast of revision 4 was altered"),
        ("UPDATE snapshots SET time_us = 11", "a snapshot was altered"),
        ("UPDATE requests SET response = :data", "request r1: its row was altered"),
        ("UPDATE answers SET response_digest = 'x'", "answer a1: its row was altered"),
        ("DELETE FROM twins", "events without a twin"),
    ],
)
def test_every_alteration_is_found(filled: Store, settings: Settings, statement: str, finding: str) -> None:
    engine = writer_engine(parse_url(settings.database_url))
    with engine.begin() as connection:
        connection.execute(text(statement), {"data": b"{}"} if ":data" in statement else {})
    engine.dispose()
    found = verify(settings)
    assert any(finding in f for f in found), found
    assert not any("p1" in f or "acme" in f for f in found)


def test_twins_are_named_by_digest() -> None:
    assert pseudonym(NAME) != pseudonym(TwinName("acme", "p2"))
    assert "p1" not in pseudonym(NAME)
