"""Observations that are no readings of a scale: toxicity grades, counts, and whether a patient is alive.

A filter needs a Gaussian law; these have likelihoods instead. Members drawn from the belief are weighted by the
likelihood and their moments become the new belief:

    w_i ~ L(observed | member i)      m = sum w_i eta_i      P = sum w_i (eta_i - m)(eta_i - m)'

grade   "<analyte>_grade", 0 .. 4: the reading lay between two limits (CTCAE, library/grades.toml); the probability of
        that under the assay's error law
count   an observable with the error law "poisson"
response  "recist_response", 0 CR, 1 PR, 2 SD, 3 PD, 4 NE: the sum of diameters lay between limits that come from its
        baseline and its nadir (RECIST 1.1), as recorded or as the member had them (`scans`)
alive   "vital_status": 1 alive, ln S(t); 0 dead, ln(S(t - 1 d) - S(t)), death within the day before
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import poisson

from twin_service.kalman.belief import Belief
from twin_service.model.qsp.likelihood import (
    count_log_likelihood,
    grade,
    grade_log_likelihood,
    grade_scales,
    reweighted,
    scale_of,
)
from twin_service.model.qsp.recist import categories, response_log_likelihood
from twin_service.model.structure import ErrorLaw, Observable, PatientModel
from twin_service.outcome import Outcome
from twin_service.scenario.assay import predictive
from twin_service.twin.observe import standard_draws

FloatArray = NDArray[np.float64]

GRADE = "_grade"
ALIVE = "vital_status"
RECIST, SUM = "recist_response", "tumor_sld"
DAY_H = 24.0
MEMBERS = 1024


@dataclass(frozen=True)
class Conditioned:
    """The belief after categories were weighed, and for each the share of members that stayed effective."""

    belief: Belief
    scores: tuple[float, ...]
    outcome: Outcome


def kind_of(model: PatientModel, analyte: str) -> str:
    """One of reading, grade, count, response, alive; empty when no part of the model predicts `analyte`."""
    if analyte in model.observables:
        return "count" if model.observables[analyte].error.kind == "poisson" else "reading"
    base = analyte.removesuffix(GRADE)
    if base != analyte and base in model.observables and base in grade_scales():
        return "grade"
    if analyte == RECIST and SUM in model.observables:
        return "response"
    return "alive" if analyte == ALIVE and _survival(model) else ""


def observable_of(model: PatientModel, analyte: str) -> Observable:
    """What the model computes for `analyte`: for a grade the graded quantity, for life the probability of it."""
    kind = kind_of(model, analyte)
    if kind == "grade":
        graded = model.observables[analyte.removesuffix(GRADE)]
        return replace(graded, analyte=analyte, unit="1", title=f"grade of {graded.title or graded.analyte}")
    if kind == "response":
        return replace(model.observables[SUM], analyte=RECIST, unit="1", title="response by RECIST 1.1")
    if kind == "alive":
        return Observable(ALIVE, _survival(model), "1", ErrorLaw(), "alive")
    return model.observables[analyte]


class Scans(NamedTuple):
    """The sum of diameters (mm) before treatment and the least since, of each member (N,), before one scan."""

    baseline: FloatArray
    nadir: FloatArray


def read_as(
    model: PatientModel, analyte: str, f: FloatArray, z: FloatArray, *, scans: Scans | None = None
) -> FloatArray:
    """What would be observed where the truth is `f`, with standard normal draws `z`: a reading with assay noise, its
    grade, its response (which needs the `scans` before it), a count, or whether the patient is alive."""
    kind = kind_of(model, analyte)
    if kind == "alive":
        return np.where(ndtr(z) <= f, 1.0, 0.0)
    if kind == "count":
        return np.asarray(poisson.ppf(np.clip(ndtr(z), 1e-12, 1.0 - 1e-12), np.maximum(f, 1e-12)))
    reading = predictive(f, observable_of(model, analyte).error, z)
    if kind == "response":
        assert scans is not None, "a response is judged against earlier scans"
        sums = np.column_stack([scans.nadir, reading])
        judged = categories(sums, scans.baseline)[:, 1].astype(np.float64)
        return np.where(np.isfinite(reading), judged, np.nan)
    return grade(scale_of(analyte.removesuffix(GRADE)), reading).astype(np.float64) if kind == "grade" else reading


def log_likelihood(
    model: PatientModel, analyte: str, value: float, *, now: FloatArray, before: FloatArray, scans: Scans | None = None
) -> FloatArray:
    """ln L of each member (N,), from its prediction `now`, a day before (used for life), and the scans before it (used
    for a response)."""
    kind = kind_of(model, analyte)
    if kind == "grade":
        base = analyte.removesuffix(GRADE)
        return grade_log_likelihood(scale_of(base), round(value), now, model.observables[base].error)
    if kind == "response":
        assert scans is not None, "a response is judged against earlier scans"
        error = model.observables[SUM].error
        return response_log_likelihood(round(value), now, error, baseline=scans.baseline, nadir=scans.nadir)
    if kind == "count":
        return count_log_likelihood(round(value), now)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.maximum(now if value >= 0.5 else before - now, 0.0)))


def condition(belief: Belief, eta: FloatArray, log_likelihoods: list[FloatArray]) -> Conditioned:
    """`belief`, of which `eta` (N, nx) are draws, given all categories of one instant.

    The score of each category is -2 ln of its probability under the belief: large where it was not expected.
    """
    if not log_likelihoods:
        return Conditioned(belief, (), Outcome())
    scores = tuple(float(-2.0 * np.log(max(float(np.mean(np.exp(ll))), 1e-300))) for ll in log_likelihoods)
    weighted = reweighted(np.sum(log_likelihoods, axis=0))
    if weighted.outcome.detail.startswith("no member"):
        return Conditioned(belief, scores, weighted.outcome)
    w = weighted.weights
    mean = w @ eta
    spread = (eta - mean).T @ ((eta - mean) * w[:, None])
    return Conditioned(Belief.of(mean, spread, belief.names), scores, weighted.outcome)


def draws_of(belief: Belief, seed: str) -> FloatArray:
    """(MEMBERS, nx) draws of `belief`, the same for the same seed."""
    nx = len(belief.mean)
    return belief.members(standard_draws(seed, nx, MEMBERS)[:, :nx])


def _survival(model: PatientModel) -> str:
    return next((o.name for o in model.system.outputs if o.name.endswith(".survival") and o.unit == "1"), "")
