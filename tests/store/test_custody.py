"""Keys: a plain database is signed and sealed by a migration, keys rotate, bit flips are found, erasure is final."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.store.conftest import PostgreSQL
from tests.store.test_record import ACT, NAME, append, create, dose
from tests.store.test_verify import filled
from twin_service.outcome import Refusal
from twin_service.record.events import DoseGiven, Event
from twin_service.record.person import TwinName
from twin_service.settings import Settings
from twin_service.store import repository as rows
from twin_service.store import twins
from twin_service.store.adopt import migrate
from twin_service.store.anchor import against_anchor, export_anchor
from twin_service.store.append import append_events
from twin_service.store.connect import parse_url, writer_engine
from twin_service.store.keys import new_keys, only_current, provider_of, read_key_file, rotated, text_of, write_key_file
from twin_service.store.migrate import migrate_url
from twin_service.store.requests import AnswerRow, RequestKey, find_response, keep_answer, keep_response
from twin_service.store.tables import METADATA
from twin_service.store.twins import Act
from twin_service.store.unit_of_work import Store
from twin_service.store.verify import Integrity, check, verify

__all__ = ["filled"]
PLANTED = [f"planted-{i:03d}-{random.Random(i).randbytes(6).hex()}" for i in range(200)]


@pytest.fixture
def keyed(url: str, tmp_path: Path) -> Settings:
    write_key_file(tmp_path / "k.toml", new_keys())
    return Settings(database_url=url, database_connections=4, keys=f"file:{tmp_path / 'k.toml'}")


def plain(settings: Settings) -> Settings:
    return settings.model_copy(update={"keys": ""})


def fill(settings: Settings) -> None:
    migrate(settings)
    store = Store(settings)
    create(store)
    append(store, [dose(i) for i in range(1, 5)])
    kept = rows.Assimilated(4, "d", {"e1": b"forecast"}, [rows.BeliefAt(10, "x", lambda: b"snapshot")])
    store.write(lambda c: rows.save_belief(c, NAME, kept))
    store.write(lambda c: keep_response(c, RequestKey("acme", "p1", "r1", "d"), b"answer", 3))
    store.write(lambda c: keep_answer(c, AnswerRow("acme", "a1", "", "/x", b"question", b"b", "d", 4, 9)))
    store.close()


def contents(settings: Settings) -> tuple[object, ...]:
    store = Store(settings)
    read = store.read(
        lambda c: (
            twins.get_twin(c, NAME).spec,
            [s.event for s in rows.read_events(c, NAME)],
            sorted(rows.read_forecasts(c, NAME).values()),
            rows.read_snapshots(c, NAME),
            find_response(c, RequestKey("acme", "p1", "r1", "d")),
        )
    )
    store.close()
    return read


def test_a_plain_database_is_signed_and_sealed_by_migration_and_made_plain_again(keyed: Settings) -> None:
    fill(plain(keyed))
    before = contents(plain(keyed))
    with pytest.raises(Refusal, match="is not signed"):
        Store(keyed)
    with pytest.raises(Refusal, match="is not signed"):
        migrate(keyed, adopt=False)  # a server that starts does not sign what it finds
    assert "signed with s1, contents sealed" in migrate(keyed)
    assert verify(keyed) == [] and contents(keyed) == before
    with pytest.raises(Refusal, match="is signed"):
        Store(plain(keyed))
    assert "not signed" in migrate(keyed, plain=True)
    assert verify(plain(keyed)) == []
    spec, events, forecasts, snapshots, response = contents(plain(keyed))
    assert (spec, events) == before[:2]
    assert (forecasts, snapshots, response) == ([], [], None)  # their names could not be read back
    assert migrate_url(keyed.database_url, "0005") == "schema 0005, was 0006"
    assert "contents sealed" in migrate(keyed)
    assert verify(keyed) == [] and contents(keyed)[1] == before[1]


def test_altered_rows_are_not_signed(keyed: Settings) -> None:
    fill(plain(keyed))
    engine = writer_engine(parse_url(keyed.database_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE twins SET spec = :d"), {"d": b"forged"})
    engine.dispose()
    with pytest.raises(Refusal, match="do not verify"):
        migrate(keyed)
    assert len(verify(plain(keyed))) == 1


def test_keys_rotate(keyed: Settings, tmp_path: Path) -> None:
    fill(keyed)
    before = contents(keyed)
    file = tmp_path / "k.toml"
    write_key_file(file, rotated(read_key_file(file)))
    store = Store(keyed)  # the older keys are still held: nothing stands still
    append(store, [dose(9)])
    store.close()
    assert verify(keyed) == []
    assert "signed with s2" in migrate(keyed)
    write_key_file(file, only_current(read_key_file(file)))
    assert verify(keyed) == [] and contents(keyed)[0] == before[0]
    write_key_file(file, new_keys())
    with pytest.raises(Refusal, match="keys"):
        Store(keyed)
    assert check(keyed).integrity is Integrity.TAMPERED


def test_what_a_key_setting_can_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = new_keys()
    monkeypatch.setenv("SOME_KEYS", text_of(keys))
    assert provider_of("env:SOME_KEYS") == keys
    assert provider_of("") is None
    write_key_file(tmp_path / "k", keys)
    assert provider_of(f"file:{tmp_path / 'k'}") == keys
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    (tmp_path / "k").chmod(0o644)
    for wrong in (f"file:{tmp_path / 'k'}", "file:/nowhere", "env:NOT_SET", "vault:x", "python:no_such:thing"):
        with pytest.raises(Refusal):
            provider_of(wrong)
    (tmp_path / "short").write_text('[signing]\ncurrent="a"\nkeys.a="AAAA"\n[wrapping]\ncurrent="a"\nkeys.a="AAAA"\n')
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(Refusal, match="twin keys new"):
        provider_of(f"file:{tmp_path / 'short'}")


def test_an_anchor_finds_what_was_cut_off(keyed: Settings, tmp_path: Path) -> None:
    """The whole database is put back to an earlier state: every signature is right, and the anchor knows better."""
    if not keyed.database_url.startswith("sqlite"):
        pytest.skip("the file is copied")
    fill(keyed)
    file = Path(keyed.database_url.removeprefix("sqlite:///"))
    shutil.copy(file, tmp_path / "earlier.db")
    store = Store(keyed)
    append(store, [dose(100)])
    create(store, TwinName("acme", "p7"))
    store.close()
    assert export_anchor(keyed, tmp_path / "anchor.json", 1) == 2
    assert against_anchor(keyed, tmp_path / "anchor.json") == []
    for leftover in file.parent.glob("*.db-*"):
        leftover.unlink()
    shutil.copy(tmp_path / "earlier.db", file)
    assert verify(keyed) == []
    found = against_anchor(keyed, tmp_path / "anchor.json")
    assert len(found) == 3 and any("not in the database" in f for f in found)
    said = (tmp_path / "anchor.json").read_text()
    assert "acme" not in said and "p7" not in said
    (tmp_path / "anchor.json").write_text(said.replace('"time_us": 1', '"time_us": 2'))
    with pytest.raises(Refusal, match="altered"):
        against_anchor(keyed, tmp_path / "anchor.json")


def dump(file: Path) -> list[object]:
    """Everything the store says, but for leases and probes, which mean nothing."""
    names = sorted(METADATA.tables.keys() - {"leases", "probes"})
    with sqlite3.connect(file) as connection:
        return [(n, connection.execute(f"SELECT * FROM {n} ORDER BY 1, 2, 3").fetchall()) for n in names]


def test_every_flipped_bit_is_found_or_changed_nothing(keyed: Settings, tmp_path: Path) -> None:
    """Bits of an SQLite file flipped one at a time: a finding, a file that is refused, or bytes nobody reads."""
    if not keyed.database_url.startswith("sqlite"):
        pytest.skip("one file")
    fill(keyed)
    file = Path(keyed.database_url.removeprefix("sqlite:///"))
    whole, before = file.read_bytes(), dump(file)
    rng, results = random.Random(7), []
    for _ in range(300):
        place, bit = rng.randrange(len(whole)), rng.randrange(8)
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        found = check(keyed)
        results.append(found.integrity)
        if found.integrity is Integrity.INTACT:
            assert dump(file) == before, (place, bit)
    file.write_bytes(whole)
    assert check(keyed).integrity is Integrity.INTACT
    assert {Integrity.TAMPERED, Integrity.DAMAGED} <= set(results)


def test_damaged_and_absent_are_told_apart(keyed: Settings, tmp_path: Path) -> None:
    assert check(keyed).integrity is Integrity.ABSENT
    if keyed.database_url.startswith("sqlite"):
        file = Path(keyed.database_url.removeprefix("sqlite:///"))
        assert not file.exists()
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"this is not a database" * 500)
        assert check(keyed).integrity is Integrity.DAMAGED
    gone = keyed.model_copy(update={"database_url": "postgresql+psycopg://x@127.0.0.1:1/none"})
    assert check(gone).integrity is Integrity.ABSENT


def files_of(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Everything the database has written."""
    if settings.database_url.startswith("sqlite"):
        yield from Path(settings.database_url.removeprefix("sqlite:///")).parent.glob("*")
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    yield from (p for p in (server.folder / "data").rglob("*") if p.is_file())


def hits(settings: Settings, request: pytest.FixtureRequest, strings: list[str]) -> set[str]:
    found = set()
    for path in files_of(settings, request):
        data = path.read_bytes()
        found |= {s for s in strings if s.encode() in data}
    return found


def plant(store: Store) -> None:
    """Every string goes in by one of the ways a patient's words come in; some rows are replaced and deleted again."""
    spec, *rest = PLANTED
    store.write(lambda c: twins.insert_twin(c, NAME, spec.encode(), Act("tester", "create", 1)))
    for i in range(0, 90, 3):
        event_id, drug, source = rest[i : i + 3]
        event = Event(event_id, 1000 + i, DoseGiven(drug, 1.0, "oral"), source, 5)
        store.write(lambda c, e=event: append_events(c, NAME, [e], ACT, twin_limit=1000))
    for i in range(90, 140):
        body = rest[i].encode()
        kept = rows.Assimilated(30, f"d{i}", {rest[0]: body}, [rows.BeliefAt(i, f"x{i}", lambda b=body: b)])
        store.write(lambda c, k=kept: rows.save_belief(c, NAME, k))
    for i in range(140, 170):
        key = RequestKey("acme", "p1", f"r{i}", "d")
        store.write(lambda c, k=key, i=i: keep_response(c, k, rest[i].encode(), 3))
    for i in range(170, 198):
        row = AnswerRow("acme", f"a{i}", "p1", "/x", rest[i].encode(), rest[i].encode(), "d", 4, 9)
        store.write(lambda c, r=row: keep_answer(c, r))
    trouble = rows.Assimilated(30, "", {}, (), rest[198])
    store.write(lambda c: rows.save_belief(c, NAME, trouble))


@pytest.mark.parametrize("sealed", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_nothing_of_an_erased_patient_can_be_read_in_any_file(
    keyed: Settings, request: pytest.FixtureRequest, sealed: bool
) -> None:
    """200 planted strings: none in the database files, the log, PostgreSQL's heap and WAL, before and after erasure.

    The same search finds them when contents are not sealed, so it does look where they would be.
    """
    settings = keyed.model_copy(update={"encrypt": sealed})
    migrate(settings)
    store = Store(settings)
    plant(store)
    alive = hits(settings, request, PLANTED)
    # one or two may lie across two blocks of PostgreSQL's log
    assert alive == set() if sealed else len(alive) >= 195
    store.write(lambda c: rows.erase_twin(c, twins.get_twin(c, NAME), Act("tester", "erase", 9)))
    store.erased(NAME)
    assert verify(settings) == []
    assert sealed is False or hits(settings, request, PLANTED) == set()
    store.close()


def test_an_erased_patients_rows_cannot_be_read_with_the_keys(keyed: Settings, tmp_path: Path) -> None:
    """A copy of the data made before erasure, with today's data keys: the rest is read, the erased patient is not."""
    if not keyed.database_url.startswith("sqlite"):
        pytest.skip("the file is copied")
    fill(keyed)
    file = Path(keyed.database_url.removeprefix("sqlite:///"))
    shutil.copy(file, tmp_path / "copy.db")
    store = Store(keyed)
    create(store, TwinName("acme", "p2"))
    store.write(lambda c: rows.erase_twin(c, twins.get_twin(c, NAME), Act("tester", "erase", 9)))
    store.close()
    with sqlite3.connect(file) as live, sqlite3.connect(tmp_path / "copy.db") as copy:
        copy.execute("DELETE FROM data_keys")
        copy.executemany("INSERT INTO data_keys VALUES (?, ?, ?, ?, ?)", live.execute("SELECT * FROM data_keys"))
    restored = Store(keyed.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'copy.db'}"}))
    with pytest.raises(Refusal):
        restored.read(lambda c: twins.get_twin(c, NAME))
    restored.close()


def test_files_are_for_their_owner_only(keyed: Settings) -> None:
    if not keyed.database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL keeps its own files")
    migrate(keyed)
    store = Store(keyed)
    create(store)
    for path in Path(keyed.database_url.removeprefix("sqlite:///")).parent.glob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    store.close()
