"""Forecasts on real patients: quinidine (136 men, 361 levels) and warfarin with its effect (32 subjects, 483 readings).

The models were estimated from these very sets, which their files say: what is asserted is that learning from a
patient's own readings helps, and that bands hold.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest

from tests.estimation.nonmem_cases import ROOT
from twin_service.fit.event_table import ColumnReading, subjects_of
from twin_service.fit.forecast import SubjectForecast, forecast_subject, score
from twin_service.fit.individual import Estimator
from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk


def rows_of(name: str) -> list[dict[str, str]]:
    folder = Path(os.environ.get("TWIN_REFERENCE_DIR", ROOT.parent / "shared" / "reference"))
    path = folder / "mipd" / "real" / name
    if not path.exists():
        pytest.skip(f"reference data {name} is absent; set TWIN_REFERENCE_DIR")
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


def forecasts_of(
    model_id: str, rows: list[dict[str, Any]], estimator: Estimator, how: ColumnReading
) -> list[SubjectForecast]:
    model = compose(model_id, {"d": build_poppk(model_id)})
    return [f for s in subjects_of(rows, model, how) if len(s) for f in forecast_subject(model, s, estimator)]


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["unscented", "laplace", "moments"])
def test_quinidine(estimator: Estimator) -> None:
    rows = [
        {
            "ID": r["Subject"],
            "TIME": r["time"],
            "AMT": r["dose"],
            "DV": r["conc"],
            "SS": int(bool(r["interval"])),
            "II": r["interval"],
            "WT": r["Weight"],
            "GLYCO": r["glyco"],
            "low_creatinine_clearance": float(r["Creatinine"] == "< 50"),
            "severe_heart_failure": float(r["Heart"] == "Severe"),
        }
        for r in rows_of("nlme_Quinidine.csv")
    ]
    later = [f for f in forecasts_of("quinidine_verme", rows, estimator, ColumnReading(carry="forward")) if f.history]
    before, after = score(later, prior=True), score(later)
    assert after.readings == 225
    assert after.rrmse < 0.8 * before.rrmse
    assert after.mape < 0.8 * before.mape
    assert 0.85 <= after.coverage90 <= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["unscented", "moments"])
def test_warfarin_and_its_effect(estimator: Estimator) -> None:
    names = {"cp": "warfarin", "pca": "prothrombin_complex_activity"}
    rows = [
        {
            "ID": r["id"],
            "TIME": r["time"],
            "EVID": r["evid"],
            "DV": r["dv"],
            "ANALYTE": names[r["dvid"]],
            "AMT": r["amt"] if float(r["evid"]) else "",
        }
        for r in rows_of("nlmixr2data_warfarin.csv")
    ]
    found = forecasts_of("warfarin_pkpd", rows, estimator, ColumnReading())
    for analyte in names.values():
        later = [f for f in found if f.analyte == analyte and f.history >= 3]
        before, after = score(later, prior=True), score(later)
        assert after.rrmse < 0.8 * before.rrmse, analyte
        assert after.coverage90 > 0.8, analyte
