"""Every library file under one roof: which checker reads it, and its findings as sentences."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from twin_service.fit.predict.user_files import own_library
from twin_service.model.compose import compose
from twin_service.model.pbpk.antibody import read_antibody
from twin_service.model.pbpk.checks import check_file
from twin_service.model.pbpk.library import load_library
from twin_service.model.poppk import build_poppk
from twin_service.model.poppk.record import parse_model
from twin_service.model.qsp.build import block_of
from twin_service.model.qsp.record import parse_block
from twin_service.outcome import Refusal

# Tables of other rooms, each read and refused where it is used.
ELSEWHERE = ("analytes.toml", "grades.toml", "populations.toml")


class FileFinding(NamedTuple):
    """One sentence on one file; an error keeps the file from being used, anything else is worth knowing."""

    file: str
    text: str
    is_error: bool

    def __str__(self) -> str:
        return f"{'error' if self.is_error else 'note'}: {self.text}"


def shipped_files() -> list[Path]:
    """The library that comes with the service, without the check files and the tables of other rooms."""
    root = Path(str(files("twin_service").joinpath("library")))
    return [p for p in sorted(root.rglob("*.toml")) if not p.name.endswith(".check.toml") and p.name not in ELSEWHERE]


def check_paths(paths: Iterable[Path]) -> Iterator[FileFinding]:
    """Findings of each file; of a folder, those of every file in it."""
    for path in paths:
        if path.is_dir():
            yield from check_paths(sorted(path.glob("*.toml")))
        else:
            yield from _check(path)


def _check(path: Path) -> Iterator[FileFinding]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield FileFinding(path.name, f"{path.name}: no such file", True)
        return
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        yield FileFinding(path.name, f"{path.name} cannot be read: {error}", True)
        return
    try:
        yield from _kind(table, path)(table, path)
    except Refusal as refusal:
        for line in refusal.message.splitlines():
            yield FileFinding(path.name, line, True)


def _kind(table: Mapping[str, Any], path: Path) -> Callable[[dict[str, Any], Path], Iterator[FileFinding]]:
    if path.name.endswith(".check.toml"):
        return _check_file
    if "structure" in table:
        return _population
    if "law" in table:
        return _effect
    return _antibody if "catabolism" in table else _drug


def _population(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    record = parse_model(table)
    compose(record.id, {record.id: build_poppk(record)})
    yield from ()


def _effect(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    block_of(parse_block(table, path.name))
    yield from ()


def _antibody(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    read_antibody(path)
    yield from ()


def _drug(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    for f in check_file(path, own_library(load_library(), [path])):
        yield FileFinding(path.name, str(f), f.severity == "error")


def _check_file(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    """A check file is run by `twin qualify`; here only that it stands beside its drug and cites what it expects."""
    rows = table.get("check", [])
    if not isinstance(rows, list) or not rows:
        yield FileFinding(
            path.name, f"{path.name} check: is missing; write [[check]] with study, source and expect", True
        )
        return
    if not path.with_name(path.name.replace(".check.toml", ".toml")).exists():
        yield FileFinding(path.name, f"{path.name}: no file beside it that it could check", True)
    for i, row in enumerate(rows):
        for key in ("study", "source", "expect"):
            if not row.get(key):
                yield FileFinding(path.name, f"{path.name} check[{i}].{key}: is missing (R8)", True)
