"""Copies taken while a server writes, and their return; what is not in them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.store.conftest import PostgreSQL
from tests.store.test_custody import contents, fill, keyed, plain
from tests.store.test_record import NAME, append, dose, row_of
from twin_service.cli.app import app
from twin_service.outcome import Refusal
from twin_service.settings import Settings, effective, load
from twin_service.store.backup import backup, keys_beside, restore
from twin_service.store.repository import erase_twin
from twin_service.store.twins import Act
from twin_service.store.unit_of_work import Store
from twin_service.store.verify import Integrity, check

__all__ = ["keyed"]


def elsewhere(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """The same keys over an empty database."""
    if settings.database_url.startswith("sqlite"):
        url = f"sqlite:///{tmp_path / 'returned.db'}"
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        url = server.new_database()
    return settings.model_copy(update={"database_url": url})


def test_a_copy_taken_beside_a_writer_returns_whole(
    keyed: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fill(keyed)
    before = contents(keyed)
    store = Store(keyed)
    copy, keys = backup(keyed.database_url, tmp_path / "copies" / "monday")
    append(store, [dose(9)])
    assert row_of(store).timeline_revision == 5
    store.close()
    assert (copy.stat().st_mode & 0o777, keys.stat().st_mode & 0o777) == (0o600, 0o600)
    back = elsewhere(keyed, tmp_path, request)
    restore(back.database_url, copy)
    assert check(back).integrity is Integrity.INTACT
    assert contents(back) == before
    with pytest.raises(Refusal, match="nothing is overwritten"):
        restore(back.database_url, copy)
    with pytest.raises(Refusal, match="exists"):
        backup(keyed.database_url, copy)


def test_without_its_keys_a_copy_says_nothing(keyed: Settings, tmp_path: Path) -> None:
    """An older copy of the data with the newest data keys: who was erased in between cannot be read in either."""
    fill(keyed)
    copy, _ = backup(keyed.database_url, tmp_path / "old")
    store = Store(keyed)
    store.write(lambda c: erase_twin(c, row_of(store), Act("x", "erase", 9)))
    store.close()
    _, keys = backup(keyed.database_url, tmp_path / "new")
    raw = copy.read_bytes() + keys.read_bytes()
    assert b"question" not in raw and b"quinidine" not in raw
    if keyed.database_url.startswith("sqlite"):
        with sqlite3.connect(copy) as found, sqlite3.connect(keys) as held:
            assert found.execute("SELECT count(*) FROM data_keys").fetchone() == (0,)
            assert held.execute("SELECT count(*) FROM data_keys WHERE name = ?", (NAME.patient,)).fetchone() == (0,)


def test_what_is_no_copy_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(Refusal, match="no such file"):
        restore(url, tmp_path / "absent")
    (tmp_path / "odd").write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    keys_beside(tmp_path / "odd").write_bytes(b"")
    with pytest.raises(Refusal, match="not a copy of ours"):
        restore(url, tmp_path / "odd")
    assert not (tmp_path / "new.db").exists()
    with pytest.raises(Refusal, match="no such database"):
        backup(url, tmp_path / "copy")


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'a.db'}")
    fill(plain(settings))
    run = CliRunner()
    monkeypatch.setenv("TWIN_DATABASE_URL", settings.database_url)
    assert run.invoke(app, ["backup", str(tmp_path / "copy")]).exit_code == 0
    monkeypatch.setenv("TWIN_DATABASE_URL", f"sqlite:///{tmp_path / 'b.db'}")
    found = run.invoke(app, ["restore", str(tmp_path / "copy")])
    assert found.exit_code == 0 and "4 events" in found.output and "intact" in found.output
    looked = run.invoke(app, ["doctor"])
    assert looked.exit_code == 0 and "intact" in looked.output
    assert "TWIN_DATABASE_URL" in run.invoke(app, ["config"]).output
    with sqlite3.connect(tmp_path / "b.db") as altered:
        altered.execute("UPDATE events SET body = X'00' WHERE revision = 2")
    assert run.invoke(app, ["doctor"]).exit_code == 1
    assert "twin-service" in run.invoke(app, ["--version"]).output
    assert NAME.patient not in found.output + looked.output


def test_unknown_variables_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWIN_LISTN", "x")
    with pytest.raises(Refusal, match="TWIN_LISTEN"):
        load()
    monkeypatch.delenv("TWIN_LISTN")
    file = tmp_path / "s.toml"
    file.write_text('database_url = "postgresql+psycopg://me:secret@host/db"\n')
    found = {s.name: s for s in effective(file)}
    assert found["database_url"].source == str(file) and "secret" not in found["database_url"].value
    assert found["listen"].source == "default"
