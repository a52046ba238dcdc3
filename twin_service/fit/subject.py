"""One subject of a data set, and what a model predicts for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin_service.kalman.errors import Noise, ObservedReadings
from twin_service.kalman.laplace import by_differences
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.engine import form_of
from twin_service.solver.expression import symbols_of
from twin_service.solver.schedule import Schedule
from twin_service.solver.sensitivity import simulate_sensitivities
from twin_service.solver.simulate import DEFAULT, Tolerances, simulate

FloatArray = NDArray[np.float64]
Predict = Callable[[FloatArray], FloatArray]
Jacobian = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class TableSubject:
    """covariates[k] holds from schedule.change_times_h[k-1] to [k]; readings are in time order.

    times_h, values   (ny,)   h, in each observable's unit
    censoring         (ny,)   -1 below the value, 0 seen, 1 above it
    after_dose        (ny,)   taken after the dose at the same time
    """

    id: str
    schedule: Schedule
    covariates: tuple[Mapping[str, float], ...]
    times_h: FloatArray
    values: FloatArray
    analytes: tuple[str, ...]
    censoring: NDArray[np.int8]
    after_dose: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.times_h)

    def first(self, count: int) -> TableSubject:
        """The subject as it was known after its first `count` readings; later doses are kept for forecasts."""
        return self.rows(np.arange(count))

    def rows(self, pick: NDArray[np.intp]) -> TableSubject:
        return replace(
            self,
            times_h=self.times_h[pick],
            values=self.values[pick],
            analytes=tuple(self.analytes[int(k)] for k in pick),
            censoring=self.censoring[pick],
            after_dose=self.after_dose[pick],
        )


def noise_of(model: PatientModel, analyte: str) -> Noise:
    """The assay's law as the estimators take it; counts are refused: they have no Gaussian scale."""
    law = model.observables[analyte].error
    if law.kind == "poisson":
        raise Refusal(
            RefusalCode.UNSUPPORTED,
            f"{analyte} is a count; evaluate it with a twin",
            field="analyte",
            reason="COUNTS_UNSUPPORTED",
        )
    return Noise(law.kind, law.additive, law.proportional, law.power)


def observed(model: PatientModel, subject: TableSubject) -> ObservedReadings:
    """The subject's readings as the estimators see them."""
    return ObservedReadings.create(
        subject.values, [noise_of(model, a) for a in subject.analytes], censoring=subject.censoring
    )


def _course(model: PatientModel, subject: TableSubject) -> tuple[Schedule, int]:
    """What can reach the readings: doses, changes and resets up to the last of them."""
    until = float(subject.times_h[-1])
    s = subject.schedule
    changes = tuple(t for t in s.change_times_h if t <= until)
    return Schedule(
        tuple(d for d in s.doses if d.time_h <= until), changes, tuple(t for t in s.reset_times_h if t <= until)
    ), len(changes) + 1


def predictor(model: PatientModel, subject: TableSubject, tolerances: Tolerances = DEFAULT) -> Predict:
    """eta (N, nx) -> readings (N, ny) of the subject, all members as one batch."""
    schedule, segments = _course(model, subject)
    columns = np.array([model.system.output_index[model.observables[a].output] for a in subject.analytes])
    picks, (start, times, after) = np.arange(len(subject)), _grid(subject, schedule)
    typical = np.stack([model.values(c) for c in subject.covariates[:segments]])

    def predict(eta: FloatArray) -> FloatArray:
        rows = np.repeat(typical[None], len(eta), axis=0)
        rows[:, :, model.effect_columns] = eta[:, None, :]
        run = simulate(model.system, rows, schedule, times, start_h=start, after_dose=after, tolerances=tolerances)
        return run.outputs[:, picks, columns]

    return predict


def predictor_after(
    model: PatientModel, subject: TableSubject, since_h: float
) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """(eta until `since_h`, eta from then on), each (N, nx) -> readings (N, ny): an occasion begins at `since_h`."""
    whole, segments = _course(model, subject)
    changes = whole.change_times_h
    k = sum(t < since_h for t in changes)
    if since_h not in changes:
        changes = (*changes[:k], since_h, *changes[k:])
    schedule = Schedule(whole.doses, changes, whole.reset_times_h)
    columns = np.array([model.system.output_index[model.observables[a].output] for a in subject.analytes])
    picks, (start, times, after) = np.arange(len(subject)), _grid(subject, schedule)
    typical = [model.values(c) for c in subject.covariates[:segments]]
    if len(changes) == segments:
        typical = [*typical[: k + 1], *typical[k:]]

    def predict(before: FloatArray, later: FloatArray) -> FloatArray:
        rows = np.repeat(np.stack(typical)[None], len(before), axis=0)
        rows[:, : k + 1, model.effect_columns] = before[:, None, :]
        rows[:, k + 1 :, model.effect_columns] = later[:, None, :]
        run = simulate(model.system, rows, schedule, times, start_h=start, after_dose=after)
        return run.outputs[:, picks, columns]

    return predict


def jacobian(model: PatientModel, subject: TableSubject, tolerances: Tolerances = DEFAULT) -> Jacobian:
    """eta (nx,) -> readings (ny,) and their derivatives (ny, nx).

    Exact sensitivities; where the system is linear and doses do not move with the effects, central differences of its
    exact solution, which are as good (1e-8) and take half the time.
    """
    if form_of(model.system).is_linear and not _doses_move(model):
        return by_differences(predictor(model, subject, tolerances))
    schedule, segments = _course(model, subject)
    columns = np.array([model.system.output_index[model.observables[a].output] for a in subject.analytes])
    names = [e.name for e in model.effects]
    picks, (start, times, after) = np.arange(len(subject)), _grid(subject, schedule)
    typical = np.stack([model.values(c) for c in subject.covariates[:segments]])

    def evaluate(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        rows = typical[None].copy()
        rows[:, :, model.effect_columns] = eta
        run, slopes, _ = simulate_sensitivities(
            model.system, rows, schedule, times, wrt=names, start_h=start, after_dose=after, tolerances=tolerances
        )
        return run.outputs[0, picks, columns], slopes[0, picks, columns]

    return evaluate


def _doses_move(model: PatientModel) -> bool:
    """Whether an effect shifts or stretches a dose: readings then have kinks that differences cannot see."""
    names = {e.name for e in model.effects}
    roots = [e for u in model.system.inputs for e in (u.lag, *(() if u.duration is None else (u.duration,)))]
    return bool(symbols_of(roots) & names)


def _grid(subject: TableSubject, schedule: Schedule) -> tuple[float, FloatArray, NDArray[np.bool_]]:
    """Start before everything that happens, reading times, and which are taken after the dose at that time."""
    first = [d.time_h for d in schedule.doses[:1]] + [float(subject.times_h[0]), 0.0]
    return min(first), subject.times_h, subject.after_dose


def refuse_row(number: int, column: str, message: str) -> Refusal:
    """A refusal that names where in a table the fault is."""
    return Refusal(
        RefusalCode.INVALID,
        f"row {number}, {column}: {message}",
        field=f"rows[{number}].{column}",
        reason="BAD_EVENT_TABLE",
    )
