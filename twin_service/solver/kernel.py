"""Drive generated code over many patients: one lane each, with its own time, step size and schedule.

When a patient ends, its lane takes the next one. Lanes never exchange a number, so a result does not depend on who else
is in the batch. The kernel knows no model; Numba compiles it once and keeps it in its cache, and it holds no lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twin_service.solver import tangents
from twin_service.solver.action import BOLUS, CHANGE, RESET, START, STEADY, STOP
from twin_service.solver.lanes import (
    CANCELLED,
    FINISHED,
    NOT_FINITE,
    TOO_MANY,
    TOO_SMALL,
    Course,
    Functions,
    Lanes,
    Result,
    Tangents,
    call1,
    call2,
    njit_bare_kernel,
    njit_bare_part,
)
from twin_service.solver.layout import Layout

MAX_REJECTED = 40
GROWTH, SHRINKAGE = 6.0, 0.1


@njit_bare_kernel
def drive(
    f: Functions,
    at: Layout,
    ws: Any,
    width: int,
    tol: Any,
    members: Any,
    c: Course,
    r: Result,
    g: Tangents,
    limits: Any,
    stop: Any,
    lanes: Lanes,
) -> None:
    """Solve all `members`; `limits` holds the greatest number of steps, `stop[0]` ends the run when it turns 1."""
    n = c.steady.shape[1]
    base, tolerances = ws.ctypes.data, tol.ctypes.data
    taken = 0
    while True:
        busy = 0
        for lane in range(width):
            while lanes.member[lane] < 0 and taken < members.size:
                lanes.member[lane], lanes.first[lane] = members[taken], g.first[taken] if g.each else 0
                taken += 1
                _load(f, at, ws, width, lanes, lane, c, g)
                _arrive(f, at, ws, width, tol, lanes, lane, c, r, g)
            busy += lanes.member[lane] >= 0
        if busy == 0:
            return
        if stop[0]:
            _cancel(at, ws, width, lanes, members, taken, r)
            return
        _choose_steps(at, ws, width, lanes)
        call2(f.attempt, base, tolerances)
        _judge(at, ws, width, n, lanes, c, r, limits)
        if g.each:
            tangents.advance(g, base)
        _observe(f, at, ws, width, lanes, c, r, g)
        call1(f.commit, base)
        if g.each:
            tangents.adopt(g, base)
        for lane in range(width):
            if lanes.member[lane] >= 0 and ws[at.accept * width + lane] > 0.0:
                if lanes.lands[lane]:
                    ws[at.t * width + lane] = lanes.boundary[lane]
                    _arrive(f, at, ws, width, tol, lanes, lane, c, r, g)
                else:
                    ws[at.t * width + lane] += ws[at.h * width + lane]


def new_lanes(width: int, n: int) -> Lanes:
    return Lanes(
        np.full(width, -1, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width),
        np.zeros(width),
        np.zeros(width),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros((width, n), np.int64),
        np.zeros(width, np.int64),
    )


@njit_bare_part
def _load(f: Functions, at: Layout, ws: Any, width: int, lanes: Lanes, lane: int, c: Course, g: Tangents) -> None:
    """Put the lane's new member at its start."""
    n, m = c.steady.shape[1], lanes.member[lane]
    lanes.action[lane], lanes.output[lane], lanes.steps[lane], lanes.rejected[lane] = c.offset[m], 0, 0, 0
    lanes.kick[lane] = 0.0
    ws[at.t * width + lane] = c.start[m]
    for i in range(n):
        ws[(at.rate + i) * width + lane] = 0.0
        lanes.running[lane, i] = 0
    if c.given:
        for i in range(n):
            ws[(at.y + i) * width + lane] = c.state[m, i]
    else:
        _set_row(f, at, ws, width, lane, c.parameters[m, 0])
        _set_initial(f, at, ws, width, n, lane)
    if g.each:
        tangents.load(g, ws, width, n, lane, lanes.first[lane], c.given)
    _set_row(f, at, ws, width, lane, c.parameters[m, c.row[m]])
    if g.each:
        tangents.prepare(g, ws.ctypes.data)


@njit_bare_part
def _set_row(f: Functions, at: Layout, ws: Any, width: int, lane: int, p: Any) -> None:
    for i in range(p.size):
        ws[(at.p + i) * width + lane] = p[i]
    call1(f.prepare, ws.ctypes.data)


@njit_bare_part
def _set_initial(f: Functions, at: Layout, ws: Any, width: int, n: int, lane: int) -> None:
    call1(f.initial, ws.ctypes.data)
    for i in range(n):
        ws[(at.y + i) * width + lane] = ws[(at.full + i) * width + lane]


@njit_bare_part
def _arrive(
    f: Functions, at: Layout, ws: Any, width: int, tol: Any, lanes: Lanes, lane: int, c: Course, r: Result, g: Tangents
) -> None:
    """At a boundary: outputs before the actions, the actions, outputs after them, and the way to the next boundary."""
    m, t = lanes.member[lane], ws[at.t * width + lane]
    row = min(m, c.times.shape[0] - 1)
    nt, n = c.times.shape[1], c.steady.shape[1]
    end = c.times[row, nt - 1] if nt else t
    _seen_at(f, at, ws, width, lanes, lane, c, r, g, t, False)
    if t >= end:
        for i in range(n):
            r.final[m, i] = ws[(at.y + i) * width + lane]
        if g.each:
            tangents.store_final(g, width, n, lane, lanes.first[lane], m)
    while lanes.action[lane] < c.offset[m + 1] and c.when[lanes.action[lane]] <= t:
        _act(f, at, ws, width, lanes, lane, c, g)
        lanes.action[lane] += 1
    _seen_at(f, at, ws, width, lanes, lane, c, r, g, t, True)
    if t >= end or r.code[m] != FINISHED:
        r.steps[m] = lanes.steps[lane]
        lanes.member[lane] = -1
        return
    lanes.boundary[lane] = end
    if lanes.action[lane] < c.offset[m + 1]:
        lanes.boundary[lane] = min(end, c.when[lanes.action[lane]])
    lanes.fresh[lane] = 1
    if lanes.kick[lane] > 0.0:
        lanes.ahead[lane] = lanes.kick[lane]
    else:
        lanes.ahead[lane] = _first_step(f, at, ws, width, n, tol, lane)


@njit_bare_part
def _act(f: Functions, at: Layout, ws: Any, width: int, lanes: Lanes, lane: int, c: Course, g: Tangents) -> None:
    a, m = lanes.action[lane], lanes.member[lane]
    kind, i, n = c.kind[a], c.target[a], c.steady.shape[1]
    if g.each:
        tangents.before_action(g, f.slope, at.k, ws, width, n, lane, lanes.first[lane], a)
    if kind == CHANGE:
        _set_row(f, at, ws, width, lane, c.parameters[m, i])
    elif kind == BOLUS:
        ws[(at.y + i) * width + lane] += c.value[a]
    elif kind == START or kind == STOP:
        step = 1 if kind == START else -1
        lanes.running[lane, i] += step
        place = (at.rate + i) * width + lane
        # Exactly zero when nothing runs: differences of rates would leave a remainder.
        ws[place] = ws[place] + step * c.value[a] if lanes.running[lane, i] else 0.0
    elif kind == RESET:
        _set_initial(f, at, ws, width, n, lane)
    else:
        for k in range(n):
            place = (at.y + k) * width + lane
            ws[place] = c.steady[i, k] if kind == STEADY else ws[place] + c.steady[i, k]
    if g.each:
        tangents.after_action(g, f.slope, at.k, ws, width, n, lane, lanes.first[lane], a, kind, i, lanes.running)


@njit_bare_part
def _seen_at(
    f: Functions,
    at: Layout,
    ws: Any,
    width: int,
    lanes: Lanes,
    lane: int,
    c: Course,
    r: Result,
    g: Tangents,
    t: float,
    after: bool,
) -> None:
    """Store the outputs due at the boundary time `t`: those before its actions, then all."""
    m = lanes.member[lane]
    row, nt, n = min(m, c.times.shape[0] - 1), c.times.shape[1], c.steady.shape[1]
    while lanes.output[lane] < nt:
        o = lanes.output[lane]
        if c.times[row, o] > t or (c.after[min(m, c.after.shape[0] - 1), o] and not after):
            return
        call1(f.seen_now, ws.ctypes.data)
        _store_seen(at, ws, width, lane, r, m, o)
        if r.keep:
            for i in range(n):
                r.states[m, o, i] = ws[(at.y + i) * width + lane]
        if g.each:
            tangents.see(g, g.functions[6], ws.ctypes.data)
            tangents.store_seen(g, width, lane, lanes.first[lane], m, o)
        lanes.output[lane] += 1


@njit_bare_part
def _store_seen(at: Layout, ws: Any, width: int, lane: int, r: Result, m: int, o: int) -> None:
    for i in range(r.outputs.shape[2]):
        value = ws[(at.seen + i) * width + lane]
        r.outputs[m, o, i] = value
        if not np.isfinite(value) and r.code[m] == FINISHED:
            r.code[m], r.at[m], r.which[m] = NOT_FINITE, ws[at.t * width + lane], -1 - i


@njit_bare_part
def _first_step(f: Functions, at: Layout, ws: Any, width: int, n: int, tol: Any, lane: int) -> float:
    """A hundredth of the time in which the state would change by itself (Hairer, Norsett & Wanner 1993, II.4)."""
    call1(f.slope, ws.ctypes.data)
    size, speed = 0.0, 0.0
    for i in range(n):
        y = ws[(at.y + i) * width + lane]
        weight = tol[0] * abs(y) + tol[1 + i]
        size += (y / weight) ** 2
        speed += (ws[(at.k + i) * width + lane] / weight) ** 2
    size, speed = np.sqrt(size / n), np.sqrt(speed / n)
    if size < 1e-5 or not speed > 1e-5 or not np.isfinite(size) or not np.isfinite(speed):
        return 1e-6
    return float(0.01 * size / speed)


@njit_bare_part
def _choose_steps(at: Layout, ws: Any, width: int, lanes: Lanes) -> None:
    for lane in range(width):
        if lanes.member[lane] < 0:
            continue
        h = lanes.ahead[lane]
        left = lanes.boundary[lane] - ws[at.t * width + lane]
        lanes.lands[lane] = 0
        if 1.0001 * h >= left:
            h = left
            lanes.lands[lane] = 1
        elif 2.0 * h > left:
            h = 0.5 * left
        ws[at.h * width + lane] = h


@njit_bare_part
def _judge(at: Layout, ws: Any, width: int, n: int, lanes: Lanes, c: Course, r: Result, limits: Any) -> None:
    """Accept or reject each lane's step and choose its next one."""
    for lane in range(width):
        ws[at.accept * width + lane] = 0.0
        if lanes.member[lane] < 0:
            continue
        error, growth, h = ws[at.error * width + lane], ws[at.growth * width + lane], ws[at.h * width + lane]
        lanes.steps[lane] += 1
        if error <= 1.0:
            ws[at.accept * width + lane] = 1.0
            growth = min(GROWTH, max(0.2, growth))
            if lanes.fresh[lane]:
                lanes.kick[lane] = h * growth
                lanes.fresh[lane] = 0
            if lanes.rejected[lane] > 0:
                growth = min(1.0, growth)
            lanes.ahead[lane] = h * growth
            lanes.rejected[lane] = 0
            if lanes.steps[lane] >= limits[0]:
                _fail(at, ws, width, n, lanes, lane, r, TOO_MANY)
        else:
            lanes.rejected[lane] += 1
            lanes.ahead[lane] = h * (max(SHRINKAGE, growth) if growth > 0.0 else SHRINKAGE)
            t = ws[at.t * width + lane]
            if lanes.rejected[lane] > MAX_REJECTED or t + 0.1 * lanes.ahead[lane] == t:
                _fail(at, ws, width, n, lanes, lane, r, TOO_SMALL if np.isfinite(error) else NOT_FINITE)


@njit_bare_part
def _fail(at: Layout, ws: Any, width: int, n: int, lanes: Lanes, lane: int, r: Result, code: int) -> None:
    """Record why and where, naming the first undefined state or the one that moves most for its size."""
    m = lanes.member[lane]
    worst, which = -1.0, 0
    for i in range(n):
        new, old = ws[(at.new + i) * width + lane], ws[(at.y + i) * width + lane]
        if not np.isfinite(new):
            which = i
            break
        if abs(new - old) > worst * abs(old):
            worst, which = abs(new - old) / max(abs(old), 1e-300), i
    r.code[m], r.at[m], r.which[m], r.steps[m] = code, ws[at.t * width + lane], which, lanes.steps[lane]
    lanes.member[lane] = -1
    ws[at.accept * width + lane] = 0.0


@njit_bare_part
def _observe(f: Functions, at: Layout, ws: Any, width: int, lanes: Lanes, c: Course, r: Result, g: Tangents) -> None:
    """Outputs inside the steps just accepted, one of every lane at a time."""
    nt, n = c.times.shape[1], c.steady.shape[1]
    due = lanes.due
    while True:
        pending = 0
        for lane in range(width):
            due[lane] = 0
            m, o = lanes.member[lane], lanes.output[lane]
            if m < 0 or o >= nt or ws[at.accept * width + lane] == 0.0:
                continue
            t, h = ws[at.t * width + lane], ws[at.h * width + lane]
            time = c.times[min(m, c.times.shape[0] - 1), o]
            inside = time < lanes.boundary[lane] if lanes.lands[lane] else time <= t + h
            if inside:
                ws[at.theta * width + lane] = min(1.0, (time - t) / h)
                due[lane] = 1
                pending += 1
        if pending == 0:
            return
        call1(f.observe, ws.ctypes.data)
        if r.keep:
            call1(f.states, ws.ctypes.data)
        if g.each:
            tangents.see(g, g.functions[5], ws.ctypes.data)
        for lane in range(width):
            if due[lane]:
                m, o = lanes.member[lane], lanes.output[lane]
                _store_seen(at, ws, width, lane, r, m, o)
                if r.keep:
                    for i in range(n):
                        r.states[m, o, i] = ws[(at.full + i) * width + lane]
                if g.each:
                    tangents.store_seen(g, width, lane, lanes.first[lane], m, o)
                lanes.output[lane] += 1


@njit_bare_part
def _cancel(at: Layout, ws: Any, width: int, lanes: Lanes, members: Any, taken: int, r: Result) -> None:
    for lane in range(width):
        m = lanes.member[lane]
        if m >= 0:
            r.code[m], r.at[m] = CANCELLED, ws[at.t * width + lane]
    for k in range(taken, members.size):
        r.code[members[k]] = CANCELLED
