"""Every library file under one roof: which checker reads it, and its findings as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from twin_service.fit.predict.user_files import own_library
from twin_service.fit.translation.evidence import load_evidence
from twin_service.library.files import CHECK, FOLDER, parse_toml
from twin_service.model.compose import compose
from twin_service.model.dialysis import load_dialysis
from twin_service.model.library.check_tables import DrugCheckFile, EffectCheckFile, PopulationCheckFile
from twin_service.model.library.reader import findings_of, without_unknown
from twin_service.model.library.schema import FileKind, in_schema_2, kind_of, migrated_text
from twin_service.model.library.tables import EffectTable, PopulationFile
from twin_service.model.pbpk.antibody import is_antibody, read_antibody
from twin_service.model.pbpk.checks import check_file
from twin_service.model.pbpk.library import Library, load_library
from twin_service.model.pbpk.studies import check_studies
from twin_service.model.plausibility.ranges import load_ranges
from twin_service.model.poppk import build_poppk
from twin_service.model.poppk.checks import check_population
from twin_service.model.poppk.record import parse_model
from twin_service.model.qsp.build import block_of
from twin_service.model.qsp.checks import check_block
from twin_service.model.qsp.record import parse_block
from twin_service.outcome import Refusal, RefusalCode
from twin_service.qualification.pbpk.antibodies import check_antibody

# Tables that one place reads, each by its own reader.
TABLES: Mapping[str, Callable[[Path], object]] = {
    "dose_ranges.toml": load_ranges,
    "dialysis.toml": load_dialysis,
    "translation.toml": load_evidence,
}
# Tables of other rooms, read whole and refused when the service starts.
ELSEWHERE = ("analytes.toml", "grades.toml", "occasions.toml")


class FileFinding(NamedTuple):
    """One sentence on one file; an error keeps the file from being used, anything else is worth knowing."""

    file: str
    text: str
    is_error: bool

    def __str__(self) -> str:
        return f"{'error' if self.is_error else 'note'}: {self.text}"


def shipped_files() -> list[Path]:
    """The library that comes with the service, without the check files and the tables of other rooms."""
    return [p for p in sorted(FOLDER.rglob("*.toml")) if not p.name.endswith(CHECK) and p.name not in ELSEWHERE]


def check_paths(paths: Iterable[Path]) -> Iterator[FileFinding]:
    """Findings of each file; of a folder, those of every file in it. A check file is run: each figure is told."""
    for path in paths:
        if path.is_dir():
            yield from check_paths(sorted(path.glob("*.toml")))
        else:
            yield from _check(path)


def _check(path: Path) -> Iterator[FileFinding]:
    try:
        table = parse_toml(path)
    except Refusal as refusal:
        yield FileFinding(path.name, refusal.message, True)
        return
    try:
        table, said = in_schema_2(table, kind_of(table), path.name) if _has_schema(path) else (table, [])
        yield from (FileFinding(path.name, str(f), False) for f in said)
        yield from _kind(table, path)(table, path)
    except Refusal as refusal:
        yield from _lines(path, refusal)


def _has_schema(path: Path) -> bool:
    """Check files have words of their own."""
    return not path.name.endswith(CHECK)


def migrate(path: Path) -> bool:
    """Write a library file of schema 1 in schema 2, in place; False where there is nothing to change.

    Raises Refusal where it cannot be done, and leaves the file as it is.
    """
    if not _has_schema(path):
        return False
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(RefusalCode.NOT_FOUND, f"{path.name}: {error}", field=path.name, reason="NO_SUCH_FILE") from error
    new = migrated_text(text, path.name)
    if new == text:
        return False
    beside = path.with_name(path.name + ".new")
    beside.write_text(new, encoding="utf-8")
    beside.replace(path)
    return True


def _kind(table: Mapping[str, Any], path: Path) -> Callable[[dict[str, Any], Path], Iterator[FileFinding]]:
    if path.name.endswith(CHECK):
        return _check_file
    if path.name in TABLES:
        return _table
    readers = {FileKind.POPULATION: _population, FileKind.EFFECT: _effect, FileKind.ANTIBODY: _antibody}
    return readers.get(kind_of(table), _drug)


def _table(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    TABLES[path.name](path)
    yield from ()


def _population(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    yield from _shape_then_meaning(PopulationFile, table, path, _build_population)


def _build_population(table: dict[str, Any], path: Path) -> None:
    record = parse_model(table)
    compose(record.id, {record.id: build_poppk(record)})


def _effect(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    yield from _shape_then_meaning(EffectTable, table, path, lambda t, p: block_of(parse_block(t, p.name)))


def _shape_then_meaning(
    model: type[BaseModel], table: dict[str, Any], path: Path, build: Callable[[dict[str, Any], Path], object]
) -> Iterator[FileFinding]:
    """Every mistake of shape; and, where only unknown keys stand in the way, of meaning as well."""
    shape = findings_of(model, table, path.name)
    for found in shape:
        yield FileFinding(path.name, str(found), True)
    if all(f.rule == "R10" for f in shape):
        try:
            build(without_unknown(model, table), path)
        except Refusal as refusal:
            yield from _lines(path, refusal)


def _lines(path: Path, refusal: Refusal) -> Iterator[FileFinding]:
    for line in refusal.message.splitlines():
        yield FileFinding(path.name, line, True)


def _antibody(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    read_antibody(path)
    yield from ()


def _drug(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    for f in check_file(path, own_library(load_library(), [path])):
        yield FileFinding(path.name, str(f), f.severity == "error")


def _check_file(table: dict[str, Any], path: Path) -> Iterator[FileFinding]:
    """A check file is read whole, then run against the file beside it: a figure that is missed is an error."""
    beside = path.with_name(path.name.removesuffix(CHECK) + ".toml")
    if not beside.exists():
        yield FileFinding(path.name, f"{path.name}: no file beside it that it could check", True)
    own = parse_toml(beside) if beside.exists() else {}
    if kind_of(own) in (FileKind.SPECIES, FileKind.SHARED):
        said = f"{path.name}: figures of people and of genotypes are read and run by `twin qualify`, not here"
        yield FileFinding(path.name, said, False)
        return
    model = PopulationCheckFile if "structure" in own else EffectCheckFile if "law" in own else DrugCheckFile
    shape = findings_of(model, table, path.name)
    for found in shape:
        yield FileFinding(path.name, str(found), True)
    if shape or not own:
        return
    for text, ok in _figures(own, beside):
        yield FileFinding(path.name, f"{path.name} {text}", not ok)


def _figures(own: Mapping[str, Any], beside: Path) -> Iterator[tuple[str, bool]]:
    """Each expected figure with what came out, and whether it is met."""
    if "structure" in own:
        for level in check_population(beside):
            yield f"{level.check} {level.measure}: {level.got:.6g}, expected {level.expected:.6g}", level.ok
    elif "law" in own:
        for figure in check_block(beside):
            yield f"{figure.check} {figure.measure}: {figure.got:.6g}, expected {figure.expected:.6g}", figure.ok
    else:
        studies = check_antibody(beside) if is_antibody(beside) else check_studies(beside, _library_of(beside))
        for s in studies:
            debt = ", a known miss" if s.is_known_miss else ""
            said = f"{s.study} {s.measure}: {s.got:.4g}, published {s.expected:.4g} (fold {s.fold:.2f} of {s.allowed:g}"
            yield f"{said}{debt})", s.ok or s.is_known_miss


def _library_of(path: Path) -> Library:
    """The library with the user's file under its id, where the library has none of that name."""
    library = own_library(load_library(), [path])
    return replace(library, drug_paths={**library.drug_paths, path.stem: path})
