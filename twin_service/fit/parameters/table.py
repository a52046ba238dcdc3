"""Fit a QSP block to a table: one row a dose or a reading.

Columns: `time_h`; for a reading `analyte` and `value`; for a dose `input`, `amount` and, if infused, `duration_h`;
`condition` where the table holds several experiments; `<port>` to set the level of an input port from that time on.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.parameters.problem import CoordinateScale, Free, MeasuredRow, Predict, Problem
from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block, wiring
from twin_service.model.qsp.join import constant_block
from twin_service.model.qsp.record import LawParameter, read_block_file
from twin_service.model.structure import ErrorLaw, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Tolerances, simulate

Floats = NDArray[np.float64]
EXACT: Final = Tolerances(rtol=1e-8)
DECADES: Final = 100.0


@dataclass
class _Experiment:
    """One condition while its rows are read."""

    doses: list[Dose] = field(default_factory=list)
    levels: list[tuple[float, str, float]] = field(default_factory=list)


def problem_of_table(
    block_id: str, data: Path, *, free: Sequence[str], covariates: Mapping[str, float] | None = None
) -> Problem:
    """The fit of a block to a table. Values of `free` are in the units of the block's law.

    Raises Refusal for unknown parameters, analytes, inputs, columns or numbers that cannot be read.
    """
    known = {p.name: p for p in read_block_file(block_id).parameters}
    unknown = [f for f in free if f not in known]
    if unknown or not free:
        raise _refuse(f"parameter {', '.join(unknown) or '(none)'} is not in {block_id}; it has: {', '.join(known)}")
    model, ports = _closed(block_id)
    experiments, rows = _read(data, model, ports)
    predict = _predictor(model, experiments, free, model.values(covariates or {}))
    return Problem.create(f"{block_id} on {data.name}", [_free(known[f]) for f in free], rows, predict=predict)


def _closed(block_id: str) -> tuple[PatientModel, tuple[str, ...]]:
    said = wiring(block_id)
    sources = {p: constant_block(float(w["default"]), w["unit"]) for p, w in said.items()}
    wires = {f"block.{p}": f"{p}.level" for p in said}
    return compose(block_id, {"block": build_block(block_id), **sources}, wires), tuple(said)


def _free(p: LawParameter) -> Free:
    scale = CoordinateScale.LOG10 if p.value > 0 and p.low >= 0 else CoordinateScale.LIN
    low = max(p.low, p.value / DECADES) if scale is CoordinateScale.LOG10 else p.low
    high = min(p.high, p.value * DECADES) if scale is CoordinateScale.LOG10 else p.high
    return Free(p.name, low, high, p.value, scale)


def _read(data: Path, model: PatientModel, ports: Sequence[str]) -> tuple[dict[str, _Experiment], list[MeasuredRow]]:
    experiments: dict[str, _Experiment] = defaultdict(_Experiment)
    rows: list[MeasuredRow] = []
    with data.open(encoding="utf-8", newline="") as handle:
        for i, r in enumerate(csv.DictReader(handle), 2):
            where, condition = f"{data.name} line {i}", r.get("condition") or "all"
            experiment, time = experiments[condition], _number(r, "time_h", where)
            if r.get("analyte"):
                rows.append(_measured(r, model, (where, condition, time)))
            if r.get("amount"):
                experiment.doses.append(_dose(r, model, where, time))
            for port in (p for p in ports if r.get(p)):
                experiment.levels.append((time, port, _number(r, port, where)))
    return dict(experiments), rows


def _measured(r: Mapping[str, str], model: PatientModel, at: tuple[str, str, float]) -> MeasuredRow:
    where, condition, time = at
    if r["analyte"] not in model.observables:
        raise _refuse(
            f"{where}: analyte {r['analyte']!r} is unknown; {model.id} predicts {', '.join(model.observables)}"
        )
    e: ErrorLaw = model.observables[r["analyte"]].error
    value = _number(r, "value", where)
    if e.kind == "log":
        return MeasuredRow(r["analyte"], condition, time, value, e.proportional, CoordinateScale.LOG)
    return MeasuredRow(r["analyte"], condition, time, value, e.additive, CoordinateScale.LIN, e.proportional)


def _dose(r: Mapping[str, str], model: PatientModel, where: str, time: float) -> Dose:
    inputs = [n.removeprefix("block.") for n in model.system.input_index]
    if r.get("input") not in inputs:
        raise _refuse(f"{where}: input {r.get('input')!r} is unknown; {model.id} has {', '.join(inputs) or 'none'}")
    duration = _number(r, "duration_h", where) if r.get("duration_h") else 0.0
    return Dose(time, f"block.{r['input']}", _number(r, "amount", where), duration)


def _number(r: Mapping[str, Any], column: str, where: str) -> float:
    try:
        value = float(r[column])
    except (KeyError, TypeError, ValueError):
        raise _refuse(f"{where}: {column} is {r.get(column)!r}; expected a number") from None
    if not np.isfinite(value):
        raise _refuse(f"{where}: {column} is {value}; expected a finite number")
    return value


def _predictor(
    model: PatientModel, experiments: Mapping[str, _Experiment], free: Sequence[str], base: Floats
) -> Predict:
    index = model.system.parameter_index
    prepared = {name: _course(model, e) for name, e in experiments.items()}

    def predict(values: dict[str, float], observable: str, condition: str, times: Floats) -> Floats:
        schedule, changes = prepared[condition]
        rows = np.repeat(base[None], len(schedule.change_times_h) + 1, axis=0)
        for name in free:
            rows[:, index[f"block__{name}"]] = values[name]
        for k, port, level in changes:
            rows[k:, index[f"{port}__level"]] = level
        run = simulate(model.system, rows[None], schedule, times, tolerances=EXACT)
        column = model.system.output_index[model.observables[observable].output]
        return np.asarray(run.outputs[0, :, column])

    return predict


def _course(model: PatientModel, e: _Experiment) -> tuple[Schedule, list[tuple[int, str, float]]]:
    """Doses and level changes; each change as (first row of parameters it holds for, port, level)."""
    times = sorted({t for t, _, _ in e.levels if t > 0})
    changes = [(0 if t <= 0 else times.index(t) + 1, port, level) for t, port, level in sorted(e.levels)]
    return Schedule(tuple(sorted(e.doses)), tuple(times)), changes


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field="data", reason="BAD_DATA_TABLE")
