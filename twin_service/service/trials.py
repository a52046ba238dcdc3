"""Sponsors' questions: control-arm forecasts learned from historical controls, and prognostic adjustment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from twin_service.cohort.learning import CovariateUse, Reading, Subject
from twin_service.model.progression import Progression, progression_model
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service import answers
from twin_service.service import call as calls
from twin_service.service.rooms import Rooms, basis_of_several
from twin_service.trial.adjust.ancova import Effect
from twin_service.trial.adjust.procova import procova
from twin_service.trial.forecast.history import forecast_from_history
from twin_service.trial.forecast.synthetic_arm import LEVELS, ControlForecast
from twin_service.v1 import trial_pb2

MEMBERS = 128
CONFIDENCE = 0.95


def forecast_control_arm(
    rooms: Rooms, request: trial_pb2.ForecastControlArmRequest
) -> trial_pb2.ForecastControlArmResponse:
    """Learn the course of the historical controls, then forecast each subject from what is known at his index date."""
    _check_size(len(request.subjects), rooms, "subjects")
    _check_size(len(request.historical_controls), rooms, "historical_controls")
    names = _covariates(request)
    scale: Literal["log", "identity"] = "log" if request.endpoint.transform == trial_pb2.TRANSFORM_LOG else "identity"
    try:
        found = forecast_from_history(
            [_known_at_index(s, names, i) for i, s in enumerate(request.subjects)],
            [_subject(s) for s in request.historical_controls],
            list(request.endpoint.times_h),
            analyte=request.endpoint.name,
            unit=request.endpoint.unit or "1",
            learn_scale=scale,
            answer_scale=scale,
            covariates=[CovariateUse(n, "1") for n in names],
            members=MEMBERS,
            deadline=calls.current().deadline,
        )
    except Refusal as refusal:
        raise _in_request(refusal) from None
    response = trial_pb2.ForecastControlArmResponse(
        forecasts=[_forecast(f) for f in found.forecasts],
        parameters=_parameters(found.progression, names),
        basis=basis_of_several(
            MEMBERS,
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


def analyze(rooms: Rooms, request: trial_pb2.AnalyzeTrialRequest) -> trial_pb2.AnalyzeTrialResponse:
    """Difference in means beside the ANCOVA with the prognostic score."""
    rows = request.rows
    _check_size(len(rows), rooms, "rows")
    names = sorted(rows[0].covariates)
    _check_rows(rows, names)
    x = np.array([[r.covariates[n] for n in names] for r in rows], dtype=np.float64).reshape(len(rows), len(names))
    try:
        found = procova(
            [r.outcome for r in rows],
            [float(r.treated) for r in rows],
            [r.prognostic_score for r in rows],
            x if names else None,
            level=request.confidence or CONFIDENCE,
        )
    except Refusal as refusal:
        raise Refusal(refusal.code, refusal.message, field="rows", reason=refusal.reason) from None
    warnings = []
    if not found.correlation_control > 0:
        warnings.append("in the controls the score does not rise with the outcome: the adjustment gains nothing")
    ratio = (found.unadjusted.se / found.adjusted.se) ** 2 if found.adjusted.se > 0 else 0.0
    return trial_pb2.AnalyzeTrialResponse(
        unadjusted=_effect("unadjusted", found.unadjusted),
        adjusted=_effect("procova", found.adjusted),
        variance_reduction=answers.number(found.variance_reduction),
        score_correlation=answers.number(found.correlation_control),
        effective_sample_ratio=answers.number(ratio),
        warnings=warnings,
        basis=basis_of_several(
            assumptions=("the score was made from data before randomization", "standard errors are robust (HC3)")
        ),
    )


def _check_size(count: int, rooms: Rooms, field: str) -> None:
    limit = rooms.settings.trial_subjects_max
    if count > limit:
        raise Refusal(RefusalCode.TOO_MUCH, f"{count} rows; at most {limit}", field=field, reason="TOO_MANY_SUBJECTS")


def _check_rows(rows: Sequence[trial_pb2.TrialRow], names: list[str]) -> None:
    seen: set[str] = set()
    for i, row in enumerate(rows):
        if row.subject in seen:
            raise Refusal(
                RefusalCode.INVALID,
                "this subject is in the table twice",
                field=f"rows[{i}].subject",
                reason="SUBJECT_TWICE",
            )
        seen.add(row.subject)
        if sorted(row.covariates) != names:
            raise Refusal(
                RefusalCode.INVALID,
                f"has covariates {sorted(row.covariates)}, the first row has {names}",
                field=f"rows[{i}].covariates",
                reason="COVARIATE_MISSING",
            )


def _covariates(request: trial_pb2.ForecastControlArmRequest) -> list[str]:
    """Characteristics to learn from: those asked for, or all that everyone has and that differ between controls."""
    if request.covariates:
        return list(dict.fromkeys(request.covariates))
    everyone = [*request.historical_controls, *request.subjects]
    shared = set.intersection(*(set(s.baseline) for s in everyone))
    return sorted(n for n in shared if len({s.baseline[n] for s in request.historical_controls}) > 1)


def _subject(s: trial_pb2.Subject) -> Subject:
    visits = sorted((v.time_h, v.value) for v in s.visits)
    return Subject(s.id, dict(s.baseline), tuple(Reading(*v) for v in visits))


def _known_at_index(s: trial_pb2.Subject, names: list[str], index: int) -> Subject:
    for j, visit in enumerate(s.visits):
        if visit.time_h > 0:
            raise Refusal(
                RefusalCode.INVALID,
                "lies after the index date; a forecast under control may not use it",
                field=f"subjects[{index}].visits[{j}].time_h",
                reason="AFTER_INDEX_DATE",
            )
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


def _parameters(p: Progression, names: list[str]) -> dict[str, float]:
    labels = ["intercept", *names]
    told = {f"level.{n}": float(v) for n, v in zip(labels, p.level, strict=True)}
    told |= {f"slope_per_year.{n}": float(v) for n, v in zip(labels, p.slope, strict=True)}
    told |= {"sd_level": math.sqrt(p.omega[0, 0]), "sd_slope_per_year": math.sqrt(p.omega[1, 1]), "sigma": p.sigma}
    return told


def _effect(method: str, e: Effect) -> trial_pb2.EffectEstimate:
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


def _in_request(refusal: Refusal) -> Refusal:
    """Paths of the trial floor as paths of the request."""
    path: Any = refusal.field
    for floor, wire in (("candidates[", "subjects["), ("times_h", "endpoint.times_h"), ("analyte", "endpoint.name")):
        path = path.replace(floor, wire, 1) if path.startswith(floor) else path
    return Refusal(refusal.code, refusal.message, field=path, reason=refusal.reason, details=refusal.details)
