"""Maximum likelihood from many starts, and profile-likelihood intervals.

Raue 2009, doi:10.1093/bioinformatics/btp358 (profiles); Raue 2013, doi:10.1371/journal.pone.0074335 (multistart).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.stats import chi2, qmc

from twin_service.fit.parameters.problem import Problem
from twin_service.outcome import Outcome, Verdict

Floats = NDArray[np.float64]
BIG: Final = 1e12
SAME: Final = 0.01


@dataclass(frozen=True)
class Interval:
    """Profile-likelihood interval of one parameter; an open end means that the data do not bound it there.

    curve  points of the profile: value, and by how much -ln L rises above the minimum
    """

    name: str
    estimate: float
    low: float
    high: float
    open_low: bool
    open_high: bool
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def identifiable(self) -> bool:
        return not (self.open_low or self.open_high)


@dataclass(frozen=True)
class FittedParameters:
    """The best of `starts`: estimates by name, -ln L, how many starts ended there, intervals.

    objectives  where each start ended, best first
    """

    values: dict[str, float]
    objective: float
    found: int
    starts: int
    intervals: tuple[Interval, ...]
    outcome: Outcome
    objectives: tuple[float, ...] = ()


def estimate(
    problem: Problem,
    *,
    starts: int = 20,
    rng: np.random.Generator,
    level: float = 0.95,
    profiles: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> FittedParameters:
    """Fit `problem` from `starts` Latin-hypercube points (the first is the problem's own) and profile the best.

    The interval of a parameter holds all values whose profile -ln L is within chi2(1, level)/2 of the minimum.
    """
    runs = []
    for k, x in enumerate(_starts(problem, starts, rng), start=1):
        runs.append(_local(problem, x, None))
        say(f"start {k} of {starts}: -ln L {runs[-1][1]:.6g}, best {min(r[1] for r in runs):.6g}")
    runs.sort(key=lambda r: r[1])
    best, objective = runs[0]
    if objective >= BIG:
        return FittedParameters(
            {},
            float("inf"),
            0,
            starts,
            (),
            Outcome(Verdict.NOT_CONVERGED, f"{problem.name}: no start could be solved; narrow the bounds"),
        )
    found = sum(f - objective < SAME for _, f in runs)
    intervals = []
    for i in range(len(best) if profiles else 0):
        say(f"profile of {problem.free[i].name}")
        intervals.append(_profile(problem, best, i, level))
    values = {f.name: f.from_scale(v) for f, v in zip(problem.free, best, strict=True)}
    lone = found < 2 and starts > 3
    outcome = Outcome(Verdict.NOT_CONVERGED, f"only 1 of {starts} starts found the best fit") if lone else Outcome()
    return FittedParameters(values, objective, found, starts, tuple(intervals), outcome, tuple(f for _, f in runs))


def _bounds(problem: Problem) -> Floats:
    return np.array([[f.to_scale(f.low), f.to_scale(f.high)] for f in problem.free])


def _starts(problem: Problem, count: int, rng: np.random.Generator) -> list[Floats]:
    box = _bounds(problem)
    first = np.array([f.to_scale(f.start) for f in problem.free])
    cube = qmc.LatinHypercube(d=len(box), rng=rng).random(max(count - 1, 0))
    # starts across ten orders of magnitude waste themselves on flat ground: half of them stay within two decades
    near = np.clip(first + (cube - 0.5) * 4.0, box[:, 0], box[:, 1])
    wide = box[:, 0] + cube * (box[:, 1] - box[:, 0])
    return [first, *np.where(np.arange(len(cube))[:, None] % 2 == 0, near, wide)]


def _local(problem: Problem, start: Floats, fixed: int | None) -> tuple[Floats, float]:
    """A local minimum from `start`, with coordinate `fixed` held: a simplex first, then quasi-Newton steps."""
    box = _bounds(problem)
    moving = [i for i in range(len(start)) if i != fixed]

    def f(z: Floats) -> float:
        x = start.copy()
        x[moving] = np.clip(z, box[moving, 0], box[moving, 1])
        value = problem.objective(x)
        return value if np.isfinite(value) else BIG

    if not moving:
        return start, f(np.empty(0))
    limits = list(map(tuple, box[moving]))
    rough = minimize(
        f,
        start[moving],
        method="Nelder-Mead",
        bounds=limits,
        options={"xatol": 1e-4, "fatol": 1e-4, "maxiter": 120 * len(moving)},
    )
    fine = minimize(f, rough.x, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-13, "gtol": 1e-8})
    z, value = (fine.x, float(fine.fun)) if fine.fun <= rough.fun else (rough.x, float(rough.fun))
    x = start.copy()
    x[moving] = z
    return x, value


def _profile(problem: Problem, best: Floats, i: int, level: float) -> Interval:
    box = _bounds(problem)
    lowest = problem.objective(best)
    limit = lowest + chi2.ppf(level, 1) / 2
    path, heights = {0.0: best}, {0.0: 0.0}

    def gap(step: float) -> float:
        # the nearest point of the path so far is the best start for the constrained fit
        near = path[min(path, key=lambda s: abs(s - step))].copy()
        near[i] = best[i] + step
        x, value = _local(problem, near, i)
        path[step], heights[step] = x, float(value - lowest)
        return float(value - limit)

    ends = []
    for sign, edge in ((-1.0, box[i, 0]), (1.0, box[i, 1])):
        reach, room, inside = 0.02, abs(edge - best[i]), 0.0
        while reach < room and gap(sign * reach) < 0:
            inside, reach = reach, reach * 2
        is_open = bool(reach >= room and gap(sign * room) < 0)
        at = room if is_open else abs(brentq(gap, sign * inside, sign * min(reach, room), xtol=1e-5))
        ends.append((best[i] + sign * at, is_open))
    free = problem.free[i]
    curve = tuple((free.from_scale(best[i] + step), heights[step]) for step in sorted(heights))
    return Interval(
        free.name,
        free.from_scale(best[i]),
        free.from_scale(ends[0][0]),
        free.from_scale(ends[1][0]),
        ends[0][1],
        ends[1][1],
        curve,
    )
