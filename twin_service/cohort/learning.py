"""Courses learned from patients: the control-arm progression of an endpoint, by maximum likelihood.

What is learned is a `Progression` (a record with its provenance), never a silent change of a twin: a twin that uses it
names its version in every answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.cohort.mixed_model import MixedModel, PatientSeries, fit_mixed_model
from twin_service.model.progression import Predictor, Progression
from twin_service.outcome import Refusal, RefusalCode

FloatArray = NDArray[np.float64]
HOURS_PER_YEAR = 8766.0


class EndpointReading(NamedTuple):
    """One value of the endpoint at `time_h` hours from randomization (or the index date)."""

    time_h: float
    value: float


@dataclass(frozen=True)
class CohortSubject:
    """A patient as a population sees one: an opaque id, characteristics at time 0, and readings of one endpoint."""

    id: str
    covariates: Mapping[str, float]
    readings: tuple[EndpointReading, ...]


class CovariateUse(NamedTuple):
    """A characteristic to learn from: its unit, and whether its logarithm enters."""

    name: str
    unit: str
    logarithm: bool = False


@dataclass(frozen=True)
class LearnedProgression:
    """A progression with the fit it came from; `fit` holds uncertainty and likelihood for the report."""

    progression: Progression
    fit: MixedModel


def fit_progression(
    subjects: Sequence[CohortSubject],
    covariates: Sequence[CovariateUse] = (),
    *,
    analyte: str,
    unit: str,
    scale: Literal["log", "identity"] = "log",
    learned_from: str,
) -> LearnedProgression:
    """The progression that maximizes the restricted likelihood of all readings of `subjects`.

    g(y_ij) = x_i beta_a + eta_level + (x_i beta_b + eta_slope) t_ij / year + e_ij

    Time counts from a patient's first reading, as it does in his twin.
    Raises Refusal when a reading cannot be used (log of a value that is not positive), a characteristic is missing, or
    the patients cannot tell the effects apart.
    """
    used = [s for s in subjects if s.readings]
    predictors = tuple(_predictor(use, used) for use in covariates)
    groups = [_group(s, predictors, scale) for s in used]
    fit = fit_mixed_model(groups, restricted=True)
    k = 1 + len(predictors)
    told = f"{learned_from}; {fit.groups} patients, {fit.observations} readings"
    progression = Progression(
        analyte, unit, scale, predictors, fit.beta[:k], fit.beta[k:], fit.omega, fit.sigma, HOURS_PER_YEAR, told
    )
    return LearnedProgression(progression, fit)


def _predictor(use: CovariateUse, subjects: Sequence[CohortSubject]) -> Predictor:
    values = np.array([_value(s, use.name) for s in subjects], dtype=np.float64)
    if use.logarithm and np.any(values <= 0):
        raise Refusal(
            RefusalCode.INVALID,
            f"covariate {use.name}: a logarithm needs positive values",
            field=f"covariates.{use.name}",
            reason="NOT_POSITIVE",
        )
    x = np.log(values) if use.logarithm else values
    spread = float(x.std()) if len(x) else 0.0
    if spread <= 1e-12 * max(1.0, float(np.abs(x).max(initial=0.0))):
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"covariate {use.name} is the same in every patient; drop it",
            field=f"covariates.{use.name}",
            reason="CANNOT_LEARN",
        )
    low, high = float(values.min()), float(values.max())
    return Predictor(use.name, use.unit, float(x.mean()), spread, use.logarithm, low, high)


def _value(subject: CohortSubject, name: str) -> float:
    value = subject.covariates.get(name, np.nan)
    if not np.isfinite(value):
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"covariate {name} is missing for a patient; leave the patient or the covariate out",
            field=f"covariates.{name}",
            reason="COVARIATE_MISSING",
        )
    return float(value)


def _group(subject: CohortSubject, predictors: Sequence[Predictor], scale: str) -> PatientSeries:
    hours = np.array([r.time_h for r in subject.readings])
    years = (hours - hours.min()) / HOURS_PER_YEAR
    values = np.array([r.value for r in subject.readings], dtype=np.float64)
    if scale == "log" and np.any(values <= 0):
        raise Refusal(
            RefusalCode.INVALID,
            "readings: a logarithm needs positive values; use the identity scale",
            field="readings",
            reason="NOT_POSITIVE",
        )
    x = np.array([1.0, *(p.standardized(subject.covariates[p.name]) for p in predictors)])
    fixed = np.column_stack([np.tile(x, (len(years), 1)), years[:, None] * x])
    random = np.column_stack([np.ones_like(years), years])
    return PatientSeries(np.log(values) if scale == "log" else values, fixed, random)
