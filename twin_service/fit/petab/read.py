"""PEtab version 1 problems: the exchange format of fits of ordinary differential equations.

Schmiester 2021, doi:10.1371/journal.pcbi.1008646. Read: parameters (scale, bounds, nominal, estimate, prior),
conditions that set parameters, initial values and compartment sizes, preequilibration, observables and noise by
formula with values per measurement, normal and Laplace noise, steady-state measurements, models with events.
Refused by name: version 2, extensions, several problems.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from twin_service.fit.parameters.problem import CoordinateScale, Free, MeasuredRow, Problem
from twin_service.fit.petab.course import Runner
from twin_service.fit.petab.extended import extend
from twin_service.fit.petab.tables import MeasurementRow, ParameterRow, PriorKind, Tables, read_tables


def read_petab(path: Path) -> Problem:
    """The problem of the PEtab YAML file `path`.

    Raises Refusal naming table, row and column of what is missing or unsupported.
    """
    tables = read_tables(path)
    extended = extend(tables)
    runner = Runner.create(tables, extended)
    rows = [
        MeasuredRow(
            extended.observable_of(m),
            _condition(m),
            m.time,
            m.value,
            math.nan,
            tables.observables[m.observable].transformation,
            law=tables.observables[m.observable].law,
            spread=extended.noise_of(m),
            title=m.observable,
        )
        for m in tables.measurements
    ]
    free = [_free(p) for p in tables.parameters if p.free]
    fixed = [(p.id, p.nominal) for p in tables.parameters if not p.free]
    problem = Problem.create(path.stem, free, rows, predict=runner.predict, fixed=fixed, notes=tables.notes)
    _check_conditions(runner, problem, tables)
    return problem


def _condition(m: MeasurementRow) -> str:
    return f"{m.before} > {m.condition}" if m.before else m.condition


def _check_conditions(runner: Runner, problem: Problem, tables: Tables) -> None:
    """Refuse a cell that names nothing before anything is fitted."""
    for condition in tables.conditions:
        runner.row(problem.start(), condition)


def _free(p: ParameterRow) -> Free:
    """Without a nominal value the search begins in the middle of the bounds, on the parameter's scale."""
    start = p.nominal
    if math.isnan(start) and p.low < p.high and (p.scale is CoordinateScale.LIN or p.low > 0.0):
        start = p.scale.inverse(0.5 * (p.scale.of(p.low) + p.scale.of(p.high)))
    return Free(p.id, p.low, p.high, start, p.scale, _penalty(p), nominal=not math.isnan(p.nominal))


def _penalty(p: ParameterRow) -> Callable[[float], float] | None:
    """-ln of the prior density, at a natural value; a `parameterScale` prior is a density of the scaled value."""
    if p.prior is None:
        return None
    kind, a, b = p.prior
    density = {
        PriorKind.UNIFORM: stats.uniform(a, b - a),
        PriorKind.SCALE_UNIFORM: stats.uniform(a, b - a),
        PriorKind.NORMAL: stats.norm(a, b),
        PriorKind.SCALE_NORMAL: stats.norm(a, b),
        PriorKind.LAPLACE: stats.laplace(a, b),
        PriorKind.SCALE_LAPLACE: stats.laplace(a, b),
        PriorKind.LOG_NORMAL: stats.lognorm(b, scale=math.exp(a)),
        PriorKind.LOG_LAPLACE: stats.loglaplace(1.0 / b, scale=math.exp(a)),
    }[kind]
    scaled = kind in (PriorKind.SCALE_UNIFORM, PriorKind.SCALE_NORMAL, PriorKind.SCALE_LAPLACE)

    def penalty(value: float) -> float:
        with np.errstate(divide="ignore"):
            return -float(density.logpdf(p.scale.of(value) if scaled else value))

    return penalty
