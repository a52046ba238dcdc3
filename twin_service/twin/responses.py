"""What a forecast means in categories: toxicity grades, RECIST responses, counts, being alive.

At one time: the probability that a reading taken then falls into the category (assay noise included). Overall: the
worst grade a member truly reaches, or its best response up to the first progression, by the end of the forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from twin_service.model.qsp.likelihood import grade, scale_of
from twin_service.model.qsp.recist import RecistResponse, best_response, categories
from twin_service.outcome import Refusal, RefusalCode
from twin_service.twin.categories import GRADE, RECIST, SUM, kind_of, observable_of, read_as
from twin_service.twin.fold import Folded
from twin_service.twin.observe import standard_draws

FloatArray = NDArray[np.float64]
COUNT_MAX = 50


@dataclass(frozen=True)
class CategoryQuestion:
    """Which category `analyte` will be in at `times_h` of the forecast (empty: at its end); for a response these are
    the scans. `baseline`: sum of diameters before treatment (mm); None: the first one recorded."""

    analyte: str
    times_h: tuple[float, ...] = ()
    baseline: float | None = None


class Category(NamedTuple):
    """Probability of `label` at `time_h`, or over the whole forecast when `overall`."""

    analyte: str
    label: str
    time_h: float
    probability: float
    overall: bool = False


def check(folded: Folded, questions: Sequence[CategoryQuestion], horizon_h: float) -> None:
    """Refuse, by name, what the model cannot categorize: an unknown analyte, a scan after the horizon, a response
    without a baseline sum."""
    for i, q in enumerate(questions):
        where = f"categories[{i}]"
        if any(not 0 <= t <= horizon_h for t in q.times_h) or any(np.diff(q.times_h) < 0):
            raise Refusal(
                RefusalCode.INVALID,
                f"times of {q.analyte} must rise from 0 to the horizon, {horizon_h:g} h",
                field=f"{where}.times",
                reason="BAD_TIME_GRID",
            )
        if q.analyte == RECIST:
            _baseline(folded, q, where)
        elif kind_of(folded.model, q.analyte) in ("", "reading"):
            raise Refusal(
                RefusalCode.INVALID,
                f"{q.analyte!r} is no category of this twin's model; it has "
                f"{', '.join(known_categories(folded)) or 'none'}",
                field=f"{where}.analyte",
                reason="NO_SUCH_CATEGORY",
            )


def known_categories(folded: Folded) -> list[str]:
    """Every category this twin's model can forecast."""
    model = folded.model
    asked = [*model.observables, *(f"{a}{GRADE}" for a in model.observables), "vital_status"]
    found = [a for a in asked if kind_of(model, a) in ("grade", "count", "alive")]
    return sorted([*found, *([RECIST] if SUM in model.observables else [])])


def marks(questions: Sequence[CategoryQuestion]) -> list[float]:
    """Hours at which the course must be known."""
    return [t for q in questions for t in q.times_h]


def categorize(
    folded: Folded, questions: Sequence[CategoryQuestion], hours: FloatArray, outputs: FloatArray
) -> tuple[Category, ...]:
    """Answers from `outputs` (N, nt, no) of all members at `hours` (nt,); members without a solution are left out."""
    solved = np.all(np.isfinite(outputs), axis=(1, 2))
    if not solved.any():
        return ()
    z = standard_draws(str(folded.person.name), len(folded.model.effects), len(outputs))[solved, -1]
    found: list[Category] = []
    for q in questions:
        # where an hour stands twice, the first is before the dose of that hour
        at = np.searchsorted(hours, np.array(q.times_h or (hours[-1],)) - 1e-8)
        analyte = SUM if q.analyte == RECIST else q.analyte
        values = outputs[solved][:, :, folded.model.system.output_index[observable_of(folded.model, analyte).output]]
        kind = "response" if q.analyte == RECIST else kind_of(folded.model, q.analyte)
        answer = {"response": _responses, "grade": _grades, "alive": _alive, "count": _counts}[kind]
        found += answer(folded, q, hours[at], _Course(values, at, z))
    return tuple(found)


class _Course(NamedTuple):
    """Truth (N, nt), the columns asked for, one assay draw for each member."""

    values: FloatArray
    at: NDArray[np.intp]
    z: FloatArray


def _grades(folded: Folded, q: CategoryQuestion, hours: FloatArray, c: _Course) -> list[Category]:
    scale = scale_of(q.analyte.removesuffix(GRADE))
    labels = range(len(scale.edges) + 1)
    found = []
    for t, k in zip(hours, c.at, strict=True):
        read = read_as(folded.model, q.analyte, c.values[:, k], c.z)
        found += [Category(q.analyte, str(g), float(t), float(np.mean(read == g))) for g in labels]
    worst = grade(scale, c.values.min(axis=1) if scale.falling else c.values.max(axis=1))
    end = float(hours[-1])
    return found + [Category(q.analyte, str(g), end, float(np.mean(worst == g)), True) for g in labels]


def _responses(folded: Folded, q: CategoryQuestion, hours: FloatArray, c: _Course) -> list[Category]:
    baseline, later = _baseline(folded, q, "categories")
    sums = np.stack([read_as(folded.model, SUM, c.values[:, k], c.z) for k in c.at], axis=1)
    past = np.broadcast_to(np.array(later), (len(sums), len(later)))
    judged = categories(np.concatenate([past, sums], axis=1), np.full(len(sums), baseline))
    labels = list(RecistResponse)[:4]
    found = [
        Category(q.analyte, r.name, float(t), float(np.mean(judged[:, len(later) + j] == r)))
        for j, t in enumerate(hours)
        for r in labels
    ]
    best = np.array([best_response([RecistResponse(v) for v in row]) for row in judged])
    end = float(hours[-1])
    return found + [Category(q.analyte, r.name, end, float(np.mean(best == r)), True) for r in labels]


def _alive(folded: Folded, q: CategoryQuestion, hours: FloatArray, c: _Course) -> list[Category]:
    """S(t)/S(now): the patient whose future is asked for lives now."""
    found = []
    for t, k in zip(hours, c.at, strict=True):
        p = float(np.mean(c.values[:, k] / np.maximum(c.values[:, 0], 1e-300)))
        found += [Category(q.analyte, "alive", float(t), p), Category(q.analyte, "dead", float(t), 1.0 - p)]
    return found


def _counts(folded: Folded, q: CategoryQuestion, hours: FloatArray, c: _Course) -> list[Category]:
    found = []
    for t, k in zip(hours, c.at, strict=True):
        mean = np.maximum(c.values[:, k], 1e-12)
        upto = 0.0
        for count in range(COUNT_MAX + 1):
            p = float(np.mean(poisson.pmf(count, mean)))
            upto += p
            found.append(Category(q.analyte, str(count), float(t), p))
            if upto > 0.999:
                break
    return found


def _baseline(folded: Folded, q: CategoryQuestion, where: str) -> tuple[float, list[float]]:
    """The baseline sum (mm) and the sums recorded after it."""
    if SUM not in folded.model.observables:
        raise Refusal(
            RefusalCode.INVALID,
            f"no part of this twin's model predicts {SUM}; add a tumor block",
            field=f"{where}.analyte",
            reason="NO_SUCH_CATEGORY",
        )
    sums = [s.value for s in folded.course.samples if s.analyte == SUM]
    if q.baseline is not None:
        if not (np.isfinite(q.baseline) and q.baseline > 0):
            raise Refusal(
                RefusalCode.INVALID,
                f"{q.baseline:g} mm is no sum of diameters",
                field=f"{where}.baseline",
                reason="BAD_NUMBER",
            )
        return q.baseline, sums
    if not sums:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{RECIST} needs a baseline: no {SUM} is recorded for this twin. "
            "Record the sum of diameters before treatment, or give it as baseline",
            field=f"{where}.baseline",
            reason="RECIST_WITHOUT_BASELINE",
        )
    return sums[0], sums[1:]
