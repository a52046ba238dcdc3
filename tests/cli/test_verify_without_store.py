"""`twin verify` where there is no store: it says so, with an exit code of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin_service.cli.app import app
from twin_service.store.verify import Integrity


@pytest.mark.parametrize("place", ["none.db", "no/such/folder/none.db"])
def test_no_store_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("TWIN_DATABASE_URL", f"sqlite:///{tmp_path}/{place}")
    found = CliRunner().invoke(app, ["verify"])
    assert found.exit_code == Integrity.ABSENT.value and "there is no such database file" in found.output
    assert len(found.output.strip().splitlines()) == 2 and "Traceback" not in found.output
