"""The README's example is run as a reader would run it: as a script, against a live server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from twin_service.demo.process import running_server
from twin_service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
MARK = "<!-- example: run by tests/clients/test_readme_example.py -->"
LINES_MAX = 30


def example() -> str:
    """The Python block that follows the mark."""
    found = re.search(re.escape(MARK) + r"\s*```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert found, f"README.md has no Python block after {MARK}"
    return found[1]


def test_the_example_is_short_and_uses_the_default_address() -> None:
    code = example()
    assert 5 <= len(code.splitlines()) <= LINES_MAX
    assert default_port() in code
    compile(code, "README.md", "exec")


def default_port() -> str:
    return str(Settings.model_fields["listen"].default).rpartition(":")[2]


@pytest.mark.timeout(180)
def test_the_example_runs_and_says_something(tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    with running_server(tmp_path / "server.log") as address:
        place = re.compile(r"(localhost|127\.0\.0\.1):" + default_port())
        code, replaced = place.subn(address, example())
        assert replaced, "the example names no server address"
        script.write_text(code)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients")]),
            "PYTHONWARNINGS": "error",
        }
        command = [sys.executable, str(script)]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150)
    assert run.returncode == 0, run.stderr + (tmp_path / "server.log").read_text()[-2000:]
    assert run.stdout.strip()
