"""Measure the engine on the reference problem, beside other simulators in the same process on the same machine.

Rates on one core are CPU time; the error is the greatest relative error at any output of any of 256 patients (eight for
peers) against our own engine at 1e-10, held against LSODA at 1e-11 on the first eight; "matched" is each engine's
loosest tolerance with an error of at most 1e-4.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.qualification.bench.flops import flops_per_step
from twin_service.qualification.bench.peers import Peer, casadi_peer, roadrunner_peer
from twin_service.qualification.bench.reference_problem import (
    ATOL,
    DOSE_MG,
    SAMPLES_H,
    VARYING,
    reference_population,
    reference_schedule,
    reference_system,
    reference_times,
)
from twin_service.solver.engine import model_of, run_compiled
from twin_service.solver.expression import constant
from twin_service.solver.intake import admit
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.sensitivity import simulate_sensitivities
from twin_service.solver.simulate import simulate, simulate_reference
from twin_service.solver.system import System, SystemState
from twin_service.solver.tolerances import Tolerances

Floats = NDArray[np.float64]
Report = Callable[[str], None]
MATCHED = 1e-4
TIGHT = 1e-6
LADDER = (1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 3e-5, 2e-5, 1e-5, 5e-6, 2e-6, 1e-6)
CHECKED, CHECKED_PEERS = 256, 8
COLD_START = """
import time, sys
start = time.perf_counter()
from twin_service.qualification.bench.engine import tolerances
from twin_service.qualification.bench.reference_problem import *
from twin_service.solver.simulate import simulate
simulate(reference_system(), reference_population(1), reference_schedule(), reference_times())
print(time.perf_counter() - start)
"""
STREAM = """
import resource, sys, time
from twin_service.qualification.bench.engine import tolerances
from twin_service.qualification.bench.reference_problem import *
from twin_service.solver.simulate import simulate_stream
n, done = int(sys.argv[1]), 0
parts = (reference_population(2000, seed=k) for k in range(n // 2000))
start = time.perf_counter()
for part in simulate_stream(reference_system(), parts, reference_schedule(), reference_times(),
                            tolerances=tolerances(5e-5), threads=2):
    done += part.ok * len(part.final)
assert done == n
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


class Rate(NamedTuple):
    """Patients per second of CPU time at tolerance rtol, and the error there."""

    per_second: float
    rtol: float
    error: float


def tolerances(rtol: float) -> Tolerances:
    """Relative tolerance `rtol` with an absolute one of a thousandth of it, for every engine alike."""
    return Tolerances(rtol, rtol * 1e-3 / ATOL)


def run(report: Report) -> dict[str, float]:
    """All figures. Raises Refusal where a simulator to compare with is not installed."""
    peers = {"libroadrunner": roadrunner_peer(), "CasADi": casadi_peer()}
    system, times = reference_system(), reference_times()
    truth = _truth(system, times)
    figures = _rates(report, peers, truth)
    rtol = figures.pop("rtol")
    figures |= _population(report, rtol)
    figures |= _latency(report, rtol)
    figures |= _starts(report)
    figures |= _share(report, figures["engine.patients_per_s_core"], rtol)
    return figures


def _truth(system: System, times: Floats) -> Floats:
    """CHECKED patients by the engine at 1e-10, itself held against LSODA at 1e-11 on the first eight."""
    population, schedule = reference_population(CHECKED), reference_schedule()
    tight = simulate(system, population, schedule, times, tolerances=Tolerances(1e-10, 1e-5), threads=2).outputs
    other = simulate_reference(system, population[:8], schedule, times, tolerances=Tolerances(1e-11, 1e-6)).outputs
    assert np.max(np.abs(tight[:8] / other - 1.0)) < 1e-7, "the engine and LSODA differ at tight tolerances"
    return tight


def _our_engine() -> Peer:
    system, schedule, times = reference_system(), reference_schedule(), reference_times()

    def run(parameters: Floats, rtol: float) -> Floats:
        return simulate(system, parameters, schedule, times, tolerances=tolerances(rtol)).outputs

    return run


def _rate(engine: Peer, truth: Floats, rtol: float, patients: int) -> Rate:
    error = float(np.max(np.abs(engine(reference_population(len(truth)), rtol) / truth - 1.0)))
    population, best = reference_population(patients), np.inf
    for _ in range(3):
        start = time.process_time()
        engine(population, rtol)
        best = min(best, time.process_time() - start)
    return Rate(patients / best, rtol, error)


def _loosest(engine: Peer, truth: Floats) -> float:
    """The largest tolerance of the ladder at which the error is matched."""
    for rtol in LADDER:
        if np.max(np.abs(engine(reference_population(len(truth)), rtol) / truth - 1.0)) <= MATCHED:
            return rtol
    return LADDER[-1]


def _rates(report: Report, peers: dict[str, Peer], truth: Floats) -> dict[str, float]:
    found: dict[str, tuple[Rate, Rate]] = {}
    for name, (engine, patients) in {"ours": (_our_engine(), 1000), **{k: (p, 24) for k, p in peers.items()}}.items():
        checked = truth if name == "ours" else truth[:CHECKED_PEERS]
        matched = _rate(engine, checked, _loosest(engine, checked), patients)
        tight = _rate(engine, checked, TIGHT, patients)
        found[name] = (matched, tight)
        for label, r in (("matched", matched), ("tight", tight)):
            report(f"{name:14s} {label:8s} rtol {r.rtol:.0e}: {r.per_second:8.1f} patients/s/core, error {r.error:.1e}")
    best = [max(found[name][k].per_second for name in peers) for k in (0, 1)]
    matched, tight = found["ours"]
    figures = {
        "engine.ratio_matched": matched.per_second / best[0],
        "engine.error_matched": matched.error,
        "engine.error_256": matched.error,
        "engine.patients_per_s_core": matched.per_second,
        "engine.ratio_tight": tight.per_second / best[1],
        "engine.error_tight": tight.error,
        "rtol": matched.rtol,
    }
    ratios = [figures[f"engine.ratio_{k}"] for k in ("matched", "tight")]
    report(f"ratio to the best peer: {ratios[0]:.1f} matched, {ratios[1]:.1f} tight")
    return figures


def _best_ms(work: Callable[[], object], repeats: int = 30) -> float:
    work()
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return 1e3 * float(best)


def _population(report: Report, rtol: float) -> dict[str, float]:
    """Wall time of 1,000 and 20,000 patients on one and two threads.

    Runs on one and on two threads take turns, and the best of each counts: other work on the machine comes and goes.
    """
    system, times, schedule = reference_system(), reference_times(), reference_schedule()
    walls: dict[tuple[int, int], float] = {}
    for n, turns in ((1000, 10), (20000, 4)):
        population = reference_population(n)
        for _ in range(turns):
            for threads in (1, 2):
                start = time.perf_counter()
                simulate(system, population, schedule, times, tolerances=tolerances(rtol), threads=threads)
                walls[n, threads] = min(walls.get((n, threads), np.inf), time.perf_counter() - start)
    for (n, threads), wall in walls.items():
        report(f"{n} patients on {threads} thread(s): {1e3 * wall:.0f} ms")
    speedup = max(walls[n, 1] / walls[n, 2] for n in (1000, 20000))
    return {"engine.threads2_speedup": speedup, "engine.population20k_s": walls[20000, 2]}


def _latency(report: Report, rtol: float) -> dict[str, float]:
    """One patient for 7 days; 41 sigma points over 12 h; 22 sensitivities over 7 days."""
    system, times, schedule = reference_system(), reference_times(), reference_schedule()
    population, first = reference_population(41), Schedule((Dose(0.0, "oral", DOSE_MG),))
    matched, loose = tolerances(rtol), tolerances(3e-5)
    one = _best_ms(lambda: simulate(system, population[:1], schedule, times, tolerances=matched))
    sigma = _best_ms(lambda: simulate(system, population, first, SAMPLES_H, tolerances=matched))
    slopes = _best_ms(
        lambda: simulate_sensitivities(system, population[:1], schedule, times, wrt=VARYING, tolerances=loose)
    )
    error = _sensitivity_error(loose)
    report(
        f"one patient {one:.2f} ms, 41 sigma points {sigma:.2f} ms, 22 sensitivities {slopes:.1f} ms "
        f"(error {error:.0e} of peak)"
    )
    return {
        "engine.one_patient_ms": one,
        "engine.sigma41_ms": sigma,
        "engine.sensitivities22_ms": slopes,
        "engine.sensitivity_error": error,
    }


def _sensitivity_error(used: Tolerances) -> float:
    """Greatest error relative to each sensitivity's peak, against central differences extrapolated to zero step."""
    system, times, schedule = reference_system(), reference_times(), reference_schedule()
    p = reference_population(1)
    solution, slopes, _ = simulate_sensitivities(system, p, schedule, times, wrt=VARYING, tolerances=used)
    index = [system.parameter_index[name] for name in VARYING]

    def difference(step: float) -> Floats:
        moved = np.repeat(p, 2 * len(index), axis=0)
        for k, i in enumerate(index):
            moved[2 * k, i] *= 1.0 + step
            moved[2 * k + 1, i] *= 1.0 - step
        o = simulate(system, moved, schedule, times, tolerances=Tolerances(1e-11, 1e-6)).outputs
        return np.asarray((o[0::2] - o[1::2]).transpose(1, 2, 0) / (2.0 * step * p[0, index]))

    truth = (4.0 * difference(1e-3) - difference(2e-3)) / 3.0
    peak = np.abs(truth).max(axis=0)
    matters = peak * p[0, index] > 1e-3 * np.abs(solution.outputs[0]).max(axis=0)[:, None]
    return float(np.max((np.abs(slopes[0] - truth).max(axis=0) / peak)[matters]))


def _starts(report: Report) -> dict[str, float]:
    """Start of a fresh process with warm caches; a system never seen before; 100,000 patients in a stream."""
    simulate(reference_system(), reference_population(1), reference_schedule(), reference_times())
    warm = min(float(_fresh(COLD_START)[0]) for _ in range(3))
    # A constant that no earlier run can have compiled: the clock's own digits.
    new = _renewed(1.0 + 1e-9 * (time.time_ns() % 1000003))
    start = time.perf_counter()
    simulate(new, reference_population(1), reference_schedule(), reference_times())
    first = time.perf_counter() - start
    wall, peak = (float(x) for x in _fresh(STREAM, "100000"))
    short, _ = (float(x) for x in _fresh(STREAM, "20000"))
    report(f"fresh process {warm:.2f} s, new model {first:.2f} s")
    report(f"100,000 patients {wall:.1f} s (20,000: {short:.1f} s) in {peak:.0f} MB")
    return {
        "engine.warm_start_s": warm,
        "engine.new_model_s": first,
        "engine.peak_rss_100k_mb": peak,
        "engine.stream_linearity": wall / (5.0 * short),
    }


def _fresh(script: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.split()


def _renewed(factor: float) -> System:
    system = reference_system()
    states = tuple(SystemState(s.name, s.unit, s.rate * constant(factor), s.initial, s.atol) for s in system.states)
    return replace(system, name=f"reference_{factor!r}", states=states)


def _share(report: Report, per_second: float, rtol: float) -> dict[str, float]:
    """Arithmetic done per second as a share of what a matrix product reaches on one core here."""
    system = reference_system()
    model = model_of(system)
    request = admit(
        system,
        reference_population(64),
        reference_schedule(),
        reference_times(),
        start_h=0.0,
        state=None,
        after_dose=None,
    )
    steps = run_compiled(model, request, np.arange(64), tolerances=tolerances(rtol)).steps.mean()
    flops = flops_per_step(model.form) * float(steps) * per_second
    peak = _dgemm()
    report(f"{1e-9 * flops:.1f} GF/s of {1e-9 * peak:.1f} GF/s in dgemm on one core, {steps:.0f} steps a patient")
    return {"engine.dgemm_share": flops / peak}


def _dgemm(n: int = 768) -> float:
    """Floating-point operations per CPU second of a matrix product, whatever number of threads it takes."""
    a = np.random.default_rng(0).standard_normal((n, n))
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        a @ a
        best = min(best, time.process_time() - start)
    return float(2.0 * n**3 / best)
