"""The contract: every field says its unit, enums start unspecified, and the stubs are what protoc makes of it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

CONTRACT = ROOT / "proto" / "twin_service" / "v1"
STUBS = ROOT / "twin_service" / "v1"
FIELD = re.compile(r"^\s*(?:repeated |optional )?(map<[^>]+>|[\w.]+) (\w+) = \d+\b")
NOT_TYPES = {"option", "package", "import", "edition", "syntax", "reserved", "return"}
UNIT = re.compile(r"\[[^\]]+\]\s*$")
FLOATS = ("double", "float")


def comment_above(lines: list[str], index: int) -> str:
    """The comment that ends on the line before `index`, joined."""
    found: list[str] = []
    for line in reversed(lines[:index]):
        if not line.strip().startswith("//"):
            break
        found.insert(0, line.strip().lstrip("/").strip())
    return " ".join(found)


def unsaid(text: str) -> list[str]:
    """Each field, enum value, message, enum, service and rpc without a comment; each field without its unit."""
    lines = text.splitlines()
    found = []
    for index, line in enumerate(lines):
        comment = comment_above(lines, index)
        declared = re.match(r"^\s*(message|enum|service|rpc|oneof) (\w+)", line)
        value = re.match(r"^\s*([A-Z][A-Z0-9_]+) = \d+\b", line)
        field = FIELD.match(line)
        if declared and declared[1] != "oneof" and not comment:
            found.append(f"{declared[1]} {declared[2]}: no comment")
        elif value and not comment:
            found.append(f"{value[1]}: no comment")
        elif field and field[1] not in NOT_TYPES and not value:
            if not UNIT.search(comment):
                found.append(f"{field[2]}: no unit in brackets at the end of its comment")
            elif field[1].endswith(FLOATS) and UNIT.search(comment)[0].strip() == "[none]":  # type: ignore[index]
                found.append(f"{field[2]}: a {field[1]} has a unit, [1] for a pure number")
    return found


@pytest.mark.parametrize("path", sorted(CONTRACT.glob("*.proto")), ids=lambda p: p.name)
def test_every_field_says_its_unit(path: Path) -> None:
    found = unsaid(path.read_text())
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", sorted(CONTRACT.glob("*.proto")), ids=lambda p: p.name)
def test_enum_zero_is_unspecified(path: Path) -> None:
    zeros = re.findall(r"^\s*([A-Z][A-Z0-9_]+) = 0\b", path.read_text(), flags=re.M)
    assert all(name.endswith("_UNSPECIFIED") for name in zeros), zeros


def test_the_stubs_are_what_the_contract_says(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools (extra `dev`) is not installed")
    spec = importlib.util.spec_from_file_location("generate", ROOT / "proto" / "generate.py")
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    generate.generate(tmp_path)
    made = {p.name: p.read_text() for p in (tmp_path / "twin_service" / "v1").iterdir()}
    kept = {p.name: p.read_text() for p in STUBS.iterdir() if p.is_file() and p.name != "__init__.py"}
    assert sorted(made) == sorted(kept)
    assert [name for name in made if made[name] != kept[name]] == [], "run `make proto`"


def test_buf_finds_nothing() -> None:
    command = [str(Path(sys.executable).with_name("buf")), "lint"]
    if not Path(command[0]).exists():
        pytest.skip("buf (extra `dev`) is not installed")
    run = subprocess.run(command, cwd=ROOT / "proto", capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("message A {\n}", "message A: no comment"),
        ("// A.\nmessage A {\n  double x = 1;\n}", "x: no unit"),
        ("// A.\nmessage A {\n  // Size.\n  double x = 1;\n}", "x: no unit"),
        ("// A.\nmessage A {\n  // Size. [none]\n  repeated double x = 1 [(a) = true];\n}", "has a unit"),
        ("// A.\nenum A {\n  A_UNSPECIFIED = 0;\n}", "A_UNSPECIFIED: no comment"),
    ],
)
def test_what_is_unsaid_is_seen(text: str, word: str) -> None:
    assert any(word in line for line in unsaid(text)), unsaid(text)


def test_a_told_field_passes() -> None:
    text = "// A.\nmessage A {\n  // Sizes\n  // by name. [mg]\n  map<string, double> x = 1 [\n    (a) = 1\n  ];\n}"
    assert unsaid(text) == []
