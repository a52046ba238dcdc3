"""How well a model describes a data set: CWRES, NPDE, and the percentiles of a visual predictive check.

CWRES  (y - f(eta^) + G eta^) whitened by G Omega G' + R                 Hooker 2007, doi:10.1007/s11095-007-9361-x
NPDE   Phi^-1 of the rank of the decorrelated reading among simulated    Brendel 2006, doi:10.1007/s11095-006-9067-5
VPC    5, 50, 95 % of readings and of simulated readings in bins of time
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import kstest

from twin_service.fit.individual import fit_individual, prior_of
from twin_service.fit.subject import TableSubject, jacobian, observed, predictor
from twin_service.kalman.errors import SEEN, ObservedReadings
from twin_service.model.structure import PatientModel

FloatArray = NDArray[np.float64]

REPLICATES = 1000
LEVELS = (0.05, 0.5, 0.95)


class Residuals(NamedTuple):
    """One row for each reading seen, over all subjects."""

    times_h: FloatArray
    values: FloatArray
    population: FloatArray
    individual: FloatArray
    cwres: FloatArray
    npde: FloatArray


class Check(NamedTuple):
    """Bins of a visual predictive check: middle (nb,), observed (3, nb), simulated low/middle/high (3, 3, nb)."""

    middle_h: FloatArray
    observed: FloatArray
    simulated: FloatArray


def residuals(model: PatientModel, subjects: Sequence[TableSubject], *, seed: int = 1) -> Residuals:
    """CWRES and NPDE of every uncensored reading."""
    parts = [_of_subject(model, s, seed) for s in subjects if len(s)]
    return Residuals(*(np.concatenate(p) for p in zip(*parts, strict=True)))


def _of_subject(model: PatientModel, subject: TableSubject, seed: int) -> tuple[FloatArray, ...]:
    readings = observed(model, subject)
    seen = readings.censoring == SEEN
    fit = fit_individual(model, subject)
    rows = readings.rows(seen)
    return (
        subject.times_h[seen],
        subject.values[seen],
        fit.typical[seen],
        fit.individual[seen],
        _cwres(model, subject, fit.eta, readings, seen),
        _npde(model, subject, rows, seen, seed),
    )


def _cwres(
    model: PatientModel, subject: TableSubject, eta: FloatArray, readings: ObservedReadings, seen: NDArray[np.bool_]
) -> FloatArray:
    f, J = jacobian(model, subject)(eta)
    rows = readings.rows(seen)
    scale = rows.scaled(f[seen])
    G = scale.df[:, None] * J[seen]
    # the noise at the population's linearized prediction, as FOCE does
    center = scale.f - G @ eta
    R = rows.scaled(f[seen]).v
    V = G @ model.omega @ G.T + np.diag(R)
    return _whitened(rows.targets() - center, V)


def _whitened(r: FloatArray, V: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(V)
    root = (vectors / np.sqrt(np.maximum(values, 1e-300))) @ vectors.T
    return np.asarray(root @ r)


def simulated(model: PatientModel, subject: TableSubject, count: int, rng: np.random.Generator) -> FloatArray:
    """(count, ny) readings of patients with the subject's course, on the scale of the noise."""
    eta = prior_of(model).draw(count, rng)
    scale = observed(model, subject).scaled(predictor(model, subject)(eta))
    return np.asarray(scale.f + np.sqrt(scale.v) * rng.standard_normal(scale.f.shape))


def _npde(
    model: PatientModel, subject: TableSubject, rows: ObservedReadings, seen: NDArray[np.bool_], seed: int
) -> FloatArray:
    rng = np.random.default_rng([seed, len(subject), int(1e3 * subject.times_h[-1])])
    y = simulated(model, subject, REPLICATES, rng)[:, seen]
    y = y[np.all(np.isfinite(y), axis=1)]
    mean, V = y.mean(axis=0), np.atleast_2d(np.cov(y.T))
    # Cholesky keeps the order of time: each reading is judged given the ones before it
    L = np.linalg.cholesky(V + 1e-12 * np.trace(V) / len(V) * np.eye(len(V)))
    mine = np.linalg.solve(L, rows.targets() - mean)
    theirs = np.linalg.solve(L, (y - mean).T).T
    share = (np.sum(theirs < mine, axis=0) + 0.5) / (len(y) + 1.0)
    return np.asarray(ndtri(share))


def predictive_check(
    model: PatientModel, subjects: Sequence[TableSubject], *, bins: int = 8, replicates: int = 200, seed: int = 1
) -> Check:
    """Percentiles of readings in time bins of equal count, and their 90 % interval over simulated data sets."""
    rng = np.random.default_rng(seed)
    kept = [s for s in subjects if len(s)]
    times = np.concatenate([s.times_h for s in kept])
    y = np.concatenate([s.values for s in kept])
    draws = np.concatenate([_natural(model, s, replicates, rng) for s in kept], axis=1)
    edges = np.unique(np.quantile(times, np.linspace(0.0, 1.0, bins + 1)))
    which = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(edges) - 2)
    used = [b for b in range(len(edges) - 1) if np.any(which == b)]
    middle = np.array([np.median(times[which == b]) for b in used])
    seen = np.stack([np.quantile(y[which == b], LEVELS) for b in used], axis=1)
    each = np.stack([np.quantile(draws[:, which == b], LEVELS, axis=1) for b in used], axis=2)
    return Check(middle, seen, np.quantile(each, LEVELS, axis=1))


def _natural(model: PatientModel, subject: TableSubject, count: int, rng: np.random.Generator) -> FloatArray:
    y = simulated(model, subject, count, rng)
    log = np.array([n.kind == "log" for n in observed(model, subject).noise])
    return np.asarray(np.where(log, np.exp(np.where(log, y, 0.0)), y))


def figures(r: Residuals) -> dict[str, float]:
    """Means, variances and tests of the residuals, as a flat map."""
    return {
        "cwres_mean": float(r.cwres.mean()),
        "cwres_sd": float(r.cwres.std()),
        "npde_mean": float(r.npde.mean()),
        "npde_variance": float(r.npde.var()),
        "npde_p_normal": float(kstest(r.npde, "norm").pvalue),
        "population_rrmse": float(np.sqrt(np.mean((r.population / r.values - 1.0) ** 2))),
        "individual_rrmse": float(np.sqrt(np.mean((r.individual / r.values - 1.0) ** 2))),
    }
