"""Targets, limits and categories of a request, in the units of the outputs they are about."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from twin_service import units
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.bands import outputs_of
from twin_service.scenario.target import OVER_MIC, Metric, Target
from twin_service.twin.recommend import Limit
from twin_service.twin.responses import SUM, CategoryQuestion
from twin_service.v1 import common_pb2, simulation_pb2

METRICS: dict[int, Metric] = {
    simulation_pb2.METRIC_TROUGH: "trough",
    simulation_pb2.METRIC_PEAK: "peak",
    simulation_pb2.METRIC_AVERAGE: "average",
    simulation_pb2.METRIC_AUC: "auc",
    simulation_pb2.METRIC_FRACTION_ABOVE: "fraction_above",
    simulation_pb2.METRIC_MINIMUM: "minimum",
    simulation_pb2.METRIC_MAXIMUM: "maximum",
    simulation_pb2.METRIC_FINAL: "final",
    simulation_pb2.METRIC_AUC_DAY: "auc_day",
    simulation_pb2.METRIC_AUC_INTERVAL: "auc_interval",
    simulation_pb2.METRIC_AUC_OVER_MIC: "auc_over_mic",
    simulation_pb2.METRIC_TIME_ABOVE_MIC: "time_above_mic",
    simulation_pb2.METRIC_PEAK_OVER_MIC: "peak_over_mic",
}
AREAS = ("auc", "auc_day", "auc_interval")
FIXED_UNIT = {"fraction_above": "1", "auc_over_mic": "h", "time_above_mic": "1", "peak_over_mic": "1"}


def targets_of(
    given: Any, model: PatientModel, path: str = "targets", taken: Iterable[str] = ()
) -> tuple[list[Target], dict[str, str]]:
    """Targets in the outputs' units, and the unit of each one's metric by name; names in `taken` are refused."""
    targets: list[Target] = []
    metric_units: dict[str, str] = {}
    for i, t in enumerate(given):
        target, unit = target_of(t, model, f"{path}[{i}]")
        if target.name in metric_units or target.name in taken:
            raise Refusal(
                RefusalCode.INVALID, "two targets have one name", field=f"{path}[{i}].name", reason="NAME_TWICE"
            )
        metric_units[target.name] = unit
        targets.append(target)
    return targets, metric_units


def target_of(t: simulation_pb2.Target, model: PatientModel, path: str) -> tuple[Target, str]:
    """One target and the unit of its metric."""
    try:
        output = outputs_of(model, [t.output])[0]
    except Refusal as refusal:
        raise Refusal(refusal.code, refusal.message, field=f"{path}.output", reason=refusal.reason) from None
    unit = model.system.outputs[model.system.output_index[output]].unit
    metric = METRICS[t.metric]
    metric_unit = f"{unit}.h" if metric in AREAS else FIXED_UNIT.get(metric, unit)
    known = units.analytes().get(t.output)

    mass = known.molar_mass if known else None

    def read(field: str, to: str, absent: float) -> float:
        if not t.HasField(field):
            return absent
        q = getattr(t, field)
        return units.convert(q.value, q.unit, to, molar_mass=mass, path=f"{path}.{field}")

    low, high = read("low", metric_unit, -math.inf), read("high", metric_unit, math.inf)
    if not low < high:
        raise Refusal(
            RefusalCode.INVALID, f"low {low:g} is not below high {high:g}", field=f"{path}.low", reason="EMPTY_RANGE"
        )
    end = hours_of(t, "window_end", path) if t.HasField("window_end") else math.inf
    threshold = read("threshold", unit, 0.0)
    name = t.name or f"{metric} of {t.output}"
    mics = _mics(t, unit, mass, path) if metric in OVER_MIC else ()
    found = Target(
        t.output,
        metric,
        low,
        high,
        hours_of(t, "window_start", path),
        end,
        threshold,
        name,
        mics,
        t.unbound_fraction or 1.0,
    )
    return found, metric_unit


def _mics(t: simulation_pb2.Target, unit: str, mass: float | None, path: str) -> tuple[tuple[float, float], ...]:
    """(MIC, share) in the output's unit, shares adding to 1."""
    if not t.mics:
        raise Refusal(
            RefusalCode.INVALID,
            "this metric needs a minimum inhibitory concentration, or several with their shares",
            field=f"{path}.mics",
            reason="NO_MIC",
        )
    total = sum(m.share for m in t.mics)
    found = []
    for i, m in enumerate(t.mics):
        value = units.convert(m.mic.value, m.mic.unit, unit, molar_mass=mass, path=f"{path}.mics[{i}].mic")
        if not value > 0:
            raise Refusal(
                RefusalCode.INVALID,
                f"{value:g} {unit} is no inhibitory concentration",
                field=f"{path}.mics[{i}].mic.value",
                reason="BAD_NUMBER",
            )
        found.append((value, m.share / total))
    return tuple(found)


def limits_of(given: Any, model: PatientModel) -> tuple[list[Limit], dict[str, str]]:
    """Limits on probabilities, and the unit of each one's metric by name."""
    targets, metric_units = targets_of([x.target for x in given], model, "limits")
    found = []
    for i, (x, target) in enumerate(zip(given, targets, strict=True)):
        high = x.probability_max if x.HasField("probability_max") else 1.0
        if x.probability_min > high:
            raise Refusal(
                RefusalCode.INVALID,
                f"probability_min {x.probability_min:g} is above probability_max {high:g}",
                field=f"limits[{i}].probability_min",
                reason="EMPTY_RANGE",
            )
        found.append(Limit(target, x.probability_min, high))
    return found, metric_units


def categories_of(given: Any) -> list[CategoryQuestion]:
    """Questions about categories, times in hours and the baseline in mm."""
    found = []
    for i, q in enumerate(given):
        path = f"categories[{i}]"
        times = tuple(units.hours(t.value, t.unit, path=f"{path}.times[{j}]") for j, t in enumerate(q.times))
        mm = None
        if q.HasField("baseline"):
            mm = units.canonical(units.analyte(SUM), q.baseline.value, q.baseline.unit, path=f"{path}.baseline")
        found.append(CategoryQuestion(q.analyte, times, mm))
    return found


def mg_of(drug: str, q: common_pb2.Quantity, path: str) -> float:
    return units.mass_mg(drug, q.value, q.unit, path=path)


def hours_of(message: Any, field: str, path: str) -> float:
    """A duration in hours; 0 where it is not set."""
    if not message.HasField(field):
        return 0.0
    q = getattr(message, field)
    return units.hours(q.value, q.unit, path=f"{path}.{field}")
