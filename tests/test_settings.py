"""Settings: the environment wins over the file, the file over defaults; mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from twin_service.outcome import Refusal
from twin_service.settings import Settings, described, load


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "twin.toml"
    file.write_text('listen = "0.0.0.0:1"\nrpc_threads = 7\n')
    monkeypatch.setenv("TWIN_LISTEN", "127.0.0.1:2")
    found = load(file)
    assert (found.listen, found.rpc_threads, found.page_size_max) == ("127.0.0.1:2", 7, 1000)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("rpc_thread = 7", "rpc_thread"),
        ("rpc_threads = 0", "rpc_threads"),
        ('log_level = "LOUD"', "log_level"),
        ("rpc_threads = ", "settings file"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "twin.toml"
    file.write_text(text)
    with pytest.raises(Refusal, match=word):
        load(file)


def test_a_missing_file_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="settings file"):
        load(tmp_path / "absent.toml")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().rpc_threads = 3  # type: ignore[misc]


def test_every_setting_says_what_it_means() -> None:
    assert len(described()) > 30
    for variable, _, meaning in described():
        assert variable.startswith("TWIN_") and len(meaning) > 10, variable
