"""The checks are switched on: warnings are errors, the long suites are marked, CI calls what the README says."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
import warnings
from importlib import metadata

import pytest

from tests.house.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_a_warning_is_an_error_here() -> None:
    with pytest.raises(UserWarning):
        warnings.warn("loud", UserWarning, stacklevel=1)


def test_each_ignored_warning_is_precise() -> None:
    ignores = [f for f in PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"] if f != "error"]
    for line in ignores:
        action, message, *rest = line.split(":")
        assert action == "ignore" and (message.strip() or len(rest) >= 2), f"{line}: name the message or the module"


def test_the_default_run_leaves_out_the_long_suites() -> None:
    assert "not slow" in PROJECT["tool"]["pytest"]["ini_options"]["addopts"]


def test_continuous_integration_is_make_test() -> None:
    run = ROOT / ".ci" / "run"
    assert os.access(run, os.X_OK)
    text = run.read_text()
    assert "set -euo pipefail" in text
    assert text.strip().splitlines()[-1] == "make test"


def test_every_dependency_is_pinned() -> None:
    pins = (ROOT / "deploy" / "constraints.txt").read_text()
    pinned = {canonical(line.split("==")[0]) for line in pins.splitlines() if "==" in line}
    wanted = [*PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        wanted += extra
    names = {canonical(re.match(r"[A-Za-z0-9._-]+", w)[0]) for w in wanted} - {"twin-service"}  # type: ignore[index]
    assert not names - pinned, sorted(names - pinned)


def test_what_is_installed_is_what_is_pinned() -> None:
    """The figures in the documentation were measured with the pinned versions; say so when these are others."""
    pins = dict(
        line.split("==") for line in (ROOT / "deploy" / "constraints.txt").read_text().splitlines() if "==" in line
    )
    differ = {}
    for name in ("numpy", "scipy", "filterpy", "grpcio", "protobuf", "protovalidate", "numba", "llvmlite", "sqlmodel"):
        installed = metadata.version(name)
        if installed != pins[name]:
            differ[name] = (installed, pins[name])
    assert not differ, f"installed, pinned: {differ}"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_both_packages_are_typed_and_shipped() -> None:
    shipped = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert shipped == ["twin_service", "clients/twin_client"]
    assert [p for p in shipped if not (ROOT / p / "py.typed").exists()] == []


def test_nothing_shipped_is_ignored_by_git() -> None:
    """The wheel is built from what git does not ignore: a library file that matches .gitignore would be missing."""
    inside = [
        p
        for p in (ROOT / "twin_service").rglob("*")
        if p.is_file() and p.suffix in (".toml", ".mako", ".html", ".typed")
    ]
    command = ["git", "check-ignore", "--stdin"]
    run = subprocess.run(command, cwd=ROOT, input="\n".join(map(str, inside)), capture_output=True, text=True)
    assert inside and run.stdout == ""
