"""The estimators against other programs, real patients and simulated truth: one flat map of figures.

Reference answers are read from a folder that is not part of the project; figures that need it are left out where it
is absent, with a line that says so.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.cohort_fit import fit_individuals
from twin_service.fit.event_table import ColumnReading, subjects_of
from twin_service.fit.forecast import SubjectForecast, forecast_subject, score
from twin_service.fit.individual import Estimator, fit_individual, prior_of
from twin_service.fit.subject import TableSubject, observed, predictor
from twin_service.kalman.unscented import unscented_update
from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk
from twin_service.model.structure import PatientModel
from twin_service.qualification.estimation.calibration import TRIALS, calibration_figures, simulated, trial_forecasts
from twin_service.qualification.estimation.exact import (
    Distance,
    distances,
    exact_belief,
    has_large_variance,
    large_variance_figures,
)
from twin_service.qualification.estimation.nonmem_models import dosing_model, dosing_rows, model_of, subject_of
from twin_service.qualification.estimation.real_results import RealResult, real_figures, real_results
from twin_service.qualification.reference import reference_folder
from twin_service.record.person import ModelChoice
from twin_service.solver.simulate import Tolerances
from twin_service.twin.assemble import build

FloatArray = NDArray[np.float64]
TIGHT: Final = Tolerances(rtol=1e-10, atol_scale=1e-4)
AGAINST_EXACT: Final[dict[str, Estimator]] = {"ukf": "unscented", "ensemble": "ensemble", "auto": "auto"}


@dataclass(frozen=True)
class Estimation:
    """All figures `estimation.*`, and what the report draws."""

    figures: dict[str, float]
    calibration: Mapping[str, Sequence[SubjectForecast]]
    real: Sequence[RealResult]
    large: Sequence[Distance]


def estimation_figures(
    reference: Path | None = None, *, patients: int = 500, say: Callable[[str], None] = lambda _: None
) -> dict[str, float]:
    """All figures `estimation.*`; `patients` is the size of each simulated cohort."""
    return run_estimation(reference, patients=patients, say=say).figures


def run_estimation(
    reference: Path | None = None, *, patients: int = 500, say: Callable[[str], None] = lambda _: None
) -> Estimation:
    """The estimators against NONMEM, exact posteriors, simulated truth and real patients, with their speed."""
    root = reference_folder(reference)
    folder = root / "mipd"
    found: dict[str, float] = {}
    model = build(TRIALS["poppk"].model)
    drawn = simulated(TRIALS["poppk"], model, 60, np.random.default_rng(7))
    say("speed")
    found |= timing_figures(model, drawn) | body_timing_figures() | cohort_timing_figures()
    large = [(model, s) for s in drawn[:20]]
    real: list[RealResult] = []
    if folder.is_dir():
        say("against NONMEM")
        found |= nonmem_figures(folder) | dosing_figures(folder) | neonate_figures(folder)
        real = real_results(root, say=say)
        found |= real_figures(real)
        large += large_variance_patients(folder)
    else:
        say("no reference data: set TWIN_REFERENCE_DIR for NONMEM's answers and real patients")
    far = distances(large, say=lambda line: say(f"large variances: {line}"))
    found |= large_variance_figures(far)
    forecasts = trial_forecasts(patients, say=say)
    found |= calibration_figures(forecasts)
    return Estimation(found, forecasts, real, far)


def large_variance_patients(folder: Path) -> list[tuple[PatientModel, TableSubject]]:
    """NONMEM's test patients whose model has an omega^2 of at least `exact.LARGE`."""
    models = [(case, model_of(case)) for case in _cases(folder)]
    return [(m, subject_of(case, p, m)) for case, m in models if has_large_variance(m) for p in case["patients"]]


def nonmem_figures(folder: Path) -> dict[str, float]:
    """Share of the reference patients whose Laplace estimate is NONMEM's, or whose objective is lower."""
    passed = [agrees_with_nonmem(case, p) == "" for case in _cases(folder) for p in case["patients"]]
    return {"estimation.nonmem_patients": float(len(passed)), "estimation.nonmem_pass_share": float(np.mean(passed))}


def _cases(folder: Path) -> Iterable[dict[str, Any]]:
    for path in sorted((folder / "nonmem_map").glob("model_*.json")):
        yield json.loads(path.read_text())


def agrees_with_nonmem(case: dict[str, Any], patient: dict[str, Any]) -> str:
    """Empty when eta is within 1e-4, the covariance within 1e-3 and predictions within 1e-5 of NONMEM's, or our
    objective is at or below theirs at equal predictions; else what differs."""
    model = model_of(case)
    subject = subject_of(case, patient, model)
    expected = patient["expected"]
    eta, covariance = np.array(expected["eta"]), np.array(expected["eta_cov"])
    f = predictor(model, subject, TIGHT)(eta[None])[0]
    prediction = float(np.max(np.abs(f / _with_values(patient) - 1.0)))
    fit = fit_individual(model, subject, tolerances=TIGHT)
    readings = observed(model, subject)
    scale = readings.scaled(f)
    r = readings.targets() - scale.f
    theirs = float(np.sum(np.log(scale.v) + r**2 / scale.v) + eta @ np.linalg.solve(model.omega, eta))
    d_eta = float(np.max(np.abs(fit.eta - eta)))
    d_cov = float(np.max(np.abs(fit.covariance - covariance)) / np.max(np.abs(covariance)))
    if prediction < 1e-5 and ((d_eta < 1e-4 and d_cov < 1e-3) or fit.objective <= theirs + 1e-9):
        return ""
    return f"patient {patient['id']}: eta {d_eta:.1e}, covariance {d_cov:.1e}, ipred {prediction:.1e}, {fit.outcome}"


def _with_values(patient: dict[str, Any]) -> FloatArray:
    """NONMEM's IPRED at the rows with a value (its table may list rows without one)."""
    rows = [r for r in patient["records"] if r["evid"] == 0.0]
    found = patient["expected"]["ipred"]
    if len(found) == len(rows):
        found = [f for f, r in zip(found, rows, strict=True) if r["dv"] is not None]
    return np.array(found)


def dosing_figures(folder: Path) -> dict[str, float]:
    """How many of NONMEM's dosing scenarios come out within 2e-3."""
    scenarios = json.loads((folder / "nonmem_dosing_events.json").read_text())["scenarios"]
    model, passed = dosing_model(), 0
    how = ColumnReading(inputs={"1": "d.depot", "2": "d.central", "modelled": "d.modelled"})
    for scenario in scenarios:
        subject = subjects_of(dosing_rows(scenario), model, how)[0]
        got = predictor(model, subject, TIGHT)(np.zeros((1, 0)))[0]
        passed += bool(np.allclose(got, [cp for _, cp in scenario["obs"]], rtol=2e-3, atol=2e-2))
    return {"estimation.dosing_scenarios_pass": float(passed)}


def neonates(folder: Path) -> tuple[PatientModel, list[TableSubject], list[dict[str, Any]]]:
    """The 59 neonates of Grasela & Donn 1985 with NONMEM's answers."""
    model = compose("phenobarbital_neonate", {"d": build_poppk("phenobarbital_neonate")})
    patients = json.loads((folder / "pheno_nonmem_ebe_59_infants.json").read_text())["patients"]
    rows: list[dict[str, Any]] = []
    for p in patients:
        who = {"ID": p["id"], "WT": p["wgt"], "APGR": p["apgr"]}
        mine: list[dict[str, Any]] = [{**who, "TIME": t, "AMT": a} for t, a in p["doses"]]
        mine += [{**who, "TIME": o["time"], "DV": o["dv"]} for o in p["obs"]]
        rows += sorted(mine, key=lambda r: (r["TIME"], "DV" in r))
    return model, subjects_of(rows, model), patients


def neonate_figures(folder: Path) -> dict[str, float]:
    """Distance of the sigma-point filter to NONMEM in units of omega, and one-step-ahead forecasts by Laplace."""
    model, subjects, patients = neonates(folder)
    omega = np.sqrt(np.diag(model.omega))
    away = np.array(
        [
            np.abs(fit_individual(model, s, "unscented").eta - p["eta"]) / omega
            for s, p in zip(subjects, patients, strict=True)
        ]
    )
    after = score([f for s in subjects for f in forecast_subject(model, s, "laplace") if f.history])
    found = {
        "estimation.ukf_eta_median": float(np.median(away)),
        "estimation.ukf_eta_p95": float(np.quantile(away, 0.95)),
        "estimation.pheno_posterior_rrmse": after.rrmse,
        "estimation.pheno_coverage90": after.coverage90,
    }
    exact = [exact_belief(model, s)[0].mean for s in subjects]
    for name, estimator in AGAINST_EXACT.items():
        far = np.array(
            [np.abs(fit_individual(model, s, estimator).eta - e) / omega for s, e in zip(subjects, exact, strict=True)]
        )
        found |= {
            f"estimation.{name}_exact_eta_median": float(np.median(far)),
            f"estimation.{name}_exact_eta_p95": float(np.quantile(far, 0.95)),
        }
    return found


def timing_figures(model: PatientModel, subjects: list[TableSubject]) -> dict[str, float]:
    """Median milliseconds of a Laplace fit of all readings and of a filter update by one reading."""
    fit_individual(model, subjects[0])
    laplace, update = [], []
    for s in subjects:
        start = time.perf_counter()
        fit_individual(model, s)
        laplace.append(time.perf_counter() - start)
        first = s.first(1)
        predict, readings, prior = predictor(model, first), observed(model, first), prior_of(model)
        start = time.perf_counter()
        unscented_update(prior, predict, readings)
        update.append(time.perf_counter() - start)
    return {
        "estimation.laplace_ms_median": 1e3 * float(np.median(laplace)),
        "estimation.filter_poppk_ms": 1e3 * float(np.median(update)),
    }


def cohort_timing_figures(patients: int = 1000) -> dict[str, float]:
    """How many times faster many patients are fitted in one call when every core takes part."""
    trial = TRIALS["poppk"]
    model = build(trial.model)
    subjects = simulated(trial, model, patients, np.random.default_rng(11))
    taken = []
    for workers in (1, os.cpu_count() or 1):
        start = time.perf_counter()
        fit_individuals(model, subjects, workers=workers)
        taken.append(time.perf_counter() - start)
    return {"estimation.fit1000_s": taken[1], "estimation.fit1000_speedup": taken[0] / taken[1]}


def body_timing_figures(repeats: int = 30) -> dict[str, float]:
    """Median milliseconds in which a docetaxel body with neutrophils and tumor takes in a count of the second cycle."""
    model = build(ModelChoice(drugs=("docetaxel",), effects=("neutropenia_docetaxel_unbound", "tumor_claret")))
    rows: list[dict[str, Any]] = [
        {"ID": 1, "TIME": 504.0 * k, "AMT": 130.0, "DUR": 1.0, "EVID": 1, "ROUTE": "iv"} for k in range(2)
    ]
    rows.append({"ID": 1, "TIME": 504.0 + 168.0, "DV": 0.9, "DVID": "neutrophils", "EVID": 0})
    (subject,) = subjects_of(rows, model)
    predict, readings, prior = predictor(model, subject), observed(model, subject), prior_of(model)
    unscented_update(prior, predict, readings)
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        unscented_update(prior, predict, readings)
        taken.append(time.perf_counter() - start)
    return {
        "estimation.filter_pbpk_qsp_ms": 1e3 * float(np.median(taken)),
        "estimation.filter_pbpk_qsp_states": float(len(model.system.states)),
    }
