"""The door of the solver: what a caller hands in becomes checked arrays of known shape, or is refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.plan import ActionPlan, change_matrix, make_plan
from twin_service.solver.schedule import Schedule
from twin_service.solver.system import System

Floats = NDArray[np.float64]


class Run(NamedTuple):
    """Everything a run of N patients needs.

    parameters  (N, K, np)   row k holds from the k-th change on
    times_h     (N, nt)      h, nondecreasing
    after_dose  (N, nt)      whether an output is taken after the actions at its time
    start_h     (N,)         h
    state       (N, ns)      state at the start, or None for the system's initial values
    row         (N,)         parameter row in force at the start
    plan        actions from the start on
    """

    parameters: Floats
    times_h: Floats
    after_dose: NDArray[np.bool_]
    start_h: Floats
    state: Floats | None
    row: NDArray[np.int64]
    plan: ActionPlan


def admit(
    system: System,
    parameters: ArrayLike,
    schedules: Schedule | Sequence[Schedule],
    times_h: ArrayLike,
    *,
    start_h: ArrayLike,
    state: ArrayLike | None,
    after_dose: ArrayLike | None,
) -> Run:
    """The checked run. Raises Refusal naming the system, the argument and the fault."""
    p = _parameters(system, parameters)
    n = p.shape[0]
    courses = [schedules] if isinstance(schedules, Schedule) else list(schedules)
    if not isinstance(schedules, Schedule) and len(courses) != n:
        raise _refuse(system, "schedules", f"{len(courses)} schedules for {n} patients; give one for all or one each")
    start = _finite(system, "start_h", np.broadcast_to(_array(system, "start_h", start_h), (n,)))
    times = _times(system, times_h, start)
    after = _after(system, after_dose, times)
    p, row = _rows(system, p, courses, start)
    y = None
    if state is not None:
        y = _shaped(system, "state", np.atleast_2d(_array(system, "state", state)), (n, len(system.states)))
        y = _finite(system, "state", y)
    return Run(p, times, after, start, y, row, make_plan(system, p, courses if n else [], start))


def _refuse(system: System, field: str, message: str, reason: str = "ARGUMENT_INVALID") -> Refusal:
    return Refusal(RefusalCode.INVALID, f"system {system.name!r}, {field}: {message}", field=field, reason=reason)


def _array(system: System, field: str, value: ArrayLike) -> Floats:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _refuse(system, field, "is not an array of numbers") from error


def _shaped(system: System, field: str, value: Floats, shape: tuple[int, ...]) -> Floats:
    if value.shape != shape:
        raise _refuse(system, field, f"has shape {value.shape}; expected {shape}", "SHAPE_INVALID")
    return np.ascontiguousarray(value)


def _finite(system: System, field: str, value: Floats) -> Floats:
    if not np.isfinite(value).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise _refuse(system, field, f"entry {where} is not a finite number", "NOT_FINITE")
    return np.ascontiguousarray(value)


def _parameters(system: System, parameters: ArrayLike) -> Floats:
    p = _array(system, "parameters", parameters)
    if p.ndim == 1:
        p = p[None, :]
    if p.ndim == 2:
        p = p[:, None, :]
    expected = len(system.parameters)
    if p.ndim != 3 or p.shape[2] != expected or p.shape[1] < 1:
        raise _refuse(
            system,
            "parameters",
            f"has shape {np.shape(parameters)}; expected (N, {expected}) or (N, K, {expected})",
            "SHAPE_INVALID",
        )
    return np.ascontiguousarray(p)


def _rows(system: System, p: Floats, courses: Sequence[Schedule], start: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Parameters with unused rows filled from the last used one, and the row in force at the start."""
    if p.shape[1] == 1 and np.isfinite(p).all() and not any(s.change_times_h for s in courses):
        return p, np.zeros(p.shape[0], np.int64)
    changes = change_matrix(courses)
    if np.isnan(changes).any() or (np.isfinite(changes[:, 1:]) & (changes[:, 1:] < changes[:, :-1])).any():
        raise _refuse(system, "schedules.change_times_h", "must be finite and nondecreasing", "CHANGES_INVALID")
    used = np.isfinite(changes).sum(axis=1) + 1
    if used.max() > p.shape[1]:
        raise _refuse(
            system,
            "parameters",
            f"{p.shape[1]} rows for {used.max() - 1} changes; give one row more than changes",
            "SHAPE_INVALID",
        )
    if p.shape[1] > 1:
        pick = np.minimum(np.arange(p.shape[1])[None, :], np.broadcast_to(used, (p.shape[0],))[:, None] - 1)
        p = np.ascontiguousarray(np.take_along_axis(p, pick[:, :, None], axis=1))
    bad = np.argwhere(~np.isfinite(p))
    if len(bad):
        i, k, j = (int(x) for x in bad[0])
        name = system.parameters[j].name
        raise _refuse(system, "parameters", f"{name} of member {i}, row {k} is not a finite number", "NOT_FINITE")
    row = (changes < start[:, None]).sum(axis=1)
    return p, np.ascontiguousarray(np.broadcast_to(row, (p.shape[0],)).astype(np.int64))


def _times(system: System, times_h: ArrayLike, start: Floats) -> Floats:
    n = len(start)
    times = _array(system, "times_h", times_h)
    if times.ndim not in (1, 2) or (times.ndim == 2 and times.shape[0] != n):
        raise _refuse(system, "times_h", f"has shape {times.shape}; expected (nt,) or ({n}, nt)", "SHAPE_INVALID")
    times = _finite(system, "times_h", times)
    if times.shape[-1] and n:
        # one grid for all is checked once
        first = times[0] >= start.max() if times.ndim == 1 else (times[:, 0] >= start).all()
        if not first or (times[..., 1:] < times[..., :-1]).any():
            raise _refuse(system, "times_h", "must not decrease nor begin before start_h", "TIMES_INVALID")
    return times if times.ndim == 2 else np.broadcast_to(times, (n, len(times)))


def _after(system: System, after_dose: ArrayLike | None, times: Floats) -> NDArray[np.bool_]:
    if after_dose is None:
        return np.broadcast_to(np.zeros(times.shape[1], dtype=np.bool_), times.shape)
    after = np.asarray(after_dose, dtype=np.bool_)
    if after.shape not in (times.shape, times.shape[1:]):
        raise _refuse(system, "after_dose", f"has shape {after.shape}; expected {times.shape}", "SHAPE_INVALID")
    if (after[..., :-1] & ~after[..., 1:]).any() and (
        (times[:, 1:] == times[:, :-1]) & after[..., :-1] & ~after[..., 1:]
    ).any():
        raise _refuse(system, "after_dose", "at equal times the value before a dose must come first", "TIMES_INVALID")
    return np.broadcast_to(np.ascontiguousarray(after), times.shape)
