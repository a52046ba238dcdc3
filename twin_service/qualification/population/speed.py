"""How long fits take: best wall and CPU time of several, covariances not counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from twin_service.fit.population.build import BuildOptions, BuiltProblem
from twin_service.fit.population.modes import Warm
from twin_service.fit.population.search import SearchOptions, fit_once
from twin_service.qualification.population.replicates import simulated
from twin_service.qualification.population.sets import BENCH_SETS, built_set

Report = Callable[[str], None]


def speed_figures(reference: Path, report: Report) -> dict[str, float]:
    """population.*_s (wall) and *_cpu_s: from the poor start of each file to the optimum."""
    sets = {s.name: s for s in BENCH_SETS}
    theo = built_set(sets["theophylline"], reference)
    by_engine = built_set(sets["theophylline"], reference, BuildOptions(closed_form=False))
    pkpd = built_set(sets["warfarin_pkpd"], reference)
    pk = built_set(sets["warfarin_pk"], reference)
    assert theo is not None and by_engine is not None and pkpd is not None and pk is not None
    truth = fit_once(theo.problem, theo.start, Warm.cold(theo.problem), SearchOptions()).x
    figures: dict[str, float] = {}
    for name, built, repeats in (
        ("theo_focei", theo, 20),
        ("theo_engine", by_engine, 5),
        ("warfarin_focei", pk, 10),
        ("warfarin_pkpd", pkpd, 2),
        ("thousand_closed", many(theo, truth, 1000), 3),
        ("thousand_engine", many(by_engine, truth, 1000), 2),
    ):
        wall, cpu, value = _best(built, repeats)
        figures |= {f"population.{name}_s": wall, f"population.{name}_cpu_s": cpu}
        report(f"{name:16s} {wall:.4f} s, {cpu:.4f} s of processor, objective {value:.5f}")
    return figures


def many(built: BuiltProblem, x: np.ndarray, people: int) -> BuiltProblem:
    """`people` simulated subjects with designs drawn from the real ones; the start stays poor."""
    return replace(simulated(built, x, np.random.default_rng(1), people), start=built.start)


def _best(built: BuiltProblem, repeats: int) -> tuple[float, float, float]:
    wall = cpu = np.inf
    value = np.nan
    for _ in range(repeats):
        a, b = time.perf_counter(), time.process_time()
        value = fit_once(built.problem, built.start, Warm.cold(built.problem), SearchOptions()).value
        wall, cpu = min(wall, time.perf_counter() - a), min(cpu, time.process_time() - b)
    return float(wall), float(cpu), float(value)
