"""Questions asked backwards: which dose gives this exposure, how long until the level has fallen to that.

Posologyr-style questions answered from the full belief: the quantile of the metric over all members is brought to the
goal, so "the dose whose AUC is 400 in half the cases" and "... in 90 % of cases" are the same question.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from twin_service.outcome import Outcome, Refusal, RefusalCode, Verdict
from twin_service.scenario.grid import Grid, dosing_grid
from twin_service.scenario.regimen import PlannedDoses, Regimen, planned_doses
from twin_service.scenario.target import Target, measure
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Deadline, simulate
from twin_service.twin.fold import Folded
from twin_service.twin.simulate import FutureStart, start_from
from twin_service.twin.trajectory import resolve_outputs
from twin_service.twin.within import levels

FloatArray = NDArray[np.float64]
RELATIVE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class DoseFound:
    """The amount (mg) at which the chosen quantile of the metric equals the goal."""

    amount_mg: float
    goal: float
    quantile: float
    outcome: Outcome


def dose_for(
    folded: Folded,
    plan: PlannedDoses,
    target: Target,
    goal: float,
    *,
    start_h: float,
    horizon_h: float,
    quantile: float = 0.5,
    bounds_mg: tuple[float, float] = (1e-3, 1e5),
    members: int = 128,
    deadline: Deadline | None = None,
) -> DoseFound:
    """Solve quantile(metric(dose)) = goal for the amount of every dose of `plan`.

    Bisection on the logarithm of the dose (the metric rises with dose in every model of the library); the same members
    are used for every dose, so the function is smooth. An unreachable goal is an Outcome that names the best reached.
    """
    _check(goal, quantile, bounds_mg)
    start = start_from(folded, start_h, members, outputs=[target.output], deadline=deadline)

    def excess(log_mg: float) -> float:
        mg = float(np.exp(log_mg))
        metric = _metric(folded, start, replace(plan, amount_mg=mg), target, horizon_h, deadline)
        return float(np.quantile(metric, quantile)) - goal

    low, high = np.log(bounds_mg[0]), np.log(bounds_mg[1])
    at_low, at_high = excess(low), excess(high)
    if not at_low * at_high <= 0:
        nearest = bounds_mg[0] if abs(at_low) < abs(at_high) else bounds_mg[1]
        reached = goal + min(at_low, at_high, key=abs)
        return DoseFound(
            nearest,
            goal,
            quantile,
            Outcome(
                Verdict.NOT_CONVERGED,
                f"no dose from {bounds_mg[0]:g} to {bounds_mg[1]:g} mg reaches {goal:g}; "
                f"{nearest:g} mg gives {reached:.4g}",
            ),
        )
    found = brentq(excess, low, high, xtol=RELATIVE_TOLERANCE)
    return DoseFound(float(np.exp(found)), goal, quantile, Outcome())


@dataclass(frozen=True)
class IntervalFound:
    """The interval (h) at which the chosen quantile of the trough equals the goal."""

    interval_h: float
    goal: float
    quantile: float
    outcome: Outcome


def interval_for(
    folded: Folded,
    plan: PlannedDoses,
    output: str,
    goal: float,
    *,
    start_h: float,
    quantile: float = 0.5,
    bounds_h: tuple[float, float] = (1.0, 168.0),
    members: int = 128,
    deadline: Deadline | None = None,
) -> IntervalFound:
    """Solve quantile(level one interval after the last of `plan.count` doses) = goal for the interval of `plan`.

    The trough falls as the interval grows; an unreachable goal is an Outcome that names the nearest reached.
    """
    _check(goal, quantile, bounds_h)
    start = start_from(folded, start_h, members, outputs=[output], deadline=deadline)

    def excess(log_h: float) -> float:
        tau = float(np.exp(log_h))
        last = Target(output, "final")
        metric = _metric(folded, start, replace(plan, interval_h=tau), last, plan.delay_h + plan.count * tau, deadline)
        return float(np.quantile(metric, quantile)) - goal

    low, high = np.log(bounds_h[0]), np.log(bounds_h[1])
    at_low, at_high = excess(low), excess(high)
    if not at_low * at_high <= 0:
        nearest = bounds_h[0] if abs(at_low) < abs(at_high) else bounds_h[1]
        reached = goal + min(at_low, at_high, key=abs)
        said = (
            f"no interval from {bounds_h[0]:g} to {bounds_h[1]:g} h gives a trough of {goal:g}; "
            f"{nearest:g} h gives {reached:.4g}"
        )
        return IntervalFound(nearest, goal, quantile, Outcome(Verdict.NOT_CONVERGED, said))
    found = brentq(excess, low, high, xtol=RELATIVE_TOLERANCE)
    return IntervalFound(float(np.exp(found)), goal, quantile, Outcome())


def hours_until_below(
    folded: Folded,
    output: str,
    level: float,
    *,
    start_h: float,
    within_h: float,
    quantile: float = 0.5,
    members: int = 128,
    deadline: Deadline | None = None,
) -> float:
    """Hours from `start_h`, without further doses, until the `quantile` of `output` has fallen below `level` for good;
    infinity when that does not happen within `within_h`."""
    start = start_from(folded, start_h, members, outputs=[output], deadline=deadline)
    grid = np.linspace(0.0, within_h, 2001)
    at = Grid(grid, start.time_h + grid, np.zeros(len(grid), dtype=bool))
    values = _values(folded, start, (), output, at, deadline)
    curve = np.quantile(values, quantile, axis=0)
    above = np.flatnonzero(curve >= level)
    if not len(above):
        return 0.0
    last = int(above[-1])
    if last == len(grid) - 1:
        return float("inf")
    # log-linear between grid points: elimination is exponential
    a, b = np.log(max(curve[last], 1e-300)), np.log(max(curve[last + 1], 1e-300))
    share = (a - np.log(level)) / (a - b) if a > b else 0.0
    return float(grid[last] + share * (grid[last + 1] - grid[last]))


def _metric(
    folded: Folded, start: FutureStart, plan: PlannedDoses, target: Target, horizon_h: float, deadline: Deadline | None
) -> FloatArray:
    doses = planned_doses(folded.model, Regimen("asked", (plan,)), start.time_h)
    grid = dosing_grid(doses, start.time_h, horizon_h, max(horizon_h / 400, 0.05), marks_h=target.marks_h)
    values = _values(folded, start, doses, target.output, grid, deadline)
    return measure(target, grid.hours, values, np.array([d.time_h - start.time_h for d in doses]))


def _values(
    folded: Folded, start: FutureStart, doses: tuple[Dose, ...], output: str, grid: Grid, deadline: Deadline | None
) -> FloatArray:
    """`output` on the next occasion, by which a target is judged everywhere, of all members that could be solved."""
    model = folded.model
    name = resolve_outputs(folded, [output])[0]
    solution = simulate(
        model.system,
        start.rows,
        Schedule(start.history + doses, start.changes_h),
        grid.clock_h,
        after_dose=grid.after,
        start_h=start.time_h,
        state=start.states,
        deadline=deadline,
    )
    values = solution.outputs[:, :, model.system.output_index[name]]
    solved = np.all(np.isfinite(values), axis=1)
    if not solved.any():
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"no member of the belief could be simulated: {solution.outcomes[0]}",
            reason="NOT_SIMULATED",
        )
    return levels(folded, name, values)[solved]


def _check(goal: float, quantile: float, bounds: tuple[float, float]) -> None:
    if not (np.isfinite(goal) and goal > 0):
        raise Refusal(RefusalCode.INVALID, f"goal is {goal}; expected a positive number", field="goal")
    if not 0 < quantile < 1:
        raise Refusal(
            RefusalCode.INVALID, f"quantile is {quantile}; expected a share between 0 and 1", field="quantile"
        )
    if not 0 < bounds[0] < bounds[1] < np.inf:
        raise Refusal(RefusalCode.INVALID, f"bounds are {bounds}; expected 0 < low < high", field="bounds")
