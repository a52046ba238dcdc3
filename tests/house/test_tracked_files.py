"""What is committed: no registry hosts, machine paths or secrets; nothing unexpected at the top; nothing huge."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source import ROOT, tracked_files

TOP = {
    "pyproject.toml",
    "README.md",
    "proto",
    "twin_service",
    "clients",
    "deploy",
    "tests",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
}
MAX_BYTES = 1_000_000
# Each pattern is split so that this file does not contain what it forbids.
FORBIDDEN = {
    "a package index": r"(?i)(pypi\.org|pythonhosted\.org|npmjs\.(org|com)/|--(extra-)?index-url|find-links\s*[= ])",
    "a machine path": r"(?<![\w.])/(" + "work|root|home/[a-z]+|Users/[A-Za-z]+" + r")/",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY" + "-----",
    "a cloud key": r"\bAKIA[0-9A-Z]{16}\b",
    "a token": r"\b(ghp|gho|github_pat|xox[abp]|sk)[-_][A-Za-z0-9_]{20,}",
    "a password in a URL": r"://[^\s/:@\"'{}$<>]+:[^\s/:@\"'{}$<>]{3,}@(?!localhost|127\.0\.0\.1|\[)[\w.-]+\.[a-z]{2,}",
}
SELF = Path(__file__).resolve()


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def test_the_top_level_holds_only_what_it_should() -> None:
    top = {p.relative_to(ROOT).parts[0] for p in tracked_files()}
    unexpected = sorted(name for name in top if name not in TOP and not name.startswith("."))
    assert not unexpected, unexpected


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_committed_contains(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tracked_files()
        if path != SELF
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_file_is_huge() -> None:
    found = [f"{p.relative_to(ROOT)}: {p.stat().st_size}" for p in tracked_files() if p.stat().st_size > MAX_BYTES]
    assert not found, found


def test_constraints_pin_versions_and_nothing_else() -> None:
    lines = (ROOT / "deploy" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []
    names = [re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in pins]
    assert len(set(names)) == len(names), "a package is pinned twice"


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a machine path", "see /" + "work/thing"),
        ("a package index", "pip install --index" + "-url x"),
        ("a private key", "-----BEGIN RSA PRIVATE KEY" + "-----"),
        ("a password in a URL", "postgresql://twin:" + "hunter22@db.example.com/x"),
    ],
)
def test_the_pattern_sees(what: str, text: str) -> None:
    assert re.search(FORBIDDEN[what], text)


def test_the_patterns_leave_ordinary_text_alone() -> None:
    for text in ("postgresql://twin:twin@localhost/twin", "https://doi.org/10.1038/psp.2013.41", "framework/of/things"):
        assert not any(re.search(pattern, text) for pattern in FORBIDDEN.values()), text
