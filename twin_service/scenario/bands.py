"""Bands of a model's outputs over time, and which outputs a question may name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Refusal, RefusalCode

FloatArray = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Series:
    """One output over time: mean and quantiles (nt,), (nq, nt), in the output's unit."""

    output: str
    unit: str
    mean: FloatArray
    quantiles: FloatArray


@dataclass(frozen=True)
class Bands:
    """Series of several outputs on one grid of hours from the start of the course."""

    times_h: FloatArray
    series: tuple[Series, ...]
    levels: tuple[float, ...]
    outcome: Outcome
    members: int


def outputs_of(model: PatientModel, names: Sequence[str]) -> list[str]:
    """Output names for analytes or outputs asked for; all observables when none is. Refuses unknown ones by name."""
    if not names:
        return list(dict.fromkeys(o.output for o in model.observables.values()))
    found: list[str] = []
    for i, name in enumerate(names):
        resolved = model.observables[name].output if name in model.observables else name
        if resolved not in model.system.output_index:
            known = ", ".join(sorted({*model.observables, *model.system.output_index}))
            raise Refusal(
                RefusalCode.INVALID,
                f"no output {name!r} in this twin's model; it has: {known}",
                field=f"outputs[{i}]",
                reason="NO_SUCH_OUTPUT",
            )
        found.append(resolved)
    return found


def summarize(model: PatientModel, output: str, values: FloatArray) -> Series:
    """Mean and quantiles over the members that could be solved, values (N, nt)."""
    good = values[np.all(np.isfinite(values), axis=1)]
    unit = model.system.outputs[model.system.output_index[output]].unit
    if not len(good):
        nothing = np.full(values.shape[1], np.nan)
        return Series(output, unit, nothing, np.tile(nothing, (len(QUANTILES), 1)))
    return Series(output, unit, good.mean(axis=0), np.quantile(good, QUANTILES, axis=0))
