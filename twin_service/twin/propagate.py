"""One function carries every member of a belief along its own trajectory; filters, fits and forecasts all use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome
from twin_service.solver.simulate import Deadline, simulate
from twin_service.twin.categories import observable_of
from twin_service.twin.course import Course

FloatArray = NDArray[np.float64]


class Trajectories(NamedTuple):
    """outputs (N, nt, no) of N members at nt times; `final` (N, ns) their states at the last time."""

    outputs: FloatArray
    final: FloatArray
    outcome: Outcome


def propagate(
    model: PatientModel,
    course: Course,
    eta: FloatArray,
    times_h: Sequence[float] | FloatArray,
    *,
    after_dose: Sequence[bool] | None = None,
    deadline: Deadline | None = None,
    threads: int = 1,
) -> Trajectories:
    """Members `eta` (N, nx) from the start of `course` to `times_h` (nt,), each a real solution of the model.

    Integration starts at hour 0 because a member redrawn after an update has no other consistent past: regressed
    states would be states that no parameter value can produce.
    """
    times = np.asarray(times_h, dtype=np.float64)
    until = float(times[-1])
    solution = simulate(
        model.system,
        course.parameters(model, eta, until),
        course.schedule(until),
        times,
        after_dose=None if after_dose is None else np.asarray(after_dose, dtype=bool),
        deadline=deadline,
        threads=threads,
    )
    failed = next((o for o in solution.outcomes if not o.ok), None)
    return Trajectories(solution.outputs, solution.final, failed or Outcome())


def columns(model: PatientModel, analytes: Sequence[str]) -> NDArray[np.intp]:
    """Output column of each analyte."""
    index = model.system.output_index
    return np.array([index[observable_of(model, a).output] for a in analytes], dtype=np.intp)
