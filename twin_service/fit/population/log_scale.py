"""A problem whose readings are all lognormal, said in logarithms: what FO and FOCE need, whose laws are normal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twin_service.fit.population.likelihood import Floats, LognormalLaw, NormalLaw
from twin_service.fit.population.problem import PopulationProblem, PredictedReadings, StructuralModel, Who


@dataclass(frozen=True)
class LogModel:
    """ln f of a model, with derivatives."""

    inner: StructuralModel

    @property
    def costly(self) -> bool:
        return self.inner.costly

    def __call__(self, phi: Floats, who: Who, order: int) -> PredictedReadings:
        f, g, h = self.inner(phi, who, order)
        with np.errstate(all="ignore"):
            r = None if g is None else g / f[:, None]
            bend = None if h is None or r is None else h / f[:, None, None] - r[:, :, None] * r[:, None]
            return PredictedReadings(np.log(f), r, bend)


def on_log_scale(problem: PopulationProblem) -> tuple[PopulationProblem, float]:
    """The problem in logarithms and what its objective lacks (2 sum ln y); unchanged where a law is not lognormal."""
    readings = problem.readings
    if not all(isinstance(law, LognormalLaw) for law in readings.laws):
        return problem, 0.0
    ln = np.log(np.maximum(readings.y, 1e-300))
    plain = tuple(NormalLaw(additive=True, proportional=False) for _ in readings.laws)
    constant = 2.0 * float(ln[(readings.seen > 0.0) & (readings.censored == 0)].sum())
    return replace(problem, readings=replace(readings, y=ln, laws=plain), predict=LogModel(problem.predict)), constant
