"""Tables of real patients, on a set small enough to be typed here: six infants in the shape of the published table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin_service.fit.forecast import forecast_subject
from twin_service.qualification.estimation import real_sets
from twin_service.qualification.estimation.calibration import TRIALS, simulated
from twin_service.qualification.estimation.exact import Distance
from twin_service.qualification.estimation.page import write_estimation
from twin_service.qualification.estimation.real_results import paired, real_figures, real_results
from twin_service.qualification.estimation.run import Estimation
from twin_service.twin.assemble import build

SET = next(s for s in real_sets.SETS if s.name == "phenobarbital")
TRIAL = TRIALS["poppk"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six infants of 1 to 2 kg after 20 mg/kg, two levels each: volume small or large, so that the first level tells
    about the second."""
    lines = ["Subject,Wt,Apgar,time,dose,conc"]
    for k in range(6):
        small = k % 2
        lines += [
            f"{k},1.5,7,0,30,",
            f"{k},1.5,7,48,,{19.0 if small else 13.0}",
            f"{k},1.5,7,96,,{15.2 if small else 10.4}",
        ]
    path = tmp_path / SET.file
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n")
    return tmp_path


def test_later_levels_are_forecast_better_by_every_estimator(folder: Path) -> None:
    told: list[str] = []
    (r,) = real_results(folder, sets=[SET], workers=1, say=told.append)
    assert r.subjects == 6 and r.prior.readings == 6
    for score in r.posterior.values():
        assert score.rrmse < 0.7 * r.prior.rrmse
    zero, one = r.paired[1]
    assert one.rrmse < 0.7 * zero.rrmse and zero.readings == one.readings == 6
    found = real_figures([r])
    assert found["estimation.real.phenobarbital.phenobarbital.paired1.after1_rrmse"] == one.rrmse
    assert found["estimation.real.phenobarbital.phenobarbital.auto_p30"] == r.posterior["auto"].p30
    assert any("vancomycin_adult" in line for line in told)


def test_a_set_that_is_absent_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    assert real_results(tmp_path, sets=[SET], say=told.append) == []
    assert told[0] == f"phenobarbital: {SET.file} is absent"


def test_paired_targets_are_the_same_at_every_depth() -> None:
    model = build(TRIAL.model)
    (subject,) = simulated(TRIAL, model, 1, np.random.default_rng(1))
    rows = paired(model, subject, "unscented")
    assert {p.depth for p in rows} == {1, 2}
    for depth in (1, 2):
        targets = [
            [(p.forecast.time_h, p.forecast.value) for p in rows if p.depth == depth and p.known == k]
            for k in range(depth + 1)
        ]
        assert all(t == targets[0] for t in targets) and len(targets[0]) == 3 - depth
    ahead = forecast_subject(model, subject, "unscented")
    last = next(p.forecast for p in rows if p.depth == 2 and p.known == 2)
    assert last.forecast == pytest.approx(ahead[2].forecast, rel=0.02)


def test_levels_before_a_dose_are_no_levels() -> None:
    rows = real_sets._vancomycin(
        [
            {"ID": "1", "EVID": "0", "TIME": "1", "DUR": ".", "DOSE": ".", "OUT": "9", "SCR": "0.5", "WT": "20"},
            {"ID": "1", "EVID": "1", "TIME": "2", "DUR": "0", "DOSE": "300", "OUT": ".", "SCR": "0.5", "WT": "20"},
            {"ID": "1", "EVID": "0", "TIME": "8", "DUR": ".", "DOSE": ".", "OUT": "7", "SCR": "0.5", "WT": "20"},
        ]
    )
    assert [r["EVID"] for r in rows] == [2, 1, 0]
    assert rows[2]["creatinine_umol_l"] == pytest.approx(44.21)


def test_second_occasions_follow_a_reset() -> None:
    line = {"ID": "1", "TIME": "0", "AMT": "25", "RATE": "150", "MDV": "1", "DV": "0", "WT": "70"}
    rows = real_sets._mavoglurant([{**line, "EVID": "1", "OCC": o} for o in ("1", "2")])
    assert [r["EVID"] for r in rows] == [1, 4] and rows[1]["TIME"] == real_sets.SECOND_OCCASION_H


def test_the_page_shows_every_table(folder: Path, tmp_path: Path) -> None:
    model = build(TRIAL.model)
    subjects = simulated(TRIAL, model, 3, np.random.default_rng(1))
    forecasts = {"poppk": [f for s in subjects for f in forecast_subject(model, s, "unscented")]}
    real = real_results(folder, sets=[SET], estimators=("unscented",), workers=1)
    far = Distance("m", "1", np.array([0.2]), np.array([0.1]), 900.0)
    page = write_estimation(Estimation({"estimation.x": 1.0}, forecasts, real, [far]), tmp_path / "out").read_text()
    for wanted in ("poppk", "Phenobarbital, 59 neonates", "in-sample", "vancomycin_adult", "estimation.x"):
        assert wanted in page
    assert page.count("<svg") == 3  # calibration, learning, large variances
