"""Planned treatment and what it is for: regimens, targets, and how each is measured on a simulated course."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin_service.model.domain import dose_doubt
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose
from twin_service.twin.course import route_for

FloatArray = NDArray[np.float64]
Metric = Literal["trough", "peak", "average", "auc", "fraction_above", "minimum", "maximum", "final"]


@dataclass(frozen=True)
class PlannedDoses:
    """`count` doses of `amount_mg` every `interval_h`, the first `delay_h` after the start of the forecast."""

    drug: str
    route: str
    amount_mg: float
    interval_h: float
    count: int
    duration_h: float = 0.0
    delay_h: float = 0.0
    loading_mg: float = 0.0


@dataclass(frozen=True)
class Regimen:
    """A named plan; no doses at all is a plan too (stop treatment)."""

    name: str
    doses: tuple[PlannedDoses, ...] = ()


@dataclass(frozen=True)
class Target:
    """`metric` of `output` between `from_h` and `to_h` of the forecast should lie in [low, high].

    trough    value just before each planned dose and at the end; the worst of them counts
    peak      largest value; average and auc by the trapezoidal rule; minimum, maximum, final as named
    fraction_above  share of time above `threshold`
    """

    output: str
    metric: Metric
    low: float = -np.inf
    high: float = np.inf
    from_h: float = 0.0
    to_h: float = np.inf
    threshold: float = 0.0
    name: str = ""


def planned_doses(model: PatientModel, regimen: Regimen, start_h: float) -> tuple[Dose, ...]:
    """The solver doses of `regimen` started at `start_h`, by time; refuses an unknown drug or route."""
    found: list[Dose] = []
    for i, plan in enumerate(regimen.doses):
        _check_plan(plan, f"regimens[{regimen.name}].doses[{i}]")
        route = route_for(model, plan.drug, plan.route)
        for mg in {plan.amount_mg, plan.loading_mg}:
            dose_doubt(route, mg)
        for k in range(plan.count):
            mg = plan.loading_mg if k == 0 and plan.loading_mg > 0 else plan.amount_mg
            found.append(
                Dose(
                    start_h + plan.delay_h + k * plan.interval_h, route.input, mg * route.units_per_mg, plan.duration_h
                )
            )
    return tuple(sorted(found))


def measure(target: Target, times_h: FloatArray, values: FloatArray, dose_times_h: FloatArray) -> FloatArray:
    """The metric of each member, (N,), from `values` (N, nt) on `times_h` (nt,), hours from the forecast's start."""
    inside = (times_h >= target.from_h) & (times_h <= target.to_h)
    t, v = times_h[inside], values[:, inside]
    if len(t) < 2:
        raise Refusal(
            RefusalCode.INVALID,
            f"target {target.name or target.metric}: its window holds fewer than two "
            "time points; widen it or lengthen the horizon",
            field="targets",
            reason="EMPTY_WINDOW",
        )
    if target.metric == "trough":
        before = dose_times_h[(dose_times_h > t[0]) & (dose_times_h <= t[-1])]
        at = np.append(np.searchsorted(t, before), len(t) - 1)
        return np.asarray(v[:, np.unique(np.clip(at, 0, len(t) - 1))].min(axis=1))
    if target.metric in ("peak", "maximum"):
        return np.asarray(v.max(axis=1))
    if target.metric == "minimum":
        return np.asarray(v.min(axis=1))
    if target.metric == "final":
        return np.asarray(v[:, -1])
    span = t[-1] - t[0]
    if target.metric == "fraction_above":
        return np.asarray(np.trapezoid((v > target.threshold).astype(float), t, axis=1) / span)
    area = np.trapezoid(v, t, axis=1)
    return np.asarray(area if target.metric == "auc" else area / span)


def forecast_grid(doses: tuple[Dose, ...], start_h: float, horizon_h: float, step_h: float) -> FloatArray:
    """Hours at which a forecast is computed: a regular grid plus every dose time and points after each dose, where
    concentrations move fastest."""
    grid = np.arange(0.0, horizon_h + 0.5 * step_h, step_h)
    offsets = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0])
    starts = np.array([d.time_h - start_h for d in doses])
    ends = np.array([d.time_h + d.duration_h - start_h for d in doses if d.duration_h > 0])
    extra = (starts[:, None] + offsets[None, :]).ravel() if len(starts) else np.zeros(0)
    every = np.concatenate([grid, extra, ends, [horizon_h]])
    return np.unique(np.round(every[(every >= 0) & (every <= horizon_h)], 9))


def _check_plan(plan: PlannedDoses, where: str) -> None:
    for name, value, low in (
        ("amount_mg", plan.amount_mg, 0.0),
        ("duration_h", plan.duration_h, 0.0),
        ("delay_h", plan.delay_h, 0.0),
        ("loading_mg", plan.loading_mg, 0.0),
    ):
        if not np.isfinite(value) or value < low:
            raise Refusal(
                RefusalCode.INVALID,
                f"{where}.{name} is {value}; expected a finite number >= {low:g}",
                field=f"{where}.{name}",
                reason="BAD_NUMBER",
            )
    if plan.count < 1 or (plan.count > 1 and not plan.interval_h > 0):
        raise Refusal(
            RefusalCode.INVALID,
            f"{where}: {plan.count} doses every {plan.interval_h} h; expected at least "
            "one dose and a positive interval",
            field=f"{where}.interval_h",
            reason="BAD_NUMBER",
        )
