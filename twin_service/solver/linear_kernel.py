"""Exact propagation of linear systems, patient by patient: y(t + d) = exp(d [A b; 0 0]) [y; 1].

The exponential is by scaling and squaring of a Taylor polynomial of degree 12 on a norm of at most 1/4, where its
remainder is below the rounding unit. Exponentials of equal intervals are kept while the rates last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from twin_service.solver.action import BOLUS, CHANGE, RESET, START, STEADY, STOP
from twin_service.solver.lanes import Bools, Floats, Ints, njit_kernel, njit_part

KEPT = 12
LARGEST_SCALING = 1000


class LinearCourse(NamedTuple):
    """`matrix` (N, K, n, n) and `constant` (N, K, n) of each parameter row, `initial` (N, K, n); else as `Course`."""

    matrix: Floats
    constant: Floats
    initial: Floats
    row: Ints
    start: Floats
    state: Floats
    given: bool
    times: Floats
    after: Bools
    offset: Ints
    when: Floats
    kind: Ints
    target: Ints
    value: Floats
    steady: Floats


class Memory(NamedTuple):
    """Exponentials kept: interval (h), the version of the rates they belong to, the matrices, and working space."""

    interval: Floats
    version: Ints
    matrix: Floats
    work: Floats


@njit_kernel
def propagate(c: LinearCourse, members: Any, states: Any, rows: Any, final: Any, stop: Any) -> None:
    """States (N, nt, n), the parameter row in force at each output, and the final states of `members`."""
    n = c.matrix.shape[2]
    kept = Memory(np.empty(KEPT), np.empty(KEPT, np.int64), np.empty((KEPT, n + 1, n + 1)), np.empty((6, n + 1, n + 1)))
    y, rate, running = np.empty(n), np.empty(n), np.empty(n, np.int64)
    for m in members:
        if stop[0]:
            return
        kept.version[:] = -1
        for i in range(n):
            y[i] = c.state[m, i] if c.given else c.initial[m, 0, i]
        rate[:] = 0.0
        running[:] = 0
        _course(c, m, y, rate, running, kept, states, rows, final)


@njit_part
def _course(
    c: LinearCourse, m: int, y: Any, rate: Any, running: Any, kept: Memory, states: Any, rows: Any, final: Any
) -> None:
    which, nt = min(m, c.times.shape[0] - 1), c.times.shape[1]
    t, a, o, row = c.start[m], c.offset[m], 0, c.row[m]
    end = c.times[which, nt - 1] if nt else t
    version, latest = row, c.matrix.shape[1]
    while True:
        while o < nt and (c.times[which, o] < t or (c.times[which, o] == t and not c.after[which, o])):
            states[m, o], rows[m, o] = y, row
            o += 1
        if t >= end:
            final[m] = y
        while a < c.offset[m + 1] and c.when[a] <= t:
            if c.kind[a] == CHANGE:
                row = c.target[a]
            else:
                _act(c, m, a, row, y, rate, running)
            version = row
            if running.any():
                version = latest
                latest += 1
            a += 1
        while o < nt and c.times[which, o] <= t:
            states[m, o], rows[m, o] = y, row
            o += 1
        if t >= end:
            return
        following = end if o >= nt else c.times[which, o]
        if a < c.offset[m + 1]:
            following = min(following, c.when[a])
        _flow(c, m, row, rate, version, following - t, kept, y)
        t = following


@njit_part
def _act(c: LinearCourse, m: int, a: int, row: int, y: Any, rate: Any, running: Any) -> None:
    kind, i = c.kind[a], c.target[a]
    if kind == BOLUS:
        y[i] += c.value[a]
    elif kind == START or kind == STOP:
        step = 1 if kind == START else -1
        running[i] += step
        rate[i] = rate[i] + step * c.value[a] if running[i] else 0.0
    elif kind == RESET:
        y[:] = c.initial[m, row]
        rate[:] = 0.0
        running[:] = 0
    elif kind == STEADY:
        y[:] = c.steady[i]
    else:
        y[:] += c.steady[i]


@njit_part
def _flow(c: LinearCourse, m: int, row: int, rate: Any, version: int, interval: float, kept: Memory, y: Any) -> None:
    """y after `interval` h under the matrix of `row` and the infusions `rate`."""
    n = y.size
    slot = -1
    for k in range(KEPT):
        if kept.version[k] == version and kept.interval[k] == interval:
            slot = k
            break
    if slot < 0:
        slot = _free(kept, version)
        scaled = kept.work[0]
        scaled[:] = 0.0
        for i in range(n):
            for j in range(n):
                scaled[i, j] = c.matrix[m, row, i, j] * interval
            scaled[i, n] = (c.constant[m, row, i] + rate[i]) * interval
        exponential(scaled, kept.work, kept.matrix[slot])
        kept.version[slot], kept.interval[slot] = version, interval
    e, moved = kept.matrix[slot], kept.work[0, 0]
    for i in range(n):
        total = e[i, n]
        for j in range(n):
            total += e[i, j] * y[j]
        moved[i] = total
    for i in range(n):
        y[i] = moved[i]


@njit_part
def _free(kept: Memory, version: int) -> int:
    """A slot of an outdated version, or else the next in turn."""
    for k in range(KEPT):
        if kept.version[k] == -1 or kept.version[k] != version:
            return k
    first = 0
    for k in range(1, KEPT):
        kept.interval[k - 1], kept.version[k - 1] = kept.interval[k], kept.version[k]
        kept.matrix[k - 1] = kept.matrix[k]
        first = k
    return first


@njit_part
def exponential(a: Any, work: Any, out: Any) -> None:
    """out = exp(a); `work` holds six matrices of the same size, of which `a` may be the first."""
    n = a.shape[0]
    norm = 0.0
    for j in range(n):
        column = 0.0
        for i in range(n):
            column += abs(a[i, j])
        norm = max(norm, column)
    if not norm < 1e300:
        out[:] = np.nan
        return
    doublings = 0
    while norm > 0.25 and doublings < LARGEST_SCALING:
        norm *= 0.5
        doublings += 1
    x, x2, x3, p, q = work[1], work[2], work[3], work[4], work[5]
    factor = 0.5**doublings
    for i in range(n):
        for j in range(n):
            x[i, j] = a[i, j] * factor
    _multiply(x, x, x2)
    _multiply(x2, x, x3)
    _quadratic(x, x2, 9, p)
    for i in range(n):
        for j in range(n):
            p[i, j] += x3[i, j] / 479001600.0
    for k in (6, 3, 0):
        _multiply(x3, p, q)
        _quadratic(x, x2, k, p)
        for i in range(n):
            for j in range(n):
                p[i, j] += q[i, j]
    for _ in range(doublings):
        _multiply(p, p, q)
        for i in range(n):
            for j in range(n):
                p[i, j] = q[i, j]
    out[:] = p


@njit_part
def _quadratic(x: Any, x2: Any, first: int, out: Any) -> None:
    """out = 1/k! + x/(k+1)! + x2/(k+2)! with k = first."""
    c0 = 1.0
    for i in range(2, first + 1):
        c0 /= i
    c1 = c0 / (first + 1)
    c2 = c1 / (first + 2)
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            out[i, j] = c1 * x[i, j] + c2 * x2[i, j]
        out[i, i] += c0


@njit_part
def _multiply(a: Any, b: Any, out: Any) -> None:
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            out[i, j] = 0.0
        for k in range(n):
            v = a[i, k]
            if v != 0.0:
                for j in range(n):
                    out[i, j] += v * b[k, j]
