"""The ensemble filter: members instead of a Gaussian, for beliefs that a covariance describes poorly.

    perturbed     eta_i += K (y + e_i - z_i)             e_i ~ N(0, R)                      (Burgers 1998)
    square_root   eta_i = m' + A_i T,  T = (I + Z'R^-1 Z)^(-1/2)                            (Bishop 2001)

K = C_ez (C_zz + R)^-1. With fewer members than a few per effect the sample correlations are noise: the cross-
covariance is shrunk element by element toward zero by its own sampling error (regularized gain). Random numbers come
from the caller's generator only; nothing here looks at a global one.
doi:10.1175/1520-0493(1998)126<1719:ASITEK>2.0.CO;2, doi:10.1175/1520-0493(2001)129<0420:ASWTET>2.0.CO;2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.special import log_ndtr

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import SEEN, ObservedReadings, usable
from twin_service.kalman.report import GATE, UpdateReport, judge, kept_prior, tail_weight
from twin_service.outcome import OK, Outcome, Verdict

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]


STEPS = 4


@dataclass(frozen=True)
class Ensemble:
    """Equally weighted members (N, nx) of one twin's effects."""

    members: FloatArray
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, belief: Belief, count: int, rng: np.random.Generator, *, matched: bool = True) -> Ensemble:
        """`count` members drawn from `belief`; `matched` gives them its mean and covariance exactly."""
        nx = len(belief.mean)
        z = rng.standard_normal((count, nx))
        if matched and count > nx + 1:
            z -= z.mean(axis=0)
            z = np.linalg.solve(np.linalg.cholesky(z.T @ z / (count - 1)), z.T).T
        return cls(belief.members(z), belief.names)

    @property
    def belief(self) -> Belief:
        """The Gaussian with the members' mean and covariance."""
        return Belief.of(self.members.mean(axis=0), np.atleast_2d(np.cov(self.members.T)), self.names)


class EnsembleUpdate(NamedTuple):
    """The members after the readings, and the report. A failed update returns the members it was given."""

    ensemble: Ensemble
    report: UpdateReport


def ensemble_update(
    ensemble: Ensemble,
    predict: Predict,
    observed: ObservedReadings,
    *,
    rng: np.random.Generator,
    method: Literal["square_root", "perturbed"] = "square_root",
    regularized: bool = True,
    gate: float | None = GATE,
    steps: int = STEPS,
) -> EnsembleUpdate:
    """The ensemble after `observed`, stacked; censored readings weigh the members by their likelihood.

    predict    eta (N, nx) -> natural-scale predictions (N, ny), all members in one batch
    steps      the readings are assimilated this many times with as many times their variance: the same where the
               model is linear, nearer to the posterior where it is not (Emerick & Reynolds 2013,
               doi:10.1016/j.cageo.2012.03.011)
    """
    f = predict(ensemble.members)
    chosen = usable(observed, np.nanmedian(f, axis=0))
    prior = ensemble.belief
    if not np.all(np.isfinite(f[:, chosen.keep])):
        kept = kept_prior(prior, "ensemble", len(observed), Outcome(Verdict.NOT_FINITE, "a member's prediction"))
        return EnsembleUpdate(ensemble, kept.report)
    seen = chosen.keep & (observed.censoring == SEEN)
    report = kept_prior(prior, "ensemble", len(observed), OK, warnings=chosen.warnings).report
    if seen.any():
        rows = observed.rows(seen)
        how = _How(rng, method, regularized, gate, steps)
        ensemble, report = _condition(ensemble, f[:, seen], rows, how, seen, report)
        for _ in range(steps - 1 if report.outcome.verdict is not Verdict.NOT_FINITE else 0):
            again = predict(ensemble.members)[:, seen]
            if np.all(np.isfinite(again)):
                ensemble, _ = _condition(ensemble, again, rows, how, seen, report)
    censored = chosen.keep & (observed.censoring != SEEN)
    if censored.any():
        rows = observed.rows(censored)
        again = predict(ensemble.members)[:, censored]
        ensemble = _resampled(ensemble, _log_tails(rows, again).sum(axis=1), rng)
    return EnsembleUpdate(ensemble, report)


class _How(NamedTuple):
    rng: np.random.Generator
    method: str
    regularized: bool
    gate: float | None
    steps: int


def _condition(
    ensemble: Ensemble, f: FloatArray, rows: ObservedReadings, how: _How, keep: NDArray[np.bool_], blank: UpdateReport
) -> tuple[Ensemble, UpdateReport]:
    scale = rows.scaled(f)
    if not np.all(np.isfinite(scale.f)):
        # a log law cannot read a member that predicts nothing
        return ensemble, kept_prior(
            ensemble.belief, "ensemble", len(keep), Outcome(Verdict.NOT_FINITE, "a prediction is not positive")
        ).report
    eta, z, R = ensemble.members, scale.f, scale.v.mean(axis=0)
    n = len(eta)
    A, Z = eta - eta.mean(axis=0), z - z.mean(axis=0)
    C = A.T @ Z / (n - 1)
    if how.regularized:
        C = C * _trust(A, Z)
    Czz = Z.T @ Z / (n - 1)
    innovation = rows.targets() - z.mean(axis=0)
    variance = np.diag(Czz) + R
    nis = innovation**2 / variance
    weight = tail_weight(nis, how.gate)
    R = how.steps * (R + variance * (1.0 / weight - 1.0))
    K = np.linalg.solve(Czz + np.diag(R), C.T).T
    if how.method == "perturbed":
        noise = how.rng.standard_normal(z.shape) * np.sqrt(R)
        members = eta + (rows.targets() + noise - noise.mean(axis=0) - z) @ K.T
    else:
        members = eta.mean(axis=0) + K @ innovation + _shrunk(A, Z, K, R)
    nan = np.full((4, len(keep)), np.nan)
    nan[:, keep] = z.mean(axis=0), np.sqrt(variance), innovation, nis
    used, surprising = np.zeros(len(keep)), np.zeros(len(keep), dtype=bool)
    used[keep] = weight
    surprising[keep] = False if how.gate is None else nis > how.gate
    return Ensemble(members, ensemble.names), UpdateReport(
        "ensemble",
        nan[0],
        nan[1],
        nan[2],
        nan[3],
        used,
        surprising,
        judge(surprising, nis),
        1,
        0.0,
        warnings=blank.warnings,
    )


def _trust(A: FloatArray, Z: FloatArray) -> FloatArray:
    """(nx, ny) factor max(0, (r^2 - s) / (r^2 (1 - s))) with sample correlation r and s = 1/(N - 1) its square
    expected under independence: the positive-part shrinkage of a correlation."""
    n = len(A)
    size = np.sqrt(np.outer(np.sum(A**2, axis=0), np.sum(Z**2, axis=0)))
    r2 = np.divide(A.T @ Z, size, out=np.zeros_like(size), where=size > 0.0) ** 2
    s = 1.0 / (n - 1)
    kept = np.divide(r2 - s, r2 * (1.0 - s), out=np.zeros_like(r2), where=r2 > s)
    return np.asarray(np.clip(kept, 0.0, 1.0))


def _shrunk(A: FloatArray, Z: FloatArray, K: FloatArray, R: FloatArray) -> FloatArray:
    """Deviations after the square-root update, without noise: A - Z K~' with the reduced gain K~.

    K~ = K S^(1/2)' ... = K [(S + R^(1/2) S^(1/2))^-1 S]' for S = Czz + R (Whitaker & Hamill 2002,
    doi:10.1175/1520-0493(2002)130<1913:EDAWPO>2.0.CO;2), exact also when K was regularized.
    """
    root = np.sqrt(R)
    S = (Z / root).T @ (Z / root) / (len(Z) - 1) + np.eye(len(R))
    values, vectors = eigh(S)
    half = vectors * np.sqrt(values) @ vectors.T
    # in units of R: K~ = K S^(1/2) (S^(1/2) + I)^-1
    reduced = (K * root) @ half @ np.linalg.inv(half + np.eye(len(R)))
    return np.asarray(A - (Z / root) @ reduced.T)


def _log_tails(rows: ObservedReadings, f: FloatArray) -> FloatArray:
    scale = rows.scaled(f)
    side = np.where(rows.censoring > 0, -1.0, 1.0)
    return np.asarray(log_ndtr(side * (rows.targets() - scale.f) / np.sqrt(scale.v)))


def _resampled(ensemble: Ensemble, log_weight: FloatArray, rng: np.random.Generator) -> Ensemble:
    """Systematic resampling, then a kernel of the width that keeps the weighted covariance (Liu & West 2001)."""
    w = np.exp(log_weight - log_weight.max())
    w /= w.sum()
    eta, n = ensemble.members, len(w)
    mean = w @ eta
    spread = (eta - mean).T @ (w[:, None] * (eta - mean))
    picks = np.searchsorted(np.cumsum(w), (np.arange(n) + rng.random()) / n).clip(max=n - 1)
    a = 0.98
    jitter = rng.multivariate_normal(np.zeros(len(mean)), (1.0 - a * a) * spread, size=n, method="eigh")
    return Ensemble(mean + a * (eta[picks] - mean) + jitter, ensemble.names)
