"""Event tables: what rows mean, and refusals that name the row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin_service.fit.event_table import JUST_AFTER_H, ColumnReading, read_event_table, subjects_of
from twin_service.fit.subject import predictor
from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal


@pytest.fixture(scope="module")
def pheno() -> PatientModel:
    return compose("p", {"d": build_poppk("phenobarbital_neonate")})


def row(time: float, **more: Any) -> dict[str, Any]:
    return {"ID": 1, "TIME": time, "WT": 1.5, "APGR": 7, **more}


def test_rows_become_doses_and_readings(pheno: PatientModel) -> None:
    (s,) = subjects_of([row(0.0, AMT=25.0), row(2.0, DV=17.3), row(12.0, AMT=3.5, RATE=7.0), row(20.0, DV=".")], pheno)
    assert [(d.time_h, d.input, d.amount, d.duration_h) for d in s.schedule.doses] == [
        (0.0, "d.iv", 25.0, 0.0),
        (12.0, "d.iv", 3.5, 0.5),
    ]
    np.testing.assert_array_equal(s.times_h, [2.0])
    assert s.analytes == ("phenobarbital",)
    assert s.covariates == ({"weight_kg": 1.5, "apgar_score": 7.0},)


def test_additional_doses_and_steady_state(pheno: PatientModel) -> None:
    (s,) = subjects_of([row(0.0, AMT=5.0, II=12.0, ADDL=2, SS=1), row(30.0, DV=20.0)], pheno)
    assert [(d.time_h, d.steady_interval_h) for d in s.schedule.doses] == [(0.0, 12.0), (12.0, 0.0), (24.0, 0.0)]


def test_reset_and_other_events(pheno: PatientModel) -> None:
    rows = [
        row(0.0, AMT=5.0, EVID=1),
        row(6.0, EVID=2),
        row(10.0, EVID=3),
        row(20.0, AMT=5.0, EVID=4),
        row(21.0, DV=3.0, EVID=0),
    ]
    (s,) = subjects_of(rows, pheno)
    assert s.schedule.reset_times_h == (10.0, 20.0)
    level = predictor(pheno, s)(np.zeros((1, 2)))[0, 0]
    v = 0.984258 * 1.5
    assert level == pytest.approx(5.0 / v * np.exp(-0.00469555 * 1.5 / v * 1.0), rel=1e-6)


def test_covariates_are_carried_backward_as_nonmem_does(pheno: PatientModel) -> None:
    rows = [row(0.0, AMT=5.0), row(10.0, WT=2.0, DV=3.0), row(20.0, WT=2.0, DV=3.0), row(30.0, WT=3.0, DV=3.0)]
    (s,) = subjects_of(rows, pheno)
    assert s.schedule.change_times_h == (JUST_AFTER_H, 20.0 + JUST_AFTER_H)
    assert [c["weight_kg"] for c in s.covariates] == [1.5, 2.0, 3.0]
    (f,) = subjects_of(rows, pheno, ColumnReading(carry="forward"))
    assert f.schedule.change_times_h == (10.0, 30.0)


def test_a_reading_at_a_dose_follows_the_order_of_the_rows(pheno: PatientModel) -> None:
    (before,) = subjects_of([row(0.0, AMT=5.0), row(12.0, DV=3.0), row(12.0, AMT=5.0)], pheno)
    (after,) = subjects_of([row(0.0, AMT=5.0), row(12.0, AMT=5.0), row(12.0, DV=6.0)], pheno)
    (trough,) = subjects_of([row(0.0, AMT=5.0, II=12.0, ADDL=3), row(12.0, DV=3.0)], pheno)
    assert [s.after_dose.tolist() for s in (before, after, trough)] == [[False], [True], [False]]
    f = [float(predictor(pheno, s)(np.zeros((1, 2)))[0, 0]) for s in (before, after, trough)]
    assert f[1] - f[0] == pytest.approx(5.0 / (0.984258 * 1.5), rel=1e-6)
    assert f[2] == pytest.approx(f[0], rel=1e-9)


def test_censored_readings(pheno: PatientModel) -> None:
    (s,) = subjects_of([row(0.0, AMT=5.0), row(300.0, DV=1.0, CENS=1), row(301.0, DV=9.0, CENS=-1)], pheno)
    assert s.censoring.tolist() == [-1, 1]


def test_several_analytes_by_number_or_name() -> None:
    model = compose("w", {"d": build_poppk("warfarin_pkpd")})
    rows = [
        {"ID": 1, "TIME": 0, "AMT": 100},
        {"ID": 1, "TIME": 24, "DV": 8.0, "DVID": 1},
        {"ID": 1, "TIME": 24, "DV": 44.0, "DVID": 2},
    ]
    how = ColumnReading(analytes={"1": "warfarin", "2": "prothrombin_complex_activity"})
    assert subjects_of(rows, model, how)[0].analytes == ("warfarin", "prothrombin_complex_activity")
    with pytest.raises(Refusal, match="none of the model's observables"):
        subjects_of(rows, model)


def test_a_file_is_read_with_its_subjects_in_order(pheno: PatientModel, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("id,time,amt,dv,wt,apgr\n7,0,25,,1.2,8\n7,2,,17.3,1.2,8\n3,0,20,.,1.0,4\n3,4,NA,15,1.0,4\n")
    assert [(s.id, len(s)) for s in read_event_table(path, pheno).subjects] == [("7", 1), ("3", 1)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(0.0, AMT=-5.0, EVID=1)], "row 2, AMT"),
        ([row(0.0, EVID=1)], "a dose needs a positive amount"),
        ([row(5.0, AMT=5.0), row(4.0, DV=3.0)], "row 3, TIME"),
        ([row(0.0, AMT="many", EVID=1)], "is not a number"),
        ([row(0.0, AMT=5.0), row(2.0, DV="inf")], "is not finite"),
        ([row(0.0, AMT=5.0, SS=1)], "positive interval"),
        ([row(0.0, AMT=5.0, RATE=-1.0)], "RATE"),
        ([row(0.0, AMT=5.0, EVID=9)], "expected 0 to 4"),
        ([row(0.0, AMT=5.0, ROUTE="nasal")], "nasal"),
        ([{"ID": 1, "TIME": 0.0, "AMT": 5.0}], "needs weight_kg"),
        ([{"TIME": 0.0}], "ID, TIME"),
    ],
)
def test_refusals_name_row_and_column(pheno: PatientModel, rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        subjects_of(rows, pheno)
