"""Real patients one step ahead, by every estimator, and how errors fall with each reading a twin has learned from.

Two tables, because a plain "after n readings" mixes patients and hours that differ in difficulty:

    forecasts   each reading from all before it; a priori: the same readings from covariates alone
    paired      the same later readings of the same patients, forecast after the first 0, 1, ..., depth instants

Estimator "exact" is the reference posterior: where it errs as much as the others, the model errs and not its estimator.

Errors are those of `forecast.score`: of the predictive median, censored readings apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from twin_service.fit.forecast import (
    Score,
    SubjectForecast,
    beliefs_before,
    forecast_subject,
    predictive_members,
    score,
)
from twin_service.fit.individual import Estimator, prior_of
from twin_service.fit.process_pool import shared_out
from twin_service.fit.subject import TableSubject
from twin_service.model.structure import PatientModel
from twin_service.qualification.estimation.real_sets import ABSENT, SETS, RealSet, load

JUDGED: Final[tuple[Estimator, ...]] = ("auto", "laplace", "unscented", "ensemble", "exact")
SERVED: Final = 256  # members of a served forecast
DEPTHS: Final = (1, 2, 3)
SHOWN: Final = ("rrmse", "mape", "p20", "p30", "coverage90")


@dataclass(frozen=True)
class RealResult:
    """One analyte of one set: scores by estimator, and paired scores by depth (one for each count of readings)."""

    set: RealSet
    analyte: str
    subjects: int
    prior: Score
    posterior: Mapping[str, Score]
    paired: Mapping[int, Sequence[Score]]


def real_results(
    reference: Path,
    *,
    sets: Sequence[RealSet] = SETS,
    estimators: Sequence[Estimator] = JUDGED,
    workers: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> list[RealResult]:
    """Both tables for every set that is there; what is absent is said."""
    found: list[RealResult] = []
    workers = workers or os.cpu_count() or 1
    for chosen in sets:
        loaded = load(chosen, reference)
        if loaded is None:
            say(f"{chosen.name}: {chosen.file} is absent")
            continue
        model, subjects = loaded
        say(f"{chosen.name}: {len(subjects)} subjects, {sum(map(len, subjects))} readings")
        each = {e: _forecasts(model, subjects, e, workers) for e in estimators}
        pairs = shared_out(lambda k, m=model, s=subjects: paired(m, s[k]), len(subjects), workers=workers)  # type: ignore[misc]
        for analyte in dict.fromkeys(a for s in subjects for a in s.analytes):
            found.append(_result(chosen, analyte, each, [p for found in pairs for p in found]))
    for name, why in ABSENT.items():
        say(f"{name}: {why}")
    return found


def _forecasts(
    model: PatientModel, subjects: Sequence[TableSubject], estimator: Estimator, workers: int
) -> list[SubjectForecast]:
    def one(k: int) -> list[SubjectForecast]:
        return forecast_subject(model, subjects[k], estimator, draws=SERVED)

    each = shared_out(one, len(subjects), workers=workers)
    return [f for found in each for f in found]


@dataclass(frozen=True)
class Paired:
    """A later reading forecast after `known` instants, among forecasts of it after 0 ... `depth`."""

    depth: int
    known: int
    forecast: SubjectForecast


def paired(
    model: PatientModel,
    subject: TableSubject,
    estimator: Estimator = "auto",
    *,
    depths: Sequence[int] = DEPTHS,
    gate: float | None = None,
) -> list[Paired]:
    """Forecasts of all readings after the first `depth` instants, from the first 0, 1, ..., depth of them."""
    instants = np.unique(subject.times_h)
    deepest = max((d for d in depths if d < len(instants)), default=0)
    if not deepest:
        return []
    beliefs = [b for _, b in islice(beliefs_before(model, subject, estimator, gate=gate), deepest + 1)]
    beliefs[0] = prior_of(model)
    found: list[Paired] = []
    rest = subject.rows(np.flatnonzero(subject.times_h > instants[min(depths) - 1]))
    quantiles = [predictive_members(model, rest, b, draws=SERVED).quantiles for b in beliefs]
    for depth in (d for d in depths if d <= deepest):
        for j in np.flatnonzero(rest.times_h > instants[depth - 1]):
            value, censored = float(rest.values[j]), bool(rest.censoring[j])
            for known in range(depth + 1):
                low, middle, high = (float(q) for q in quantiles[known][:, j])
                p_low, p_middle, p_high = (float(q) for q in quantiles[0][:, j])
                found.append(
                    Paired(
                        depth,
                        known,
                        SubjectForecast(
                            subject.id,
                            float(rest.times_h[j]),
                            rest.analytes[j],
                            known,
                            value,
                            censored,
                            p_middle,
                            p_low,
                            p_high,
                            middle,
                            low,
                            high,
                        ),
                    )
                )
    return found


def _result(
    chosen: RealSet, analyte: str, each: Mapping[Estimator, Sequence[SubjectForecast]], pairs: Sequence[Paired]
) -> RealResult:
    later = {e: [f for f in fs if f.analyte == analyte and f.history >= 1] for e, fs in each.items()}
    any_of = next(iter(later.values()))
    mine = [p for p in pairs if p.forecast.analyte == analyte]
    table = {
        depth: [score(p.forecast for p in mine if p.depth == depth and p.known == known) for known in range(depth + 1)]
        for depth in sorted({p.depth for p in mine})
    }
    return RealResult(
        chosen,
        analyte,
        len({f.subject for f in any_of}),
        score(any_of, prior=True),
        {e: score(fs) for e, fs in later.items()},
        table,
    )


def real_figures(results: Sequence[RealResult]) -> dict[str, float]:
    """`estimation.real.SET.ANALYTE.ESTIMATOR_METRIC`, a priori as ESTIMATOR `prior`; `...pairedD.afterK_METRIC`."""
    found: dict[str, float] = {}
    for r in results:
        name = f"estimation.real.{r.set.name}.{r.analyte}"
        found |= {f"{name}.subjects": float(r.subjects), f"{name}.readings": float(r.prior.readings)}
        for who, s in {"prior": r.prior, **r.posterior}.items():
            found |= {f"{name}.{who}_{m}": float(getattr(s, m)) for m in SHOWN}
        for depth, scores in r.paired.items():
            found[f"{name}.paired{depth}.readings"] = float(scores[0].readings)
            for known, s in enumerate(scores):
                found |= {f"{name}.paired{depth}.after{known}_{m}": float(getattr(s, m)) for m in ("rrmse", "mape")}
    return found
