"""A synthetic control arm: for each patient, a forecast of the endpoint had he been given control.

The forecast is the twin's: a belief over the patient's effects, updated with what was measured up to randomization and
with nothing later, carried to the visit. Forecasts are never mixed with observations: a `ControlForecast` is its own
type, and each names the model it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Refusal, RefusalCode, Verdict
from twin_service.record.events import MICROSECONDS_PER_HOUR, Event, LabMeasured
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.scenario.assay import predictive
from twin_service.solver.tolerances import Deadline
from twin_service.trial.adjust.ancova import TreatmentEffect, effect_of
from twin_service.twin.fold import Folded, fold
from twin_service.twin.observe import standard_draws
from twin_service.twin.propagate import propagate

FloatArray = NDArray[np.float64]
Scale = Literal["identity", "log"]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
# Every candidate is carried by the same draws: a forecast then depends on the patient alone, not on the list he is in.
STREAM = "candidate"


class Lab(NamedTuple):
    """One baseline measurement, `time_h` hours from randomization (zero or negative), in the model's unit."""

    time_h: float
    analyte: str
    value: float


@dataclass(frozen=True)
class RandomizedPatient:
    """What is known of a patient at randomization. `id` is the trial's own, opaque."""

    id: str
    covariates: Mapping[str, float]
    baseline: tuple[Lab, ...] = ()


@dataclass(frozen=True)
class ControlForecast:
    """The endpoint under control as a reading would show it, on `scale`.

    times_h    visits (nt,), hours from randomization
    mean, sd   of the predictive distribution (nt,)
    quantiles  at `LEVELS` (nq, nt)
    model      id, version and digest of the model
    warnings   where the patient lies outside what the model was built for
    """

    id: str
    times_h: tuple[float, ...]
    mean: FloatArray
    sd: FloatArray
    quantiles: FloatArray
    scale: Scale
    model: str
    warnings: tuple[str, ...]
    outcome: Outcome


class ControlCalibration(NamedTuple):
    """Forecasts beside the readings of patients who did get control.

    coverage90    share of readings inside the central 90 % band
    bias, rmse    of reading minus forecast, on the forecast's scale
    z_sd          SD of (reading - mean)/sd: 1 when the width is right
    """

    patients: int
    coverage90: float
    bias: float
    rmse: float
    z_sd: float
    correlation: float


def control_forecasts(
    model: PatientModel,
    candidates: Sequence[RandomizedPatient],
    times_h: Sequence[float],
    *,
    analyte: str,
    scale: Scale = "identity",
    members: int = 128,
    deadline: Deadline | None = None,
) -> tuple[ControlForecast, ...]:
    """Each candidate's forecast of `analyte` at the visits `times_h`, without any dose of the drug under test.

    Raises Refusal for a measurement after randomization, an analyte that `model` does not predict, or a visit that is
    not after randomization.
    """
    if analyte not in model.observables:
        raise _refuse(
            "analyte",
            f"{analyte!r} is not predicted by {model.id}; it predicts: {', '.join(sorted(model.observables))}",
        )
    visits = np.asarray(times_h, dtype=np.float64)
    if not len(visits) or not np.all(np.isfinite(visits)) or np.any(visits <= 0) or np.any(np.diff(visits) <= 0):
        raise _refuse("times_h", "visits must be finite, after randomization and in increasing order")
    return tuple(
        _forecast(
            model,
            _twin(model, c, i, deadline),
            c,
            visits,
            analyte=analyte,
            scale=scale,
            members=members,
            deadline=deadline,
        )
        for i, c in enumerate(candidates)
    )


def calibration(
    forecasts: Sequence[ControlForecast], readings: Sequence[float], *, visit: int = 0
) -> ControlCalibration:
    """How well forecasts of control patients held; `readings` (n,) on the forecasts' scale, in their order."""
    y = np.asarray(readings, dtype=np.float64)
    if len(y) != len(forecasts) or len(y) < 3 or not np.all(np.isfinite(y)):
        raise _refuse(
            "readings",
            f"{len(y)} readings for {len(forecasts)} forecasts; expected one finite reading "
            "each, of three patients or more",
        )
    mean, sd = (np.array([getattr(f, k)[visit] for f in forecasts]) for k in ("mean", "sd"))
    low, high = (np.array([f.quantiles[LEVELS.index(q), visit] for f in forecasts]) for q in (0.05, 0.95))
    error = y - mean
    return ControlCalibration(
        len(y),
        float(np.mean((y >= low) & (y <= high))),
        float(error.mean()),
        float(np.sqrt(np.mean(error**2))),
        float(np.std(error / sd, ddof=1)),
        float(np.corrcoef(mean, y)[0, 1]),
    )


def synthetic_difference(
    treated_readings: Sequence[float],
    treated_forecasts: Sequence[float],
    control_readings: Sequence[float],
    control_forecasts_: Sequence[float],
    *,
    level: float = 0.95,
) -> TreatmentEffect:
    """Treated patients against their own forecasts, less the same difference in the controls.

    tau = mean(y1 - f1) - mean(y0 - f0),  Var = s1^2/n1 + s0^2/n0,  Welch's degrees of freedom

    The second term removes what the forecasts get wrong on average: it is what concurrent controls are still for.
    """
    d1 = np.asarray(treated_readings, dtype=np.float64) - np.asarray(treated_forecasts, dtype=np.float64)
    d0 = np.asarray(control_readings, dtype=np.float64) - np.asarray(control_forecasts_, dtype=np.float64)
    if min(len(d1), len(d0)) < 2 or not (np.all(np.isfinite(d1)) and np.all(np.isfinite(d0))):
        raise _refuse("readings", "each arm needs two or more finite readings and forecasts")
    v1, v0 = float(d1.var(ddof=1)) / len(d1), float(d0.var(ddof=1)) / len(d0)
    df = (v1 + v0) ** 2 / (v1**2 / (len(d1) - 1) + v0**2 / (len(d0) - 1)) if v1 + v0 > 0 else float(len(d1) + len(d0))
    w = np.concatenate([np.ones(len(d1)), np.zeros(len(d0))])
    return effect_of(float(d1.mean() - d0.mean()), float(np.sqrt(v1 + v0)), df, w, level=level)


def _forecast(
    model: PatientModel,
    folded: Folded,
    candidate: RandomizedPatient,
    visits: FloatArray,
    *,
    analyte: str,
    scale: Scale,
    members: int,
    deadline: Deadline | None,
) -> ControlForecast:
    observable = model.observables[analyte]
    draws = standard_draws(STREAM, len(model.effects), members)
    eta = folded.belief.members(draws[:, :-1])
    run = propagate(model, folded.course, eta, visits - _start_h(candidate), deadline=deadline)
    truth = run.outputs[:, :, model.system.output_index[observable.output]]
    y = predictive(truth, observable.error, np.repeat(draws[:, -1:], len(visits), axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.log(y) if scale == "log" else y
    good = y[np.all(np.isfinite(y), axis=1)]
    if len(good) < members / 2:
        nothing = np.full(len(visits), np.nan)
        mean, sd, quantiles = nothing, nothing, np.tile(nothing, (len(LEVELS), 1))
        outcome = run.outcome if not run.outcome.ok else Outcome(Verdict.NOT_FINITE, f"forecast of {analyte}")
    else:
        mean, sd, quantiles, outcome = good.mean(axis=0), good.std(axis=0, ddof=1), _quantiles(good), run.outcome
    name = f"{model.id} version {model.version} digest {model.digest[:12]}"
    return ControlForecast(
        candidate.id, tuple(map(float, visits)), mean, sd, quantiles, scale, name, folded.warnings, outcome
    )


def _quantiles(values: FloatArray) -> FloatArray:
    return np.asarray(np.quantile(values, LEVELS, axis=0))


def _twin(model: PatientModel, candidate: RandomizedPatient, index: int, deadline: Deadline | None) -> Folded:
    """The twin as of randomization; its hour 0 is the first baseline measurement."""
    for i, lab in enumerate(candidate.baseline):
        if not np.isfinite(lab.time_h) or lab.time_h > 0:
            raise _refuse(
                f"candidates[{index}].baseline[{i}].time_h",
                "a forecast under control may use nothing measured after randomization; leave the reading out",
            )
    start_h = _start_h(candidate)
    person = Person(TwinName("trial", STREAM), ModelChoice(), 0, covariates=dict(candidate.covariates))
    events = (
        Event(f"baseline-{i}", round((lab.time_h - start_h) * MICROSECONDS_PER_HOUR), _lab(model, lab))
        for i, lab in enumerate(candidate.baseline)
    )
    try:
        return fold(model, person, Timeline.of(events), deadline=deadline)
    except Refusal as refusal:
        raise refusal.at(f"candidates[{index}]") from refusal


def _start_h(candidate: RandomizedPatient) -> float:
    return min([0.0, *(lab.time_h for lab in candidate.baseline)])


def _lab(model: PatientModel, lab: Lab) -> LabMeasured:
    unit = model.observables[lab.analyte].unit if lab.analyte in model.observables else ""
    return LabMeasured(lab.analyte, lab.value, unit, lab.value, unit)


def _refuse(field: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{field}: {message}", field=field, reason="BAD_TRIAL_DATA")
