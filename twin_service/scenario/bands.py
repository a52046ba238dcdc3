"""Bands of a model's outputs over time, and which outputs a question may name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.scenario.assay import predictive

FloatArray = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class BandSeries:
    """One output over time: mean and quantiles (nt,), (nq, nt), in the output's unit.

    mean, quantiles   of the patient's curve: what is uncertain of him
    readings          (nq, nt) quantiles of what an assay would read, its noise included; None: nothing measures it
    levels            (nq, nt) quantiles of the patient's true level on another occasion: assay out, the rest in
    """

    output: str
    unit: str
    mean: FloatArray
    quantiles: FloatArray
    readings: FloatArray | None = None
    levels: FloatArray | None = None


@dataclass(frozen=True)
class Bands:
    """Series of several outputs on one grid of hours from the start of the course."""

    times_h: FloatArray
    series: tuple[BandSeries, ...]
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


def summarize(model: PatientModel, output: str, values: FloatArray, noise: FloatArray | None = None) -> BandSeries:
    """Mean and quantiles over the members that could be solved, values (N, nt).

    noise  (N,) a standard normal number for each member's assay: with it, bands of readings too; a reading of what is
           never negative is not negative either
    """
    solved = np.all(np.isfinite(values), axis=1)
    good = values[solved]
    unit = model.system.outputs[model.system.output_index[output]].unit
    if not len(good):
        nothing = np.full(values.shape[1], np.nan)
        return BandSeries(output, unit, nothing, np.tile(nothing, (len(QUANTILES), 1)))
    law = next((o.error for o in model.observables.values() if o.output == output and o.error.kind != "poisson"), None)
    readings = None
    if law is not None and noise is not None:
        read = predictive(good, law, noise[solved, None])
        readings = np.quantile(np.maximum(read, 0.0) if good.min() >= 0.0 else read, QUANTILES, axis=0)
    return BandSeries(output, unit, good.mean(axis=0), np.quantile(good, QUANTILES, axis=0), readings)
