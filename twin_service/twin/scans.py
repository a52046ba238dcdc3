"""What a response by RECIST is judged against: each member's baseline sum and the least sum since.

A sum that was recorded is a fact for every member. Where only categories were recorded, a member's own course stands
for it: the sum before the first dose, and the sums at the scans that were judged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.solver.simulate import Deadline
from twin_service.twin.categories import RECIST, SUM, Scans
from twin_service.twin.course import Course
from twin_service.twin.propagate import columns, propagate

FloatArray = NDArray[np.float64]


def scans_before(
    model: PatientModel, course: Course, time_h: float, eta: FloatArray, *, deadline: Deadline | None = None
) -> Scans:
    """Baseline and nadir (mm) of members `eta` (N, nx) before the scan at `time_h`."""
    sums = [s for s in course.samples if s.analyte == SUM and s.time_h < time_h]
    judged = [s.time_h for s in course.samples if s.analyte == RECIST and s.time_h < time_h]
    first_h = max(0.0, min([d.time_h for d in course.doses], default=0.0))
    asked = sorted({min(first_h, time_h), *judged})
    run = propagate(model, course, eta, asked, deadline=deadline)
    own = run.outputs[:, :, columns(model, [SUM])[0]]
    baseline = np.full(len(eta), sums[0].value) if sums else own[:, asked.index(min(first_h, time_h))]
    since = [own[:, asked.index(t)] for t in judged]
    recorded = [np.full(len(eta), s.value) for s in sums]
    nadir = np.minimum.reduce([baseline, *recorded, *since])
    return Scans(np.maximum(baseline, 1e-9), np.maximum(nadir, 0.0))
