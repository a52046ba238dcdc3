"""README, package READMEs and changelog are true: the tree exists, headings are known, nothing grows without end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source import CLIENT, PACKAGE, ROOT

README_LINES = 60
CHANGELOG_HEADINGS = ["Added", "Changed", "Fixed", "Numbers moved"]
# Directories that hold no thought of their own.
SILENT = {"v1", "__pycache__", "versions", "migrations", "library", "laws", "templates", "static", "qsp"}


def tree_blocks(markdown: str) -> list[str]:
    """The fenced blocks that draw a directory tree: they contain a line that starts with `twin_service/`."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", markdown, flags=re.S | re.M)
    return [b for b in blocks if re.search(r"^twin_service/", b, flags=re.M)]


def drawn(block: str) -> set[str]:
    """Paths in a tree drawn by indentation: a deeper line lies in the nearest shallower directory above it.

    Only names that end in "/" or hold a "." are entries; several on one line are separated by spaces; the rest of the
    line, after two or more spaces, is comment.
    """
    paths: set[str] = set()
    stack: list[tuple[int, str]] = []
    for line in block.splitlines():
        entry = re.match(r"^(\s*)([\w./*-]+)", line)
        if not entry:
            continue
        depth, name = len(entry[1]), entry[2]
        while stack and stack[-1][0] >= depth:
            stack.pop()
        full = (stack[-1][1] if stack else "") + name
        paths.add(full)
        if name.endswith("/"):
            stack.append((depth, full))
    return paths


def folders(parent: Path) -> set[str]:
    """Folders below `parent` that hold a file, as a tree names them."""
    found = {p for p in parent.iterdir() if p.is_dir() and p.name != "__pycache__" and not p.name.startswith(".")}
    return {f"{p.relative_to(ROOT).as_posix()}/" for p in found if any(f.is_file() for f in p.rglob("*"))}


def test_the_readme_draws_the_tree_once() -> None:
    assert len(tree_blocks((ROOT / "README.md").read_text())) == 1


def test_every_path_in_the_tree_exists() -> None:
    (block,) = tree_blocks((ROOT / "README.md").read_text())
    missing = [p for p in drawn(block) if not list(ROOT.glob(p.rstrip("/")))]
    assert not missing, missing


def test_every_package_is_in_the_tree() -> None:
    (block,) = tree_blocks((ROOT / "README.md").read_text())
    top = {f"{name}/" for name in ("twin_service", "clients", "proto", "deploy", "tests")}
    found = drawn(block)
    missing = [f for f in top | folders(PACKAGE) if not any(path.startswith(f) for path in found)]
    assert not missing, sorted(missing)


def packages() -> list[Path]:
    top = [p.parent for p in PACKAGE.glob("*/__init__.py")] + [CLIENT]
    return sorted(p for p in top if p.name not in SILENT)


@pytest.mark.parametrize("package", packages(), ids=lambda p: p.name)
def test_each_package_says_what_it_is(package: Path) -> None:
    readme = package / "README.md"
    assert readme.exists(), f"{package.relative_to(ROOT)} has no README.md"
    lines = readme.read_text().splitlines()
    assert 5 <= len(lines) <= README_LINES, f"{len(lines)} lines"


def test_package_readmes_stay_short_everywhere() -> None:
    found = [
        p
        for p in (*PACKAGE.rglob("README.md"), *CLIENT.rglob("README.md"))
        if len(p.read_text().splitlines()) > README_LINES
    ]
    assert not found, [p.relative_to(ROOT).as_posix() for p in found]


def test_the_changelog_has_the_four_headings_in_every_release() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.split(r"^## ", text, flags=re.M)[1:]
    assert releases
    for release in releases:
        assert re.findall(r"^### (.+)$", release, flags=re.M) == CHANGELOG_HEADINGS, release.splitlines()[0]


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text and "make test" in text


def test_drawn_reads_indentation() -> None:
    block = """proto/twin_service/v1/   the contract
twin_service/
    cli.py  commands
    model/   PBPK
        qsp/
    twin/
deploy/"""
    inside = {f"twin_service/{name}" for name in ("", "cli.py", "model/", "model/qsp/", "twin/")}
    assert drawn(block) == inside | {"proto/twin_service/v1/", "deploy/"}
