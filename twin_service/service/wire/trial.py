"""Sponsors' questions on the wire: control-arm forecasts, and prognostic adjustment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin_service.cohort.learning import CohortSubject, EndpointReading
from twin_service.model.progression import Progression, progression_model
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.wire import answer
from twin_service.service.wire.path import at, invalid
from twin_service.service.wire.quantity import number
from twin_service.settings import Settings
from twin_service.trial.adjust.ancova import TreatmentEffect
from twin_service.trial.adjust.procova import Adjusted
from twin_service.trial.forecast.history import HistoricalForecasts
from twin_service.trial.forecast.synthetic_arm import LEVELS, ControlForecast
from twin_service.v1 import trial_pb2
from twin_service.v1.trial_pb2 import (
    AnalyzeTrialRequest,
    AnalyzeTrialResponse,
    ForecastControlArmRequest,
    ForecastControlArmResponse,
)

__all__ = ["AnalyzeTrialRequest", "AnalyzeTrialResponse", "ForecastControlArmRequest", "ForecastControlArmResponse"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ControlArmRequest:
    """Subjects to forecast and the controls to learn from; times in hours from the index date."""

    subjects: tuple[CohortSubject, ...]
    history: tuple[CohortSubject, ...]
    times_h: tuple[float, ...]
    analyte: str
    unit: str
    scale: Literal["log", "identity"]
    covariates: tuple[str, ...]


@dataclass(frozen=True)
class Analysis:
    """Outcomes (n,), treatment (n,), score (n,), covariates (n, k)."""

    outcome: NDArray[np.float64]
    treated: NDArray[np.float64]
    score: NDArray[np.float64]
    covariates: NDArray[np.float64] | None
    confidence: float


def control_arm_of(request: ForecastControlArmRequest, settings: Settings) -> ControlArmRequest:
    _check_size(len(request.subjects), settings, "subjects")
    _check_size(len(request.historical_controls), settings, "historical_controls")
    names = _covariates(request)
    subjects = []
    for i, s in enumerate(request.subjects):
        with at("subjects", i):
            subjects.append(_known_at_index(s, names))
    return ControlArmRequest(
        tuple(subjects),
        tuple(_subject(s) for s in request.historical_controls),
        tuple(request.endpoint.times_h),
        request.endpoint.name,
        request.endpoint.unit or "1",
        "log" if request.endpoint.transform == trial_pb2.TRANSFORM_LOG else "identity",
        tuple(names),
    )


def forecast_arm(
    found: HistoricalForecasts, names: Sequence[str], *, members: int, now_us: int
) -> ForecastControlArmResponse:
    response = ForecastControlArmResponse(
        forecasts=[_forecast(f) for f in found.forecasts],
        parameters=_parameters(found.progression, names),
        basis=answer.basis_of_request(
            now_us,
            members,
            (
                "historical controls and trial controls follow the same course",
                "nothing measured after a subject's index date is used for his forecast",
            ),
        ),
    )
    model = progression_model(found.progression)
    response.basis.model_id, response.basis.model_version = model.id, model.version
    response.basis.model_digest = model.digest
    return response


def analysis_of(request: AnalyzeTrialRequest, settings: Settings) -> Analysis:
    rows = request.rows
    _check_size(len(rows), settings, "rows")
    names = sorted(rows[0].covariates)
    _check_rows(rows, names)
    x = np.array([[r.covariates[n] for n in names] for r in rows], dtype=np.float64).reshape(len(rows), len(names))
    return Analysis(
        np.array([r.outcome for r in rows]),
        np.array([float(r.treated) for r in rows]),
        np.array([r.prognostic_score for r in rows]),
        x if names else None,
        request.confidence or CONFIDENCE,
    )


def analyzed(found: Adjusted, now_us: int) -> AnalyzeTrialResponse:
    warnings = []
    if not found.correlation_control > 0:
        warnings.append("in the controls the score does not rise with the outcome: the adjustment gains nothing")
    ratio = (found.unadjusted.se / found.adjusted.se) ** 2 if found.adjusted.se > 0 else 0.0
    return AnalyzeTrialResponse(
        unadjusted=_effect("unadjusted", found.unadjusted),
        adjusted=_effect("procova", found.adjusted),
        variance_reduction=number(found.variance_reduction),
        score_correlation=number(found.correlation_control),
        effective_sample_ratio=number(ratio),
        warnings=warnings,
        basis=answer.basis_of_request(
            now_us,
            assumptions=("the score was made from data before randomization", "standard errors are robust (HC3)"),
        ),
    )


def _check_size(count: int, settings: Settings, field: str) -> None:
    limit = settings.trial_subjects_max
    if count > limit:
        raise Refusal(RefusalCode.TOO_MUCH, f"{count} rows; at most {limit}", field=field, reason="TOO_MANY_SUBJECTS")


def _check_rows(rows: Sequence[trial_pb2.TrialRow], names: list[str]) -> None:
    seen: set[str] = set()
    for i, row in enumerate(rows):
        with at("rows", i):
            if row.subject in seen:
                raise invalid("this subject is in the table twice", "subject", "SUBJECT_TWICE")
            if sorted(row.covariates) != names:
                said = f"has covariates {sorted(row.covariates)}, the first row has {names}"
                raise invalid(said, "covariates", "COVARIATE_MISSING")
        seen.add(row.subject)


def _covariates(request: trial_pb2.ForecastControlArmRequest) -> list[str]:
    """Characteristics to learn from: those asked for, or all that everyone has and that differ between controls."""
    if request.covariates:
        return list(dict.fromkeys(request.covariates))
    everyone = [*request.historical_controls, *request.subjects]
    shared = set.intersection(*(set(s.baseline) for s in everyone))
    return sorted(n for n in shared if len({s.baseline[n] for s in request.historical_controls}) > 1)


def _subject(s: trial_pb2.Subject) -> CohortSubject:
    visits = sorted((v.time_h, v.value) for v in s.visits)
    return CohortSubject(s.id, dict(s.baseline), tuple(EndpointReading(*v) for v in visits))


def _known_at_index(s: trial_pb2.Subject, names: Sequence[str]) -> CohortSubject:
    for j, visit in enumerate(s.visits):
        if visit.time_h > 0:
            with at("visits", j):
                said = "lies after the index date; a forecast under control may not use it"
                raise invalid(said, "time_h", "AFTER_INDEX_DATE")
    whole = _subject(s)
    return replace(whole, covariates={n: v for n, v in whole.covariates.items() if n in names})


def _forecast(found: ControlForecast) -> trial_pb2.ControlForecast:
    wire = trial_pb2.ControlForecast(subject=found.id, times_h=found.times_h, predicted=True, warnings=found.warnings)
    numbers = (found.mean, found.sd, found.quantiles[LEVELS.index(0.05)], found.quantiles[LEVELS.index(0.95)])
    if all(np.all(np.isfinite(n)) for n in numbers):
        for field, values in zip(("mean", "sd", "q05", "q95"), numbers, strict=True):
            getattr(wire, field).extend(values.tolist())
    else:
        wire.warnings.append(f"no forecast: {found.outcome}")
    return wire


def _parameters(p: Progression, names: Sequence[str]) -> dict[str, float]:
    labels = ["intercept", *names]
    told = {f"level.{n}": float(v) for n, v in zip(labels, p.level, strict=True)}
    told |= {f"slope_per_year.{n}": float(v) for n, v in zip(labels, p.slope, strict=True)}
    told |= {"sd_level": math.sqrt(p.omega[0, 0]), "sd_slope_per_year": math.sqrt(p.omega[1, 1]), "sigma": p.sigma}
    return told


def _effect(method: str, e: TreatmentEffect) -> trial_pb2.EffectEstimate:
    return trial_pb2.EffectEstimate(
        method=method,
        estimate=e.estimate,
        standard_error=e.se,
        ci_low=e.low,
        ci_high=e.high,
        p_value=e.p,
        degrees_of_freedom=e.df,
        treated=e.n_treated,
        controls=e.n_control,
    )
