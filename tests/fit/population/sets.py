"""Data sets of the population tests."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from twin_service.fit.event_table import subjects_of
from twin_service.fit.population.build import BuildOptions, BuiltProblem, build_problem
from twin_service.model.compose import compose
from twin_service.model.poppk.build import build_poppk
from twin_service.model.poppk.record import PopPkRecord
from twin_service.qualification.population.files import benchmark_record
from twin_service.qualification.reference import reference_folder

SD = 0.1**0.5
ERRORS: dict[str, dict[str, Any]] = {
    "proportional": {"proportional": SD},
    "additive": {"additive": SD},
    "combined": {"additive": SD, "proportional": SD},
    "lognormal": {"kind": "log", "proportional": SD},
}


def folder() -> Path:
    found = reference_folder()
    if not (found / "mipd").is_dir():
        pytest.skip("reference data not found; set TWIN_REFERENCE_DIR")
    return found / "mipd"


def built_of(record: PopPkRecord, rows: list[dict[str, Any]], options: BuildOptions = BuildOptions()) -> BuiltProblem:
    model = compose(record.id, {record.id: build_poppk(record)})
    return build_problem(record, subjects_of(rows, model), options)


def wang(error: str) -> BuiltProblem:
    """Table 1 of Wang 2007 with one of its residual laws."""
    data = json.loads((folder() / "wang2007_focei.json").read_text())["data"]
    rows: list[dict[str, Any]] = []
    for r in data:
        if r["Time"] == 0:
            rows.append({"ID": r["ID"], "TIME": 0, "AMT": 10, "EVID": 1})
        rows.append({"ID": r["ID"], "TIME": r["Time"], "DV": r["Y"], "EVID": 0})
    observable = {"analyte": "y", "unit": "mg/L", "error": {**ERRORS[error], "origin": "variance 0.1"}}
    return built_of(benchmark_record("wang", observable=[observable]), rows)


def theophylline(first: int = 12, *, closed_form: bool = True) -> BuiltProblem:
    """The first subjects of the 12, from a poor start."""
    with (folder() / "real" / "nlmixr2data_theo_sd.csv").open() as f:
        rows = [{**r, "EVID": "1" if r["EVID"] == "101" else "0"} for r in csv.DictReader(f) if int(r["ID"]) <= first]
    return built_of(benchmark_record("theophylline"), rows, BuildOptions(closed_form=closed_form))
