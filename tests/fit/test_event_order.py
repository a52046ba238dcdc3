"""Order and ownership of records, which input a dose enters, and columns: own inputs against closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.model.poppk.test_build import ORIGIN, build, raw
from twin_service.fit.event_table import ColumnReading, event_table, read_event_table, subjects_of
from twin_service.fit.individual import fit_individual
from twin_service.fit.subject import predictor
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal

K, V, KA, F = 0.1, 50.0, 1.0, 0.6


def value(number: float, unit: str, **more: Any) -> dict[str, Any]:
    return {"value": number, "unit": unit, "origin": ORIGIN, **more}


@pytest.fixture(scope="module")
def vein() -> PatientModel:
    structure = {"compartments": 1, "absorption": "none", "elimination": "linear"}
    table = raw(structure=structure)
    del table["parameters"]["KA"]
    return build(table)


@pytest.fixture(scope="module")
def mouth() -> PatientModel:
    """F 0.6, halved by a tablet; oral and iv."""
    halved = [{"law": "factor", "covariate": "tablet", "coefficient": 0.5}]
    return build(
        raw(
            parameters__F=value(F, "1", covariate_effect=halved),
            routes=["oral", "iv"],
            covariate=[{"name": "tablet", "unit": "1", "limits": [0.0, 1.0], "default": 0.0}],
        )
    )


def row(time: float, **more: Any) -> dict[str, Any]:
    return {"ID": 1, "TIME": time, **more}


def levels(rows: list[dict[str, Any]], model: PatientModel, how: ColumnReading = ColumnReading()) -> list[float]:
    (s,) = subjects_of(rows, model, how)
    return predictor(model, s)(np.zeros((1, len(model.effects))))[0].tolist()


def bolus(dose: float, *hours: float) -> float:
    return sum(dose / V * np.exp(-K * h) for h in hours)


def swallowed(dose: float, hours: float, share: float = F) -> float:
    return share * dose / V * KA / (KA - K) * (np.exp(-K * hours) - np.exp(-KA * hours))


def test_a_steady_state_cancels_doses_still_to_come(vein: PatientModel) -> None:
    rows = [row(0, AMT=60, II=8, ADDL=9), row(20, AMT=90, II=24, SS=1), row(30, DV=1)]
    assert levels(rows, vein) == pytest.approx([90 / V * np.exp(-K * 10) / (1 - np.exp(-K * 24))], rel=1e-6)


@pytest.mark.parametrize(("evid", "more"), [(3, {}), (4, {"AMT": 30})])
def test_a_reset_cancels_doses_still_to_come(vein: PatientModel, evid: int, more: dict[str, Any]) -> None:
    rows = [row(0, AMT=60, EVID=1, II=8, ADDL=9), row(20, EVID=evid, **more), row(30, EVID=0, DV=1)]
    assert levels(rows, vein) == pytest.approx([bolus(more.get("AMT", 0), 10)], rel=1e-6, abs=1e-9)


def test_doses_before_the_steady_state_were_given(vein: PatientModel) -> None:
    rows = [row(0, AMT=60, II=8, ADDL=9), row(10, DV=1), row(20, AMT=90, II=24, SS=1), row(21, DV=1)]
    assert levels(rows, vein)[0] == pytest.approx(bolus(60, 10, 2), rel=1e-6)


def test_records_at_one_time_act_in_their_order(vein: PatientModel) -> None:
    rows = [
        *(row(5, AMT=40, EVID=1), row(5, EVID=3), row(5, DV=1, EVID=0), row(5, AMT=20, EVID=1), row(5, DV=1, EVID=0)),
        *(row(5, AMT=10, EVID=1), row(7, DV=1, EVID=0)),
    ]
    expected = [0.0, 20 / V, 30 / V * np.exp(-K * 2)]
    assert levels(rows, vein) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_the_clock_may_begin_anew_at_a_reset(vein: PatientModel) -> None:
    rows = [row(0, AMT=50, EVID=1), row(9, DV=1, EVID=0), row(0, AMT=25, EVID=4), row(9, DV=1, EVID=0)]
    assert levels(rows, vein) == pytest.approx([bolus(50, 9), bolus(25, 9)], rel=1e-5)
    with pytest.raises(Refusal, match=r"row 4, TIME.*save at EVID 3 or 4"):
        levels([*rows[:2], row(0, AMT=25, EVID=1)], vein)


def test_each_dose_has_the_bioavailability_of_its_record(mouth: PatientModel) -> None:
    rows = [row(0, AMT=80, TABLET=0), row(0, AMT=100, TABLET=1), row(4, DV=1, TABLET=1)]
    assert levels(rows, mouth) == pytest.approx([swallowed(80, 4) + swallowed(100, 4, F * 0.5)], rel=1e-5)


def test_a_rate_into_the_depot_fills_the_depot(mouth: PatientModel) -> None:
    """Zero-order into the depot over F AMT / RATE = 3 h, then first order: superposition of the closed form."""
    rows = [row(0, AMT=100, RATE=20, CMT=1), row(2, DV=1, CMT=2), row(8, DV=1, CMT=2)]

    def level(t: float) -> float:
        def held(k: float) -> float:
            return (np.exp(-k * max(t - 3.0, 0.0)) - np.exp(-k * t)) / k

        return 20 / V * KA / (KA - K) * (held(K) - held(KA))

    assert levels(rows, mouth) == pytest.approx([level(2), level(8)], rel=1e-6)


def test_the_compartment_says_the_input(mouth: PatientModel) -> None:
    rows = [row(0, AMT=100, CMT=2, DUR=2), row(6, DV=1, CMT=2)]
    infused = 50 / (V * K) * (1 - np.exp(-K * 2)) * np.exp(-K * 4)
    assert levels(rows, mouth) == pytest.approx([infused], rel=1e-6)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(0, AMT=10, RATE=-1)], "RATE: -1: a modelled rate"),
        ([row(0, AMT=10, RATE=-2)], "no parameter for the duration"),
        ([row(0, AMT=10, RATE=5, DUR=4)], "DUR: 4 h contradicts AMT/RATE, which is 2 h"),
        ([row(0, AMT=10, II=6, ADDL=-2)], "ADDL: -2: expected a whole number"),
        ([row(0, AMT=10, II=6, ADDL=1.5)], "ADDL: 1.5: expected a whole number"),
        ([row(0, AMT=10, II=6, SS=3)], "SS: 3: expected a whole number from 0 to 2"),
        ([row(0, AMT=10, II=-6, ADDL=2)], "II: -6"),
        ([row(0, AMT=10, CMT=7)], "CMT: 7: no dose of m enters it; known: 1"),
        ([row(0, AMT=10), row(1, DV=1, DVID=4)], "DVID: '4' names none of the model's observables: x"),
        ([row(0, AMT=10), row(1, DV=1, CMT=3)], "CMT: '3' names none"),
        ([row(0, AMT=10, EVID=0)], "AMT: 10 on a record of EVID 0"),
        ([row(0, AMT=10), row(1, DV=1, ADDL=3)], "SS, ADDL: stand on a record that is no dose"),
        ([row(0, AMT=10, BLOQ=0)], "BLOQ: is not read: say it as BLQ"),
        ([row(0, AMT=10, DATE="1 May")], "DATE: is not read"),
        ([row(0, AMT=10, RATES=5)], "did you mean RATE"),
        ([row("08:00", AMT=10)], "'08:00' is not a number"),
    ],
)
def test_what_is_not_understood_is_refused(vein: PatientModel, rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        subjects_of(rows, vein)


def test_a_rate_without_its_compartment_is_refused_where_it_matters(mouth: PatientModel) -> None:
    with pytest.raises(Refusal, match="can be oral or iv; add a column CMT or ROUTE"):
        subjects_of([row(0, AMT=10, RATE=5)], mouth)


def test_limits_of_characteristics_are_those_of_a_twin(mouth: PatientModel) -> None:
    with pytest.raises(Refusal, match="row 2, TABLET: -99: m is for tablet 0 to 1"):
        subjects_of([row(0, AMT=10, TABLET=-99)], mouth)


def test_values_below_the_limit_in_either_spelling(vein: PatientModel) -> None:
    flagged = [row(0, AMT=10, BLQ=0, LLOQ=0.5), row(9, DV=0, BLQ=1, LLOQ=0.5)]
    said = [row(0, AMT=10, CENS=0), row(9, DV=0.5, CENS=1)]
    for rows in (flagged, said):
        (s,) = subjects_of(rows, vein)
        assert (s.values.tolist(), s.censoring.tolist()) == ([0.5], [-1])


def test_what_is_left_out_is_named(vein: PatientModel) -> None:
    rows = [
        row(0, C=".", AMT=10, EVID=1, SITE="A"),
        row(2, C=".", DV=0, EVID=0),
        row(3, C="C", DV=400, EVID=0),
        row(4, C=".", EVID=0),
        {**row(5, DV=7, EVID=0), "ID": "#1"},
    ]
    found = event_table(rows, vein)
    assert found.notes == (
        "row 4 is marked 'C' and was left out",
        "row 6 is marked '#' and was left out",
        "column SITE is not used by m",
        "row 3: x of exactly 0 after a dose is read as measured; is it CENS 1?",
        "row 5: EVID 0 without DV is no reading",
    )
    assert [len(s) for s in found.subjects] == [1]


def test_columns_are_mapped_by_name(vein: PatientModel) -> None:
    rows = [
        {"SUBJ": 1, "HOUR": 0, "AMT": 10, "CONC": ".", "DV": 99, "CMT": 9},
        {"SUBJ": 1, "HOUR": 2, "AMT": ".", "CONC": 4.0, "DV": 99, "CMT": 9},
    ]
    how = ColumnReading(columns={"ID": "SUBJ", "TIME": "HOUR", "dv": "CONC", "CMT": ""})
    assert subjects_of(rows, vein, how)[0].values.tolist() == [4.0]
    with pytest.raises(Refusal, match="no such column"):
        subjects_of(rows, vein, ColumnReading(columns={"ID": "SUBJECT"}))


def test_a_file_with_other_separators_is_refused_with_the_remedy(vein: PatientModel, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ID;TIME;AMT;DV\n1;0;10;.\n1;2;.;4,2\n")
    with pytest.raises(Refusal, match="write a comma-separated file"):
        read_event_table(tmp_path / "t.csv", vein)
    (tmp_path / "l.csv").write_bytes("ID,TIME,AMT,DV,NAME\n1,0,10,.,Müller\n".encode("latin-1"))
    with pytest.raises(Refusal, match="no UTF-8"):
        read_event_table(tmp_path / "l.csv", vein)
    (tmp_path / "w.csv").write_text("ID,TIME,AMT,DV\n1,0,10,.\n1,2,.,4,2\n")
    with pytest.raises(Refusal, match="row 3, ID: has more cells"):
        read_event_table(tmp_path / "w.csv", vein)


def test_degenerate_patients_are_answered(vein: PatientModel) -> None:
    rows = [row(0, DV=0), row(0, AMT=10)]
    (s,) = subjects_of(rows, vein)
    assert levels(rows, vein) == [0.0]
    (dosed,) = subjects_of([row(0, AMT=10)], vein)
    assert fit_individual(vein, dosed).eta.tolist() == [0.0, 0.0]
    table = raw()
    for p in table["parameters"].values():
        p.pop("effect", None)
    still = build(table)
    (s,) = subjects_of([row(0, AMT=10), row(2, DV=0.2)], still)
    fit = fit_individual(still, s)
    assert fit.eta.size == 0 and fit.individual == pytest.approx([swallowed(10, 2, 1.0)], rel=1e-6)
    assert np.isfinite(fit.objective) and "no random effects" in fit.warnings[0]
