"""Simulation and re-estimation: bias of typical values and variances, and how often 95 % intervals hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from twin_service.fit.event_table import subjects_of
from twin_service.fit.population.build import BuiltProblem, build_problem
from twin_service.fit.population.by_engine import EngineModel
from twin_service.fit.population.closed_form import ClosedForm, DoseTable
from twin_service.fit.population.estimate import estimate_population
from twin_service.fit.population.likelihood import LognormalLaw, NormalLaw
from twin_service.fit.population.problem import PopulationProblem, outer_of
from twin_service.fit.population.table import estimate_rows, natural
from twin_service.fit.population.typical import GeneratedTypical
from twin_service.model.compose import compose
from twin_service.model.poppk.build import build_poppk
from twin_service.model.poppk.record import PopPkRecord
from twin_service.qualification.population.files import benchmark_record

Floats = Any
PEOPLE = 60
TIMES = {"theophylline": (0.25, 0.5, 1, 2, 4, 6, 9, 12, 24), "warfarin_pk": (1, 2, 4, 8, 24, 48, 72, 96, 120)}
TRUTHS = {
    "oral": ("theophylline", {"KA": 1.5, "CL": 2.8, "V": 32.0}, {"KA": 0.3, "CL": 0.08, "V": 0.04}, {"additive": 0.5}),
    "lag": (
        "warfarin_pk",
        {"KA": 0.6, "CL": 0.135, "V": 8.0, "LAG": 0.8},
        {"KA": 0.3, "CL": 0.09, "V": 0.05},
        {"additive": 0.3, "proportional": 0.08},
    ),
    "bolus": ("wang", {"CL": 0.5, "V": 1.0}, {"CL": 0.1}, {"proportional": 0.15}),
}


def replicate_figures(report: Callable[[str], None], *, replicates: int) -> dict[str, float]:
    """population.bias_theta, bias_omega (worst over three models) and coverage95 (of all intervals)."""
    figures: dict[str, float] = {}
    for name in TRUTHS:
        built = _design(name)
        names, truth = natural(built, built.start)
        estimates, inside = [], []
        for k in range(replicates):
            rng = np.random.default_rng(10_000 + k)
            found = estimate_population(simulated(built, built.start, rng, built.problem.size))
            if not found.found.outcome.ok:
                continue
            rows = estimate_rows(found)
            estimates.append([r.value for r in rows])
            inside.append(
                [np.nan if r.fixed else float(r.low <= t <= r.high) for r, t in zip(rows, truth, strict=True)]
            )
        bias = np.mean(estimates, 0) / truth - 1.0
        spread = np.array(["omega2" in n for n in names])
        free = np.array([n not in built.problem.space.fixed for n in names])
        theta = np.array([n in built.record.parameters for n in names]) & free
        cover = np.nanmean(np.array(inside)[:, free])
        figures |= {
            f"population.bias_theta_{name}": float(np.abs(bias[theta]).max()),
            f"population.bias_omega_{name}": float(np.abs(bias[spread]).max()),
            f"population.coverage95_{name}": float(cover),
            f"population.replicates_{name}": float(len(estimates)),
        }
        report(
            f"{name}: {len(estimates)} of {replicates} replicates, bias {np.abs(bias[theta]).max():.1%} (typical), "
            f"{np.abs(bias[spread]).max():.1%} (variances), intervals hold {cover:.1%}"
        )
    return figures


def _design(name: str) -> BuiltProblem:
    file, values, variances, residual = TRUTHS[name]
    record = _at(benchmark_record(file), values, variances, residual)
    times = TIMES.get(file, (0.5, 1, 2, 4, 6))
    rows: list[dict[str, Any]] = []
    for i in range(PEOPLE):
        rows.append({"ID": i, "TIME": 0, "AMT": 100 if file != "wang" else 10, "EVID": 1})
        rows += [{"ID": i, "TIME": t, "DV": 1.0, "EVID": 0} for t in times]
    model = compose(record.id, {record.id: build_poppk(record)})
    return build_problem(record, subjects_of(rows, model))


def _at(
    record: PopPkRecord, values: dict[str, float], variances: dict[str, float], residual: dict[str, float]
) -> PopPkRecord:
    from twin_service.model.poppk.record import parse_model

    table = dict(record.raw)
    table["parameters"] = {
        n: {**p, "value": values[n], **({"effect": {"variance": variances[n]}} if n in variances else {})}
        for n, p in record.raw["parameters"].items()
    }
    observable = {**record.raw["observable"][0], "error": {**residual, "origin": "truth of a simulation"}}
    return parse_model({**table, "observable": [observable]})


def simulated(built: BuiltProblem, x: Floats, rng: np.random.Generator, people: int) -> BuiltProblem:
    """Readings simulated at x; as many subjects as there are, or more with designs drawn from theirs."""
    problem = built.problem
    who = problem.everyone if people == problem.size else rng.integers(0, problem.size, people)
    at = outer_of(problem, x)
    eta = rng.standard_normal((people, problem.B.shape[1])) @ at.L.T
    f = problem.predict(at.mu[who] + eta @ problem.B.T, who, 0).f
    readings = problem.readings.rows(who)
    y, z = f.copy(), rng.standard_normal(f.shape)
    for k, (law, span) in enumerate(zip(readings.laws, readings.spans, strict=True)):
        mine = readings.law == k
        if isinstance(law, NormalLaw):
            y = np.where(mine, f + np.sqrt(law.variance(f, at.s[span]).v) * z, y)
        elif isinstance(law, LognormalLaw):
            y = np.where(mine, f * np.exp(np.exp(at.s[span][0]) * z), y)
    return replace(
        built,
        problem=_chosen(problem, who, replace(readings, y=y)),
        start=np.array(x, float),
        subjects=tuple(built.subjects[int(i)] for i in who),
    )


def _chosen(problem: PopulationProblem, who: Any, readings: Any) -> PopulationProblem:
    """The problem of subjects `who` (repeats allowed) with other readings."""
    everyone, predict, typical = np.arange(len(who)), problem.predict, problem.typical
    assert isinstance(typical, GeneratedTypical)
    typical = replace(
        typical, shape=(len(who), *typical.shape[1:]), covariates=tuple(c[who] for c in typical.covariates)
    )
    if isinstance(predict, ClosedForm):
        t = predict.table
        table = DoseTable(*(a[who] for a in (t.elapsed, t.amount, t.duration, t.oral, t.scale)))
        predict = replace(predict, table=table, everyone=everyone)
    elif isinstance(predict, EngineModel):
        predict = replace(
            predict,
            rows=predict.rows[who],
            schedules=tuple(predict.schedules[int(i)] for i in who),
            times_h=predict.times_h[who],
            after_dose=predict.after_dose[who],
            output=predict.output[who],
            start_h=predict.start_h[who],
        )
    ids = tuple(problem.ids[int(i)] for i in who)
    return replace(problem, ids=ids, readings=readings, predict=predict, typical=typical, everyone=everyone)
