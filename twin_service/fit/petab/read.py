"""PEtab version 1 problems: the exchange format of fits of ordinary differential equations.

Schmiester 2021, doi:10.1371/journal.pcbi.1008646. Read: parameters (scale, bounds, nominal, estimate), conditions that
set parameters or initial values, observables with formula, noise and transformation, measurements with overrides.
Refused by name: pre-equilibration, priors, noise that is not normal, unknown conditions or observables.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # type: ignore[import-untyped]
from numpy.typing import NDArray

from twin_service.fit.parameters.problem import Free, Measured, Problem, Scale
from twin_service.fit.petab.formula import parse_formula
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.expression import Expression, constant, substitute, symbol, symbols_of
from twin_service.solver.simulate import Tolerances, simulate
from twin_service.solver.system import Output, Parameter, System

Floats = NDArray[np.float64]
Row = Mapping[str, str]
EXACT = Tolerances(rtol=1e-8)


@dataclass(frozen=True)
class _Tables:
    """The parsed tables, by id where they have one, and the system with one output per observable."""

    where: str
    system: System
    conditions: Mapping[str, Row]
    observables: Mapping[str, Row]


def read_petab(path: Path, load: Callable[[Path], System]) -> Problem:
    """The problem of the PEtab YAML file `path`; `load` turns its SBML file into a System.

    Raises Refusal naming table, row and column of what is missing or unsupported.
    """
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _refuse(path.name, f"cannot be read: {error}") from None
    if not isinstance(listed, dict) or "parameter_file" not in listed:
        raise _refuse(path.name, "is no PEtab problem: parameter_file is missing")
    if len(listed.get("problems", ())) != 1:
        raise _refuse(path.name, "expected exactly one problem")
    files = listed["problems"][0]
    folder = path.parent
    parameters = _table(folder / listed["parameter_file"])
    conditions = {r["conditionId"]: r for f in files.get("condition_files", ()) for r in _table(folder / f)}
    observables = {r["observableId"]: r for f in files["observable_files"] for r in _table(folder / f)}
    measurements = [r for f in files["measurement_files"] for r in _table(folder / f)]
    _check(path.name, conditions, observables, measurements, parameters)
    system = load(folder / files["sbml_files"][0])
    tables = _Tables(path.name, _observed(path.name, system, observables), conditions, observables)
    free = [_free(r) for r in parameters if r["estimate"].strip() in ("1", "1.0")]
    names = {f.name for f in free}
    fixed = [(r["parameterId"], float(r["nominalValue"])) for r in parameters if r["parameterId"] not in names]
    rows = [_measured(i, r, tables) for i, r in enumerate(measurements)]
    return Problem.create(path.stem, free, rows, predict=_predictor(tables), fixed=fixed)


def _table(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        raise _refuse(path.name, "the file is missing")
    with path.open(encoding="utf-8", newline="") as handle:
        return [{k: (v or "") for k, v in r.items() if k} for r in csv.DictReader(handle, delimiter="\t")]


def _check(
    where: str,
    conditions: Mapping[str, Row],
    observables: Mapping[str, Row],
    measurements: Sequence[Row],
    parameters: Sequence[Row],
) -> None:
    for i, m in enumerate(measurements):
        if m["simulationConditionId"] not in conditions:
            raise _refuse(
                where,
                f"measurement {i}: condition {m['simulationConditionId']!r} is unknown; known: "
                f"{', '.join(conditions) or 'none'}",
            )
        if m["observableId"] not in observables:
            raise _refuse(
                where, f"measurement {i}: observable {m['observableId']!r} is unknown; known: {', '.join(observables)}"
            )
        if m.get("preequilibrationConditionId", "").strip():
            raise _refuse(where, f"measurement {i}: pre-equilibration is not supported", RefusalCode.UNSUPPORTED)
    for o in observables.values():
        if o.get("noiseDistribution", "").strip() not in ("", "normal"):
            raise _refuse(
                where,
                f"observable {o['observableId']}: noise {o['noiseDistribution']!r} is not supported; expected normal",
                RefusalCode.UNSUPPORTED,
            )
    for p in parameters:
        if p.get("objectivePriorType", "").strip():
            raise _refuse(where, f"parameter {p['parameterId']}: a prior is not supported", RefusalCode.UNSUPPORTED)


def _free(r: Row) -> Free:
    scale: Scale = r["parameterScale"].strip()  # type: ignore[assignment]
    return Free(r["parameterId"], float(r["lowerBound"]), float(r["upperBound"]), float(r["nominalValue"]), scale)


def _observed(where: str, system: System, observables: Mapping[str, Row]) -> System:
    """`system` with each observable as an output; names that only the tables know become parameters."""
    outputs = {o.name: o.expression for o in system.outputs}
    made: list[Output] = []
    for name, o in observables.items():
        formula = parse_formula(o["observableFormula"], where=f"{where}: observable {name}")
        inner = {k: v for k, v in outputs.items() if k not in system.state_index}
        made.append(Output(f"petab.{name}", "1", substitute([formula], inner)[0]))
    known = set(system.state_index) | set(system.parameter_index) | {"time"}
    extra = sorted(symbols_of([o.expression for o in made]) - known)
    return System.create(
        system.name,
        states=system.states,
        inputs=system.inputs,
        events=system.events,
        outputs=tuple(made),
        parameters=system.parameters + tuple(Parameter(n, "1", float("nan")) for n in extra),
    )


def _measured(i: int, r: Row, tables: _Tables) -> Measured:
    o = tables.observables[r["observableId"]]
    transformation: Any = o.get("observableTransformation", "").strip() or "lin"
    noise = o["noiseFormula"].strip()
    given = [g.strip() for g in r.get("noiseParameters", "").split(";") if g.strip()]
    for k, g in enumerate(given, 1):
        noise = g if noise == f"noiseParameter{k}_{r['observableId']}" else noise
    try:
        sd: float | str = float(noise)
    except ValueError:
        if not noise.isidentifier():
            raise _refuse(
                tables.where,
                f"measurement {i}: noise {noise!r} is neither a number nor one parameter",
                RefusalCode.UNSUPPORTED,
            ) from None
        sd = noise
    return Measured(
        r["observableId"], r["simulationConditionId"], float(r["time"]), float(r["measurement"]), sd, transformation
    )


def _predictor(tables: _Tables) -> Callable[[dict[str, float], str, str, Floats], Floats]:
    """Solve under a condition; conditions set parameters by value or by another parameter's name, or initial values."""
    systems = {c: _under(tables, c) for c in tables.conditions}

    def predict(values: dict[str, float], observable: str, condition: str, times: Floats) -> Floats:
        system, overrides = systems[condition]
        row = np.array([p.value for p in system.parameters])
        for name, value in values.items():
            if name in system.parameter_index:
                row[system.parameter_index[name]] = value
        for name, given in overrides.items():
            row[system.parameter_index[name]] = values[given] if given in values else float(given)
        run = simulate(system, row[None], times_h=times, tolerances=EXACT)
        return np.asarray(run.outputs[0, :, system.output_index[f"petab.{observable}"]])

    return predict


def _under(tables: _Tables, condition: str) -> tuple[System, dict[str, str]]:
    system, overrides = tables.system, dict[str, str]()
    for column, given in tables.conditions[condition].items():
        if column in ("conditionId", "conditionName") or not given.strip():
            continue
        if column in system.parameter_index:
            overrides[column] = given.strip()
        elif column in system.state_index:
            system = _started(system, column, _value(given))
        else:
            raise _refuse(tables.where, f"condition {condition}: column {column!r} is neither parameter nor state")
    return system, overrides


def _value(text: str) -> Expression:
    try:
        return constant(float(text))
    except ValueError:
        return symbol(text.strip())


def _started(system: System, state: str, initial: Expression) -> System:
    states = tuple(replace(s, initial=initial) if s.name == state else s for s in system.states)
    return replace(system, states=states)


def _refuse(where: str, message: str, code: RefusalCode = RefusalCode.INVALID) -> Refusal:
    return Refusal(code, f"{where}: {message}", field=where, reason="BAD_PETAB")
