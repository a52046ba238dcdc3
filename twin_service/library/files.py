"""Where the library's files lie, and the one place that parses TOML (settings aside).

What a file means is read above, in `model/library`; here is only the bottom that the tables of analytes (`units`) and
the models share.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from twin_service.outcome import Refusal, RefusalCode

FOLDER: Final = Path(__file__).resolve().parent
CHECK: Final = ".check.toml"
# A table as TOML gives it: not yet known to be what its keys say.
Table = Mapping[str, object]


def files_in(folder: Path) -> dict[str, Path]:
    """Id (the name of the file) -> file of a folder, alphabetically; check files are left out."""
    return {p.stem: p for p in sorted(folder.glob("*.toml")) if not p.name.endswith(CHECK)}


def check_of(path: Path) -> Path:
    """The check file beside a file."""
    return path.with_name(path.name.removesuffix(".toml") + CHECK)


def parse_toml(path: Path) -> dict[str, object]:
    """The table in `path`; Refusal where it is absent or no TOML."""
    try:
        return parse_text(path.read_text(encoding="utf-8"), path.name)
    except FileNotFoundError as error:
        raise Refusal(
            RefusalCode.NOT_FOUND, f"{path.name}: no such file", field=path.name, reason="NO_SUCH_FILE"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _no_toml(path.name, str(error)) from error


def parse_text(text: str, name: str) -> dict[str, object]:
    """The table in `text`, called `name` in a refusal."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(name, str(error)) from error


def _no_toml(name: str, why: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{name}: is no TOML: {why}", field=name, reason="BAD_LIBRARY_FILE")
