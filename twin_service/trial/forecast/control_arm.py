"""One randomized trial analyzed with control forecasts that no patient's own outcome ever touched.

Where no historical data exist, the controls of the trial itself teach the course, by cross-fitting: patients of both
arms are dealt into K folds; the forecasts of fold k come from the controls outside fold k. Dealing both arms into the
same folds matters: were treated patients forecast by the fit to all controls and controls by fits without themselves,
the two arms' forecasts would differ for a reason that is not the patients. No treated patient teaches anything.
Chernozhukov et al. 2018, doi:10.1111/ectj.12097; Wager et al. 2016, doi:10.1073/pnas.1614732113
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin_service.cohort.learning import CohortSubject, CovariateUse, EndpointReading, fit_progression
from twin_service.model.progression import Progression, progression_model
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.tolerances import Deadline
from twin_service.trial.adjust.ancova import Errors, TreatmentEffect
from twin_service.trial.adjust.procova import Adjusted, procova
from twin_service.trial.forecast.synthetic_arm import (
    ControlCalibration,
    ControlForecast,
    Lab,
    RandomizedPatient,
    calibration,
    control_forecasts,
    synthetic_difference,
)

FloatArray = NDArray[np.float64]
BASELINE = "baseline"


@dataclass(frozen=True)
class TrialPatient:
    """One randomized patient: `readings` of the endpoint, those at or before hour 0 being the baseline."""

    id: str
    treated: bool
    covariates: Mapping[str, float]
    readings: tuple[EndpointReading, ...]


@dataclass(frozen=True)
class Visit:
    """When the endpoint is read: the reading nearest to `time_h` inside [low_h, high_h]."""

    time_h: float
    low_h: float
    high_h: float


@dataclass(frozen=True)
class TrialQuestion:
    """What is asked of a trial, fixed before its outcomes are looked at.

    scale        of the analysis: "log" gives ratios of geometric means
    learn_from   characteristics in the progression model
    adjust_for   characteristics in the ANCOVA beside the forecast; "baseline" is the last baseline reading
    folds        K of the cross-fitting
    """

    analyte: str
    unit: str
    visit: Visit
    scale: Literal["log", "identity"] = "log"
    learn_from: tuple[CovariateUse, ...] = ()
    adjust_for: tuple[str, ...] = ()
    folds: int = 10
    errors: Errors = "HC3"


@dataclass(frozen=True)
class ControlArm:
    """The answer: every analyzed patient's forecast under control, and the effect with and without them.

    forecasts     at the nominal visit, in the order of `analyzed`
    outcomes      what was read, on the analysis scale
    adjusted      ANCOVA with and without the forecast
    synthetic     treated against their own forecasts, less the same difference in the controls
    calibration   of the controls' forecasts, none of which saw its patient
    excluded      patients without a reading in the window, or without a baseline
    """

    analyzed: tuple[TrialPatient, ...]
    forecasts: tuple[ControlForecast, ...]
    outcomes: FloatArray
    adjusted: Adjusted
    synthetic: TreatmentEffect
    calibration: ControlCalibration
    progressions: tuple[Progression, ...]
    excluded: tuple[str, ...]


def control_arm(
    patients: Sequence[TrialPatient],
    question: TrialQuestion,
    rng: np.random.Generator,
    *,
    members: int = 128,
    deadline: Deadline | None = None,
) -> ControlArm:
    """Forecast every patient under control by cross-fitting and analyze the trial.

    Raises Refusal when an arm is too small for the folds, or when the course cannot be learned.
    """
    fold_of = deal(patients, question.folds, rng)
    chosen = {p.id: endpoint_reading(p, question.visit) for p in patients}
    forecasts: dict[str, ControlForecast] = {}
    progressions = []
    for k in range(question.folds):
        progression = learn(patients, question, without={i for i, fold in fold_of.items() if fold == k})
        progressions.append(progression)
        mine = [p for p in patients if fold_of[p.id] == k and chosen[p.id] is not None and _baseline(p)]
        found = control_forecasts(
            progression_model(progression),
            [candidate(p, question.analyte) for p in mine],
            [question.visit.time_h],
            analyte=question.analyte,
            scale=question.scale,
            members=members,
            deadline=deadline,
        )
        forecasts |= {f.id: f for f in found}
    return _analyze(patients, question, forecasts, chosen, tuple(progressions))


def deal(patients: Sequence[TrialPatient], folds: int, rng: np.random.Generator) -> dict[str, int]:
    """Fold of each patient: each arm is shuffled and dealt in turn, so that folds hold equal shares of both."""
    dealt: dict[str, int] = {}
    for treated in (False, True):
        arm = sorted(p.id for p in patients if p.treated is treated)
        if folds < 2 or len(arm) < folds:
            raise Refusal(
                RefusalCode.PRECONDITION,
                f"{len(arm)} {'treated' if treated else 'control'} patients cannot be dealt into {folds} folds",
                field="folds",
                reason="TOO_FEW_PATIENTS",
            )
        dealt |= {arm[j]: position % folds for position, j in enumerate(rng.permutation(len(arm)))}
    return dealt


def learn(patients: Sequence[TrialPatient], question: TrialQuestion, *, without: set[str]) -> Progression:
    """The course of the controls that are not in `without`, from all their readings."""
    teachers = [
        CohortSubject(p.id, p.covariates, p.readings) for p in patients if not p.treated and p.id not in without
    ]
    learned = fit_progression(
        teachers,
        question.learn_from,
        analyte=question.analyte,
        unit=question.unit,
        scale=question.scale,
        learned_from="controls outside the fold",
    )
    return learned.progression


def endpoint_reading(patient: TrialPatient, visit: Visit) -> EndpointReading | None:
    """The reading nearest to the visit inside its window; the earlier of two equally near; None without one."""
    inside = [r for r in patient.readings if visit.low_h <= r.time_h <= visit.high_h]
    return min(inside, key=lambda r: (abs(r.time_h - visit.time_h), r.time_h), default=None)


def candidate(patient: TrialPatient, analyte: str) -> RandomizedPatient:
    """`patient` as known at randomization."""
    labs = tuple(Lab(r.time_h, analyte, r.value) for r in _baseline(patient))
    return RandomizedPatient(patient.id, patient.covariates, labs)


def _baseline(patient: TrialPatient) -> tuple[EndpointReading, ...]:
    return tuple(r for r in patient.readings if r.time_h <= 0)


def _covariate(patient: TrialPatient, name: str, question: TrialQuestion) -> float:
    if name == BASELINE:
        last = max(_baseline(patient), key=lambda r: r.time_h).value
        return float(np.log(last)) if question.scale == "log" else last
    if name not in patient.covariates:
        raise Refusal(
            RefusalCode.INVALID,
            f"adjust_for: {name!r} is not recorded for every analyzed patient",
            field="adjust_for",
            reason="COVARIATE_MISSING",
        )
    return patient.covariates[name]


def _analyze(
    patients: Sequence[TrialPatient],
    question: TrialQuestion,
    forecasts: Mapping[str, ControlForecast],
    chosen: Mapping[str, EndpointReading | None],
    progressions: tuple[Progression, ...],
) -> ControlArm:
    analyzed = tuple(p for p in patients if p.id in forecasts)
    raw = np.array([r.value for p in analyzed if (r := chosen[p.id]) is not None], dtype=np.float64)
    y = np.log(raw) if question.scale == "log" else raw
    used = tuple(forecasts[p.id] for p in analyzed)
    f = np.array([one.mean[0] for one in used])
    w = np.array([p.treated for p in analyzed], dtype=np.float64)
    x = np.array([[_covariate(p, name, question) for name in question.adjust_for] for p in analyzed], dtype=np.float64)
    adjusted = procova(y, w, f, x.reshape(len(analyzed), -1), errors=question.errors)
    controls = [one for one, arm in zip(used, w, strict=True) if arm == 0]
    return ControlArm(
        analyzed,
        used,
        y,
        adjusted,
        synthetic_difference(y[w == 1], f[w == 1], y[w == 0], f[w == 0]),
        calibration(controls, list(y[w == 0])),
        progressions,
        tuple(p.id for p in patients if p.id not in forecasts),
    )
