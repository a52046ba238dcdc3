"""`twin first-dose`, `twin escalate`, `twin select` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.house.source import ROOT
from twin_service.cli.app import app
from twin_service.outcome import Refusal

FOLDER = ROOT / "clients" / "tutorials" / "first_cohort"


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_first_dose(tmp_path: Path) -> None:
    said = run("first-dose", FOLDER / "kinase_inhibitor.toml", "--out", tmp_path, "--json", tmp_path / "f.json")
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["figures"]["first_dose.start_mg"] == pytest.approx(10) and "Start with 10" in said
    assert found["limiting"] == "MABEL: receptor occupancy" and (tmp_path / "first_dose.html").exists()
    (tmp_path / "bad.toml").write_text('[drug]\nnmae = "x"\n')
    with pytest.raises(Refusal, match="did you mean 'name'"):
        run("first-dose", tmp_path / "bad.toml")


def test_a_trial_from_plan_to_history(tmp_path: Path) -> None:
    trial = tmp_path / "trial.jsonl"
    assert "Next cohort of 3: 10 mg" in run("escalate", "open", FOLDER / "escalation.toml", trial)
    run("escalate", "record", trial, "--dose", 10)
    run("escalate", "record", trial, "--dose", 20, "--day", 30, "--toxicities", 1)
    said = run("escalate", "next", trial, "--out", tmp_path, "--json", tmp_path / "d.json")
    assert (tmp_path / "decision.html").exists()
    decision = json.loads((tmp_path / "d.json").read_text())["decision"]
    assert decision["revision"] == 8 and f"Next cohort of 3: {decision['next_dose']:g} mg" in said
    assert "Next cohort of 3: 20 mg" in run("escalate", "next", trial, "--at", 4)
    correction = {
        "kind": "corrected",
        "id": "k",
        "day": 40,
        "of": "c1p1o",
        "reason": "source data",
        "to": {"kind": "observed", "id": "c1p1o", "day": 9, "patient": "c1p1", "toxic": True},
    }
    assert "correction: before cohort 2" in run("escalate", "record", trial, "--event", json.dumps(correction))
    assert run("escalate", "history", trial).count("before cohort") == 2
    with pytest.raises(Refusal, match="4 toxicities in 3 patients"):
        run("escalate", "record", trial, "--dose", 20, "--toxicities", 4)
    with pytest.raises(Refusal, match="nothing to record"):
        run("escalate", "record", trial)


def test_select_patients_and_designs(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((130, 2))
    y = (rng.random(130) < 1 / (1 + np.exp(-2 * x[:, 0]))).astype(int)
    lines = [f"{a:.4f},{b:.4f},{'' if k >= 120 else r}" for k, ((a, b), r) in enumerate(zip(x, y, strict=True))]
    table = tmp_path / "markers.csv"
    table.write_text("expression,age,response\n" + "\n".join([*lines, ",1,1"]) + "\n")
    said = run("select", "patients", table, "--outcome", "response", "--out", tmp_path, "--json", tmp_path / "s.json")
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["figures"]["select.useful"] == 1 and found["skipped"] == ["line 132"]
    assert said.count("line ") >= 10 and (tmp_path / "selection.html").exists()
    with pytest.raises(Refusal, match="did you mean 'response'"):
        run("select", "patients", table, "--outcome", "respons")
    words = ("--prevalence", 0.3, "--control", 0.2, "--positive", 0.5, "--negative", 0.2, "--trials", 1000)
    assert "select.enriched.power" in run("select", "designs", *words, "--out", tmp_path)
    assert (tmp_path / "designs.html").exists()
