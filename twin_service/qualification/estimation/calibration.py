"""Are the bands as wide as the errors are? Patients drawn from a model, forecast one step ahead from what came before.

    coverage   share of readings inside their 90 % predictive band
    z = Phi^-1(share of predictive draws below the reading)      N(0, 1), one after the other independent

when belief and model are exact (the prequential NPDE; Dawid 1984, doi:10.2307/2981683, Brendel 2006,
doi:10.1007/s11095-006-9067-5). Of the truth nothing reaches the estimator but the readings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import kstest

from twin_service.fit.event_table import subjects_of
from twin_service.fit.forecast import DRAWS, SubjectForecast, forecast_subject
from twin_service.fit.individual import Estimator, prior_of
from twin_service.fit.process_pool import shared_out
from twin_service.fit.subject import TableSubject, observed, predictor
from twin_service.model.structure import PatientModel
from twin_service.record.person import ModelChoice
from twin_service.twin.assemble import build

Row = dict[str, Any]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """Simulated patients of one kind: which model, who they are, what they are given and when they are measured."""

    model: ModelChoice
    person: Callable[[np.random.Generator], dict[str, float]]
    doses: Callable[[Mapping[str, float]], list[Row]]
    readings: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class PredictiveCalibration:
    """What came of `patients` with `readings`; p-values of z having mean 0, variance 1 and being normal.

    coverage90       of all readings, first ones (from covariates alone) included; `_next`: of those with a history
    """

    patients: int
    readings: int
    coverage90: float
    coverage90_next: float
    npde_mean: float
    npde_variance: float
    p_mean: float
    p_variance: float
    p_normal: float


def _adult(rng: np.random.Generator) -> dict[str, float]:
    return {
        "weight_kg": rng.uniform(50.0, 110.0),
        "age_y": rng.uniform(20.0, 80.0),
        "sex_female": float(rng.integers(0, 2)),
        "creatinine_umol_l": rng.uniform(50.0, 200.0),
    }


def _body(rng: np.random.Generator) -> dict[str, float]:
    return {
        "weight_kg": rng.uniform(55.0, 100.0),
        "age_y": rng.uniform(20.0, 75.0),
        "height_cm": rng.uniform(155.0, 190.0),
    }


def _anticoagulated(rng: np.random.Generator) -> dict[str, float]:
    return {
        "age_y": rng.uniform(30.0, 90.0),
        "vkorc1_a": float(rng.binomial(2, 0.39)),
        "cyp2c9_star2": float(rng.random() < 0.2),
        "cyp2c9_star3": float(rng.random() < 0.1),
    }


TRIALS: Final[Mapping[str, Trial]] = {
    "poppk": Trial(
        ModelChoice(poppk="vancomycin_goti"),
        _adult,
        lambda p: [{"TIME": 12.0 * k, "AMT": 15.0 * p["weight_kg"], "RATE": 1000.0} for k in range(6)],
        ((11.5, "vancomycin"), (35.5, "vancomycin"), (61.0, "vancomycin")),
    ),
    "pbpk": Trial(
        ModelChoice(drugs=("theophylline",)),
        _body,
        lambda p: [{"TIME": 12.0 * k, "AMT": 3.5 * p["weight_kg"], "ROUTE": "oral"} for k in range(4)],
        ((3.0, "theophylline"), (11.5, "theophylline"), (26.0, "theophylline"), (47.5, "theophylline")),
    ),
    "qsp_neutropenia": Trial(
        ModelChoice(drugs=("docetaxel",), effects=("neutropenia_docetaxel_unbound",)),
        _body,
        lambda p: [{"TIME": 0.0, "AMT": 2.0 * p["weight_kg"], "ROUTE": "iv", "DUR": 1.0}],
        ((0.0, "neutrophils"), (120.0, "neutrophils"), (192.0, "neutrophils"), (336.0, "neutrophils")),
    ),
    "qsp_inr": Trial(
        ModelChoice(effects=("warfarin_inr",)),
        _anticoagulated,
        lambda p: [{"TIME": 24.0 * k, "AMT": 5.0 if k else 10.0} for k in range(10)],
        ((48.0, "inr"), (96.0, "inr"), (144.0, "inr"), (240.0, "inr")),
    ),
}


def simulated(trial: Trial, model: PatientModel, count: int, rng: np.random.Generator) -> list[TableSubject]:
    """`count` patients whose effects are drawn from the model and whose readings scatter as its assays do."""
    subjects = []
    for k in range(count):
        who = trial.person(rng)
        rows = [{**d, **who, "ID": k, "EVID": 1} for d in trial.doses(who)]
        rows += [{"TIME": t, "DV": 1.0, "ANALYTE": a, **who, "ID": k, "EVID": 0} for t, a in trial.readings]
        rows.sort(key=lambda r: (float(r["TIME"]), r["EVID"]))
        (subject,) = subjects_of(rows, model)
        eta = prior_of(model).draw(1, rng)
        readings = observed(model, subject)
        scale = readings.scaled(predictor(model, subject)(eta)[0])
        y = scale.f + np.sqrt(scale.v) * rng.standard_normal(len(subject))
        log = np.array([n.kind == "log" for n in readings.noise])
        subject.values[:] = np.where(log, np.exp(np.where(log, y, 0.0)), y)
        subjects.append(subject)
    return subjects


def forecast_all(
    model: PatientModel,
    subjects: Sequence[TableSubject],
    estimator: Estimator = "auto",
    *,
    workers: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> list[SubjectForecast]:
    """One-step-ahead forecasts of every reading of every subject, on all cores."""

    def one(k: int) -> list[SubjectForecast]:
        return forecast_subject(model, subjects[k], estimator, seed=k + 1)

    each = shared_out(one, len(subjects), workers=workers or os.cpu_count() or 1, say=say)
    return [f for found in each for f in found]


def judged(forecasts: Sequence[SubjectForecast]) -> PredictiveCalibration:
    """Coverage and normality of forecasts. A share of 0 or 1 of the draws counts as half a draw.

    Both tests are of patients, not of readings: with S_i the sum over patient i of z (of z^2 - 1),
    t = sum S_i / sqrt(sum S_i^2) ~ N(0, 1) (the sandwich variance of clustered data; Liang & Zeger 1986,
    doi:10.1093/biomet/73.1.13).
    """
    inside = np.array([f.low <= f.value <= f.high for f in forecasts])
    z = ndtri(np.clip([f.share for f in forecasts], 0.5 / DRAWS, 1.0 - 0.5 / DRAWS))
    who = np.unique([f.subject for f in forecasts], return_inverse=True)[1]
    again = np.array([f.history >= 1 for f in forecasts])
    return PredictiveCalibration(
        int(who.max()) + 1,
        len(z),
        float(inside.mean()),
        float(inside[again].mean()) if again.any() else float("nan"),
        float(z.mean()),
        float(z.var(ddof=1)),
        _clustered(z, who),
        _clustered(z**2 - 1.0, who),
        float(kstest(z, "norm").pvalue),
    )


def _clustered(x: FloatArray, who: NDArray[np.intp]) -> float:
    """Two-sided p of mean zero of `x`, independent between the patients `who` only."""
    sums = np.bincount(who, weights=x)
    return 2.0 * float(ndtr(-abs(float(sums.sum())) / max(float(np.sqrt(np.sum(sums**2))), 1e-300)))


def trial_forecasts(
    patients: int = 500,
    *,
    estimator: Estimator = "auto",
    trials: Mapping[str, Trial] = TRIALS,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, list[SubjectForecast]]:
    """Forecasts of every reading of `patients` simulated patients of each trial; `qsp` is all QSP trials together."""
    found: dict[str, list[SubjectForecast]] = {}
    for name, trial in trials.items():
        model = build(trial.model)
        subjects = simulated(trial, model, patients, np.random.default_rng(7))
        found[name] = forecast_all(model, subjects, estimator, say=_named(say, f"calibration {name}"))
    pooled = [replace(f, subject=f"{n} {f.subject}") for n, fs in found.items() if n.startswith("qsp") for f in fs]
    return found | ({"qsp": pooled} if pooled else {})


def calibration_figures(forecasts: Mapping[str, Sequence[SubjectForecast]]) -> dict[str, float]:
    """Figures `estimation.coverage90_*` and `estimation.npde_*` of each trial."""
    return {k: v for name, fs in forecasts.items() for k, v in _figures(name, judged(fs)).items()}


def _named(say: Callable[[str], None], name: str) -> Callable[[str], None]:
    return lambda line: say(f"{name}: {line}")


def _figures(name: str, c: PredictiveCalibration) -> dict[str, float]:
    return {
        f"estimation.coverage90_{name}": c.coverage90,
        f"estimation.coverage90_next_{name}": c.coverage90_next,
        f"estimation.calibration_patients_{name}": float(c.patients),
        f"estimation.calibration_readings_{name}": float(c.readings),
        f"estimation.npde_mean_{name}": c.npde_mean,
        f"estimation.npde_variance_{name}": c.npde_variance,
        f"estimation.npde_p_mean_{name}": c.p_mean,
        f"estimation.npde_p_variance_{name}": c.p_variance,
        f"estimation.npde_p_normal_{name}": c.p_normal,
    }
