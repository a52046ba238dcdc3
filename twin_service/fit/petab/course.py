"""Runs of an extended model under conditions: preequilibrated or not, with events or without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.petab.extended import Extended
from twin_service.fit.petab.tables import STEADY, Tables
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.evaluate import scalar_function
from twin_service.solver.expression import symbol
from twin_service.solver.hybrid import simulate_hybrid
from twin_service.solver.hybrid_switch import switches
from twin_service.solver.simulate import Tolerances, simulate
from twin_service.solver.system import Parameter, System

Floats = NDArray[np.float64]
EXACT: Final = Tolerances(rtol=1e-8)
# A steady state is one that ten times as long does not move by more than this share.
STILL: Final = 1e-8
LONGEST: Final = 1e9


@dataclass(frozen=True)
class Runner:
    """Predictions of one problem. `restarted` starts where another run ended."""

    tables: Tables
    extended: Extended
    restarted: System
    by_switches: bool

    @classmethod
    def create(cls, tables: Tables, extended: Extended) -> Runner:
        system = extended.model.system
        rates = [s.rate for s in system.states]
        restarted = System.create(
            f"{system.name} restarted",
            states=tuple(replace(s, initial=symbol(_start(s.name))) for s in system.states),
            inputs=system.inputs,
            events=system.events,
            outputs=system.outputs,
            parameters=system.parameters + tuple(Parameter(_start(s.name), s.unit, 0.0) for s in system.states),
        )
        return cls(tables, extended, restarted, bool(system.events or switches(rates)))

    def predict(self, values: Mapping[str, float], output: str, condition: str, times: Floats) -> Floats:
        """`output` at `times` (infinity: steady state) under "condition" or "before > condition"; NaN where it fails.

        Raises Refusal for a condition that names a parameter of no table.
        """
        before, _, name = condition.rpartition(" > ")
        row, state = self.row(values, name), None
        if before:
            state = self._carried(self._settled(self.row(values, before), None)[0], row, name)
        column = self.extended.model.system.output_index[output]
        finite, found = np.isfinite(times), np.full(len(times), np.nan)
        if finite.any():
            found[finite] = self._run(row, state, times[finite])[1][:, column]
        if np.any(times == STEADY):
            found[times == STEADY] = self._settled(row, state)[1][column]
        return found

    def row(self, values: Mapping[str, float], condition: str) -> Floats:
        """Parameters of the model under `condition`."""
        system = self.extended.model.system
        row = np.array([p.value for p in system.parameters])
        for name, value in values.items():
            if name in system.parameter_index:
                row[system.parameter_index[name]] = value
        cells = self.tables.conditions[condition].items()
        # a compartment's size is set before the concentrations in it
        for name, given in sorted(cells, key=lambda c: bool(self.extended.starts[c[0]].compartment)):
            start, value = self.extended.starts[name], self._cell(values, given, condition, name)
            size = float(row[system.parameter_index[start.compartment]]) if start.compartment else 1.0
            row[system.parameter_index[start.parameter]] = value * size
            if start.flag:
                row[system.parameter_index[start.flag]] = 1.0
        return row

    def _cell(self, values: Mapping[str, float], given: str, condition: str, name: str) -> float:
        if given in values:
            return float(values[given])
        system = self.extended.model.system
        if given in system.parameter_index:
            return float(system.parameters[system.parameter_index[given]].value)
        try:
            return float(given)
        except ValueError:
            raise Refusal(
                RefusalCode.INVALID,
                f"{self.tables.name}: condition {condition}, column {name}: {given!r} is neither a number nor a "
                "parameter of the model or the parameter table",
                field=self.tables.name,
                reason="BAD_PETAB",
            ) from None

    def _carried(self, y: Floats, row: Floats, condition: str) -> Floats:
        """The state where the simulation begins: what `condition` sets is set, the rest is where it settled."""
        system = self.extended.model.system
        names = ["time", *(p.name for p in system.parameters)]
        fresh = scalar_function([s.initial for s in system.states], names)(0.0, *row.tolist())
        set_here = self.tables.conditions[condition]
        return np.array([f if s.name in set_here else v for s, f, v in zip(system.states, fresh, y, strict=True)])

    def _settled(self, row: Floats, state: Floats | None) -> tuple[Floats, Floats]:
        """States and outputs that no longer move; NaN where none are reached by LONGEST."""
        reach = 10.0
        while reach <= LONGEST:
            states, outputs = self._run(row, state, np.array([reach, 10.0 * reach]))
            if not np.isfinite(states).all():
                break
            scale = np.maximum(np.abs(states).max(axis=0), 1e-12 * np.abs(states).max(initial=1e-300))
            if np.all(np.abs(states[1] - states[0]) <= STILL * scale):
                return states[1], outputs[1]
            reach *= 10.0
        system = self.extended.model.system
        return np.full(len(system.states), np.nan), np.full(len(system.outputs), np.nan)

    def _run(self, row: Floats, state: Floats | None, times: Floats) -> tuple[Floats, Floats]:
        """States and outputs at `times`, NaN where the run fails."""
        if state is not None and not np.isfinite(state).all():
            system = self.extended.model.system
            return np.full((len(times), len(system.states)), np.nan), np.full((len(times), len(system.outputs)), np.nan)
        if self.by_switches:
            system, full = (self.extended.model.system, row) if state is None else (self.restarted, [*row, *state])
            run = simulate_hybrid(system, full, times)
            return run.states, run.outputs
        solved = simulate(
            self.extended.model.system, row[None], times_h=times, state=state, keep_states=True, tolerances=EXACT
        )
        assert solved.states is not None
        return np.asarray(solved.states[0]), np.asarray(solved.outputs[0])


def _start(state: str) -> str:
    return f"petab restart {state}"
