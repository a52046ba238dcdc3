"""Estimates as people read them: typical values and spread in the file's units, with standard errors and intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from twin_service.fit.population.build import BuiltProblem
from twin_service.fit.population.estimate import PopulationEstimate

Floats = NDArray[np.float64]
STEP = 1e-5


class EstimateRow(NamedTuple):
    """One number; `rse` in percent of the value; low and high the interval from the scale of the search; NaN: none."""

    name: str
    value: float
    unit: str
    se: float
    rse: float
    low: float
    high: float
    fixed: bool


def natural(built: BuiltProblem, x: Floats) -> tuple[list[str], Floats]:
    """Names and values: typical values (file's units), variances and covariances of each block, residual sizes."""
    space = built.problem.space
    beta, _, s = (x[span] for span in space.spans)
    names, values = [], []
    for b, w in zip(built.handles.betas, beta, strict=True):
        names.append(b.name)
        values.append(float(b.scale.value(w)) / file_scale(built, b.place))
    for block, omega in zip(space.blocks, space.omegas(x), strict=True):
        for i, first in enumerate(block.names):
            for j, second in enumerate(block.names[: i + 1]):
                names.append(f"omega2[{first}]" if i == j else f"cov[{first},{second}]")
                values.append(float(omega[i, j]))
    return [*names, *space.sigma], np.array([*values, *np.exp(s)])


def file_scale(built: BuiltProblem, place: tuple[str, ...]) -> float:
    """Bench value of one unit of the file, of a parameter (name,) or of its k-th coefficient (name, k)."""
    q, raw = built.record.parameters[place[0]], built.record.raw["parameters"][place[0]]
    stated = float(raw["value"])
    if len(place) == 1:
        return q.value / stated if stated else 1.0
    k = int(place[1])
    coefficient = float(raw["covariate_effect"][k]["coefficient"])
    return q.terms[k].coefficient / coefficient if coefficient else 1.0


def estimate_rows(e: PopulationEstimate, level: float = 0.95) -> list[EstimateRow]:
    """The parameter table. Intervals are symmetric on the scale on which each number was searched."""
    built, x = e.built, e.found.x
    space = built.problem.space
    names, values = natural(built, x)
    J = np.zeros((len(values), len(x)))
    for k in range(len(x)):
        step = np.zeros(len(x))
        step[k] = STEP
        J[:, k] = (natural(built, x + step)[1] - natural(built, x - step)[1]) / (2.0 * STEP)
    full = np.zeros((len(x),) * 2)
    known = e.uncertainty is not None
    if e.uncertainty is not None:
        full[np.ix_(e.uncertainty.free, e.uncertainty.free)] = e.uncertainty.sandwich
    variance = np.einsum("ij,jk,ik->i", J, full, J)
    z, rows, units = float(norm.ppf(0.5 + 0.5 * level)), [], _units(built)
    free = np.zeros(len(x), bool)
    free[space.free] = True
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        fixed = not free[np.abs(J[i]) > 0.0].any()
        se = float(np.sqrt(max(variance[i], 0.0))) if known and not fixed else np.nan
        low, high = _interval(e, i, (value, se), (z, names))
        rse = 100.0 * se / abs(value) if value else np.nan
        rows.append(EstimateRow(name, float(value), units.get(name, ""), se, rse, low, high, fixed))
    return rows


def _interval(
    e: PopulationEstimate, i: int, value: tuple[float, float], more: tuple[float, list[str]]
) -> tuple[float, float]:
    (v, se), (z, names) = value, more
    if not np.isfinite(se):
        return np.nan, np.nan
    betas = e.built.handles.betas
    if i < len(betas):
        b, factor = betas[i], file_scale(e.built, betas[i].place)
        w = e.found.x[i]
        slope = (float(b.scale.value(w + STEP)) - float(b.scale.value(w - STEP))) / (2.0 * STEP) / factor
        half = z * se / abs(slope) if slope else np.nan
        ends = sorted(float(b.scale.value(w + side * half)) / factor for side in (-1.0, 1.0))
        return ends[0], ends[1]
    if names[i].startswith("cov["):
        return v - z * se, v + z * se
    ratio = float(np.exp(z * se / v)) if v > 0.0 else np.nan
    return v / ratio, v * ratio


def _units(built: BuiltProblem) -> dict[str, str]:
    raw = built.record.raw
    found = {n: str(p["unit"]) for n, p in raw["parameters"].items()}
    for o in raw["observable"]:
        found[f"additive[{o['analyte']}]"] = str(o["unit"])
    return found
