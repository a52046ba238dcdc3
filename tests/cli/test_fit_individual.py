"""`twin fit-individual` and `twin evaluate` on a model file and a table that the library has never seen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin_service.cli.app import app

MODEL = """
id = "odd"
schema = 1
version = "1"
drug = "oddol"
title = "Two compartments, linear and saturable loss, lag, logit bioavailability, occasions on absorption, log error"
source = "made up for this test"
structure = { compartments = 2, absorption = "first_order", elimination = "mixed" }
covariates = [{ name = "weight_kg", unit = "kg" }]
covariance = [{ between = ["CL", "V1"], value = 0.02 }]
observables = [{ analyte = "oddol", unit = "mg/L", error = { proportional = 0.2, kind = "log", origin = "test" } }]
[parameters]
Q = { value = 5.0, unit = "L/h", origin = "test" }
V2 = { value = 40.0, unit = "L", origin = "test" }
VMAX = { value = 10.0, unit = "mg/h", origin = "test" }
KM = { value = 2.0, unit = "mg/L", origin = "test" }
LAG = { value = 0.4, unit = "h", origin = "test" }
F = { value = 0.7, unit = "1", origin = "test", effect = { kind = "logit", variance = 0.2 } }
[parameters.CL]
value = 3.0
unit = "L/h"
origin = "test"
effect = { kind = "exponential", variance = 0.09 }
covariates = [{ law = "power", covariate = "weight_kg", coefficient = 0.75, reference = 70.0 }]
[parameters.V1]
value = 20.0
unit = "L"
origin = "test"
effect = { kind = "exponential", variance = 0.04 }
covariates = [{ law = "power", covariate = "weight_kg", coefficient = 1.0, reference = 70.0 }]
[parameters.KA]
value = 1.2
unit = "1/h"
origin = "test"
effect = { kind = "exponential", variance = 0.25, occasion_variance = 0.1, occasions = 2 }
"""

TABLE = """ID,TIME,AMT,DV,EVID,CMT,II,ADDL,SS,WT,OCC,CENS
1,0,200,.,1,1,12,3,0,60,1,0
1,1,.,3.1,0,2,.,.,.,60,1,0
1,6,.,2.2,0,2,.,.,.,60,1,0
1,48,300,.,1,1,12,0,1,66,2,0
1,50,.,6.5,0,2,.,.,.,66,2,0
1,58,.,2.0,0,2,.,.,.,66,2,0
1,120,.,0.05,0,2,.,.,.,66,2,1
"""

# the mode found apart from this package: SciPy's LSODA at 1e-9, Nelder-Mead on -2 ln posterior with Beal's M3
MODE = {"CL": 0.0644, "V1": 0.0190, "KA": -0.3668, "KA_occasion1": -0.0993, "KA_occasion2": -0.0474, "F": 0.3409}
OBJECTIVE = -5.468079
PREDICTED = (2.64994, 1.44506, 7.46812, 2.33661, 0.0267346)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    model, table = tmp_path / "odd.toml", tmp_path / "odd.csv"
    model.write_text(MODEL)
    table.write_text(TABLE)
    return model, table


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_users_own_model_is_fitted_to_the_independent_mode(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Lag with steady state in mid-course, weight and occasion that change, a level below the limit."""
    run("fit-individual", *files, "--json", tmp_path / "f.json", "--out", tmp_path / "out", "--workers", 1)
    (patient,) = json.loads((tmp_path / "f.json").read_text())["patients"]
    assert patient["eta"] == pytest.approx({f"odd__eta_{k}": v for k, v in MODE.items()}, abs=1e-4)
    assert patient["objective"] == pytest.approx(OBJECTIVE, abs=1e-4)
    assert patient["ipred"] == pytest.approx(PREDICTED, rel=2e-5)
    with (tmp_path / "out" / "predictions.csv").open() as f:
        assert [float(r["IPRED"]) for r in csv.DictReader(f)] == pytest.approx(PREDICTED, rel=2e-5)
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()


def test_evaluate_takes_the_same_file_and_counts_every_reading(files: tuple[Path, Path], tmp_path: Path) -> None:
    said = run("evaluate", *files, "--json", tmp_path / "e.json", "--out", tmp_path / "out")
    figures = json.loads((tmp_path / "e.json").read_text())["figures"]
    assert figures["evaluate.observations"] == 5.0
    assert figures["evaluate.posterior_rrmse"] < 1.0
    assert "1 patients, 5 readings; TIME in h, AMT in mg, oddol in mg/L" in said and "warning" not in said
    with (tmp_path / "out" / "forecasts.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert [float(r["value"]) for r in rows] == [3.1, 2.2, 6.5, 2.0, 0.05] and rows[4]["censored"] == "True"
    assert "share of readings inside the 90 % band" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("command", ["evaluate", "fit-individual"])
def test_a_table_in_other_units_is_doubted_in_words(files: tuple[Path, Path], tmp_path: Path, command: str) -> None:
    """The same readings in ug/L: a thousand times too high, and said before any figure."""
    model, table = files
    rows = [line.split(",") for line in table.read_text().splitlines()]
    for row in rows[1:]:
        row[3] = row[3] if row[3] == "." else str(1000.0 * float(row[3]))
    table.write_text("\n".join(map(",".join, rows)) + "\n")
    said = run(command, model, table, "--workers", 1)
    assert "warning: readings of oddol lie a median" in said and "times above" in said
    assert "AMT in mg, oddol in mg/L. Is it in other units?" in said


@pytest.mark.slow
def test_evaluations_are_the_same_on_any_number_of_processes(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, table = files
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *(f"{i}{r[1:]}" for i in range(1, 6) for r in rows)]) + "\n")
    for workers in (1, 2):
        run("evaluate", model, table, "--workers", workers, "--json", tmp_path / f"{workers}.json")
    one, two = (json.loads((tmp_path / f"{w}.json").read_text())["figures"] for w in (1, 2))
    assert one == two and one["evaluate.observations"] == 25.0


def test_doses_in_mg_reach_a_whole_body_model_in_its_own_unit(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("ID,TIME,AMT,DV,WT,AGE,HT,ROUTE\n1,0,320,.,79.6,30,178,oral\n1,5,,8.4,79.6,30,178,.\n")
    run("fit-individual", "theophylline", table, "--json", tmp_path / "f.json", "--workers", 1)
    (patient,) = json.loads((tmp_path / "f.json").read_text())["patients"]
    # 320 mg in about 0.5 L/kg: an error of the unit would be a factor of 5.6
    assert 4.0 < patient["pred"][0] < 10.0
    assert abs(patient["ipred"][0] - 8.4) < abs(patient["pred"][0] - 8.4)


def test_an_unknown_model_is_answered_with_its_nearest_relatives(files: tuple[Path, Path]) -> None:
    from twin_service.cli.models import closed_model
    from twin_service.outcome import Refusal

    with pytest.raises(Refusal, match=r"did you mean .*vancomycin_goti"):
        closed_model("vancomycin_gotti")
    with pytest.raises(Refusal, match="no population PK model"):
        files[0].write_text('id = "x"\n')
        closed_model(str(files[0]))
    with pytest.raises(Refusal, match="a patient has one"):
        closed_model("vancomycin_goti+vancomycin_thomson")
