"""Plausible patients: draws from a model's random effects whose outputs stay physiological, and what they look like.

    draws -> outputs -> measures -> those inside the bounds

Bounded sampling after Allen 2016, doi:10.1002/psp4.12063. What happens next (weights or selection) is `weighting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome, Refusal, RefusalCode, Verdict
from twin_service.solver.schedule import NOTHING, Schedule
from twin_service.solver.simulate import simulate

Floats = NDArray[np.float64]
Kind = Literal["value", "minimum", "maximum", "time_of_minimum", "time_of_maximum", "final_over_first"]


@dataclass(frozen=True)
class OutputMeasure:
    """One number per patient from an output over the simulated window; [low, high] is what a body can do.

    `log`: targets and densities are handled on the logarithm.
    """

    name: str
    output: str
    kind: Kind
    low: float = -np.inf
    high: float = np.inf
    time_h: float = 0.0
    log: bool = False


@dataclass(frozen=True)
class PlausiblePatients:
    """Plausible patients: effects (N, nx), measures (N, k), and the share of candidates that were plausible."""

    eta: Floats
    values: Floats
    measures: tuple[OutputMeasure, ...]
    candidates: int
    outcome: Outcome

    @property
    def scaled(self) -> Floats:
        """Measures on the scale on which targets are stated."""
        return np.column_stack([np.log(v) if m.log else v for m, v in zip(self.measures, self.values.T, strict=True)])


def draw_effects(
    model: PatientModel, count: int, rng: np.random.Generator, *, widen: float = 1.0, uniform_sd: float = 0.0
) -> Floats:
    """Effects (count, nx): Latin-hypercube draws of N(0, widen^2 Omega), or uniform within +-uniform_sd SDs."""
    nx = len(model.effects)
    if nx == 0:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{model.id} has no random effects; nothing differs between patients",
            reason="NO_EFFECTS",
        )
    cube = qmc.LatinHypercube(d=nx, rng=rng).random(count)
    if uniform_sd > 0:
        return np.asarray((2 * cube - 1) * uniform_sd * np.sqrt(np.diag(model.omega)))
    z = ndtri(np.clip(cube, 1e-12, 1 - 1e-12))
    # Omega may be singular (two effects fully correlated), so its root is taken by eigenvalues
    values, vectors = np.linalg.eigh(model.omega)
    return np.asarray(widen * z @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)


def plausible_cloud(
    model: PatientModel,
    measures: Sequence[OutputMeasure],
    eta: Floats,
    times_h: Floats,
    *,
    covariates: Mapping[str, float] | None = None,
    schedule: Schedule = NOTHING,
    threads: int = 1,
) -> PlausiblePatients:
    """Simulate candidates `eta` (N, nx) and keep those whose measures all lie inside their bounds.

    Raises Refusal for a measure of an unknown output. A yield below 1 in 1000 comes back as a verdict.
    """
    for m in measures:
        if m.output not in model.system.output_index:
            raise Refusal(
                RefusalCode.INVALID,
                f"{m.name} reads {m.output!r}, no output of {model.id}; it has: {', '.join(model.system.output_index)}",
                field="measures",
            )
    run = simulate(model.system, model.members(covariates or {}, eta), schedule, times_h, threads=threads)
    values = np.column_stack(
        [measured(m, times_h, run.outputs[:, :, model.system.output_index[m.output]]) for m in measures]
    )
    inside = np.all(np.isfinite(values), axis=1)
    for j, m in enumerate(measures):
        low = max(m.low, np.finfo(float).tiny) if m.log else m.low
        inside &= (values[:, j] >= low) & (values[:, j] <= m.high)
    few = inside.sum() < max(1, len(eta) // 1000)
    outcome = (
        Outcome(
            Verdict.NOT_CONVERGED,
            f"only {inside.sum()} of {len(eta)} candidates are plausible: widen the bounds or look at the model",
        )
        if few
        else Outcome()
    )
    return PlausiblePatients(eta[inside], values[inside], tuple(measures), len(eta), outcome)


def measured(measure: OutputMeasure, times_h: Floats, series: Floats) -> Floats:
    """The measure (N,) of output series (N, nt)."""
    if measure.kind == "value":
        return np.asarray(np.apply_along_axis(lambda row: np.interp(measure.time_h, times_h, row), 1, series))
    if measure.kind == "final_over_first":
        return np.asarray(series[:, -1] / series[:, 0])
    if measure.kind in ("minimum", "maximum"):
        return np.asarray(series.min(axis=1) if measure.kind == "minimum" else series.max(axis=1))
    found = series.argmin(axis=1) if measure.kind == "time_of_minimum" else series.argmax(axis=1)
    return np.asarray(times_h[found], dtype=np.float64)
