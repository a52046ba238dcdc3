"""Every number in the library says where it came from and in which unit (rule R7)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.source import PACKAGE

LIBRARY = PACKAGE / "library"
SAYS_WHERE = ("origin", "source", "origins")
# Numbers about the file itself, and limits of validity that are the author's judgement.
# A coefficient of variation, a covariance of effects and a pKa are pure numbers; the source of the file may cover them.
PURE = ("cv", "covariance", "pka")
ABOUT_THE_FILE = {"schema", "version", "domain", "bounds", "limits", "default"}


def library_files() -> list[Path]:
    return sorted(LIBRARY.rglob("*.toml"))


def tables(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every table of the file with its path."""
    if isinstance(node, dict):
        yield path or "(top)", node
        for key, child in node.items():
            yield from tables(child, f"{path}.{key}" if path else key)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from tables(child, f"{path}[{index}]")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def untold_values(data: dict[str, Any]) -> list[str]:
    """Each record {value, unit, origin} that lacks its unit or its origin."""
    found = []
    for path, table in tables(data):
        if not is_number(table.get("value")) or path.split(".")[-1].split("[")[0] in PURE:
            continue
        for key in ("unit", "origin"):
            if not isinstance(table.get(key), str) or not table[key].strip():
                found.append(f"{path}: no {key}")
    return found


def unsourced_numbers(node: Any, path: str = "", *, told: bool = False) -> list[str]:
    """Each number with no origin or source beside it or above it."""
    if isinstance(node, dict):
        told = told or any(isinstance(node.get(k), str | dict) and node[k] for k in SAYS_WHERE)
        return [
            line
            for key, child in node.items()
            if key not in ABOUT_THE_FILE
            for line in unsourced_numbers(child, f"{path}.{key}" if path else key, told=told)
        ]
    if isinstance(node, list):
        return [line for i, child in enumerate(node) for line in unsourced_numbers(child, f"{path}[{i}]", told=told)]
    return [f"{path} = {node}: no origin beside it or above it"] if is_number(node) and not told else []


@pytest.mark.parametrize("path", library_files(), ids=lambda p: p.relative_to(LIBRARY).as_posix())
def test_every_value_has_unit_and_origin(path: Path) -> None:
    data = tomllib.loads(path.read_text())
    found = unsourced_numbers(data)
    if not path.name.endswith(".check.toml"):
        found += untold_values(data)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", library_files(), ids=lambda p: p.relative_to(LIBRARY).as_posix())
def test_every_file_names_itself(path: Path) -> None:
    if path.name.endswith(".check.toml"):
        assert path.with_name(path.name.replace(".check.toml", ".toml")).exists(), "a check file beside no library file"
        return
    data = tomllib.loads(path.read_text())
    assert {"schema", "version"} <= data.keys()
    assert path.stem in data.get("id", path.stem)


def test_the_library_is_not_empty() -> None:
    assert {"drugs", "physiology", "poppk", "qsp"} <= {p.parent.name for p in library_files()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('fup = { value = 0.03, unit = "1" }', "no origin"),
        ('source = "x"\nfup = { value = 0.03, unit = "1" }', "fup: no origin"),
        ('fup = { value = 0.03, origin = "x" }', "no unit"),
        ("[a]\nb = [1.0, 2.0]", "a.b[0] = 1.0"),
    ],
)
def test_a_number_without_a_source_is_seen(text: str, message: str) -> None:
    data = tomllib.loads(text)
    assert any(message in line for line in [*untold_values(data), *unsourced_numbers(data)])


def test_a_pure_number_needs_no_unit_but_a_source() -> None:
    bare, told = tomllib.loads("[e.cv]\nvalue = 0.3"), tomllib.loads('source = "Smith 2001"\n[e.cv]\nvalue = 0.3')
    assert unsourced_numbers(bare) and not unsourced_numbers(told) and not untold_values(told)


def test_a_told_number_passes() -> None:
    data = tomllib.loads('schema = 1\nfup = { value = 0.03, unit = "1", origin = "Smith 2001" }')
    assert untold_values(data) == [] and unsourced_numbers(data) == []
