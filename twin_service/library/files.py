"""Where the library's files lie, and the one place that parses TOML (settings aside).

What a file means is read above, in `model/library`; here is only the bottom that the tables of analytes (`units`) and
the models share.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from twin_service.outcome import Refusal, RefusalCode

FOLDER: Final = Path(__file__).resolve().parent
CHECK: Final = ".check.toml"


def files_in(folder: Path) -> dict[str, Path]:
    """Id (the name of the file) -> file of a folder, alphabetically; check files are left out."""
    return {p.stem: p for p in sorted(folder.glob("*.toml")) if not p.name.endswith(CHECK)}


def check_of(path: Path) -> Path:
    """The check file beside a file."""
    return path.with_name(path.name.removesuffix(".toml") + CHECK)


def parse_toml(path: Path, field: str = "") -> dict[str, Any]:
    """The table in `path`; Refusal (of `field`, else of the file) where it is absent or no TOML."""
    try:
        return parse_text(path.read_bytes(), path.name, field)
    except FileNotFoundError as error:
        raise Refusal(
            RefusalCode.NOT_FOUND, f"{path.name}: no such file", field=field or path.name, reason="NO_SUCH_FILE"
        ) from error
    except OSError as error:
        raise _no_toml(path.name, str(error), field) from error


def parse_text(text: str | bytes, name: str, field: str = "") -> dict[str, Any]:
    """The table in `text`, called `name` in a refusal."""
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _no_toml(name, str(error), field) from error


def _no_toml(name: str, why: str, field: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{name}: is no TOML: {why}", field=field or name, reason="BAD_LIBRARY_FILE")
