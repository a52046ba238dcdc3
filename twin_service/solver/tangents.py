"""The part of the kernel that carries sensitivities along: several directions in every lane, on the lane's own steps.

A jump in a dose's amount or time moves the sensitivity by the derivative of the jump: with y+ = y- + a at time T,
s+ = s- + da + (f(y-) - f(y+)) dT.
"""

from __future__ import annotations

from typing import Any

from twin_service.solver.action import BOLUS, CHANGE, RESET, START, STEADY, STOP
from twin_service.solver.lanes import Tangents, call1, call2, call3, njit_bare_part


@njit_bare_part
def _address(g: Tangents, width: int, d: int) -> Any:
    return g.dirs.ctypes.data + 8 * width * g.place.size * d


@njit_bare_part
def _width(g: Tangents) -> Any:
    return g.dirs.size // (g.place.size * g.each)


@njit_bare_part
def advance(g: Tangents, base: int) -> None:
    es, width = g.es.ctypes.data, _width(g)
    call2(g.functions[2], base, es)
    for d in range(g.each):
        call3(g.functions[3], base, es, _address(g, width, d))


@njit_bare_part
def adopt(g: Tangents, base: int) -> None:
    width = _width(g)
    for d in range(g.each):
        call2(g.functions[4], base, _address(g, width, d))


@njit_bare_part
def see(g: Tangents, function: int, base: int) -> None:
    width = _width(g)
    for d in range(g.each):
        call2(function, base, _address(g, width, d))


@njit_bare_part
def prepare(g: Tangents, base: int) -> None:
    width = _width(g)
    for d in range(g.each):
        call2(g.functions[0], base, _address(g, width, d))


@njit_bare_part
def load(g: Tangents, ws: Any, width: int, n: int, lane: int, first: int, given: bool) -> None:
    """Directions of a patient at its start, with the first parameter row in force."""
    p = g.place
    for d in range(g.each):
        w, origin = first + d, g.place.size * d
        for i in range(p.dp, p.size):
            g.dirs[(origin + i) * width + lane] = 0.0
        if w >= g.parameter.size:
            continue
        if g.parameter[w] >= 0:
            g.dirs[(origin + p.dp + g.parameter[w]) * width + lane] = 1.0
        if not given:
            _restart(g, ws, width, n, lane, d)
        if g.state[w] >= 0:
            g.dirs[(origin + p.s + g.state[w]) * width + lane] += 1.0


@njit_bare_part
def _restart(g: Tangents, ws: Any, width: int, n: int, lane: int, d: int) -> None:
    """The sensitivity of the initial values."""
    p, origin = g.place, g.place.size * d
    call2(g.functions[1], ws.ctypes.data, _address(g, width, d))
    for i in range(n):
        g.dirs[(origin + p.s + i) * width + lane] = g.dirs[(origin + p.ahead + i) * width + lane]


@njit_bare_part
def before_action(g: Tangents, slope: int, k: int, ws: Any, width: int, n: int, lane: int, first: int, a: int) -> None:
    _shift(g, slope, k, ws, width, n, lane, first, a, 1.0)


@njit_bare_part
def after_action(
    g: Tangents,
    slope: int,
    k: int,
    ws: Any,
    width: int,
    n: int,
    lane: int,
    first: int,
    a: int,
    kind: int,
    index: int,
    running: Any,
) -> None:
    """The derivative of what action `a` did to state, infusion, parameters."""
    p = g.place
    if kind == CHANGE:
        prepare(g, ws.ctypes.data)
    for d in range(g.each):
        w, origin = first + d, p.size * d
        if w >= g.parameter.size:
            continue
        if kind == BOLUS:
            g.dirs[(origin + p.s + index) * width + lane] += g.value[a, w]
        elif kind == START or kind == STOP:
            place = (origin + p.rate + index) * width + lane
            sign = 1.0 if kind == START else -1.0
            g.dirs[place] = g.dirs[place] + sign * g.value[a, w] if running[lane, index] else 0.0
        elif kind == RESET:
            _restart(g, ws, width, n, lane, d)
        elif kind != CHANGE:
            for i in range(n):
                place = (origin + p.s + i) * width + lane
                g.dirs[place] = g.steady[index, w, i] + (0.0 if kind == STEADY else g.dirs[place])
    _shift(g, slope, k, ws, width, n, lane, first, a, -1.0)


@njit_bare_part
def _shift(
    g: Tangents, slope: int, k: int, ws: Any, width: int, n: int, lane: int, first: int, a: int, sign: float
) -> None:
    """s += sign * f * dT for the directions that move the time of action `a`."""
    known = False
    for d in range(g.each):
        w = first + d
        if w >= g.parameter.size or g.time[a, w] == 0.0:
            continue
        if not known:
            call1(slope, ws.ctypes.data)
            known = True
        for i in range(n):
            place = (g.place.size * d + g.place.s + i) * width + lane
            g.dirs[place] += sign * g.time[a, w] * ws[(k + i) * width + lane]


@njit_bare_part
def store_seen(g: Tangents, width: int, lane: int, first: int, m: int, o: int) -> None:
    for d in range(g.each):
        if first + d < g.parameter.size:
            for i in range(g.outputs.shape[2]):
                g.outputs[m, o, i, first + d] = g.dirs[(g.place.size * d + g.place.seen + i) * width + lane]


@njit_bare_part
def store_final(g: Tangents, width: int, n: int, lane: int, first: int, m: int) -> None:
    for d in range(g.each):
        if first + d < g.parameter.size:
            for i in range(n):
                g.final[m, i, first + d] = g.dirs[(g.place.size * d + g.place.s + i) * width + lane]
