"""`twin verify` where there is no store: one sentence and an exit code of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin_service.cli.app import NO_STORE, app


@pytest.mark.parametrize("place", ["none.db", "no/such/folder/none.db"])
def test_no_store_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("TWIN_DATABASE_URL", f"sqlite:///{tmp_path}/{place}")
    found = CliRunner().invoke(app, ["verify"])
    assert found.exit_code == NO_STORE and "no store to verify" in found.output
    assert len(found.output.strip().splitlines()) == 1 and "Traceback" not in found.output
