"""A plan: the schedules of N patients as flat arrays of actions, sorted by patient and time.

Lag, bioavailability and modelled duration are applied here, with the parameters in force at the dose's own time, so
that every integrator meets nothing but additions to states, changes of rate, changes of parameters, resets and steady
states. At one time the order is: parameters change, infusions end, resets, steady states, doses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.action import BOLUS, CHANGE, RESET, START, STEADY, STEADY_ADD, STOP
from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import Expression, symbols_of
from twin_service.solver.schedule import Schedule
from twin_service.solver.system import ZERO, Input, System
from twin_service.solver.workspace import PROCESS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


KEPT_MAX, KEPT_ROWS_MAX = 64, 20_000
"""An estimator asks for the same course again and again: that many plans are kept, none longer than that many rows."""
Key = tuple[str, Schedule, int, float]


class ActionPlan(NamedTuple):
    """Actions of patient i are rows `offset[i]:offset[i+1]`.

    time      h
    kind      one of the constants of `action`
    target    state concerned; for CHANGE the new parameter row
    value     amount (BOLUS, STEADY), or amount per hour (START, STOP)
    duration  h; of the repeated dose of a STEADY action
    interval  h; of the repeated dose of a STEADY action
    wait      h; from a STEADY action to the next entry of its repeated dose: what is left of the lag
    source    the dose it comes from, counted through all patients; -1 for none
    """

    offset: Ints
    time: Floats
    kind: Ints
    target: Ints
    value: Floats
    duration: Floats
    interval: Floats
    wait: Floats
    source: Ints

    @property
    def steady(self) -> NDArray[np.bool_]:
        """Which actions call for a steady state."""
        return np.asarray((self.kind == STEADY) | (self.kind == STEADY_ADD))


class Doses(NamedTuple):
    """Doses of all patients: patient, time (h), input, amount, duration and interval (h), whether it adds (SS=2)."""

    who: Ints
    time: Floats
    input: Ints
    amount: Floats
    duration: Floats
    interval: Floats
    adds: NDArray[np.bool_]


def change_matrix(schedules: Sequence[Schedule]) -> Floats:
    """Change times (h), one row per schedule, padded with infinity."""
    width = max((len(s.change_times_h) for s in schedules), default=0)
    changes = np.full((len(schedules), width), np.inf)
    for i, s in enumerate(schedules):
        changes[i, : len(s.change_times_h)] = s.change_times_h
    return changes


def make_plan(system: System, parameters: Floats, schedules: Sequence[Schedule], start_h: Floats) -> ActionPlan:
    """The plan of N patients; `schedules` holds one for all or N; `parameters` is (N, K, np); `start_h` (N,)."""
    n = parameters.shape[0]
    key = _key(system, schedules, n, start_h)
    if key is None:
        return _made(system, parameters, schedules, start_h)
    return PROCESS.kept("plans", key, lambda: _made(system, parameters, schedules, start_h), most=KEPT_MAX)


def _key(system: System, schedules: Sequence[Schedule], n: int, start_h: Floats) -> Key | None:
    """What a plan depends on where parameters cannot move it; None where they can, or where it is large."""
    if len(schedules) != 1 or not n or n * len(schedules[0].doses) > KEPT_ROWS_MAX or (start_h != start_h[0]).any():
        return None
    fixed = all(r.op == "const" for u in system.inputs for r in _entry(u))
    return (system.digest, schedules[0], n, float(start_h[0])) if fixed else None


def _entry(u: Input) -> list[Expression]:
    return [u.bioavailability, u.lag, ZERO if u.duration is None else u.duration]


def _made(system: System, parameters: Floats, schedules: Sequence[Schedule], start_h: Floats) -> ActionPlan:
    n, shared = parameters.shape[0], len(schedules) == 1
    changes, resets = change_matrix(schedules), _reset_matrix(schedules)
    doses = flatten_doses(system, schedules)
    if shared and n > 1:
        doses = repeat_doses(doses, n)
        changes, resets = np.repeat(changes, n, axis=0), np.repeat(resets, n, axis=0)
    parts: list[tuple[Any, ...]] = []
    if changes.shape[1]:
        parts.append(_change_rows(changes, start_h))
    if resets.shape[1]:
        parts.append(_reset_rows(resets, start_h))
    if len(doses.who):
        parts += _dose_rows(system, parameters, doses, changes=changes, resets=resets, start_h=start_h)
    if not parts:
        none, whole = np.zeros(0), np.zeros(0, np.int64)
        return ActionPlan(np.zeros(n + 1, np.int64), none, whole, whole, none, none, none, none, whole)
    return _sorted(n, [np.concatenate([p[c] for p in parts]) for c in range(9)])


def _reset_matrix(schedules: Sequence[Schedule]) -> Floats:
    width = max((len(s.reset_times_h) for s in schedules), default=0)
    resets = np.full((len(schedules), width), np.inf)
    for i, s in enumerate(schedules):
        resets[i, : len(s.reset_times_h)] = sorted(s.reset_times_h)
    return resets


def flatten_doses(system: System, schedules: Sequence[Schedule]) -> Doses:
    """All doses as given, patient by patient."""
    rows = [(i, *d) for i, s in enumerate(schedules) for d in s.doses]
    if not rows:
        empty = np.zeros(0)
        return Doses(empty.astype(np.int64), empty, empty.astype(np.int64), empty, empty, empty, empty.astype(bool))
    who, time, name, amount, duration, interval, adds = zip(*rows, strict=True)
    index = system.input_index
    unknown = sorted(set(name) - set(index))
    if unknown:
        raise Refusal(
            RefusalCode.INVALID,
            f"system {system.name!r} has no input {unknown[0]!r}; known: {', '.join(index) or 'none'}",
            field="schedules.doses.input",
            reason="INPUT_UNKNOWN",
        )
    as_float = [np.array(x, dtype=np.float64) for x in (time, amount, duration, interval)]
    if not all(np.isfinite(x).all() for x in as_float) or min(as_float[2].min(), as_float[3].min()) < 0:
        raise Refusal(
            RefusalCode.INVALID,
            f"system {system.name!r}: a dose has a time, amount, duration or interval that is not finite, or a "
            "negative duration or interval",
            field="schedules.doses",
            reason="DOSE_INVALID",
        )
    inputs = np.array([index[x] for x in name], dtype=np.int64)
    time_h, amounts, durations, intervals = as_float
    return Doses(np.array(who, dtype=np.int64), time_h, inputs, amounts, durations, intervals, np.array(adds, bool))


def repeat_doses(doses: Doses, n: int) -> Doses:
    """The doses of one patient for each of `n`."""
    m = len(doses.who)
    pick = np.arange(n * m) % m
    return Doses._make([np.repeat(np.arange(n, dtype=np.int64), m), *(x[pick] for x in doses[1:])])


def _rows(who: Any, time: Any, kind: int, index: Any, value: Any, source: Any = None) -> tuple[Any, ...]:
    zero = np.zeros(len(who))
    source = np.full(len(who), -1, dtype=np.int64) if source is None else source
    return (who, time, np.full(len(who), kind, dtype=np.int64), index, value, zero, zero, zero, source)


def _change_rows(changes: Floats, start_h: Floats) -> tuple[Any, ...]:
    who, k = np.nonzero((changes >= start_h[:, None]) & np.isfinite(changes))
    return _rows(who, changes[who, k], CHANGE, k + 1, np.zeros(len(who)))


def _reset_rows(resets: Floats, start_h: Floats) -> tuple[Any, ...]:
    who, k = np.nonzero((resets >= start_h[:, None]) & np.isfinite(resets))
    return _rows(who, resets[who, k], RESET, np.zeros(len(who), dtype=np.int64), np.zeros(len(who)))


def _dose_rows(
    system: System, parameters: Floats, doses: Doses, *, changes: Floats, resets: Floats, start_h: Floats
) -> list[tuple[Any, ...]]:
    d, effective, stop = _effective(system, parameters, doses, changes)
    who, start = d.who, start_h[d.who]
    cancelled = _cancelling(d, resets)
    stop = np.minimum(stop, cancelled)
    keep = effective < cancelled
    infused = d.duration > 0.0
    state = np.array([system.state_index[u.state] for u in system.inputs], dtype=np.int64)[d.input]
    rate = d.amount / np.where(infused, d.duration, 1.0)
    now = keep & ~infused & (effective >= start)
    run = keep & infused & (stop > start)
    parts = [_rows(who[now], effective[now], BOLUS, state[now], d.amount[now], np.flatnonzero(now))]
    if run.any():
        begin, source = np.maximum(effective, start)[run], np.flatnonzero(run)
        parts.append(_rows(who[run], begin, START, state[run], rate[run], source))
        parts.append(_rows(who[run], stop[run], STOP, state[run], rate[run], source))
    steady = keep & (d.interval > 0.0)
    if steady.any():
        parts += _steady_rows(d, effective, state, steady & (d.time >= start))
        parts += _on_their_way(d, effective, cancelled, state, start, steady)
    return parts


def _effective(system: System, parameters: Floats, doses: Doses, changes: Floats) -> tuple[Doses, Floats, Floats]:
    """Doses as they enter: amount times bioavailability, time of entry (h), end of infusion (h)."""
    row = row_in_force(changes, doses.who, doses.time)
    amount, duration, lag = doses.amount.copy(), doses.duration.copy(), np.zeros(len(doses.who))
    for k, u in enumerate(system.inputs):
        mine = np.flatnonzero(doses.input == k)
        if not len(mine):
            continue
        values = _at(system, _entry(u), parameters, doses.who[mine], row[mine], doses.time[mine])
        if not np.isfinite(values).all() or (values[1:] < 0).any():
            raise Refusal(
                RefusalCode.INVALID,
                f"system {system.name!r}, input {u.name}: bioavailability, lag or duration is not finite or a time is "
                "negative for these parameters",
                field="parameters",
                reason="INPUT_PARAMETERS_INVALID",
            )
        amount[mine] *= values[0]
        lag[mine] = values[1]
        if u.duration is not None:
            duration[mine] = values[2]
    effective = doses.time + lag
    return doses._replace(amount=amount, duration=duration), effective, effective + duration


def row_in_force(changes: Floats, who: Ints, time: Floats) -> Ints:
    """The parameter row of patient `who` at `time`, after a change at that time."""
    if not changes.shape[1]:
        return np.zeros(len(who), np.int64)
    return np.asarray((changes[who] <= time[:, None]).sum(axis=1), np.int64)


def _at(
    system: System, roots: list[Expression], parameters: Floats, who: Ints, row: Ints, time: Floats
) -> NDArray[np.float64]:
    found = np.empty((len(roots), len(who)))
    if all(r.op == "const" for r in roots):
        found[:] = [[r.value] for r in roots]
        return found
    names = sorted(symbols_of(roots))
    columns = [time if s == "time" else parameters[who, row, system.parameter_index[s]] for s in names]
    for k, value in enumerate(array_function(roots, names)(*columns)):
        found[k] = value
    return found


def _cancelling(d: Doses, resets: Floats) -> Floats:
    """Time (h) of the first reset or replacing steady state after each dose was given; infinity without one."""
    if not resets.shape[1] and not d.interval.any():
        return np.full(len(d.who), np.inf)
    after: Floats = np.where(resets[d.who] > d.time[:, None], resets[d.who], np.inf).min(axis=1, initial=np.inf)
    replacing = np.flatnonzero((d.interval > 0.0) & ~d.adds)
    if not len(replacing):
        return after
    who = d.who[replacing]
    rank = np.arange(len(who)) - np.searchsorted(who, who)
    given = np.full((int(d.who.max()) + 1, int(rank.max()) + 1), -np.inf)
    given[who, rank] = d.time[replacing]
    later = np.where(given[d.who] > d.time[:, None], given[d.who], np.inf).min(axis=1)
    return np.asarray(np.minimum(after, later))


def _steady_rows(d: Doses, effective: Floats, state: Ints, which: NDArray[np.bool_]) -> list[tuple[Any, ...]]:
    """The steady state holds from the moment of the record; with a lag its dose enters later (NONMEM's order)."""
    parts = []
    for kind, mask in ((STEADY, which & ~d.adds), (STEADY_ADD, which & d.adds)):
        kinds = np.full(int(mask.sum()), kind, dtype=np.int64)
        wait = np.mod(effective[mask] - d.time[mask], d.interval[mask])
        parts.append(
            (
                d.who[mask],
                d.time[mask],
                kinds,
                state[mask],
                d.amount[mask],
                d.duration[mask],
                d.interval[mask],
                wait,
                np.flatnonzero(mask),
            )
        )
    return parts


def _on_their_way(
    d: Doses, effective: Floats, cancelled: Floats, state: Ints, start: Floats, which: NDArray[np.bool_]
) -> list[tuple[Any, ...]]:
    """Earlier doses of the repeated one that still run, or wait out their lag, when its steady state is entered."""
    parts = []
    lag = effective - d.time
    for j in np.flatnonzero(which & (d.duration + lag >= d.interval)):
        one, s, source = d.who[j : j + 1], state[j : j + 1], np.array([j])
        entered = max(d.time[j], start[j])
        for back in range(1, int((d.duration[j] + lag[j]) // d.interval[j]) + 1):
            enters = effective[j] - back * d.interval[j]
            if d.duration[j] == 0.0:
                if entered <= enters < cancelled[j]:
                    parts.append(_rows(one, np.array([enters]), BOLUS, s, d.amount[j : j + 1], source))
                continue
            rate, stop = d.amount[j : j + 1] / d.duration[j], min(enters + d.duration[j], cancelled[j])
            if stop > max(entered, enters):
                parts.append(_rows(one, np.array([max(entered, enters)]), START, s, rate, source))
                parts.append(_rows(one, np.array([stop]), STOP, s, rate, source))
    return parts


def _sorted(n: int, columns: list[NDArray[Any]]) -> ActionPlan:
    who, time, kind = columns[0].astype(np.int64), columns[1], columns[2]
    order = np.lexsort((kind, time, who))
    offset = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(who, minlength=n), out=offset[1:])
    c = [np.ascontiguousarray(x[order]) for x in columns]
    return ActionPlan(
        offset, c[1], c[2].astype(np.int64), c[3].astype(np.int64), c[4], c[5], c[6], c[7], c[8].astype(np.int64)
    )
