"""Running a loaded file: a table of time and of everything that varies, and the table as CSV.

Events and switches need the hybrid driver; it also runs the rest, because compiling a model that is solved once costs
more than solving it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin_service.model.sbml.mathml import name_of
from twin_service.model.sbml.record import SbmlModel
from twin_service.model.sbml.refusal import refuse
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.evaluate import scalar_function
from twin_service.solver.hybrid import HybridSolution, simulate_hybrid
from twin_service.solver.tolerances import Deadline

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SbmlTable:
    """`values` (times, columns); the first column is time."""

    columns: tuple[str, ...]
    values: Floats

    def __getitem__(self, column: str) -> Floats:
        return self.values[:, self.columns.index(column)]


def simulate_sbml(
    model: SbmlModel,
    start: float,
    end: float,
    steps: int,
    *,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    amounts: Sequence[str] = (),
    concentrations: Sequence[str] = (),
    variables: Sequence[str] | None = None,
    deadline: Deadline | None = None,
) -> SbmlTable:
    """Solve `model` and report `steps` + 1 equally spaced times from `start` to `end`.

    The file's initial values hold at time 0; `start` is where the report begins. `variables` defaults to every species,
    compartment, parameter and stoichiometry that varies. A species is an amount when named in `amounts`, else a
    concentration (or what its id stands for, where it has only substance units and is not named). A quantity whose id
    is `time` has the column `time_`.
    Raises Refusal for unknown ids, a bad grid, and a run that fails, naming the file, the element and the cause.
    """
    _check_grid(start, end, steps)
    wanted = tuple(model.varying if variables is None else map(name_of, variables))
    wanted += tuple(n for n in map(name_of, (*amounts, *concentrations)) if n not in wanted)
    outputs = [_output(model, n, amounts, concentrations) for n in wanted]
    times = start + (end - start) * np.arange(steps + 1) / steps
    run = simulate_hybrid(
        model.system,
        [p.value for p in model.system.parameters],
        times,
        rtol=rtol,
        atol=_absolute(model, atol),
        max_step=(end - start) / steps,
        deadline=deadline,
    )
    if not run.outcome.ok:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{model.file}: {run.outcome}; check the model there",
            reason="SBML_RUN_FAILED",
            details={"file": model.file},
        )
    index = model.system.output_index
    values = np.column_stack([times, *(run.outputs[:, index[o]] for o in outputs)])
    _check_finite(model, wanted, values)
    return SbmlTable(("time", *wanted), values)


def write_csv(table: SbmlTable, path: str | Path) -> None:
    """The table as comma-separated values, every digit kept."""
    with Path(path).open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(table.columns)
        writer.writerows([repr(float(x)) for x in row] for row in table.values)


def _check_grid(start: float, end: float, steps: int) -> None:
    if not (math.isfinite(start) and math.isfinite(end) and 0.0 <= start < end and 1 <= steps <= 10_000_000):
        raise Refusal(
            RefusalCode.INVALID,
            f"start {start:g}, end {end:g}, steps {steps}: expected 0 <= start < end and at least one step",
            field="start",
            reason="GRID_INVALID",
        )


def _output(model: SbmlModel, name: str, amounts: Sequence[str], concentrations: Sequence[str]) -> str:
    quantity = model.quantities.get(name)
    if quantity is None and name not in model.reactions:
        raise refuse(
            model.file,
            name,
            "is not a species, compartment, parameter or reaction of the model",
            "correct the id",
            reason="SBML_UNKNOWN_ID",
        )
    if quantity is not None and quantity.kind == "species":
        if name in amounts:
            return f"amount {name}"
        if name in concentrations:
            return f"concentration {name}"
    return name


def _absolute(model: SbmlModel, atol: float) -> Floats:
    """An absolute tolerance per state, smaller where the model lives in small numbers."""
    system = model.system
    initial = scalar_function([s.initial for s in system.states], ["time", *(p.name for p in system.parameters)])
    y = np.abs(np.array(initial(0.0, *(p.value for p in system.parameters)), float))
    y[~np.isfinite(y)] = 0.0
    typical = min(1.0, float(y.max())) if y.size and y.max() > 0 else 1.0
    return atol * np.clip(np.where(y > 0, y, typical), 1e-12, 1.0)


def _check_finite(model: SbmlModel, names: Sequence[str], values: Floats) -> None:
    """An undefined number is an answer only where the file itself writes one."""
    wrong = ~np.isfinite(values)
    if wrong.any() and not model.literal_nonfinite:
        row, column = np.argwhere(wrong)[0]
        raise refuse(
            model.file,
            names[column - 1],
            f"is {values[row, column]} at t = {values[row, 0]:g}: a division by zero or a function outside its domain",
            "correct the formula or the values it uses",
            reason="SBML_NOT_FINITE",
        )


__all__ = ["HybridSolution", "SbmlTable", "simulate_sbml", "write_csv"]
