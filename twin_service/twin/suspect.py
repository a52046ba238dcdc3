"""What would explain a surprising reading: told beside it, never acted upon.

The same members of the belief are asked again under another story: the last dose was not given, the sample was drawn on
the other side of a dose or an hour away. `kalman.suspicion` adds wrong units and weighs the stories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.belief import Belief
from twin_service.kalman.suspicion import Explanation, explanations
from twin_service.model.structure import PatientModel
from twin_service.record.events import Censoring
from twin_service.solver.simulate import Deadline
from twin_service.twin.categories import kind_of
from twin_service.twin.course import Course, Sample
from twin_service.twin.estimate import noise_of
from twin_service.twin.propagate import Footing, columns, propagate

FloatArray = NDArray[np.float64]
MEMBERS: Final = 128
NEAR_H: Final = 6.0
SHIFT_H: Final = 1.0
TOLD_MAX: Final = 3


def suspicions(
    model: PatientModel,
    course: Course,
    sample: Sample,
    belief: Belief,
    *,
    draws: FloatArray,
    footing: Footing | None = None,
    deadline: Deadline | None = None,
) -> tuple[Explanation, ...]:
    """At most three stories that are ten times likelier than `sample` as recorded; the best first.

    belief  before the sample was looked at
    draws   (N, nx + 1) standard normal numbers of the twin
    footing where members of the belief stood some time ago; of use while no story changes what came before it
    """
    if sample.censoring is not Censoring.NONE or kind_of(model, sample.analyte) != "reading":
        return ()
    eta = belief.members(draws[:MEMBERS, : len(belief.mean)])

    last_h = max((d.time_h for d in course.doses if d.time_h <= sample.time_h), default=-np.inf)
    stand = footing if footing is not None and last_h > footing.start_h else None

    def predicted(told: Course, time_h: float, after_dose: bool) -> FloatArray:
        run = propagate(model, told, eta, [time_h], after_dose=[after_dose], footing=stand, deadline=deadline)
        return run.outputs[:, 0, columns(model, [sample.analyte])[0]]

    found = explanations(
        sample.value,
        noise_of(model.observables[sample.analyte].error),
        predicted(course, sample.time_h, sample.after_dose),
        stories=_stories(course, sample, predicted),
    )
    return found[:TOLD_MAX]


def _stories(
    course: Course, sample: Sample, predicted: Callable[[Course, float, bool], FloatArray]
) -> dict[str, FloatArray]:
    """Predictions under what may have happened instead; only stories that the record leaves room for."""
    t, stories = sample.time_h, {}
    given = [k for k, d in enumerate(course.doses) if d.time_h <= t]
    if given:
        last = course.doses[given[-1]]
        missed = replace(course, doses=tuple(d for k, d in enumerate(course.doses) if k != given[-1]))
        stories["the last dose before it was not given"] = predicted(missed, t, sample.after_dose)
        twice = replace(course, doses=(*course.doses[: given[-1] + 1], last, *course.doses[given[-1] + 1 :]))
        stories["the last dose before it was given twice"] = predicted(twice, t, sample.after_dose)
    near = [d for d in course.doses if abs(d.time_h - t) <= NEAR_H]
    if any(d.time_h <= t for d in near):
        before = max(d.time_h for d in near if d.time_h <= t)
        stories["drawn before the dose, not after it"] = predicted(course, max(before, 0.0), False)
    if any(d.time_h >= t for d in near):
        after = min((d for d in near if d.time_h >= t), key=lambda d: d.time_h)
        stories["drawn after the dose, not before it"] = predicted(course, after.time_h + after.duration_h + 0.25, True)
    stories["drawn an hour later than recorded"] = predicted(course, t + SHIFT_H, False)
    if t > SHIFT_H:
        stories["drawn an hour earlier than recorded"] = predicted(course, t - SHIFT_H, False)
    return stories
