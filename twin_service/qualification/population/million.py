"""A million virtual patients of the engine's reference problem: time, memory, and percentiles of what they show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

SCRIPT = """
import json, resource, sys, time
import numpy as np
from twin_service.cohort.percentiles import StreamedPercentiles
from twin_service.qualification.bench.engine import tolerances
from twin_service.qualification.bench.reference_problem import *
from twin_service.solver.simulate import simulate, simulate_stream
n, block, done = int(sys.argv[1]), 2000, 0
simulate(reference_system(), reference_population(8), reference_schedule(), reference_times())
parts = (reference_population(block, seed=1 + k) for k in range(n // block))
wall, cpu, seen = time.perf_counter(), time.process_time(), None
for part in simulate_stream(reference_system(), parts, reference_schedule(), reference_times(),
                            tolerances=tolerances(3e-5), threads=2):
    values = part.outputs.reshape(len(part.final), -1)
    seen = StreamedPercentiles.like(values) if seen is None else seen
    seen = seen.add(values)
    done += len(part.final)
assert done == n
seen.quantiles((0.05, 0.5, 0.95))
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu,
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def million_figures(report: Callable[[str], None], *, people: int) -> dict[str, float]:
    """cohort.million_s (scaled where fewer were run, and said), peak memory, linearity from 1e4."""
    wall, cpu, peak = _run(people)
    short = _run(10_000)[1]
    report(f"{people} virtual patients: {wall:.1f} s, {cpu:.1f} s of processor, peak {peak:.0f} MB")
    scale = 1_000_000 / people
    return {
        "cohort.million_s": wall * scale,
        "cohort.million_cpu_s": cpu * scale,
        "cohort.million_people_run": float(people),
        "cohort.million_peak_mb": peak,
        "cohort.linearity": cpu / (short * people / 10_000),
    }


def _run(people: int) -> tuple[float, float, float]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(people)], capture_output=True, text=True, check=True)
    wall, cpu, peak = json.loads(done.stdout)
    return wall, cpu, peak
