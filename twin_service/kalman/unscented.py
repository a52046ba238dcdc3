"""The sigma-point filter: regression of the effects on simultaneous readings, iterated around its own result.

Each pass linearizes the model by statistical regression over the current belief and updates the *prior* through that
line (iterated posterior linearization, Garcia-Fernandez et al. 2015, doi:10.1109/TSP.2015.2454485): the first pass is
the unscented Kalman filter, the later ones remove most of its distance to the exact posterior. filterpy supplies
weights, transform and the Joseph-form update; what it gets wrong is kept out: readings are stacked, points are redrawn
after every change of the belief, missing rows are dropped, the update runs in coordinates in which the prior is
standard normal so that no scale can cost definiteness.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from filterpy.kalman import update as kalman_update
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

from twin_service.kalman.belief import Belief, factor, whitened
from twin_service.kalman.errors import ABOVE, BELOW, SEEN, ObservedReadings, usable
from twin_service.kalman.report import GATE, Update, UpdateReport, judge, kept_prior, tail_weight
from twin_service.kalman.sigma import Regression, SigmaPoints, regress, sigma_points
from twin_service.outcome import OK, Outcome, Verdict

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]

ITERATIONS = 3
SETTLED = 3e-2


class _Line(NamedTuple):
    """The model as the update sees it: a regression over one belief, and the noise there."""

    regression: Regression
    noise: FloatArray


def unscented_update(
    belief: Belief,
    predict: Predict,
    observed: ObservedReadings,
    *,
    gate: float | None = GATE,
    iterations: int = ITERATIONS,
) -> Update:
    """The belief after `observed`, all of one instant or of several, stacked.

    predict     eta (N, nx) -> natural-scale predictions (N, ny), all members in one batch
    gate        NIS beyond which a reading is down-weighted; None: never
    iterations  1 is the plain unscented filter
    """
    points = sigma_points(belief)
    f = predict(points.eta)
    if f.shape != (len(points.eta), len(observed)):
        raise ValueError(f"predict returned {f.shape}, expected {(len(points.eta), len(observed))}")
    chosen = usable(observed, f[0])
    if not np.all(np.isfinite(f[:, chosen.keep])):
        return kept_prior(belief, "unscented", len(observed), Outcome(Verdict.NOT_FINITE, "a member's prediction"))
    if not chosen.keep.any():
        return kept_prior(belief, "unscented", len(observed), OK, warnings=chosen.warnings)
    rows = observed.rows(chosen.keep)
    line = _line(belief, points, rows, f[:, chosen.keep])
    if line is None:
        return kept_prior(
            belief, "unscented", len(observed), Outcome(Verdict.NOT_FINITE, "a prediction is not positive")
        )
    score = _score(rows, line, gate)
    current, raised, passes = belief, 0.0, 0
    for passes in range(1, max(1, iterations) + 1 if len(belief.mean) else 1):
        proposed, floor = _condition(belief, rows, line, score.weight)
        step = float(np.max(np.abs(whitened(current.chol, proposed.mean - current.mean))))
        current, raised = proposed, max(raised, floor)
        if step < SETTLED or passes == iterations:
            break
        points = sigma_points(current)
        again = _line(current, points, rows, predict(points.eta)[:, chosen.keep])
        if again is None:
            break
        line = again
    report = _spread_out(score, chosen.keep, current, passes, raised, chosen.warnings)
    return Update(current, report)


class _Score(NamedTuple):
    mean: FloatArray
    sd: FloatArray
    innovation: FloatArray
    nis: FloatArray
    weight: FloatArray
    surprising: NDArray[np.bool_]
    log_evidence: float


def _line(belief: Belief, points: SigmaPoints, rows: ObservedReadings, f: FloatArray) -> _Line | None:
    """Regression over `belief` from predictions `f` (N, ny) at its points; None where the noise has no scale there.

    The noise variance is its expectation over the belief, so that a proportional law is evaluated where the model
    is believed to be and never at the noisy reading.
    """
    scale = rows.scaled(f)
    if not (np.all(np.isfinite(scale.f)) and np.all(np.isfinite(scale.v))):
        return None
    return _Line(regress(belief, points, scale.f), points.weights @ scale.v)


def _with_noise(covariance: FloatArray, noise: FloatArray) -> FloatArray:
    """`covariance` (ny, ny) with the variances `noise` (ny,) of independent errors added."""
    total = covariance.copy()
    total.flat[:: len(noise) + 1] += noise
    return total


def _score(rows: ObservedReadings, line: _Line, gate: float | None) -> _Score:
    """How the readings compare with what was forecast."""
    z, S = line.regression.mean, _with_noise(line.regression.covariance, line.noise)
    sd = np.sqrt(S.diagonal())
    innovation = rows.targets() - z
    standard = innovation / sd
    seen = rows.censoring == SEEN
    nis, log_tail = standard**2, np.zeros(len(z))
    if not seen.all():
        side = np.where(rows.censoring == ABOVE, -1.0, 1.0)
        log_tail = np.where(seen, 0.0, log_ndtr(side * standard))
        nis = np.where(seen, nis, ndtri(np.clip(0.5 * np.exp(log_tail), 1e-300, 0.5)) ** 2)
    surprising = nis > gate if gate is not None else np.zeros(len(nis), dtype=bool)
    evidence = float(np.sum(log_tail[~seen]))
    if seen.any():
        L = factor(S if seen.all() else S[np.ix_(seen, seen)]).lower
        w = whitened(L, innovation[seen])
        evidence -= 0.5 * float(w @ w) + float(np.sum(np.log(L.diagonal()))) + 0.5 * len(w) * np.log(2.0 * np.pi)
    return _Score(z, sd, innovation, nis, tail_weight(nis, gate), surprising, evidence)


def _condition(prior: Belief, rows: ObservedReadings, line: _Line, weight: FloatArray) -> tuple[Belief, float]:
    """`prior` updated through `line`; the second value is how far a covariance had to be raised."""
    A, b, E, _, _ = line.regression
    H = A @ prior.chol
    forecast = A @ prior.mean + b
    variance = np.einsum("ij,ij->i", H, H) + E.diagonal() + line.noise
    # weight w of Student's law scales the whole forecast variance of that reading by 1/w
    noise = line.noise + variance * (1.0 / weight - 1.0)
    y, extra = _matched(rows, forecast, variance)
    R = _with_noise(E, noise + extra)
    u, Pu = kalman_update(np.zeros(len(prior.mean)), np.eye(len(prior.mean)), y - forecast, R, H)
    lower, raised = factor(Pu)
    return Belief(prior.mean + prior.chol @ u, prior.chol @ lower, prior.names), raised


def _matched(rows: ObservedReadings, forecast: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Readings to condition on, and variance to add: a censored reading becomes the Gaussian reading that gives
    the moments of the truncated forecast."""
    y, extra = rows.targets(), np.zeros(len(rows))
    if not rows.censoring.any():
        return y, extra
    y = y.copy()
    for j in np.flatnonzero(rows.censoring != SEEN):
        sd = np.sqrt(variance[j])
        side = 1.0 if rows.censoring[j] == BELOW else -1.0
        a = side * (y[j] - forecast[j]) / sd
        hazard = np.exp(-0.5 * a * a - 0.5 * np.log(2.0 * np.pi) - log_ndtr(a))
        shrink = min(max(hazard * (hazard + a), 1e-10), 1.0 - 1e-10)
        # truncated moments: mean - side sd hazard, variance (1 - shrink) sd^2
        extra[j] = variance[j] * (1.0 / shrink - 1.0)
        y[j] = forecast[j] - side * sd * hazard / shrink
    return y, extra


def _spread_out(
    score: _Score, keep: NDArray[np.bool_], belief: Belief, passes: int, raised: float, warnings: tuple[str, ...]
) -> UpdateReport:
    """The report over all readings, used or not."""

    def wide(values: FloatArray, fill: float) -> FloatArray:
        out = np.full(len(keep), fill)
        out[keep] = values
        return out

    surprising = np.zeros(len(keep), dtype=bool)
    surprising[keep] = score.surprising
    nis = wide(score.nis, np.nan)
    verdict = OK if raised == 0.0 else Outcome(Verdict.RETRIED, "the covariance was raised to stay positive definite")
    return UpdateReport(
        "unscented",
        wide(score.mean, np.nan),
        wide(score.sd, np.nan),
        wide(score.innovation, np.nan),
        nis,
        wide(score.weight, 0.0),
        surprising,
        judge(surprising, nis[keep], verdict),
        passes,
        raised,
        score.log_evidence,
        warnings=warnings,
    )
