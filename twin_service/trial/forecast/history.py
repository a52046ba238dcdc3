"""Control forecasts learned from earlier trials: the case where no outcome of the new trial exists yet.

What is learned once may be frozen before the new trial is unblinded: the progression names itself by a hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from twin_service.cohort.learning import CohortSubject, CovariateUse, fit_progression
from twin_service.model.progression import Progression, progression_model
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.tolerances import Deadline
from twin_service.trial.forecast.synthetic_arm import ControlForecast, Lab, RandomizedPatient, Scale, control_forecasts


@dataclass(frozen=True)
class HistoricalForecasts:
    """One forecast a subject, in their order, and the course they rest on."""

    forecasts: tuple[ControlForecast, ...]
    progression: Progression


def forecast_from_history(
    subjects: Sequence[CohortSubject],
    historical: Sequence[CohortSubject],
    times_h: Sequence[float],
    *,
    analyte: str,
    unit: str,
    learn_scale: Literal["log", "identity"] = "log",
    answer_scale: Scale = "identity",
    covariates: Sequence[CovariateUse] | None = None,
    members: int = 128,
    deadline: Deadline | None = None,
) -> HistoricalForecasts:
    """Each of `subjects` forecast under control at `times_h`, by the course of `historical` patients.

    covariates   what to learn from; None: every characteristic that all patients have and that differs between them
    A subject's readings must lie at or before hour 0. Raises Refusal as `fit_progression` and `control_forecasts` do,
    and for a patient who is in both groups.
    """
    both = {s.id for s in subjects} & {s.id for s in historical}
    if both:
        raise Refusal(
            RefusalCode.INVALID,
            f"{len(both)} patients are in both groups; a patient must not teach his own forecast",
            field="historical_controls",
            reason="TEACHES_ITSELF",
        )
    uses = shared_covariates([*subjects, *historical], historical) if covariates is None else tuple(covariates)
    learned = fit_progression(
        historical, uses, analyte=analyte, unit=unit, scale=learn_scale, learned_from="historical controls"
    )
    candidates = [
        RandomizedPatient(s.id, s.covariates, tuple(Lab(r.time_h, analyte, r.value) for r in s.readings))
        for s in subjects
    ]
    found = control_forecasts(
        progression_model(learned.progression),
        candidates,
        times_h,
        analyte=analyte,
        scale=answer_scale,
        members=members,
        deadline=deadline,
    )
    reach = longest_follow_up_h(historical)
    return HistoricalForecasts(
        tuple(_warned(f, c, reach) for f, c in zip(found, candidates, strict=True)), learned.progression
    )


def shared_covariates(everyone: Sequence[CohortSubject], teachers: Sequence[CohortSubject]) -> tuple[CovariateUse, ...]:
    """Characteristics that everyone has and that differ between the teachers, by name."""
    names = set.intersection(*(set(s.covariates) for s in everyone)) if everyone else set()
    return tuple(
        CovariateUse(name, "1") for name in sorted(names) if len({float(s.covariates[name]) for s in teachers}) > 1
    )


def longest_follow_up_h(subjects: Sequence[CohortSubject]) -> float:
    """Hours from the first to the last reading of the patient who was followed longest."""
    spans = [np.ptp([r.time_h for r in s.readings]) for s in subjects if s.readings]
    return float(max(spans, default=0.0))


def _warned(forecast: ControlForecast, candidate: RandomizedPatient, reach_h: float) -> ControlForecast:
    start_h = min([0.0, *(lab.time_h for lab in candidate.baseline)])
    beyond = forecast.times_h[-1] - start_h
    if beyond <= reach_h:
        return forecast
    warning = f"visit {beyond:g} h after the first reading; no historical control was followed beyond {reach_h:g} h"
    return replace(forecast, warnings=(*forecast.warnings, warning))
