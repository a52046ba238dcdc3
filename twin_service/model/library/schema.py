"""Schema 2, one word for one thing in every kind of library file, and how a file of schema 1 becomes one.

    [[observable]] [[covariate]] [[endpoint]]   lists of tables are singular, as [[clearance]] and [[organ]] are
    [[covariance]] between, value               of random effects, in a population and in an effect file alike
    covariate_effect                            what a covariate does to a parameter; [[covariate]] declares it
    [[therapeutic_range]]                       of a drug; [target] is what an antibody binds
    source, origin                              of a file or a check; of a number

A file of schema 1 means what it meant: it is read through the same renames, and a warning names the command that
writes it anew. Refused is what the renames cannot decide: two spellings of one thing in one file, an unknown schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from twin_service.library.files import parse_text
from twin_service.model.library.findings import BAD_FILE, Finding
from twin_service.model.library.toml_keys import written_keys
from twin_service.outcome import Refusal, RefusalCode

SCHEMA: Final = 2
COMMAND: Final = "twin migrate-library"


class FileKind(Enum):
    """What a library file describes."""

    POPULATION = "population model"
    EFFECT = "effect"
    ANTIBODY = "antibody"
    SPECIES = "species"
    SHARED = "shared table"
    DRUG = "drug"


class Rename(NamedTuple):
    """A key of schema 1 ("*": any) and its name in schema 2."""

    path: tuple[str, ...]
    new: str


_RENAMES: Final[Mapping[FileKind, tuple[Rename, ...]]] = {
    FileKind.POPULATION: (
        Rename(("observables",), "observable"),
        Rename(("covariates",), "covariate"),
        Rename(("endpoints",), "endpoint"),
        Rename(("parameters", "*", "covariates"), "covariate_effect"),
    ),
    FileKind.EFFECT: (Rename(("correlation",), "covariance"), Rename(("correlation", "covariance"), "value")),
    FileKind.SPECIES: (Rename(("origin",), "source"),),
    FileKind.SHARED: (Rename(("origin",), "source"),),
    FileKind.DRUG: (Rename(("target",), "therapeutic_range"),),
}


def kind_of(table: Mapping[str, Any]) -> FileKind:
    """What a file is, by the one table that no other kind has."""
    marks = {
        "structure": FileKind.POPULATION,
        "law": FileKind.EFFECT,
        "catabolism": FileKind.ANTIBODY,
        "composition": FileKind.SPECIES,
    }
    shared = {"enzyme", "gene", "analyte", "scale", "hemodialysis", "dose", "rows", "within_patient"}
    other = FileKind.SHARED if shared & set(table) else FileKind.DRUG
    return next((kind for mark, kind in marks.items() if mark in table), other)


def in_schema_2(table: Mapping[str, Any], kind: FileKind, file: str) -> tuple[dict[str, Any], list[Finding]]:
    """The table in the words of schema 2, and the warning where it was not.

    A file that does not say its schema is one of schema 1 if it uses a word of it. Raises Refusal (see the module).
    """
    said = table.get("schema")
    if said == SCHEMA and not isinstance(said, bool):
        return dict(table), []
    if said is not None and (said != 1 or isinstance(said, bool)):
        raise _refuse(file, "schema", f"is {said!r}; known: 1, {SCHEMA} (R4)")
    changed: dict[str, str] = {}
    found = _translated(table, kind, file, (), changed)
    assert isinstance(found, dict)
    found["schema"] = SCHEMA
    if said is None and not changed:
        return found, []
    words = f" ({', '.join(f'{a} is now {b}' for a, b in changed.items())})" if changed else ""
    message = f"is 1{words}; it is read as schema {SCHEMA}: `{COMMAND} {file.rsplit('/')[-1]}` writes it so"
    return found, [Finding(file, "schema", "", message, "warning")]


def migrated_text(text: str, file: str) -> str:
    """The file's text in schema 2, its comments and its layout kept; the text itself where it is so already.

    Raises Refusal where the new text does not say exactly what the old one did.
    """
    table = parse_text(text, file)
    if table.get("schema") == SCHEMA:
        return text
    kind = kind_of(table)
    wanted, _ = in_schema_2(table, kind, file)
    edits: list[tuple[int, int, str]] = []
    first = None
    for key in written_keys(text):
        new = _renamed(key.path, kind)
        if new is not None:
            edits.append((key.start, key.end, new))
        if key.path == ("schema",):
            edits.append((*key.value, str(SCHEMA)))
        first = key.line if first is None else first
    if "schema" not in table:
        edits.append((first or 0, first or 0, f"schema = {SCHEMA}\n"))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if parse_text(text, file) != wanted:
        raise _refuse(file, "schema", f"could not be rewritten with its layout kept; write it in schema {SCHEMA}")
    return text


def _renamed(path: tuple[str, ...], kind: FileKind) -> str | None:
    for rename in _RENAMES.get(kind, ()):
        if len(rename.path) == len(path) and all(a in ("*", b) for a, b in zip(rename.path, path, strict=True)):
            return rename.new
    return None


def _translated(value: Any, kind: FileKind, file: str, at: tuple[str, ...], changed: dict[str, str]) -> Any:
    """`value`, which stands at `at` in the words of schema 1; `changed` gathers the words that were renamed."""
    if isinstance(value, list):
        return [_translated(v, kind, file, at, changed) for v in value]
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for key, inner in value.items():
        new = _renamed((*at, key), kind)
        if new is not None:
            if new in value:
                place = ".".join((*at, key))
                raise _refuse(file, place, f"and {new} are two spellings of one thing; keep {new} (R11)")
            changed[key] = new
        found[new or key] = _translated(inner, kind, file, (*at, key), changed)
    return found


def _refuse(file: str, field: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{file} {field}: {message}", field=field, reason=BAD_FILE)
