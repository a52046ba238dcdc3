"""Individual estimates against Monolix, nlmixr, PKPDmap and NONMEM: published cases, one patient or cohort each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.estimation.nonmem_cases import reference
from twin_service.fit.event_table import ColumnReading, subjects_of
from twin_service.fit.individual import fit_individual, prior_of
from twin_service.fit.subject import TableSubject, jacobian, predictor
from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.laplace import laplace_update
from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk
from twin_service.model.structure import PatientModel
from twin_service.qualification.estimation.nonmem_models import table

# Wang 2007, doi:10.1007/s10928-006-9042-0, table 1: y at 0 and 1 h of ten subjects
WANG = [
    (10.68, 3.6837),
    (10.402, 6.454),
    (9.8814, 5.8565),
    (9.3408, 5.6209),
    (10.082, 6.7583),
    (9.8938, 6.5049),
    (9.8908, 6.9557),
    (10.234, 6.4488),
    (9.9882, 6.7112),
    (9.6736, 6.6402),
]


def wang(eta: np.ndarray) -> np.ndarray:
    return 10.0 * np.exp(-0.5 * np.exp(eta) * np.array([0.0, 1.0]))


@pytest.mark.parametrize(
    ("noise", "expected"), [(Noise(proportional=0.1**0.5), 39.458), (Noise(additive=0.1**0.5), -2.059)]
)
def test_objective_of_wang_2007(noise: Noise, expected: float) -> None:
    """NONMEM's FOCEI objective is -2 ln of the Laplace evidence without the constant of the data."""
    prior = Belief.of([0.0], [[0.04]])
    total = sum(
        -2.0 * laplace_update(prior, wang, ObservedReadings.create(y, [noise] * 2), gate=None).report.log_evidence
        - 2.0 * np.log(2.0 * np.pi)
        for y in WANG
    )
    assert total == pytest.approx(expected, abs=1e-3)


def case(name: str) -> dict[str, Any]:
    return next(c for c in reference("posologyr_cases.json")["cases"] if c["name"] == name)


def one_subject(c: dict[str, Any], model: PatientModel, covariates: dict[str, float]) -> TableSubject:
    """The case's doses and readings as an event table."""
    rows: list[dict[str, Any]] = [
        {"ID": 1, "TIME": d["time"], "AMT": d["amt"], "DUR": d["duration"], "ROUTE": "iv", **covariates}
        for d in c["doses"]
    ]
    rows += [{"ID": 1, "TIME": t, "DV": y, **covariates} for t, y in c["obs"]]
    return subjects_of(sorted(rows, key=lambda r: r["TIME"]), model)[0]


def test_tobramycin_against_monolix() -> None:
    c = case("tobramycin_2cpt_monolix")
    model = compose("tobramycin_conil", {"d": build_poppk("tobramycin_conil")})
    # the case states creatinine clearance: chosen so that Cockcroft-Gault gives 80 mL/min at 65 kg and 60 years
    scr = (140.0 - 60.0) * 65.0 / 72.0 / 80.0 * 88.42
    subject = one_subject(c, model, {"weight_kg": 65.0, "age_y": 60.0, "sex_female": 0.0, "creatinine_umol_l": scr})
    fit = fit_individual(model, subject)
    k = 0.21 * (80.0 / 67.8) ** 0.89 * (65.0 / 66.4) ** -1.09 * np.exp(fit.eta[0])
    v = 19.8 * (65.0 / 66.4) ** 0.80 * np.exp(fit.eta[1])
    assert k == pytest.approx(c["expected"]["ke"], rel=1e-3)
    assert v == pytest.approx(c["expected"]["V"], rel=1e-2)


def test_vancomycin_against_monolix() -> None:
    c = case("vancomycin_goti_monolix")
    p = {
        "CL": (4.5 * (34.0 / 120.0) ** 0.8, "L/h"),
        "V1": (58.4 * 62.0 / 70.0, "L"),
        "V2": (38.4, "L"),
        "Q": (6.5, "L/h"),
    }
    model = table(
        {"compartments": 2, "absorption": "none"},
        p,
        c["omega"],
        ["CL", "V1", "V2"],
        error={"kind": "sum", "additive": 3.4, "proportional": 0.227},
    )
    fit = fit_individual(model, one_subject(c, model, {}))
    got = [p["CL"][0] * np.exp(fit.eta[0]), p["V1"][0] * np.exp(fit.eta[1]), p["V2"][0] * np.exp(fit.eta[2])]
    np.testing.assert_allclose(got, [c["expected"][k] for k in ("Cl", "Vc", "Vp")], rtol=1e-2)


def test_amikacin_against_nlmixr() -> None:
    c = case("amikacin_burdet_nlmixr")
    model = compose("amikacin_burdet", {"d": build_poppk("amikacin_burdet")})
    covariates = {"weight_kg": 62.0, "measured_creatinine_clearance_ml_min": 50.0, "pao2_fio2_mmhg": 169.0}
    fit = fit_individual(model, one_subject(c, model, covariates))
    typical = np.array([4.3 * (50.0 / 82.0) ** 0.7, 15.9 * (62.0 / 78.0) ** 0.9, 21.4, 12.1])
    np.testing.assert_allclose(
        typical * np.exp(fit.eta), [c["expected"][k] for k in ("Cl", "Vc", "Vp", "Q")], rtol=1e-3
    )


def test_piperacillin_with_occasions_against_monolix() -> None:
    c = case("piperacillin_roberts_iov_monolix")
    model = compose("piperacillin_roberts", {"d": build_poppk("piperacillin_roberts")})
    occasion = dict(zip(c["occasion"]["times"], c["occasion"]["occ"], strict=True))
    rows = [{"ID": 1, "TIME": d["time"], "AMT": d["amt"], "DUR": d["duration"], "weight_kg": 92.0} for d in c["doses"]]
    rows += [{"ID": 1, "TIME": t, "DV": y, "weight_kg": 92.0} for t, y in c["obs"]]
    for row in rows:
        row["occasion"] = occasion[row["TIME"]]
    subject = subjects_of(sorted(rows, key=lambda r: (r["TIME"], "AMT" in r)), model)[0]
    fit = fit_individual(model, subject)
    by_name = dict(zip(fit.effects, fit.eta, strict=True))
    cl = [17.1 * 92.0 / 70.0 * np.exp(by_name["d__eta_CL"] + by_name[f"d__eta_CL_occasion{k}"]) for k in (1, 2, 3, 4)]
    # the reference prints three digits
    np.testing.assert_allclose(cl, c["expected"]["CL_by_occ"], rtol=3e-3)


def test_warfarin_pkpd_against_nlmixr() -> None:
    c = case("warfarin_pkpd_turnover_nlmixr")
    model = compose("warfarin_pkpd", {"d": build_poppk("warfarin_pkpd")})
    rows: list[dict[str, Any]] = [{"ID": 1, "TIME": 0.0, "AMT": 100.0}]
    rows += [{"ID": 1, "TIME": t, "DV": y, "ANALYTE": "warfarin"} for t, y in c["obs_cp"]]
    rows += [{"ID": 1, "TIME": t, "DV": y, "ANALYTE": "prothrombin_complex_activity"} for t, y in c["obs_pca"]]
    subject = subjects_of(sorted(rows, key=lambda r: r["TIME"]), model)[0]
    fit = fit_individual(model, subject)
    e = dict(zip([n.removeprefix("d__eta_") for n in fit.effects], fit.eta, strict=True))
    got = {
        "ktr": np.exp(0.106 + e["KTR"]),
        "ka": np.exp(-0.087 + e["KA"]),
        "cl": np.exp(-2.03 + e["CL"]),
        "emax": 1.0 / (1.0 + np.exp(-3.4 - e["EMAX"])),
        "ec50": np.exp(0.00724 + e["EC50"]),
    }
    for name, value in got.items():
        assert value == pytest.approx(c["expected"][name], rel=2e-3), name


def test_every_fourth_of_a_hundred_bolus_patients_against_nonmem() -> None:
    c = reference("nonmem_1cmt_bolus_100pts.json")
    p = {"CL": (7.67, "L/h"), "V": (97.7, "L")}
    # concentrations are 1000 A/V: the same as mg/L with a thousandth of the error
    model = table(
        {"compartments": 1, "absorption": "none"}, p, c["omega"], ["CL", "V"], error={"additive": 1.73e4**0.5 / 1e3}
    )
    worst = 0.0
    for patient in c["patients"][::4]:
        rows: list[dict[str, Any]] = [{"ID": 1, "TIME": t, "AMT": a} for t, a in c["doses_time_amt"]]
        rows += [{"ID": 1, "TIME": o["time"], "DV": o["dv"] / 1e3} for o in patient["obs"]]
        fit = fit_individual(model, subjects_of(sorted(rows, key=lambda r: r["TIME"]), model)[0])
        got = np.array([7.67, 97.7]) * np.exp(fit.eta)
        worst = max(worst, float(np.max(np.abs(got / [patient["CL"], patient["V"]] - 1.0))))
    # theta and omega are printed with three digits
    assert worst < 2e-3


def test_weight_that_changes_at_every_record() -> None:
    c = reference("nonmem_time_varying_wt.json")
    terms = {"covariate_effect": [{"law": "power", "covariate": "wt", "coefficient": 0.75, "reference": 70.0}]}
    p = {"CL": (1.1, "L/h", terms), "V": (20.0, "L"), "KA": (1.5, "1/h")}
    model = table(
        {"compartments": 1, "absorption": "first_order"}, p, [], [], error={"proportional": 0.1}, covariates=("wt",)
    )
    rows: list[dict[str, Any]] = [
        {"ID": 1, "TIME": 0.0, "AMT": 100.0, "ROUTE": "oral", "II": 24.0, "ADDL": 3, "WT": 62.65}
    ]
    rows += [{"ID": 1, "TIME": r["time"], "DV": max(r["CP"], 1e-9), "WT": r["WT"]} for r in c["records"]]
    subject = subjects_of(rows, model, ColumnReading(inputs={"oral": "d.oral"}))[0]
    f = predictor(model, subject)(np.zeros((1, 0)))[0]
    np.testing.assert_allclose(1000.0 * f, [r["CP"] for r in c["records"]], rtol=1e-4, atol=1e-2)


def test_exact_derivatives_agree_with_differences() -> None:
    model = compose("warfarin_pkpd", {"d": build_poppk("warfarin_pkpd")})
    rows: list[dict[str, Any]] = [{"ID": 1, "TIME": 0.0, "AMT": 100.0}]
    rows += [
        {"ID": 1, "TIME": t, "DV": 1.0, "ANALYTE": a}
        for t in (3.0, 24.0, 96.0)
        for a in ("warfarin", "prothrombin_complex_activity")
    ]
    subject = subjects_of(rows, model)[0]
    eta, h = np.array([0.2, -0.3, 0.1, 0.4, -0.2]), 1e-4
    _, J = jacobian(model, subject)(eta)
    f = predictor(model, subject)
    for k in range(len(prior_of(model).mean)):
        move = h * np.eye(5)[k]
        difference = (f((eta + move)[None]) - f((eta - move)[None]))[0] / (2.0 * h)
        # solver tolerance 1e-6 over the step of the difference
        np.testing.assert_allclose(J[:, k], difference, rtol=1e-2, atol=2e-2)


CLOSED_FORM = {
    (1, "bolus"): 0.242,
    (1, "infusion"): 0.268,
    (1, "oral"): 0.389,
    (2, "bolus"): 0.212,
    (2, "infusion"): 0.225,
    (2, "oral"): 0.302,
    (3, "bolus"): 0.169,
    (3, "infusion"): 0.177,
    (3, "oral"): 0.236,
}


@pytest.mark.parametrize(("compartments", "way"), CLOSED_FORM)
def test_closed_form_levels(compartments: int, way: str) -> None:
    """100 mg every 12 h, level at 23 h; values printed by NONMEM's ADVAN 1-4, 11 and 12 to three digits."""
    p = {"CL": (10.0, "L/h"), "KA": (0.5, "1/h"), "V" if compartments == 1 else "V1": (50.0, "L")}
    p |= {"Q": (5.0, "L/h"), "V2": (100.0, "L")} if compartments > 1 else {}
    p |= {"Q3": (3.0, "L/h"), "V3": (150.0, "L")} if compartments > 2 else {}
    model = table({"compartments": compartments, "absorption": "first_order"}, p, [], [], error={"proportional": 0.1})
    dose = {"AMT": 100.0, "ROUTE": "oral" if way == "oral" else "iv", "DUR": 1.0 if way == "infusion" else 0.0}
    rows: list[dict[str, Any]] = [{"ID": 1, "TIME": t, **dose} for t in (0.0, 12.0)] + [
        {"ID": 1, "TIME": 23.0, "DV": 1.0}
    ]
    level = predictor(model, subjects_of(rows, model)[0])(np.zeros((1, 0)))[0, 0]
    assert level == pytest.approx(CLOSED_FORM[compartments, way], abs=5.1e-4)
