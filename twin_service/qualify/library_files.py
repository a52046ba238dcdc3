"""Every library file under one roof: which checker reads it, and its findings as sentences."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from twin_service.model.pbpk.checks import check_file
from twin_service.model.poppk.record import parse_model
from twin_service.model.qsp.build import block_of
from twin_service.model.qsp.record import parse_block
from twin_service.outcome import Refusal


class FileFinding(NamedTuple):
    """One sentence on one file; an error keeps the file from being used, anything else is worth knowing."""

    file: str
    text: str
    is_error: bool

    def __str__(self) -> str:
        return f"{'error' if self.is_error else 'note'}: {self.text}"


def shipped_files() -> list[Path]:
    """The library that comes with the service, without the check files and the analyte table."""
    root = Path(str(files("twin_service").joinpath("library")))
    return [
        p
        for p in sorted(root.rglob("*.toml"))
        if not p.name.endswith(".check.toml") and p.name not in ("analytes.toml", "grades.toml")
    ]


def check_paths(paths: Iterable[Path]) -> Iterator[FileFinding]:
    """Findings of each file; a file of another kind than its table says is the checker's to report."""
    for path in paths:
        yield from _check(path)


def _check(path: Path) -> Iterator[FileFinding]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        yield FileFinding(path.name, f"{path.name} cannot be read: {error}", True)
        return
    try:
        if "structure" in table:
            parse_model(table)
        elif "law" in table:
            block_of(parse_block(table, path.name))
        else:
            for f in check_file(path):
                yield FileFinding(path.name, str(f), f.severity == "error")
    except Refusal as refusal:
        yield FileFinding(path.name, refusal.message, True)
