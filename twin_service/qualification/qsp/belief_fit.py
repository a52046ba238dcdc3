"""The twin's own estimator on a plain table: Laplace posteriors of one patient, and forecasts drawn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.laplace import laplace_update
from twin_service.model.structure import ErrorLaw, PatientModel
from twin_service.solver.schedule import Schedule
from twin_service.solver.simulate import simulate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PatientRecord:
    """One patient: characteristics, what was given, and readings as (hour, analyte, value)."""

    covariates: Mapping[str, float]
    schedule: Schedule
    readings: tuple[tuple[float, str, float], ...]


def prior_of(model: PatientModel) -> Belief:
    """The population's distribution of the effects."""
    return Belief.of(np.zeros(len(model.effects)), model.omega)


def predicted(
    model: PatientModel, course: PatientRecord, eta: Floats, readings: Sequence[tuple[float, str, float]]
) -> Floats:
    """What members `eta` (N, nx) predict for each reading, (N, ny)."""
    times = np.array([r[0] for r in readings])
    grid, where = np.unique(times, return_inverse=True)
    run = simulate(model.system, model.members(course.covariates, eta), course.schedule, grid)
    columns = [model.system.output_index[model.observables[a].output] for _, a, _ in readings]
    return np.asarray(run.outputs[:, where, columns])


def posterior(
    model: PatientModel,
    course: PatientRecord,
    readings: Sequence[tuple[float, str, float]],
    *,
    prior: Belief | None = None,
    errors: Mapping[str, ErrorLaw] | None = None,
) -> Belief:
    """The belief after `readings`; the prior where there are none."""
    before = prior or prior_of(model)
    if not readings:
        return before
    laws = [(errors or {}).get(a, model.observables[a].error) for _, a, _ in readings]
    noises = [Noise(e.kind, e.additive, e.proportional, e.power) for e in laws if e.kind != "poisson"]
    assert len(noises) == len(laws), "a count has no Gaussian scale"
    seen = ObservedReadings.create([v for _, _, v in readings], noises)
    return laplace_update(before, lambda eta: predicted(model, course, eta, readings), seen).belief


def inside_share(low: Floats, high: Floats, truth: Floats) -> float:
    """Share of truths inside their band."""
    return float(np.mean((truth >= low) & (truth <= high)))
