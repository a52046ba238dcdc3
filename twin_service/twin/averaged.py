"""Several models for one patient, each weighed by how well it forecast his readings before it saw them.

    w_k ~ prior_k prod_t p_k(y_t | y_1..t-1)        over the readings that every model predicts

p_k is the normal (or lognormal) law of the forecast kept with each reading; simultaneous readings count as independent.
Futures pool members of all models in proportion to the weights. Uster 2021, doi:10.1002/cpt.2065.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from twin_service import units
from twin_service.kalman.averaging import averaging_weights
from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.record.events import Censoring
from twin_service.record.person import ModelChoice, Person
from twin_service.record.timeline import Timeline
from twin_service.scenario.attainment import attained, joint, metrics_of
from twin_service.scenario.bands import QUANTILES, Bands, BandSeries
from twin_service.scenario.regimen import Regimen, planned_doses
from twin_service.scenario.target import Target
from twin_service.solver.schedule import Schedule
from twin_service.solver.simulate import Deadline, simulate
from twin_service.twin.alternative import alternative
from twin_service.twin.categories import kind_of, observable_of
from twin_service.twin.fold import Folded
from twin_service.twin.forecast import Forecast
from twin_service.twin.simulate import WhatIf, grid_for, start_from

FloatArray = NDArray[np.float64]
MODELS_MAX = 8
WIDTH = 3.2897072539
"""Standard deviations between the 5 and 95 % points of a normal law."""


@dataclass(frozen=True)
class CandidateModel:
    """One model: its twin, or why it could not take the record.

    weight        of all candidates together 1
    log_evidence  ln of the density of the compared readings, in the first model's units
    rrmse         of its one-step forecasts of them
    """

    choice: ModelChoice
    folded: Folded | None
    weight: float
    log_evidence: float
    rrmse: float
    left_out: str = ""


@dataclass(frozen=True)
class Averaged:
    """The candidates in the order asked for, and how many readings they were compared by."""

    candidates: tuple[CandidateModel, ...]
    readings: int

    @property
    def kept(self) -> tuple[CandidateModel, ...]:
        return tuple(c for c in self.candidates if c.folded is not None)


def average(
    person: Person,
    timeline: Timeline,
    choices: Sequence[ModelChoice],
    prior: Sequence[float] = (),
    *,
    deadline: Deadline | None = None,
) -> Averaged:
    """Fold the record under each of 2 to 8 models and weigh them; `prior` weights default to equal ones.

    A model that cannot take the record is left out with its reason. Raises Refusal for too few or too many models, one
    named twice, prior weights that are not positive, and when no model can take the record.
    """
    _check(choices, prior)
    found: list[tuple[Folded | None, str]] = []
    for choice in choices:
        try:
            found.append((alternative(person, timeline, choice, deadline=deadline), ""))
        except Refusal as refusal:
            found.append((None, refusal.message))
    kept = [f for f, _ in found if f is not None]
    if not kept:
        raise _refuse(f"none of the models can take this record: {found[0][1]}", "models", "NO_MODEL_FITS")
    shared = _shared(kept)
    scores = [_scored(f, kept[0], shared) for f in kept]
    chances = [p for p, (f, _) in zip(prior or [1.0] * len(choices), found, strict=True) if f is not None]
    shares = averaging_weights([s for s, _ in scores], np.array(chances) / sum(chances))
    weights = iter(zip(shares, scores, strict=True))
    candidates = []
    for choice, (folded, why) in zip(choices, found, strict=True):
        if folded is None:
            candidates.append(CandidateModel(choice, None, 0.0, float("nan"), float("nan"), why))
            continue
        w, (evidence, rrmse) = next(weights)
        candidates.append(CandidateModel(choice, folded, float(w), evidence, rrmse))
    return Averaged(tuple(candidates), len(shared))


def averaged_what_if(
    averaged: Averaged,
    regimens: Sequence[Regimen],
    *,
    start_h: float,
    horizon_h: float,
    analytes: Sequence[str],
    targets: Sequence[Target] = (),
    members: int = 256,
    deadline: Deadline | None = None,
) -> list[WhatIf]:
    """Each regimen under the mixture: bands of `analytes` and target attainment, in the first kept model's units.

    Targets name analytes. Endpoints stay empty: models differ in what they call one.
    """
    kept = averaged.kept
    wanted = list(dict.fromkeys([*analytes, *(t.output for t in targets)]))
    for i, a in enumerate(wanted):
        if any(c.folded is None or kind_of(c.folded.model, a) != "reading" for c in kept):
            raise _refuse(f"not every model predicts {a!r}", f"outputs[{i}]", "NO_SUCH_OUTPUT")
    counts = _counts([c.weight for c in kept], members)
    starts = [
        start_from(c.folded, start_h, n, outputs=wanted, deadline=deadline) if n and c.folded else None
        for c, n in zip(kept, counts, strict=True)
    ]
    first = kept[0].folded
    assert first is not None
    found = []
    for regimen in regimens:
        grid = grid_for(regimen.name, planned_doses(first.model, regimen, start_h), start_h, horizon_h, targets=targets)
        pooled: dict[str, list[FloatArray]] = {a: [] for a in wanted}
        outcome, given = Outcome(), np.zeros(0)
        for c, start in zip(kept, starts, strict=True):
            if start is None or c.folded is None:
                continue
            doses = planned_doses(c.folded.model, regimen, start_h)
            given = np.array([d.time_h - start_h for d in doses])
            model = c.folded.model
            run = simulate(
                model.system,
                start.rows,
                Schedule(start.history + doses, start.changes_h),
                grid.clock_h,
                after_dose=grid.after,
                start_h=start.time_h,
                state=start.states,
                deadline=deadline,
            )
            outcome = next((o for o in run.outcomes if not o.ok), outcome)
            for a in wanted:
                seen = observable_of(model, a)
                column = model.system.output_index[seen.output]
                pooled[a].append(run.outputs[:, :, column] * _factor(a, seen.unit, observable_of(first.model, a).unit))
        values = {a: np.concatenate(v) for a, v in pooled.items()}
        series = tuple(_series(a, observable_of(first.model, a).unit, values[a]) for a in analytes)
        metrics = [metrics_of(t, grid.hours, values[t.output], given) for t in targets]
        bands = Bands(grid.hours, series, QUANTILES, outcome, sum(counts))
        found.append(WhatIf(regimen, bands, tuple(map(attained, metrics)), joint(metrics), (), outcome))
    return found


def _series(analyte: str, unit: str, values: FloatArray) -> BandSeries:
    good = values[np.all(np.isfinite(values), axis=1)]
    if not len(good):
        nothing = np.full(values.shape[1], np.nan)
        return BandSeries(analyte, unit, nothing, np.tile(nothing, (len(QUANTILES), 1)))
    return BandSeries(analyte, unit, good.mean(axis=0), np.quantile(good, QUANTILES, axis=0))


def _counts(weights: Sequence[float], members: int) -> list[int]:
    """Members of each model: largest remainders, so that they sum to `members`."""
    exact = np.array(weights) * members
    counts = np.floor(exact).astype(int)
    for k in np.argsort(counts - exact, kind="stable")[: members - int(counts.sum())]:
        counts[k] += 1
    return [int(n) for n in counts]


def _shared(kept: Sequence[Folded]) -> list[str]:
    """Events whose reading every model forecast, by id."""
    ids = [{f.sample.event_id for f in k.forecasts if np.isfinite(f.band.mean)} for k in kept]
    both = set.intersection(*ids)
    return [f.sample.event_id for f in kept[0].forecasts if f.sample.event_id in both]


def _scored(folded: Folded, first: Folded, shared: Sequence[str]) -> tuple[float, float]:
    """(log evidence, rrmse) over the shared readings, densities per unit of the first model."""
    by_id = {f.sample.event_id: f for f in folded.forecasts}
    total, errors = 0.0, []
    for event_id in shared:
        f = by_id[event_id]
        own, theirs = (observable_of(k.model, f.sample.analyte) for k in (folded, first))
        total += _log_density(f, own.error.kind)
        if f.sample.censoring is not Censoring.NONE:
            continue
        total += float(np.log(_factor(own.analyte, theirs.unit, own.unit)))
        if f.sample.value > 0.0:
            errors.append(f.band.q50 / f.sample.value - 1.0)
    return float(total), float(np.sqrt(np.mean(np.square(errors)))) if errors else float("nan")


def _log_density(f: Forecast, kind: str) -> float:
    """ln of the forecast's density at the reading, or of the tail beyond its limit."""
    y, middle, sd, slope = f.sample.value, f.band.mean, f.band.sd, 0.0
    if kind == "log":
        if min(y, f.band.q05) <= 0.0:
            return -np.inf
        y, middle, slope = float(np.log(y)), float(np.log(f.band.q50)), -float(np.log(y))
        sd = float(np.log(f.band.q95 / f.band.q05)) / WIDTH
    z = (y - middle) / max(sd, 1e-300)
    if f.sample.censoring is Censoring.BELOW:
        return float(log_ndtr(z))
    if f.sample.censoring is Censoring.ABOVE:
        return float(log_ndtr(-z))
    return -0.5 * z * z - float(np.log(max(sd, 1e-300))) - 0.5 * float(np.log(2.0 * np.pi)) + slope


def _factor(analyte: str, unit: str, to: str) -> float:
    """How many `to` one `unit` of the analyte is."""
    if unit == to:
        return 1.0
    known = units.analytes().get(analyte)
    return units.convert(1.0, unit, to, molar_mass=known.molar_mass if known else None, path=f"outputs.{analyte}")


def _check(choices: Sequence[ModelChoice], prior: Sequence[float]) -> None:
    if not 2 <= len(choices) <= MODELS_MAX:
        raise _refuse(f"{len(choices)} models; expected 2 to {MODELS_MAX}", "models", "BAD_MODELS")
    if len(set(choices)) < len(choices):
        raise _refuse("two of the models are the same", "models", "BAD_MODELS")
    if prior and len(prior) != len(choices):
        raise _refuse(f"{len(prior)} prior weights for {len(choices)} models", "prior_weights", "BAD_PRIOR_WEIGHTS")
    for i, p in enumerate(prior):
        if not np.isfinite(p) or p <= 0.0:
            raise _refuse(f"is {p}; expected a positive number", f"prior_weights[{i}]", "BAD_PRIOR_WEIGHTS")


def _refuse(message: str, field: str, reason: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field, reason=reason)
