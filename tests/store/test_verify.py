"""An altered byte anywhere is found, and named without naming the patient."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.store.test_record import NAME, append, create, dose
from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store import chain
from twin_service.store import repository as rows
from twin_service.store.accesses import Access, append_accesses
from twin_service.store.connect import parse_url, writer_engine
from twin_service.store.escalations import EscalationRow, append_escalation
from twin_service.store.operations import WAITING, OperationRow, PopulationRow, insert_operation, insert_population
from twin_service.store.requests import AnswerRow, RequestKey, keep_answer, keep_response
from twin_service.store.twins import COLUMNS, TwinRow
from twin_service.store.unit_of_work import Store
from twin_service.store.verify import Integrity, check, pseudonym, verify


@pytest.fixture
def filled(store: Store) -> Store:
    create(store)
    append(store, [dose(i) for i in range(1, 5)])
    kept = rows.Assimilated(4, "d", {"e1": b"forecast"}, [rows.BeliefAt(10, "x", lambda: b"snapshot")])
    store.write(lambda c: rows.save_belief(c, NAME, kept))
    store.write(lambda c: keep_response(c, RequestKey("acme", "p1", "r1", "d"), b"answer", 3))
    store.write(lambda c: keep_answer(c, AnswerRow("acme", "a1", "p1", "/x", b"q", b"b", "d", 4, 9)))
    store.write(lambda c: keep_answer(c, AnswerRow("acme", "a2", "", "/x", b"q", b"b", "d", 4, 9)))
    store.write(lambda c: insert_operation(c, OperationRow("acme", "o1", "k", WAITING, b"q", b"", 0, "", 5, 0)))
    store.write(lambda c: insert_population(c, PopulationRow("acme", "v1", b"q", b"", 1.5, "r", 5)))
    for i in range(3):
        store.write(lambda c, i=i: append_escalation(c, [EscalationRow("acme", "t1", i, b"b%d" % i, 5)]))
    said = [Access(i, "acme", "p1", "user:u", "/x", "OK", f"c{i}", "") for i in range(3)]
    store.write(lambda c: append_accesses(c, "s1", said[:1]))
    store.write(lambda c: append_accesses(c, "s1", said[1:]))
    create(store, TwinName("acme", "p2"))
    return store


def test_an_untouched_store_has_no_findings(filled: Store, settings: Settings) -> None:
    assert verify(settings) == []


def altered(settings: Settings, *statements: str) -> list[str]:
    """What verify finds after statements that no server would send."""
    engine = writer_engine(parse_url(settings.database_url))
    with engine.begin() as connection:
        for statement in statements:
            done = connection.execute(text(statement), {"data": b"{}"} if ":data" in statement else {})
            assert done.rowcount, statement
    engine.dispose()
    found = verify(settings)
    assert not any("p1" in f or "acme" in f for f in found), found
    return found


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
    found = altered(settings, statement)
    assert any(finding in f for f in found), found


@pytest.mark.parametrize(
    "table",
    [
        "events",
        "audit",
        "snapshots",
        "forecasts",
        "requests",
        "answers",
        "operations",
        "populations",
        "escalations",
        "accesses",
        "tallies",
        "protection",
        "twins",
    ],
)
def test_a_deleted_row_is_missed_in_every_table(filled: Store, settings: Settings, table: str) -> None:
    """The newest row, and every row."""
    last = {"events": "revision", "audit": "number", "accesses": "number", "escalations": "revision"}.get(table)
    if last is not None:
        one = f"DELETE FROM {table} WHERE {last} = (SELECT max({last}) FROM {table})"
        assert altered(settings, one)
    assert altered(settings, f"DELETE FROM {table}")


def test_a_patient_taken_out_of_every_table_is_missed(filled: Store, settings: Settings) -> None:
    tables = ("events", "audit", "snapshots", "forecasts", "requests", "answers", "accesses", "tallies", "twins")
    found = altered(settings, *(f"DELETE FROM {t} WHERE patient = 'p1'" for t in tables))
    assert found
    assert verify(settings) == found


def test_a_patient_without_any_event_is_missed(filled: Store, settings: Settings) -> None:
    tables = ("audit", "tallies", "twins")
    assert altered(settings, *(f"DELETE FROM {t} WHERE patient = 'p2'" for t in tables))


def test_a_tenant_taken_out_is_missed(filled: Store, settings: Settings) -> None:
    create(filled, TwinName("other", "p9"))
    assert verify(settings) == []
    tables = ("audit", "tallies", "twins")
    assert altered(settings, *(f"DELETE FROM {t} WHERE tenant = 'other'" for t in tables))


def test_an_old_row_put_back_is_found(filled: Store, settings: Settings) -> None:
    """An answer that retention deleted, a forecast that was replaced: rows whose signatures are right."""
    later = rows.Assimilated(4, "d2", {"e1": b"another forecast"}, [rows.BeliefAt(10, "y", lambda: b"snapshot")])
    engine = writer_engine(parse_url(settings.database_url))
    with engine.begin() as connection:
        before = connection.execute(text("SELECT * FROM forecasts")).mappings().all()
    filled.write(lambda c: rows.save_belief(c, NAME, later))
    assert verify(settings) == []
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM forecasts"))
        for row in before:
            columns = ", ".join(row)
            marks = ", ".join(f":{c}" for c in row)
            connection.execute(text(f"INSERT INTO forecasts ({columns}) VALUES ({marks})"), dict(row))
    engine.dispose()
    assert any("not the same" in f for f in verify(settings))


def test_two_rows_that_change_places_are_found(filled: Store, settings: Settings) -> None:
    swap = [
        "UPDATE escalations SET revision = 99 WHERE revision = 1",
        "UPDATE escalations SET revision = 1 WHERE revision = 2",
        "UPDATE escalations SET revision = 2 WHERE revision = 99",
    ]
    assert altered(settings, *swap)


def test_an_edit_with_every_digest_recomputed_is_found_by_the_key(filled: Store, settings: Settings) -> None:
    """An attacker who knows the code and not the key: the record of p1 is rewritten as a plain store would write it."""
    engine = writer_engine(parse_url(settings.database_url))
    with engine.begin() as connection:
        link = chain.START
        for r in connection.execute(
            text("SELECT revision, body_digest, arrival_us FROM events ORDER BY revision")
        ).all():
            digest = "f" * 64 if r[0] == 2 else r[1]
            link = chain.next_event(link, r[0], digest, r[2])
            connection.execute(
                text("UPDATE events SET body_digest = :d, chain_digest = :l WHERE revision = :r"),
                {"d": digest, "l": link, "r": r[0]},
            )
        connection.execute(text("UPDATE twins SET chain_digest = :l WHERE patient = 'p1'"), {"l": link})
        row = connection.execute(text("SELECT * FROM twins WHERE patient = 'p1'")).mappings().one()
        digest = TwinRow(**{c: row[c] for c in COLUMNS}).row_digest
        connection.execute(text("UPDATE twins SET row_digest = :d WHERE patient = 'p1'"), {"d": digest})
    engine.dispose()
    found = verify(settings)
    if settings.keys:
        assert sum("the chain is broken" in f for f in found) == 4 and any("its row was altered" in f for f in found)
    else:  # what no key protects: only the content still tells
        assert found == [f"{pseudonym(NAME)}: event 2: its content was altered"]


def test_a_store_made_plain_by_an_attacker_is_found(filled: Store, settings: Settings) -> None:
    if not settings.keys:
        pytest.skip("nothing is signed without keys")
    key_id, digest = "", chain.digest("protection", "", 0)
    found = altered(settings, f"UPDATE protection SET key_id = '{key_id}', seals = 0, row_digest = '{digest}'")
    assert any("is not signed" in f for f in found)


def test_it_says_how_much_it_read(filled: Store, settings: Settings) -> None:
    found = check(settings)
    assert found.integrity is Integrity.INTACT
    assert found.counts == {
        "accesses": 3,
        "answers": 2,
        "audit": 3,
        "escalations": 3,
        "events": 4,
        "forecasts": 1,
        "operations": 1,
        "populations": 1,
        "requests": 1,
        "snapshots": 1,
        "tallies": 5,
        "twins": 2,
    }
    assert (found.key_id, found.seals) == (("s1", True) if settings.keys else ("", False))


def test_twins_are_named_by_digest() -> None:
    assert pseudonym(NAME) != pseudonym(TwinName("acme", "p2"))
    assert "p1" not in pseudonym(NAME)
