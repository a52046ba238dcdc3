"""Controls chosen or weighed so that they look like the treated: pairs by propensity score, and entropy balancing.

    pairs     each treated, highest score first, takes the nearest control that is left, within a caliper
    entropy   weights nearest to equal (Kullback-Leibler) whose means and variances are exactly the treated ones'

Entropy balancing solves min_l log sum_j exp(l'(x_j - mean_1)) by Newton steps. Austin 2011, doi:10.1002/pst.433;
Hainmueller 2012, doi:10.1093/pan/mpr025
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.external.propensity import Propensity

FloatArray = NDArray[np.float64]
STEPS = 200


class Pairs(NamedTuple):
    """Positions of matched treated and of their controls; `unmatched` treated had no control within the caliper."""

    treated: NDArray[np.intp]
    control: NDArray[np.intp]
    unmatched: int


def nearest_pairs(fit: Propensity, caliper_sd: float | None = None) -> Pairs:
    """One to one without replacement; `caliper_sd` in SDs of the propensity score over all patients."""
    treated = np.flatnonzero(fit.treated == 1)
    left = list(np.flatnonzero(fit.treated == 0))
    limit = np.inf if caliper_sd is None else caliper_sd * float(fit.scores.std(ddof=1))
    pairs, unmatched = [], 0
    for i in treated[np.argsort(-fit.scores[treated], kind="stable")]:
        if not left:
            unmatched += 1
            continue
        gaps = np.abs(fit.scores[left] - fit.scores[i])
        k = int(np.argmin(gaps))
        if gaps[k] > limit:
            unmatched += 1
            continue
        pairs.append((int(i), int(left.pop(k))))
    found = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return Pairs(found[:, 0], found[:, 1], unmatched)


def entropy_weights(x: FloatArray, treated: FloatArray) -> FloatArray:
    """Weights (n,): 1 for treated, and for controls such that their means are the treated ones'; they sum to n_1.

    Raises Refusal when no weights can do it: the treated mean lies outside the controls.
    """
    t = treated == 1
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    gap = (x[~t] - x[t].mean(axis=0)) / scale
    dual = np.zeros(x.shape[1])
    for _ in range(STEPS):
        w = _softmax(gap @ dual)
        slope = w @ gap
        if np.max(np.abs(slope)) < 1e-9:
            break
        curve = (gap * w[:, None]).T @ gap - np.outer(slope, slope)
        step = np.linalg.lstsq(curve, -slope, rcond=None)[0]
        size, here = 1.0, _log_sum(gap @ dual)
        while _log_sum(gap @ (dual + size * step)) > here + 1e-4 * size * float(slope @ step) and size > 1e-8:
            size /= 2
        dual = dual + size * step
    w = _softmax(gap @ dual)
    if np.max(np.abs(w @ gap)) > 1e-4:
        raise Refusal(
            RefusalCode.PRECONDITION,
            "no weights give the controls the treated patients' means: no overlap",
            field="external.covariates",
            reason="NO_OVERLAP",
        )
    out = np.ones(len(t))
    out[~t] = w * t.sum()
    return out


def _log_sum(v: FloatArray) -> float:
    top = float(v.max())
    return top + float(np.log(np.exp(v - top).sum()))


def _softmax(v: FloatArray) -> FloatArray:
    e = np.exp(v - v.max())
    return np.asarray(e / e.sum())
