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
    Functions,
    LaneJob,
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
SHRINKAGE = 0.1


@njit_bare_kernel
def drive(
    f: Functions,
    at: Layout,
    ws: Any,
    width: int,
    tol: Any,
    members: Any,
    c: LaneJob,
    r: Result,
    g: Tangents,
    limits: Any,
    stop: Any,
    lanes: Lanes,
) -> None:
    """Solve all `members`; `limits` holds the greatest number of steps, `stop[0]` ends the run when it turns 1."""
    n = c.steady.shape[1]
    base, tolerances = ws.ctypes.data, tol.ctypes.data
    for lane in range(width):
        ws[at.limit * width + lane], ws[at.active * width + lane] = limits[0], 0.0
    taken, free = 0, True
    while True:
        if free:
            busy, free = 0, False
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
        call1(f.choose, base)
        call2(f.attempt, base, tolerances)
        call1(f.judge, base)
        if ws[at.rare * width] != 0.0:
            _judge_rare(at, ws, width, n, lanes, r)
            call1(f.find_due, base)
            free = True
        if g.each:
            tangents.advance(g, base)
            call1(f.find_due, base)  # it uses the place of theta for the times of its stages
        while ws[at.pending * width] != 0.0:
            _observe(f, at, ws, width, lanes, c, r, g)
            call1(f.find_due, base)
        call1(f.commit, base)
        if g.each:
            tangents.adopt(g, base)
        call1(f.advance, base)
        if ws[at.arrived * width] != 0.0:
            free = True
            for lane in range(width):
                place = at.accept * width + lane
                if ws[place] != 0.0 and ws[at.lands * width + lane] != 0.0:
                    _arrive(f, at, ws, width, tol, lanes, lane, c, r, g)


def new_lanes(width: int, n: int) -> Lanes:
    return Lanes(
        np.full(width, -1, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros((width, n), np.int64),
    )


@njit_bare_part
def _load(f: Functions, at: Layout, ws: Any, width: int, lanes: Lanes, lane: int, c: LaneJob, g: Tangents) -> None:
    """Put the lane's new member at its start."""
    n, m = c.steady.shape[1], lanes.member[lane]
    lanes.action[lane], lanes.output[lane] = c.offset[m], 0
    ws[at.steps * width + lane], ws[at.rejected * width + lane], ws[at.active * width + lane] = 0.0, 0.0, 1.0
    ws[at.kick * width + lane] = 0.0
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
    f: Functions, at: Layout, ws: Any, width: int, tol: Any, lanes: Lanes, lane: int, c: LaneJob, r: Result, g: Tangents
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
        r.steps[m] = int(ws[at.steps * width + lane])
        lanes.member[lane] = -1
        ws[at.active * width + lane] = 0.0
        return
    ws[at.boundary * width + lane] = end
    if lanes.action[lane] < c.offset[m + 1]:
        ws[at.boundary * width + lane] = min(end, c.when[lanes.action[lane]])
    ws[at.fresh * width + lane] = 1.0
    ws[at.reach * width + lane] = 0.0
    _next_time(at, ws, width, lanes, lane, c)
    if ws[at.kick * width + lane] > 0.0:
        ws[at.ahead * width + lane] = ws[at.kick * width + lane]
    else:
        ws[at.ahead * width + lane] = _first_step(f, at, ws, width, n, tol, lane)


@njit_bare_part
def _act(f: Functions, at: Layout, ws: Any, width: int, lanes: Lanes, lane: int, c: LaneJob, g: Tangents) -> None:
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
    c: LaneJob,
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
def _judge_rare(at: Layout, ws: Any, width: int, n: int, lanes: Lanes, r: Result) -> None:
    """Rejected steps and members that have used up theirs; generated code has judged the rest."""
    for lane in range(width):
        if lanes.member[lane] < 0:
            continue
        error, growth, h = ws[at.error * width + lane], ws[at.growth * width + lane], ws[at.h * width + lane]
        if error <= 1.0:
            if ws[at.steps * width + lane] >= ws[at.limit * width + lane]:
                _fail(at, ws, width, n, lanes, lane, r, TOO_MANY)
        else:
            ws[at.rejected * width + lane] += 1.0
            ahead = h * (max(SHRINKAGE, growth) if growth > 0.0 else SHRINKAGE)
            ws[at.ahead * width + lane] = ahead
            t = ws[at.t * width + lane]
            if ws[at.rejected * width + lane] > MAX_REJECTED or t + 0.1 * ahead == t:
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
    r.code[m], r.at[m], r.which[m], r.steps[m] = code, ws[at.t * width + lane], which, int(ws[at.steps * width + lane])
    lanes.member[lane] = -1
    ws[at.active * width + lane] = 0.0
    ws[at.accept * width + lane] = 0.0


@njit_bare_part
def _next_time(at: Layout, ws: Any, width: int, lanes: Lanes, lane: int, c: LaneJob) -> None:
    m, o = lanes.member[lane], lanes.output[lane]
    coming = c.times[min(m, c.times.shape[0] - 1), o] if o < c.times.shape[1] else np.inf
    ws[at.coming * width + lane] = coming


@njit_bare_part
def _observe(f: Functions, at: Layout, ws: Any, width: int, lanes: Lanes, c: LaneJob, r: Result, g: Tangents) -> None:
    """Outputs inside the steps just accepted, one of every lane."""
    n = c.steady.shape[1]
    call1(f.observe, ws.ctypes.data)
    if r.keep:
        call1(f.states, ws.ctypes.data)
    if g.each:
        tangents.see(g, g.functions[5], ws.ctypes.data)
    for lane in range(width):
        if ws[at.due * width + lane] != 0.0:
            m, o = lanes.member[lane], lanes.output[lane]
            _store_seen(at, ws, width, lane, r, m, o)
            if r.keep:
                for i in range(n):
                    r.states[m, o, i] = ws[(at.full + i) * width + lane]
            if g.each:
                tangents.store_seen(g, width, lane, lanes.first[lane], m, o)
            lanes.output[lane] += 1
            _next_time(at, ws, width, lanes, lane, c)


@njit_bare_part
def _cancel(at: Layout, ws: Any, width: int, lanes: Lanes, members: Any, taken: int, r: Result) -> None:
    for lane in range(width):
        m = lanes.member[lane]
        if m >= 0:
            r.code[m], r.at[m] = CANCELLED, ws[at.t * width + lane]
    for k in range(taken, members.size):
        r.code[members[k]] = CANCELLED
