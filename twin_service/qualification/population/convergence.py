"""Real sets from the stated and from a poor start: the same objective?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twin_service.fit.population.search import SearchOptions, search
from twin_service.qualification.population.sets import BENCH_SETS, built_set, moved

POOR = 0.7
STARTS = 4


def convergence_figures(reference: Path, report: Callable[[str], None]) -> dict[str, float]:
    """For each set the objective from its stated start, and how far the poor start ends from it."""
    figures: dict[str, float] = {}
    for chosen in BENCH_SETS:
        built = built_set(chosen, reference)
        if built is None:
            report(f"{chosen.name}: {chosen.file} is absent")
            continue
        first = search(built.problem, built.start).found
        second = search(built.problem, moved(built, POOR).start, options=SearchOptions(starts=STARTS)).found
        figures[f"population.{chosen.name}_objective"] = first.value
        figures[f"population.{chosen.name}_poor_start_difference"] = second.value - first.value
        report(f"{chosen.name:20s} {first.value:.4f} ({first.outcome}); from a poor start {second.value:.4f}")
    return figures
