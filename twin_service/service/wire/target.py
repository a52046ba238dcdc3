"""Targets, limits and categories of a request, in the units of the outputs they are about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from twin_service import units
from twin_service.model.structure import PatientModel
from twin_service.scenario.bands import outputs_of
from twin_service.scenario.target import OVER_MIC, Metric, Target
from twin_service.service.wire.path import About, at, invalid
from twin_service.service.wire.quantity import hours, in_unit, molar_mass_of
from twin_service.twin.categories import SUM
from twin_service.twin.recommend import Limit
from twin_service.twin.responses import CategoryQuestion
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


def output_of(model: PatientModel, output: str, field: str = "output") -> tuple[str, str]:
    """The system's name of an output and its unit; refuses one the model does not have."""
    with About(field):
        name = outputs_of(model, [output])[0]
    return name, model.system.outputs[model.system.output_index[name]].unit


def targets_of(
    given: Sequence[simulation_pb2.Target], model: PatientModel, *, field: str = "targets", taken: Iterable[str] = ()
) -> tuple[list[Target], dict[str, str]]:
    """Targets in the outputs' units, and the unit of each one's metric by name; names in `taken` are refused."""
    targets: list[Target] = []
    metric_units: dict[str, str] = {}
    for i, t in enumerate(given):
        with at(field, i):
            target, unit = target_of(t, model)
            if target.name in metric_units or target.name in taken:
                raise invalid("two targets have one name", "name", "NAME_TWICE")
        metric_units[target.name] = unit
        targets.append(target)
    return targets, metric_units


def target_of(t: simulation_pb2.Target, model: PatientModel) -> tuple[Target, str]:
    """One target and the unit of its metric."""
    _, unit = output_of(model, t.output)
    metric = METRICS[t.metric]
    metric_unit = f"{unit}.h" if metric in AREAS else FIXED_UNIT.get(metric, unit)
    mass = molar_mass_of(t.output)
    low = in_unit(t.low, metric_unit, "low", mass) if t.HasField("low") else -math.inf
    high = in_unit(t.high, metric_unit, "high", mass) if t.HasField("high") else math.inf
    if not low < high:
        raise invalid(f"low {low:g} is not below high {high:g}", "low", "EMPTY_RANGE")
    end = hours(t.window_end, "window_end") if t.HasField("window_end") else math.inf
    threshold = in_unit(t.threshold, unit, "threshold", mass) if t.HasField("threshold") else 0.0
    mics = _mics(t, unit, mass) if metric in OVER_MIC else ()
    start = hours(t.window_start, "window_start") if t.HasField("window_start") else 0.0
    name = t.name or f"{metric} of {t.output}"
    found = Target(t.output, metric, low, high, start, end, threshold, name, mics, t.unbound_fraction or 1.0)
    return found, metric_unit


def limits_of(
    given: Sequence[simulation_pb2.ProbabilityLimit], model: PatientModel
) -> tuple[list[Limit], dict[str, str]]:
    """Limits on probabilities, and the unit of each one's metric by name."""
    targets, metric_units = targets_of([x.target for x in given], model, field="limits")
    found = []
    for i, (x, target) in enumerate(zip(given, targets, strict=True)):
        high = x.probability_max if x.HasField("probability_max") else 1.0
        if x.probability_min > high:
            said = f"probability_min {x.probability_min:g} is above probability_max {high:g}"
            with at("limits", i):
                raise invalid(said, "probability_min", "EMPTY_RANGE")
        found.append(Limit(target, x.probability_min, high))
    return found, metric_units


def categories_of(given: Sequence[simulation_pb2.CategoryQuestion]) -> list[CategoryQuestion]:
    """Questions about categories, times in hours and the baseline in mm."""
    found = []
    for i, q in enumerate(given):
        with at("categories", i):
            times = tuple(_hours_at(q.times, "times"))
            mm = None
            if q.HasField("baseline"):
                mm = units.canonical(units.analyte(SUM), q.baseline.value, q.baseline.unit, path="baseline")
        found.append(CategoryQuestion(q.analyte, times, mm))
    return found


def _hours_at(given: Sequence[common_pb2.Quantity], field: str) -> Iterable[float]:
    for j, q in enumerate(given):
        with at(field, j):
            yield units.hours(q.value, q.unit, path="")


def _mics(t: simulation_pb2.Target, unit: str, mass: float | None) -> tuple[tuple[float, float], ...]:
    """(MIC, share) in the output's unit, shares adding to 1."""
    if not t.mics:
        said = "this metric needs a minimum inhibitory concentration, or several with their shares"
        raise invalid(said, "mics", "NO_MIC")
    total = sum(m.share for m in t.mics)
    found = []
    for i, m in enumerate(t.mics):
        with at("mics", i):
            value = in_unit(m.mic, unit, "mic", mass)
            if not value > 0:
                raise invalid(f"{value:g} {unit} is no inhibitory concentration", "mic.value", "BAD_NUMBER")
        found.append((value, m.share / total))
    return tuple(found)
