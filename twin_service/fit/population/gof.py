"""Goodness of fit of a population estimate: predictions, residuals, NPDE and predictive checks, all subjects at once.

PRED   f at eta = 0        IPRED  f at the mode        IWRES  (y - IPRED)/sqrt v
CWRES  whitened y - (f(eta*) - G eta*) by G Omega G' + diag v          Hooker 2007, doi:10.1007/s11095-007-9361-x
NPDE   ranks of decorrelated readings among simulated ones             Brendel 2006, doi:10.1007/s11095-006-9067-5
pcVPC  readings scaled by median PRED of their bin / PRED              Bergstrand 2011, doi:10.1208/s12248-011-9255-z
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from twin_service.fit.population.estimate import PopulationEstimate
from twin_service.fit.population.likelihood import LognormalLaw, NormalLaw, PoissonLaw
from twin_service.fit.population.problem import PopulationProblem

Floats = NDArray[np.float64]
LEVELS = (0.05, 0.5, 0.95)


class Goodness(NamedTuple):
    """Flat rows of the readings seen: subject index, time (h), law index, y, and what is defined above."""

    who: NDArray[np.intp]
    time: Floats
    law: NDArray[np.intp]
    y: Floats
    pred: Floats
    ipred: Floats
    iwres: Floats
    cwres: Floats
    npde: Floats
    simulated: Floats


class PredictiveCheck(NamedTuple):
    """Bins: middle (nb,), percentiles observed (3, nb), and their simulated 5, 50, 95 % (3, 3, nb)."""

    middle: Floats
    observed: Floats
    simulated: Floats


def goodness(e: PopulationEstimate, *, replicates: int = 300, seed: int = 1) -> Goodness:
    """Residuals and simulations of every uncensored reading."""
    problem, ev, subjects = e.built.problem, e.evaluation, e.built.subjects
    readings, state = problem.readings, ev.state
    pred = problem.predict(ev.at.mu, problem.everyone, 0).f
    ipred = state.f
    v = _variances(problem, ipred, ev.at.s)
    keep = (readings.seen > 0.0) & (readings.censored == 0)
    simulated = simulate_readings(problem, e, replicates, seed)
    G = np.einsum("npk,pe->nke", state.g, problem.B) if state.g is not None else np.zeros((*ipred.shape, 0))
    mean = ipred - np.einsum("nke,ne->nk", G, ev.eta)
    cwres, npde = np.full(ipred.shape, np.nan), np.full(ipred.shape, np.nan)
    Omega = ev.at.L @ ev.at.L.T
    for i in range(problem.size):
        k = keep[i]
        if not k.any():
            continue
        V = G[i, k] @ Omega @ G[i, k].T + np.diag(v[i, k])
        cwres[i, k] = np.linalg.solve(np.linalg.cholesky(V), readings.y[i, k] - mean[i, k])
        npde[i, k] = _npde(readings.y[i, k], simulated[:, i, k])
    times = np.zeros(ipred.shape)
    for i, s in enumerate(subjects):
        times[i, : len(s)] = s.times_h
    iwres = (readings.y - ipred) / np.sqrt(v)
    who = np.nonzero(keep)[0]
    flat = (readings.law, readings.y, pred, ipred, iwres, cwres, npde)
    law, y, p, ip, iw, cw, nd = (a[keep] for a in flat)
    return Goodness(who, times[keep], law, y, p, ip, iw, cw, nd, simulated[:, keep])


def simulate_readings(problem: PopulationProblem, e: PopulationEstimate, replicates: int, seed: int) -> Floats:
    """Readings of new subjects with the same designs, (replicates, N, n)."""
    rng, at = np.random.default_rng(seed), e.evaluation.at
    n = problem.size
    eta = rng.standard_normal((replicates * n, problem.B.shape[1])) @ at.L.T
    who = np.tile(problem.everyone, replicates)
    f = problem.predict(at.mu[who] + eta @ problem.B.T, who, 0).f
    readings, y = problem.readings.rows(who), np.full(f.shape, np.nan)
    for k, (law, span) in enumerate(zip(readings.laws, readings.spans, strict=True)):
        mine, z = (readings.law == k), rng.standard_normal(f.shape)
        if isinstance(law, NormalLaw):
            y = np.where(mine, f + np.sqrt(law.variance(f, at.s[span]).v) * z, y)
        elif isinstance(law, LognormalLaw):
            y = np.where(mine, f * np.exp(np.exp(at.s[span][0]) * z), y)
        elif isinstance(law, PoissonLaw):
            y = np.where(mine, rng.poisson(np.maximum(f, 0.0)), y)
    return y.reshape(replicates, n, -1)


def _variances(problem: PopulationProblem, f: Floats, s: Floats) -> Floats:
    """Variance of each reading on its own scale, (N, n)."""
    readings, v = problem.readings, np.ones_like(f)
    for k, (law, span) in enumerate(zip(readings.laws, readings.spans, strict=True)):
        mine = readings.law == k
        if isinstance(law, NormalLaw):
            v = np.where(mine, law.variance(f, s[span]).v, v)
        elif isinstance(law, LognormalLaw):
            v = np.where(mine, (f * np.exp(s[span][0])) ** 2, v)
        elif isinstance(law, PoissonLaw):
            v = np.where(mine, np.maximum(f, 1e-12), v)
    return np.maximum(v, 1e-300)


def _npde(y: Floats, simulated: Floats) -> Floats:
    """Ranks after whitening by the simulations' mean and covariance."""
    if len(simulated) <= len(y) + 1 or not np.isfinite(simulated).all():
        return np.full(len(y), np.nan)
    mean, V = simulated.mean(0), np.atleast_2d(np.cov(simulated.T))
    values, vectors = np.linalg.eigh(V)
    L = np.linalg.cholesky((vectors * np.maximum(values, 1e-12 * values[-1])) @ vectors.T)
    w, ws = np.linalg.solve(L, y - mean), np.linalg.solve(L, (simulated - mean).T)
    share = ((ws < w[:, None]).sum(1) + 0.5) / (ws.shape[1] + 1.0)
    return np.asarray(ndtri(share))


def predictive_check(
    g: Goodness, rows: NDArray[np.bool_], *, bins: int = 10, corrected: bool = False
) -> PredictiveCheck | None:
    """Percentiles by bins of time of the chosen rows; None where there are too few readings for two bins."""
    time, y, sim, pred = g.time[rows], g.y[rows], g.simulated[:, rows], g.pred[rows]
    edges = np.unique(np.quantile(time, np.linspace(0.0, 1.0, bins + 1)))
    if len(edges) < 3 or len(y) < 10:
        return None
    place = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, len(edges) - 2)
    found: list[tuple[float, Floats, Floats]] = []
    for b in range(len(edges) - 1):
        mine = place == b
        if mine.sum() < 3:
            continue
        factor = np.median(pred[mine]) / pred[mine] if corrected and (pred[mine] > 0.0).all() else 1.0
        each = np.quantile(sim[:, mine] * factor, LEVELS, axis=1)
        found.append(
            (float(np.median(time[mine])), np.quantile(y[mine] * factor, LEVELS), np.quantile(each, LEVELS, axis=1).T)
        )
    if len(found) < 2:
        return None
    middle, observed, simulated = zip(*found, strict=True)
    return PredictiveCheck(np.array(middle), np.array(observed).T, np.array(simulated).transpose(1, 2, 0))
