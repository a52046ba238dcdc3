"""Events, beliefs, requests and erasure, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import DoseGiven, Event, LabMeasured
from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store import repository as rows
from twin_service.store import twins
from twin_service.store.append import Appended, append_events
from twin_service.store.requests import AnswerRow, RequestKey, find_response, get_answer, keep_answer, keep_response
from twin_service.store.twins import Act, TwinRow
from twin_service.store.unit_of_work import Store
from twin_service.store.verify import verify

NAME = TwinName("acme", "p1")
ACT = Act("tester", "record", 7)


def dose(i: int, mg: float = 1.0) -> Event:
    return Event(f"e{i}", 1000 * i, DoseGiven("quinidine", mg, "oral"), "ehr", 5)


def create(store: Store, name: TwinName = NAME) -> TwinRow:
    return store.write(lambda c: twins.insert_twin(c, name, b"spec", Act("tester", "create", 1)))


def append(store: Store, events: list[Event], *, limit: int = 1000) -> Appended:
    return store.write(lambda c: append_events(c, NAME, events, ACT, twin_limit=limit))


def kept_at(time: int, prefix: str) -> rows.BeliefAt:
    return rows.BeliefAt(time, prefix, lambda: f"s{time}".encode())


def row_of(store: Store) -> TwinRow:
    return store.read(lambda c: twins.get_twin(c, NAME))


def test_a_twin_is_created_once(store: Store) -> None:
    made = create(store)
    assert row_of(store) == made
    assert (made.timeline_revision, made.belief_revision, made.etag) == (0, 0, "s1")
    with pytest.raises(Refusal) as caught:
        create(store)
    assert caught.value.code is RefusalCode.EXISTS


def test_events_are_numbered_and_read_back_as_they_were(store: Store) -> None:
    create(store)
    events = [dose(3), dose(1), Event("lab", 5, LabMeasured("quinidine", 2.5, "mg/L", 2.5, "ug/mL"))]
    done = append(store, events)
    assert done.revisions == (1, 2, 3) and done.duplicates == (False, False, False)
    stored = store.read(lambda c: rows.read_events(c, NAME))
    assert [s.event for s in stored] == events
    assert [s.event.arrival_us for s in stored] == [5, 5, 0]
    assert len({s.chain_digest for s in stored}) == 3
    assert [s.revision for s in store.read(lambda c: rows.read_events(c, NAME, until_revision=2))] == [1, 2]
    assert store.read(lambda c: rows.read_events(c, NAME, until_revision=0)) == []


def test_the_same_event_again_changes_nothing(store: Store) -> None:
    create(store)
    append(store, [dose(1), dose(2)])
    before = row_of(store)
    again = append(store, [replace(dose(2), arrival_us=99), dose(1)])
    assert again.revisions == (2, 1) and all(again.duplicates)
    assert row_of(store) == before


def test_the_same_id_with_other_content_is_refused_and_nothing_of_the_batch_is_kept(store: Store) -> None:
    create(store)
    append(store, [dose(1)])
    with pytest.raises(Refusal) as caught:
        append(store, [dose(2), dose(1, mg=9.0)])
    assert (caught.value.reason, caught.value.field) == ("EVENT_ID_REUSED", "events[1].id")
    assert len(store.read(lambda c: rows.read_events(c, NAME))) == 1


def test_a_duplicate_within_one_batch_counts_once(store: Store) -> None:
    create(store)
    done = append(store, [dose(1), dose(1)])
    assert done.revisions == (1, 1) and done.duplicates == (False, True)


def test_a_twin_has_a_limit(store: Store) -> None:
    create(store)
    with pytest.raises(Refusal) as caught:
        append(store, [dose(i) for i in range(4)], limit=3)
    assert caught.value.code is RefusalCode.TOO_MUCH
    assert row_of(store).timeline_revision == 0


def test_an_unknown_twin_is_refused(store: Store) -> None:
    for call in (lambda: append(store, [dose(1)]), lambda: row_of(store)):
        with pytest.raises(Refusal) as caught:
            call()
        assert caught.value.code is RefusalCode.NOT_FOUND


def test_many_writers_lose_nothing_and_number_without_gaps(store: Store) -> None:
    create(store)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda i: append(store, [dose(i)]).revisions[0], range(80)))
    assert sorted(done) == list(range(1, 81))
    assert row_of(store).timeline_revision == 80


def test_a_belief_is_kept_with_its_forecasts_and_snapshots(store: Store) -> None:
    create(store)
    append(store, [dose(1), dose(2)])
    first = rows.Assimilated(2, "d2", {"e1": b"f1"}, [kept_at(10, "x"), kept_at(20, "y")])
    assert store.write(lambda c: rows.save_belief(c, NAME, first))
    append(store, [dose(3)])
    second = rows.Assimilated(3, "d3", {"e1": b"g1", "e3": b"f3"}, [kept_at(20, "y"), kept_at(30, "z")])
    assert store.write(lambda c: rows.save_belief(c, NAME, second))
    assert not store.write(lambda c: rows.save_belief(c, NAME, first))
    kept = store.read(lambda c: rows.read_forecasts(c, NAME))  # with keys, ids are not stored in the clear
    assert sorted(kept.values()) == [b"f3", b"g1"]
    assert store.read(lambda c: rows.read_snapshots(c, NAME)) == [("y", b"s20"), ("z", b"s30")]
    assert (row_of(store).belief_revision, row_of(store).belief_digest) == (3, "d3")
    assert not store.write(lambda c: rows.save_belief(c, NAME, replace(second, revision=4)))


def test_trouble_stays_until_the_next_event(store: Store) -> None:
    create(store)
    append(store, [dose(1)])
    stuck = rows.Assimilated(1, "", {}, (), "why")
    store.write(lambda c: rows.save_belief(c, NAME, stuck))
    assert (row_of(store).trouble, row_of(store).belief_revision) == ("why", 0)
    assert store.read(twins.behind) == []
    append(store, [dose(2)])
    assert row_of(store).trouble == "" and store.read(twins.behind) == [NAME]


def test_a_new_spec_drops_the_belief_and_an_old_etag_is_refused(store: Store) -> None:
    old = create(store)
    append(store, [dose(1)])
    store.write(lambda c: rows.save_belief(c, NAME, rows.Assimilated(1, "d", {"e1": b"f"}, [kept_at(1, "x")])))
    now = row_of(store)
    store.write(lambda c: rows.reset_belief(c, now, replace(now, spec=b"new", spec_revision=2), ACT))
    after = row_of(store)
    assert (after.spec, after.belief_revision, after.timeline_revision) == (b"new", 0, 1)
    assert store.read(lambda c: rows.read_forecasts(c, NAME)) == {}
    with pytest.raises(Refusal) as caught:
        twins.check_etag(after, old.etag)
    assert caught.value.code is RefusalCode.CONFLICT
    twins.check_etag(after, "s2")
    twins.check_etag(after, "")


def test_a_request_is_answered_once(store: Store) -> None:
    key = RequestKey("acme", "p1", "r1", "digest")
    assert store.write(lambda c: find_response(c, key)) is None
    store.write(lambda c: keep_response(c, key, b"answer", 3))
    assert store.read(lambda c: find_response(c, key)) == b"answer"
    with pytest.raises(Refusal) as caught:
        store.read(lambda c: find_response(c, replace(key, digest="other")))
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert store.read(lambda c: find_response(c, replace(key, tenant="other"))) is None


def test_an_answer_is_found_by_its_tenant_only(store: Store) -> None:
    row = AnswerRow("acme", "a1", "p1", "/x", b"q", b"b", "d", 4, 9)
    store.write(lambda c: keep_answer(c, row))
    assert store.read(lambda c: get_answer(c, "acme", "a1")) == row
    with pytest.raises(Refusal) as caught:
        store.read(lambda c: get_answer(c, "other", "a1"))
    assert caught.value.code is RefusalCode.NOT_FOUND


def test_twins_are_listed_by_tenant_in_pages(store: Store) -> None:
    for patient in ("a", "c", "b"):
        create(store, TwinName("acme", patient))
    create(store, TwinName("other", "a"))
    first = store.read(lambda c: twins.list_twins(c, "acme", after="", limit=2))
    rest = store.read(lambda c: twins.list_twins(c, "acme", after="b", limit=2))
    assert [r.patient for r in (*first, *rest)] == ["a", "b", "c"]


def test_erasing_leaves_the_chain_and_nothing_to_read(store: Store, settings: Settings) -> None:
    create(store)
    append(store, [dose(i) for i in range(5)])
    store.write(lambda c: keep_response(c, RequestKey("acme", "p1", "r1", "d"), b"quinidine", 3))
    assert store.write(lambda c: rows.erase_twin(c, twins.get_twin(c, NAME), Act("tester", "erase", 9))) == 5
    store.erased(NAME)
    with pytest.raises(Refusal):
        row_of(store)
    assert store.read(lambda c: rows.read_events(c, NAME)) == []
    assert verify(settings) == []
    with pytest.raises(Refusal, match="retired"):
        create(store)
    if settings.database_url.startswith("sqlite"):
        data = Path(settings.database_url.removeprefix("sqlite:///")).read_bytes()
        assert b"quinidine" not in data and b'"e1"' not in data


def test_a_job_that_raises_takes_nothing_with_it(store: Store) -> None:
    create(store)

    def fails(connection: object) -> None:
        append_events(connection, NAME, [dose(1)], ACT, twin_limit=9)  # type: ignore[arg-type]
        raise ValueError("after the insert")

    with pytest.raises(ValueError, match="after the insert"):
        store.write(fails)
    assert row_of(store).timeline_revision == 0
    append(store, [dose(1)])
