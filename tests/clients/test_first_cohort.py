"""The tutorial runs as it is printed, against a live server."""

from __future__ import annotations

import re
from pathlib import Path

from tests.house.source import ROOT
from twin_service.service.server import Server
from twin_service.settings import Settings

FOLDER = ROOT / "clients" / "tutorials" / "first_cohort"


def test_the_tutorial_runs(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/twin.db", listen="127.0.0.1:0", metrics_port=-1)
    server = Server(settings)
    server.start()
    try:
        names = {"ADDRESS": f"127.0.0.1:{server.port}", "FOLDER": FOLDER, "OUT": tmp_path}
        blocks = re.findall(r"^```python\n(.*?)^```", (FOLDER / "README.md").read_text(), flags=re.S | re.M)
        assert len(blocks) == 2
        for block in blocks:
            exec(compile(block, "tutorial", "exec"), names)
    finally:
        server.stop(0)
    pages = {p.name: p.read_text() for p in tmp_path.glob("*.html")}
    assert set(pages) == {"antibody.html", "decision.html", "comparison.html"}
    assert "Start with 0.0780 mg" in pages["antibody.html"]
    assert "What corrections change" in pages["decision.html"]
    assert "enumerated exactly" in pages["comparison.html"]
