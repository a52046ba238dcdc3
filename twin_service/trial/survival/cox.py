"""Proportional hazards: Efron's partial likelihood with weights, model-based and robust errors.

    l(b) = sum_events w_i x_i'b - sum_t wbar_t sum_{l<d} log(S0 - l/d D0),   S over those at risk, D over those who die

Robust: I^-1 (sum w_i^2 s_i s_i') I^-1 with the score residuals s_i: right where hazards are not proportional or weights
were estimated, for which the model-based error is not. Efron 1977, doi:10.1080/01621459.1977.10480613; Lin & Wei 1989,
doi:10.1080/01621459.1989.10478874
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin_service.outcome import OK, Outcome, Verdict
from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
STEPS = 50


@dataclass(frozen=True)
class CoxFit:
    """beta (k,) log hazard ratios, cov (k, k) model-based, robust (k, k); cumulative `hazard` at `times`."""

    beta: FloatArray
    cov: FloatArray
    robust: FloatArray
    loglik: float
    times: FloatArray
    hazard: FloatArray
    center: FloatArray
    outcome: Outcome

    def survival(self, x: FloatArray, at: ArrayLike) -> FloatArray:
        """S(t | x) (n, nt)."""
        index = np.searchsorted(self.times, np.asarray(at, dtype=np.float64), side="right")
        cumulative = np.concatenate([[0.0], self.hazard])[index]
        return np.asarray(np.exp(-np.exp((x - self.center) @ self.beta)[:, None] * cumulative[None, :]))


@dataclass(frozen=True)
class _Risk:
    """Sorted by time: distinct event times with the span of subjects who die there, and where the risk set begins."""

    x: FloatArray
    w: FloatArray
    time: FloatArray
    event: FloatArray
    spans: tuple[tuple[int, NDArray[np.int64]], ...]


def read_times(time: ArrayLike, event: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Times (n,) not negative, events (n,) of 0 and 1. Raises Refusal."""
    t, d = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.float64)
    if t.shape != d.shape or t.ndim != 1:
        raise refuse("time", f"{t.shape} times for {d.shape} events; expected one each a subject")
    if not np.all(np.isfinite(t)) or np.any(t < 0):
        raise refuse("time", "expected finite times that are not negative")
    if not np.all((d == 0) | (d == 1)):
        raise refuse("event", "expected 0 (censored) or 1 (happened)")
    if not d.any():
        raise refuse("event", "nobody had the event; nothing can be compared")
    return t, d


def cox(time: ArrayLike, event: ArrayLike, x: ArrayLike, weights: ArrayLike | None = None) -> CoxFit:
    """Fit covariates x (n, k). Raises Refusal for bad times, constant covariates; a hazard that is infinite (one group
    has all events) gives NOT_CONVERGED."""
    t, d = read_times(time, event)
    X = np.asarray(x, dtype=np.float64)
    X = X[:, None] if X.ndim == 1 else X
    w = np.ones_like(t) if weights is None else np.asarray(weights, dtype=np.float64)
    center, scale = np.average(X, axis=0, weights=w), X.std(axis=0)
    if np.any(scale == 0):
        raise refuse("covariates", "constant over all subjects; leave it out")
    risk = _risk(t, d, (X - center) / scale, w)
    beta, outcome = _climb(risk)
    loglik, _, information = _likelihood(risk, beta)
    inverse = np.asarray(np.linalg.pinv(information))
    scores = _score_residuals(risk, beta) * risk.w[:, None]
    robust = inverse @ (scores.T @ scores) @ inverse
    times, hazard = _baseline(risk, beta)
    rescale = np.outer(1 / scale, 1 / scale)
    return CoxFit(beta / scale, inverse * rescale, robust * rescale, loglik, times, hazard, center, outcome)


def _risk(t: FloatArray, d: FloatArray, x: FloatArray, w: FloatArray) -> _Risk:
    order = np.lexsort((-d, t))
    t, d, x, w = t[order], d[order], x[order], w[order]
    spans = []
    for when in np.unique(t[d == 1]):
        at = np.flatnonzero((t == when) & (d == 1))
        spans.append((int(np.searchsorted(t, when)), at.astype(np.int64)))
    return _Risk(x, w, t, d, tuple(spans))


def _climb(risk: _Risk) -> tuple[FloatArray, Outcome]:
    beta = np.zeros(risk.x.shape[1])
    best, score, information = _likelihood(risk, beta)
    for _ in range(STEPS):
        step = np.linalg.lstsq(information, score, rcond=None)[0]
        for _ in range(30):
            value, new_score, new_information = _likelihood(risk, beta + step)
            if value >= best - 1e-12 * abs(best):
                break
            step = step / 2
        beta, gain, best, score, information = beta + step, value - best, value, new_score, new_information
        if np.max(np.abs(risk.x @ beta)) > 30:
            return beta, Outcome(Verdict.NOT_CONVERGED, "a covariate separates those with the event from the others")
        if abs(gain) < 1e-11 * (1 + abs(best)):
            return beta, OK
    return beta, Outcome(Verdict.NOT_CONVERGED, f"partial likelihood after {STEPS} steps")


def _likelihood(risk: _Risk, beta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Log partial likelihood, its slope (k,) and minus its curvature (k, k)."""
    eta = np.clip(risk.x @ beta, -50, 50)
    r = risk.w * np.exp(eta)
    k = risk.x.shape[1]
    S0 = np.cumsum(r[::-1])[::-1]
    S1 = np.cumsum((r[:, None] * risk.x)[::-1], axis=0)[::-1]
    S2 = np.cumsum((r[:, None, None] * risk.x[:, :, None] * risk.x[:, None, :])[::-1], axis=0)[::-1]
    value, score, information = 0.0, np.zeros(k), np.zeros((k, k))
    for first, dead in risk.spans:
        w, x, rd = risk.w[dead], risk.x[dead], r[dead]
        value += float(w @ eta[dead])
        score += w @ x
        share = np.arange(len(dead)) / len(dead)
        s0 = S0[first] - share * rd.sum()
        s1 = S1[first] - share[:, None] * (rd @ x)
        s2 = S2[first] - share[:, None, None] * np.einsum("n,na,nb->ab", rd, x, x)
        mean = s1 / s0[:, None]
        value -= float(w.mean() * np.log(s0).sum())
        score -= w.mean() * mean.sum(axis=0)
        information += w.mean() * (np.sum(s2 / s0[:, None, None], axis=0) - mean.T @ mean)
    return value, score, information


def _score_residuals(risk: _Risk, beta: FloatArray) -> FloatArray:
    """s_i (n, k): what each subject adds to the slope, with its share of every risk set it was in."""
    r0 = np.exp(np.clip(risk.x @ beta, -50, 50))
    r = risk.w * r0
    S0 = np.cumsum(r[::-1])[::-1]
    S1 = np.cumsum((r[:, None] * risk.x)[::-1], axis=0)[::-1]
    out = np.zeros_like(risk.x)
    for first, dead in risk.spans:
        rd, x = r[dead], risk.x[dead]
        share = np.arange(len(dead)) / len(dead)
        s0 = S0[first] - share * rd.sum()
        mean = (S1[first] - share[:, None] * (rd @ x)) / s0[:, None]
        h = risk.w[dead].mean() / s0
        out[dead] += x - mean.mean(axis=0)
        weight = np.broadcast_to(h, (len(risk.x) - first, len(h))).copy()
        weight[dead - first] *= 1 - share
        gap = risk.x[first:] * weight.sum(axis=1)[:, None] - weight @ mean
        out[first:] -= r0[first:, None] * gap
    return out


def _baseline(risk: _Risk, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
    r = risk.w * np.exp(np.clip(risk.x @ beta, -50, 50))
    S0 = np.cumsum(r[::-1])[::-1]
    times, jumps = [], []
    for first, dead in risk.spans:
        share = np.arange(len(dead)) / len(dead)
        times.append(risk.time[first])
        jumps.append(float(np.sum(risk.w[dead].mean() / (S0[first] - share * r[dead].sum()))))
    return np.array(times), np.cumsum(jumps)
