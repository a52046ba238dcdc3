"""Every block against published numbers: `<id>.check.toml` beside the block says which run gives which figure.

A check sets parameters, covariates, port profiles and doses, and expects measures of an output. `rung` says how far
up the ladder of oracles the figure stands: "published" (printed in a source), "reference_run" (an independent
implementation), "recomputed" (our numbers, kept so that they cannot move unseen), "closed_form".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin_service.library.files import parse_toml
from twin_service.model.compose import compose
from twin_service.model.library.check_tables import EffectCheckFile
from twin_service.model.library.reader import read_as
from twin_service.model.qsp.build import block_of, with_values
from twin_service.model.qsp.join import constant_block, ramp_decay_block, two_compartment_block
from twin_service.model.qsp.record import QspRecord, parse_block
from twin_service.model.structure import Block, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.solver.tolerances import Tolerances
from twin_service.units import conversion

RUNGS: Final = ("published", "closed_form", "reference_run", "recomputed")
GRID: Final = 4001
EXACT: Final = Tolerances(rtol=1e-9)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CheckFinding:
    """One expected figure and what came out; `error` is relative unless the file gives an absolute tolerance."""

    block: str
    check: str
    measure: str
    rung: str
    expected: float
    got: float
    error: float
    tolerance: float
    source: str

    @property
    def ok(self) -> bool:
        return bool(self.error <= self.tolerance)


def check_block(path: Path) -> list[CheckFinding]:
    """Run the checks of the block file `path` (its sibling `.check.toml`).

    Raises Refusal where the check file is missing, empty, or names what does not exist.
    """
    record = parse_block(parse_toml(path), f"qsp/{path.name}")
    sibling = path.with_suffix("").with_suffix(".check.toml")
    if not sibling.exists():
        raise _refuse(record, f"{sibling.name} is missing; a block without check values is not shipped")
    table: dict[str, Any] = parse_toml(sibling)
    read_as(EffectCheckFile, table, f"qsp/{sibling.name}")
    checks = table["check"]
    findings = [f for check in checks for f in _run(record, check)]
    if not findings:
        raise _refuse(record, f"{sibling.name} expects nothing; give at least one published figure")
    return findings


def _run(record: QspRecord, check: Mapping[str, Any]) -> list[CheckFinding]:
    if check.get("rung") not in RUNGS or not check.get("source"):
        raise _refuse(record, f"check {check.get('id')!r}: name a source and a rung ({', '.join(RUNGS)})")
    units = {q.name: q.unit for q in record.parameters}
    changed = {
        k: float(v["value"]) * conversion(v["unit"], units[k], _molar_mass(record))
        for k, v in check.get("parameters", {}).items()
    }
    block = block_of(with_values(record, changed))
    model, levels = _close(record, block, check)
    hour = conversion(check.get("time_unit", "h"), "h")
    base = model.values(check.get("covariates", {}))
    course, rows = _course(model, check, levels, base, hour)
    return [
        _finding(record, check, expect, _measure(model, (rows, course), expect, hour))
        for expect in check.get("expect", ())
    ]


def _close(
    record: QspRecord, block: Block, check: Mapping[str, Any]
) -> tuple[PatientModel, dict[str, list[tuple[float, float, float]]]]:
    """The block with every port wired to a constant or a ramp; levels: port -> (from, to, value) in port units."""
    blocks, wires, levels = {"block": block}, dict[str, str](), {}
    for port, unit in block.ports.items():
        profile = check.get("ports", {}).get(port, {})
        factor = conversion(profile.get("unit", unit), unit, _molar_mass(record))
        if check.get("kinetics", {}).get("port") == port:
            blocks[port] = two_compartment_block(check["kinetics"], unit)
        elif "ramp_decay" in profile:
            blocks[port] = ramp_decay_block(profile["ramp_decay"], unit, factor)
        else:
            blocks[port] = constant_block(float(profile.get("value", 0.0)) * factor, unit)
            levels[port] = [(a, b, v * factor) for a, b, v in profile.get("segments", ())]
        wires[f"block.{port}"] = f"{port}.level"
    return compose(record.id, blocks, wires), levels


def _course(
    model: PatientModel,
    check: Mapping[str, Any],
    levels: Mapping[str, list[tuple[float, float, float]]],
    base: Floats,
    hour: float,
) -> tuple[Schedule, Floats]:
    edges = sorted({float(x) * hour for spans in levels.values() for a, b, _ in spans for x in (a, b)} - {0.0})
    rows = np.repeat(base[None, :], len(edges) + 1, axis=0)
    for port, spans in levels.items():
        column = model.system.parameter_index[f"{port}__level"]
        for i, start in enumerate([0.0, *edges]):
            for a, b, value in spans:
                if a * hour <= start < b * hour:
                    rows[i, column] = value
    doses = tuple(
        Dose(
            (d["time"] + k * d.get("every", 0.0)) * hour,
            _input_name(d["input"]),
            float(d["amount"]),
            d.get("duration", 0.0) * hour,
        )
        for d in check.get("doses", ())
        for k in range(d.get("count", 1))
    )
    return Schedule(doses, tuple(edges)), rows


def _input_name(name: str) -> str:
    """`port.dose` belongs to the kinetics wired to a port, any other name to the block."""
    return name if "." in name else f"block.{name}"


def _measure(model: PatientModel, run: tuple[Floats, Schedule], expect: Mapping[str, Any], hour: float) -> float:
    output = f"block.{expect['output']}"
    factor = (
        conversion(
            model.system.outputs[model.system.output_index[output]].unit, expect["unit"], expect.get("molar_mass")
        )
        if not expect["measure"].startswith("time")
        else 1.0
    )
    if expect["measure"] == "value":
        return float(_series(model, run, output, [expect["time"] * hour])[0]) * factor
    low, high = (float(x) * hour for x in expect["window"])
    times = np.linspace(low, high, GRID)
    values = _series(model, run, output, times) * factor
    t, v = _extreme(times, values, expect["measure"], expect.get("level"))
    return t / hour if expect["measure"].startswith("time") else v


def _series(model: PatientModel, run: tuple[Floats, Schedule], output: str, times: Sequence[float] | Floats) -> Floats:
    rows, schedule = run
    solution = simulate(model.system, rows[None], schedule, times, tolerances=EXACT)
    if not solution.ok:
        raise Refusal(RefusalCode.PRECONDITION, f"{model.id}: {solution.outcomes[0]}", reason="CHECK_DID_NOT_SOLVE")
    return np.asarray(solution.outputs[0, :, model.system.output_index[output]])


def _extreme(times: Floats, values: Floats, measure: str, level: float | None) -> tuple[float, float]:
    """Time and value of the extreme, by a parabola through the grid's extreme and its neighbors."""
    if measure in ("time_first_above", "time_last_above"):
        assert level is not None
        inside = np.flatnonzero(values >= level)
        i, j = (inside[0] - 1, inside[0]) if measure == "time_first_above" else (inside[-1], inside[-1] + 1)
        return float(times[i] + (level - values[i]) / (values[j] - values[i]) * (times[j] - times[i])), level
    sign = 1.0 if measure.endswith("maximum") else -1.0
    i = int(np.argmax(sign * values))
    if i in (0, len(values) - 1):
        return float(times[i]), float(values[i])
    a, b, c = values[i - 1 : i + 2]
    bend = a - 2 * b + c
    shift = 0.0 if bend == 0 else 0.5 * (a - c) / bend
    return float(times[i] + shift * (times[1] - times[0])), float(b - 0.25 * (a - c) * shift)


def _finding(record: QspRecord, check: Mapping[str, Any], expect: Mapping[str, Any], got: float) -> CheckFinding:
    expected = float(expect["value"])
    absolute = "absolute_tolerance" in expect
    error = abs(got - expected) if absolute else abs(got - expected) / abs(expected)
    when = f" at {expect['time']:g} {check.get('time_unit', 'h')}" if "time" in expect else ""
    tolerance = float(expect["absolute_tolerance"] if absolute else expect.get("tolerance", 1e-3))
    return CheckFinding(
        record.id,
        check["id"],
        f"{expect['output']} {expect['measure']}{when}",
        check["rung"],
        expected,
        got,
        error,
        tolerance,
        check["source"],
    )


def _molar_mass(record: QspRecord) -> float | None:
    return None if record.file.molar_mass is None else record.file.molar_mass.value


def _refuse(record: QspRecord, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{record.where}: {message}", field=record.where, reason="BAD_CHECK_FILE")
