"""Which estimator looks at a measurement, and what it made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.kalman.errors import ABOVE, BELOW, SEEN, Noise, Observed
from twin_service.kalman.unscented import unscented_update
from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome
from twin_service.record.events import Censoring
from twin_service.solver.simulate import Deadline
from twin_service.twin.course import Course, Sample
from twin_service.twin.propagate import columns, propagate

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Estimated:
    """The belief after an instant's measurements, with one score for each of them."""

    belief: Belief
    nis: tuple[float, ...]
    surprising: tuple[bool, ...]
    weights: tuple[float, ...]
    estimator: str
    outcome: Outcome


def predictor(
    model: PatientModel, course: Course, samples: list[Sample], deadline: Deadline | None = None
) -> Predict:
    """eta (N, nx) -> predicted measurements (N, ny), all members as one batch."""
    column = columns(model, [s.analyte for s in samples])
    times = [s.time_h for s in samples]
    after = [s.after_dose for s in samples]

    def predict(eta: FloatArray) -> FloatArray:
        run = propagate(model, course, eta, times, after_dose=after, deadline=deadline)
        return run.outputs[:, np.arange(len(times)), column]

    return predict


def update(
    model: PatientModel, course: Course, samples: list[Sample], belief: Belief, *,
    estimator: str = "unscented", deadline: Deadline | None = None,
) -> Estimated:  # fmt: skip
    """The belief after all `samples` of one instant, stacked. A failure keeps the belief it was given."""
    predict = predictor(model, course, samples, deadline)
    result = unscented_update(belief, predict, observed(model, samples))
    report = result.report
    return Estimated(
        result.belief, tuple(map(float, report.nis)), tuple(map(bool, report.surprising)),
        tuple(map(float, report.weight)), report.estimator, report.outcome,
    )  # fmt: skip


def observed(model: PatientModel, samples: list[Sample]) -> Observed:
    """`samples` as the estimators read them: values, assay laws and detection limits."""
    laws = [model.observables[s.analyte] for s in samples]
    flag = {Censoring.NONE: SEEN, Censoring.BELOW: BELOW, Censoring.ABOVE: ABOVE}
    return Observed.create(
        [s.value for s in samples],
        [Noise(o.error.kind, o.error.additive, o.error.proportional, o.error.power) for o in laws],
        censoring=[flag[s.censoring] for s in samples],
    )
