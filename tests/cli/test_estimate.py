"""`twin estimate`: a PEtab problem with its SBML model, and a block on a table, from the command line to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.fit.test_petab import COPIES, TIME_D, hiv
from twin_service.cli.app import app
from twin_service.model.sbml.export import export


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    """Perelson 1996 (doi:10.1126/science.271.5255.1582) as a PEtab problem with an SBML model of its own."""
    (tmp_path / "model.xml").write_text(export(hiv(Path())))
    tables = {
        "parameters": [
            ["parameterId", "parameterScale", "lowerBound", "upperBound", "nominalValue", "estimate"],
            ["c", "log10", 1e-5, 1e5, 2.06, 1],
            ["delta", "log10", 1e-5, 1e5, 0.53, 1],
            ["sd", "log10", 1e-10, 1e10, 1.0, 1],
        ],
        "conditions": [["conditionId"], ["drug"]],
        "observables": [
            ["observableId", "observableFormula", "noiseFormula", "observableTransformation"],
            ["rna", "Vin + Vni", "noiseParameter1_rna", "log10"],
        ],
        "measurements": [
            ["observableId", "simulationConditionId", "measurement", "time", "noiseParameters"],
            *[["rna", "drug", y, t, "sd"] for t, y in zip(TIME_D, COPIES, strict=True)],
        ],
    }
    for name, rows in tables.items():
        (tmp_path / f"{name}.tsv").write_text("\n".join("\t".join(map(str, r)) for r in rows) + "\n")
    (tmp_path / "p.yaml").write_text(
        "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n- sbml_files: [model.xml]\n"
        "  condition_files: [conditions.tsv]\n  observable_files: [observables.tsv]\n"
        "  measurement_files: [measurements.tsv]\n"
    )
    return tmp_path / "p.yaml"


def test_perelson_1996_from_the_command_line(problem: Path, tmp_path: Path) -> None:
    """c 1.86063, delta 0.547338 per day, SD 0.122832 on log10, -ln L 222.2807."""
    said = run("estimate", problem, "--starts", 8, "--json", tmp_path / "e.json", "--out", tmp_path / "out")
    assert "start 8 of 8" in said and "profile of delta" in said
    found = json.loads((tmp_path / "e.json").read_text())
    figures = found["figures"]
    assert figures["estimate.objective"] == pytest.approx(222.2807, abs=1e-3)
    assert figures["estimate.c"] == pytest.approx(1.86063, rel=1e-3)
    assert figures["estimate.delta"] == pytest.approx(0.547338, rel=1e-3)
    assert figures["estimate.delta.low"] < 0.547338 < figures["estimate.delta.high"]
    assert {i["name"] for i in found["intervals"]} == {"c", "delta", "sd"}
    assert all(len(i["curve"]) > 4 for i in found["intervals"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == 3 and "<td>delta</td>" in page  # fit, profiles, starts


def test_a_block_on_a_table_from_the_command_line(tmp_path: Path) -> None:
    days = (0, 30, 60, 90)
    rows = [f"{24 * d},tumor_sld,{60 * np.exp(0.002 * d):.8f}," for d in days]
    (tmp_path / "t.csv").write_text("\n".join(["time_h,analyte,value,exposure", "0,,,0", *rows]) + "\n")
    run(
        "estimate",
        "tumor_claret_constant",
        tmp_path / "t.csv",
        "--free",
        "baseline,growth_rate",
        "--starts",
        3,
        "--json",
        tmp_path / "e.json",
        "--out",
        tmp_path / "out",
    )
    figures = json.loads((tmp_path / "e.json").read_text())["figures"]
    assert figures["estimate.baseline"] == pytest.approx(60.0, rel=1e-3)
    assert figures["estimate.growth_rate"] * 24 == pytest.approx(0.002, rel=2e-2)
    assert (tmp_path / "out" / "report.html").exists()


def test_an_unknown_condition_is_named(problem: Path) -> None:
    from twin_service.outcome import Refusal

    path = problem.parent / "measurements.tsv"
    path.write_text(path.read_text().replace("\tdrug\t", "\tplacebo\t", 1))
    with pytest.raises(Refusal, match="placebo"):
        run("estimate", problem)


@pytest.mark.parametrize("gone", ["p.yaml", "model.xml", "measurements.tsv"])
def test_a_missing_file_is_named(problem: Path, gone: str) -> None:
    from twin_service.outcome import Refusal

    (problem.parent / gone).unlink()
    with pytest.raises(Refusal, match=gone):
        run("estimate", problem)
