"""One step ahead: each reading forecast from what was known before it, and how the forecasts did.

    rRMSE = sqrt(mean(((f - y)/y)^2))   MAPE = mean |f - y|/y   P20, P30: share of forecasts within 20, 30 % of y
    coverage: share of readings inside the 90 % predictive band

f is the median of the predictive distribution.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from twin_service.fit.individual import Estimator, assimilate, for_forecast, on_arrival, prior_of
from twin_service.fit.subject import TableSubject, noise_of, predictor
from twin_service.kalman.belief import Belief
from twin_service.kalman.forecast import ReadingBand, forecast_quantiles
from twin_service.model.structure import PatientModel

FloatArray = NDArray[np.float64]

DRAWS = 512


@dataclass(frozen=True)
class SubjectForecast:
    """One reading, what the typical patient would have had, and what was forecast for this one.

    history    readings of any kind assimilated before
    low, high  5 and 95 % of the predictive band; prior_* the same from covariates alone
    share      of the predictive draws that lie below the reading
    """

    subject: str
    time_h: float
    analyte: str
    history: int
    value: float
    censored: bool
    prior: float
    prior_low: float
    prior_high: float
    forecast: float
    low: float
    high: float
    share: float = float("nan")


class Score(NamedTuple):
    """Errors of a set of forecasts, as fractions."""

    readings: int
    bias: float
    rrmse: float
    mape: float
    p20: float
    p30: float
    coverage90: float


def forecast_subject(
    model: PatientModel,
    subject: TableSubject,
    estimator: Estimator = "moments",
    *,
    gate: float | None = None,
    seed: int = 1,
    draws: int = DRAWS,
) -> list[SubjectForecast]:
    """Forecasts of all readings of `subject`, in time order; simultaneous readings do not see one another."""
    first = _bands(model, subject, prior_of(model), seed, draws)
    found: list[SubjectForecast] = []
    for pick, before in beliefs_before(model, subject, estimator, gate=gate):
        known, now = len(found), subject.rows(pick)
        bands = _bands(model, now, before, seed, draws) if known else [first[int(k)] for k in pick]
        found += [
            SubjectForecast(
                subject.id,
                float(now.times_h[j]),
                now.analytes[j],
                known,
                float(now.values[j]),
                bool(now.censoring[j]),
                *first[int(k)][:3],
                *bands[j],
            )
            for j, k in enumerate(pick)
        ]
    return found


def beliefs_before(
    model: PatientModel, subject: TableSubject, estimator: Estimator, *, gate: float | None = None
) -> Iterator[tuple[NDArray[np.intp], Belief]]:
    """The rows of each instant with the belief about them from all instants before, made ready for a forecast."""
    prior, drift = prior_of(model), np.array([e.drift_per_h for e in model.effects])
    belief, last = prior, 0.0
    for n, time in enumerate(np.unique(subject.times_h)):
        pick = np.flatnonzero(subject.times_h == time)
        belief = belief.drifted(drift, max(0.0, float(time) - last)) if n else belief
        yield pick, for_forecast(model, belief)
        now, seen = subject.rows(pick), subject.first(int(pick[-1]) + 1)
        last = float(time)
        if estimator == "auto":
            belief = on_arrival(model, now, seen, belief, gate=gate).belief
        elif estimator in ("laplace", "moments", "exact"):
            belief = assimilate(model, seen, prior, estimator, gate=gate).belief
        else:
            belief = assimilate(model, now, belief, estimator, gate=gate).belief


def _bands(
    model: PatientModel, now: TableSubject, belief: Belief, seed: int, draws: int
) -> list[tuple[float, float, float, float]]:
    """(median, 5 %, 95 %) of each reading's predictive distribution, and the share of it below the reading."""
    band = predictive_members(model, now, belief, seed=seed, draws=draws)
    q, below = band.quantiles, np.mean(band.members < now.values, axis=0)
    return [(float(q[1, j]), float(q[0, j]), float(q[2, j]), float(below[j])) for j in range(len(now))]


def predictive_members(
    model: PatientModel, now: TableSubject, belief: Belief, *, seed: int = 1, draws: int = DRAWS
) -> ReadingBand:
    """Readings of `now` as an assay would give them, from members drawn quasi-randomly from `belief`."""
    sobol = qmc.Sobol(len(belief.mean) + 1, scramble=True, rng=np.random.default_rng(seed))
    z = ndtri(np.clip(sobol.random(draws), 1e-12, 1.0 - 1e-12))
    return forecast_quantiles(belief, predictor(model, now), [noise_of(model, a) for a in now.analytes], z)


def score(forecasts: Iterable[SubjectForecast], *, prior: bool = False) -> Score:
    """Errors of the forecasts (or of the typical patient's predictions); censored readings count for coverage only."""
    rows = [f for f in forecasts if not f.censored and f.value > 0.0]
    y = np.array([f.value for f in rows])
    f = np.array([r.prior if prior else r.forecast for r in rows])
    low = np.array([r.prior_low if prior else r.low for r in rows])
    high = np.array([r.prior_high if prior else r.high for r in rows])
    if len(rows) == 0:
        return Score(0, *(float("nan"),) * 6)
    e = (f - y) / y
    inside = float(np.mean((low <= y) & (y <= high)))
    return Score(
        len(rows),
        float(e.mean()),
        float(np.sqrt(np.mean(e**2))),
        float(np.mean(np.abs(e))),
        float(np.mean(np.abs(e) <= 0.2)),
        float(np.mean(np.abs(e) <= 0.3)),
        inside,
    )


def figures(forecasts: Sequence[SubjectForecast], name: str) -> dict[str, float]:
    """Flat map of dotted names: all first readings, and all later ones a priori and a posteriori, and by history."""
    later = [f for f in forecasts if f.history >= 1]
    found = {
        f"{name}.subjects": float(len({f.subject for f in forecasts})),
        f"{name}.observations": float(len(forecasts)),
    }
    sets = {
        "first": score([f for f in forecasts if f.history == 0]),
        "prior": score(later, prior=True),
        "posterior": score(later),
    }
    for count in (1, 2, 3):
        sets[f"after{count}"] = score([f for f in forecasts if f.history == count])
    for label, s in sets.items():
        found |= {f"{name}.{label}_{k}": float(v) for k, v in s._asdict().items()}
    return found
