"""Likelihoods of observations that are no readings of a scale: grades, counts; and members weighted by them.

A grade tells only between which limits the value lay: an interval-censored reading. Members carry log-likelihoods of
any kind (grades, counts, event times); `reweighted` turns them into weights and says how many members are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_ndtr, logsumexp

from twin_service.library.files import FOLDER, parse_toml
from twin_service.model.structure import ErrorLaw
from twin_service.outcome import Outcome, Refusal, RefusalCode, Verdict

Floats = NDArray[np.float64]
ESS_MIN: Final = 20.0
GRADES: Final = FOLDER / "grades.toml"


class GradeScale(NamedTuple):
    """Grades of one analyte: `edges[k]` separates grade k from k + 1; `falling`: low values are worse."""

    analyte: str
    unit: str
    edges: tuple[float, ...]
    falling: bool


@lru_cache(maxsize=1)
def grade_scales() -> dict[str, GradeScale]:
    """Toxicity scales of the library (CTCAE v5)."""
    table: Mapping[str, Any] = parse_toml(GRADES)
    return {
        s["analyte"]: GradeScale(s["analyte"], s["unit"], tuple(map(float, s["edges"])), s["worse"] == "low")
        for s in table["scale"]
    }


def scale_of(analyte: str) -> GradeScale:
    """The scale of `analyte`; raises Refusal with the known ones."""
    found = grade_scales().get(analyte)
    if found is None:
        raise Refusal(
            RefusalCode.NOT_FOUND,
            f"no toxicity grades for {analyte!r}; known: {', '.join(grade_scales())}",
            field="analyte",
            reason="NO_GRADES",
        )
    return found


def grade(scale: GradeScale, value: Floats | float) -> NDArray[np.intp]:
    """Grade of each value: how many edges it has passed."""
    x = np.asarray(value, dtype=np.float64)[..., None]
    edges = np.asarray(scale.edges)
    return np.asarray((x < edges if scale.falling else x > edges).sum(axis=-1), dtype=np.intp)


def grade_probabilities(scale: GradeScale, value: Floats, weights: Floats | None = None) -> Floats:
    """Probability of each grade 0 .. len(edges) over members `value` (N,)."""
    w = np.full(len(value), 1.0 / len(value)) if weights is None else np.asarray(weights) / np.sum(weights)
    return np.bincount(grade(scale, value), weights=w, minlength=len(scale.edges) + 1).astype(np.float64)


def grade_log_likelihood(scale: GradeScale, observed: int, predicted: Floats, error: ErrorLaw) -> Floats:
    """ln P(grade = observed) for a reading that scatters around `predicted` by `error`.

    P = Phi(z(upper)) - Phi(z(lower)), z on the scale of the error law. Raises Refusal for an unknown grade.
    """
    if not 0 <= observed <= len(scale.edges):
        raise Refusal(
            RefusalCode.INVALID,
            f"{scale.analyte} has grades 0 to {len(scale.edges)}, not {observed}",
            field="grade",
            reason="BAD_GRADE",
        )
    f = np.asarray(predicted, dtype=np.float64)
    inner = list(scale.edges) if not scale.falling else list(scale.edges)[::-1]
    bounds = [-np.inf, *inner, np.inf]
    k = observed if not scale.falling else len(scale.edges) - observed
    return interval_log_likelihood(bounds[k], bounds[k + 1], f, error)


def interval_log_likelihood(low: Floats | float, high: Floats | float, predicted: Floats, error: ErrorLaw) -> Floats:
    """ln P(low <= reading < high) for a reading that scatters around `predicted` (N,); bounds may be infinite and may
    differ between members. An empty interval has probability 0."""
    f = np.asarray(predicted, dtype=np.float64)
    below, above = _z(low, f, error), _z(high, f, error)
    # ln(Phi(b) - Phi(a)) on the side where both tails are small
    flip = below > 0
    a, b = np.where(flip, -above, below), np.where(flip, -below, above)
    top, bottom = log_ndtr(b), log_ndtr(a)
    with np.errstate(invalid="ignore"):
        found = top + np.log1p(-np.exp(np.minimum(bottom - top, -1e-16)))
    return np.asarray(np.where(below < above, found, -np.inf))


def _z(bound: Floats | float, f: Floats, error: ErrorLaw) -> Floats:
    edge = np.broadcast_to(np.asarray(bound, dtype=np.float64), f.shape)
    inside = np.where(np.isfinite(edge), edge, 1.0)
    if error.kind == "log":
        z = (np.log(np.maximum(inside, 1e-300)) - np.log(np.maximum(f, 1e-300))) / error.proportional
    else:
        power = error.power if error.kind == "power" else 1.0
        z = (inside - f) / np.sqrt(error.additive**2 + (error.proportional * np.abs(f) ** power) ** 2)
    return np.asarray(np.where(np.isfinite(edge), z, edge))


def count_log_likelihood(observed: int, mean: Floats, *, overdispersion: float = 0.0) -> Floats:
    """ln P(count) of a Poisson variable, or of a negative binomial with variance mean (1 + overdispersion mean)."""
    m = np.maximum(np.asarray(mean, dtype=np.float64), 1e-300)
    if overdispersion == 0.0:
        return np.asarray(observed * np.log(m) - m - gammaln(observed + 1))
    r = 1.0 / overdispersion
    return np.asarray(
        gammaln(observed + r)
        - gammaln(r)
        - gammaln(observed + 1)
        + r * np.log(r / (r + m))
        + observed * np.log(m / (r + m))
    )


class Weighted(NamedTuple):
    """Weights (N,) that sum to 1, their effective number, and a verdict when too few members are left."""

    weights: Floats
    ess: float
    outcome: Outcome


def reweighted(log_likelihood: Floats, weights: Floats | None = None) -> Weighted:
    """Members (N,) weighted by what was observed: w_i proportional to w_i L_i; ESS = 1 / sum w^2."""
    ll = np.asarray(log_likelihood, dtype=np.float64)
    prior = np.full(len(ll), -np.log(len(ll))) if weights is None else np.log(np.maximum(weights, 1e-300))
    total = np.where(np.isfinite(ll), ll, -np.inf) + prior
    if not np.isfinite(total).any():
        even = np.full(len(ll), 1.0 / len(ll))
        return Weighted(even, float(len(ll)), Outcome(Verdict.SURPRISING, "no member could have produced it"))
    w = np.exp(total - logsumexp(total))
    ess = float(1.0 / np.sum(w * w))
    few = ess < min(ESS_MIN, 0.1 * len(ll))
    return Weighted(w, ess, Outcome(Verdict.SURPRISING, f"{ess:.1f} effective members are left") if few else Outcome())
