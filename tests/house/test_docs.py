"""The documentation is true: generated pages are up to date, every stop of a walk exists, every link leads "
"somewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.source import ROOT

DOCS = ROOT / "deploy" / "docs"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date() -> None:
    stale = [n for n, text in generator().pages().items() if (DOCS / n).read_text(encoding="utf-8") != text]
    assert not stale, f"run `make docs`: {stale}"


def defined(path: Path) -> set[str]:
    return {n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("page", sorted((DOCS / "walks").glob("*.md")), ids=lambda p: p.stem)
def test_every_stop_of_a_walk_exists(page: Path) -> None:
    stops = re.findall(r"`([\w/]+\.py): (\w+)`", page.read_text(encoding="utf-8"))
    assert len(stops) >= 8
    missing = [f"{f}: {n}" for f, n in stops if not (ROOT / f).exists() or n not in defined(ROOT / f)]
    assert not missing, missing


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: p.relative_to(DOCS).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [t for t in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")) if "://" not in t]
    assert not [t for t in links if not (page.parent / t).exists()]


def test_every_page_is_in_the_menu() -> None:
    menu = (DOCS / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [p.name for p in DOCS.rglob("*.md") if p.relative_to(DOCS).as_posix() not in menu]


def test_the_picture_shows_every_floor() -> None:
    from tests.house.test_floors import FLOORS

    shown = {room for row in generator().FLOORS for room, _ in row}
    assert set(FLOORS) - {"v1", "outcome", "library", "__main__"} == shown


def test_commands_of_the_readme_are_the_commands() -> None:
    commands = set(re.findall(r"^## twin ([\w-]+)", (DOCS / "reference" / "commands.md").read_text(), re.MULTILINE))
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Commands")[1].split("## ")[0]
    said = {
        w
        for line in table.splitlines()
        if line.startswith("| ")
        for w in re.findall(r"[a-z][a-z0-9-]+", line.split("|")[2])
    }
    assert not commands - said, commands - said
