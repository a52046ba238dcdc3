"""How sure the estimates are: R, S and sandwich covariance, condition number, profile likelihood.

    R = d2 O / dx2 / 2 (central differences of the exact gradient),  S = sum g_i g_i' / 4
    cov = R^-1 S R^-1 | R^-1 | S^-1

O is -2 ln L, so that R and S here are in units of ln L. Natural standard errors by the delta method.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2

from twin_service.fit.population.modes import Warm
from twin_service.fit.population.objective import Approximation, evaluate
from twin_service.fit.population.problem import PopulationProblem
from twin_service.fit.population.search import SearchOptions, improved

Floats = NDArray[np.float64]
STEP = 1e-3
SINGULAR = 1e12


@dataclass(frozen=True)
class Covariance:
    """Covariances of the free entries of x; `condition` is that of R's correlation form; `directions` name what the
    data do not determine (empty where all is well)."""

    free: NDArray[np.intp]
    R: Floats
    S: Floats
    sandwich: Floats
    by_r: Floats
    by_s: Floats | None
    condition: float
    directions: tuple[str, ...]


def covariance(
    problem: PopulationProblem, x: Floats, warm: Warm, kind: Approximation, *, hold: frozenset[str] = frozenset()
) -> Covariance:
    """At an optimum x. `hold`: names taken as known (a covariance of typical values alone, say)."""
    space = problem.space
    free = np.array([k for k in space.free if space.names[k] not in hold], dtype=np.intp)
    base = evaluate(problem, x, warm, kind)
    R = np.empty((len(free), len(free)))
    for row, k in enumerate(free):
        step = np.zeros(len(x))
        step[k] = STEP
        up = evaluate(problem, x + step, warm, kind, keep=False).gradient
        down = evaluate(problem, x - step, warm, kind, keep=False).gradient
        R[row] = (up - down)[free] / (2.0 * STEP)
    R = 0.25 * (R + R.T)
    scores = 0.5 * base.gradients[:, free]
    S = scores.T @ scores
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(R)), 1e-300))
    values, vectors = np.linalg.eigh(R * np.outer(scale, scale))
    condition = float(values[-1] / values[0]) if values[0] > 0.0 else np.inf
    poor = tuple(
        _direction(vectors[:, j], [space.names[k] for k in free])
        for j in range(len(values))
        if values[j] <= values[-1] / SINGULAR
    )
    Ri: Floats = np.asarray(np.linalg.pinv(R, hermitian=True) if poor else np.linalg.inv(R), float)
    by_s: Floats | None = (
        np.asarray(np.linalg.inv(S), float) if np.linalg.matrix_rank(S) == len(S) and problem.size > len(S) else None
    )
    return Covariance(free, R, S, Ri @ S @ Ri, Ri, by_s, condition, poor)


def _direction(vector: Floats, names: list[str]) -> str:
    order = np.argsort(-np.abs(vector))[:3]
    return " with ".join(names[int(k)] for k in order if abs(vector[k]) > 0.2)


def profile(
    problem: PopulationProblem, x: Floats, k: int, kind: Approximation, *, level: float = 0.95, width: float = 1.0
) -> tuple[float, float]:
    """Interval of entry k in which the objective, the others being searched again, rises by at most chi2(level, 1)."""
    name, cut = problem.space.names[k], float(chi2.ppf(level, 1))
    held = replace(problem, space=replace(problem.space, fixed=problem.space.fixed | {name}))
    best = evaluate(problem, x, Warm.cold(problem), kind).value
    last = {"x": x}

    def excess(value: float) -> float:
        start = last["x"].copy()
        start[k] = value
        found = improved(held, start, kind, SearchOptions(passes=0, restarts=0))
        if np.isfinite(found.value):
            last["x"] = found.x
        return found.value - best - cut

    ends = []
    for side in (-1.0, 1.0):
        last["x"], step, reach = x, side * width, 0.0
        for _ in range(12):
            reach += step
            if excess(x[k] + reach) > 0.0:
                break
            step *= 1.6
        else:
            ends.append(side * np.inf)
            continue
        ends.append(float(brentq(excess, x[k] + reach - step, x[k] + reach, xtol=1e-4)))
    return ends[0], ends[1]


def shrinkage(eta: Floats, omega_sd: Floats) -> Floats:
    """1 - sd(eta) / omega for each effect."""
    return np.asarray(1.0 - eta.std(0, ddof=1) / omega_sd) if len(eta) > 1 else np.full(len(omega_sd), np.nan)
