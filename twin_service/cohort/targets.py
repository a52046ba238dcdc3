"""The file that says what plausible patients are and what a virtual population should look like.

horizon_h = 504                          simulated window, default 24
[[measure]]
name = "nadir"                           free to choose
output = "neutrophils"                   analyte or output of the model
kind = "minimum"                         value (at time_h), minimum, maximum, time_of_minimum, time_of_maximum,
time_h = 0                               final_over_first
low = 0.01                               what a body can do; outside: not plausible
high = 30
log = true                               mean and sd below are of the logarithm
mean = 1.1                               what real patients show; both or neither
sd = 0.5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from twin_service.cohort.plausible import Kind, OutputMeasure
from twin_service.cohort.weighting import MeasureTarget
from twin_service.library.files import parse_toml
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.bands import outputs_of

KEYS: Final = ("name", "output", "kind", "time_h", "low", "high", "log", "mean", "sd")
HORIZON_H: Final = 24.0


@dataclass(frozen=True)
class WantedMeasures:
    """Measures with their bounds, targets for some of them, and the window they are taken from, hours."""

    measures: tuple[OutputMeasure, ...]
    targets: tuple[MeasureTarget, ...]
    horizon_h: float


def read_targets(path: Path, model: PatientModel) -> WantedMeasures:
    """What the file at `path` asks of `model`. Raises Refusal naming the entry and key at fault."""
    table = parse_toml(path)
    unknown = [k for k in table if k not in ("horizon_h", "measure")]
    if unknown or not table.get("measure"):
        raise _refuse(path.name, f"{unknown[0]} is unknown" if unknown else "has no [[measure]]")
    horizon = _number(table, "horizon_h", HORIZON_H, path.name)
    if not horizon > 0.0:
        raise _refuse(f"{path.name}, horizon_h", f"is {horizon:g}; expected more than 0 h")
    measures, targets = [], []
    for i, raw in enumerate(table["measure"]):
        where = f"{path.name}, measure[{i}]"
        measures.append(_measure(raw, model, where, horizon))
        if ("mean" in raw) != ("sd" in raw):
            raise _refuse(where, "mean and sd belong together")
        if "mean" in raw:
            sd = _number(raw, "sd", 0.0, where)
            if not sd > 0.0:
                raise _refuse(where, f"sd is {sd:g}; expected more than 0")
            targets.append(MeasureTarget(measures[-1].name, _number(raw, "mean", 0.0, where), sd))
    return WantedMeasures(tuple(measures), tuple(targets), horizon)


def observed_at_start(model: PatientModel) -> WantedMeasures:
    """Without a file: every observable before treatment, any finite value of it."""
    measures = tuple(OutputMeasure(o.analyte, o.output, "value") for o in model.observables.values())
    if not measures:
        raise _refuse(model.id, "observes nothing; give a file of measures")
    return WantedMeasures(measures, (), HORIZON_H)


def _measure(raw: Mapping[str, Any], model: PatientModel, where: str, horizon_h: float) -> OutputMeasure:
    unknown = [k for k in raw if k not in KEYS]
    if unknown:
        raise _refuse(where, f"{unknown[0]} is unknown; known: {', '.join(KEYS)}")
    output = outputs_of(model, [str(raw.get("output", ""))])[0]
    kind = raw.get("kind", "value")
    if kind not in get_args(Kind):
        raise _refuse(where, f"kind {kind!r} is unknown; known: {', '.join(get_args(Kind))}")
    low, high = _number(raw, "low", -np.inf, where), _number(raw, "high", np.inf, where)
    time = _number(raw, "time_h", 0.0, where)
    if not low < high or not 0.0 <= time <= horizon_h:
        raise _refuse(
            where, f"low {low:g}, high {high:g}, time_h {time:g}: expected low < high and a time within {horizon_h:g} h"
        )
    return OutputMeasure(
        str(raw.get("name") or raw["output"]), output, kind, low, high, time, bool(raw.get("log", False))
    )


def _number(raw: Mapping[str, Any], key: str, absent: float, where: str) -> float:
    value = raw.get(key, absent)
    if isinstance(value, bool) or not isinstance(value, int | float) or np.isnan(value):
        raise _refuse(where, f"{key} is {value!r}; expected a number")
    return float(value)


def _refuse(where: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{where}: {message}", field=where, reason="BAD_TARGETS_FILE")
