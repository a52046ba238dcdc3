"""Step control of all lanes at once as LLVM IR: selections, no branches, because the lanes' ways part at random.

choose(ws)     h and whether it lands on the boundary        judge(ws)    accept and the next step, then `find_due`
find_due(ws)   lanes with an output inside the step, theta   advance(ws)  time, where accepted
`rare`, `pending` and `arrived` say in their first number whether any lane needs the driver.
"""

from __future__ import annotations

import math

from twin_service.solver.layout import Layout
from twin_service.solver.writer import FunctionWriter

Made = tuple[FunctionWriter, str]
GROWTH, LEAST = 6.0, 0.2
KICK = 100.0
"""The first step after a jump is a guess and usually far too small."""
TREND = 1.3
"""Where the affordable step itself grows or shrinks, it goes on by at most this factor."""


class _Lanes:
    def __init__(self, place: Layout, w: FunctionWriter) -> None:
        self.place, self.w = place, w

    def get(self, name: str) -> str:
        return self.w.load("%ws", getattr(self.place, name))

    def put(self, name: str, value: str) -> None:
        self.w.store(value, "%ws", getattr(self.place, name))

    def flag(self, name: str) -> str:
        return self.w.compare("ogt", self.get(name), self.w.number(0.5))

    def put_flag(self, name: str, flag: str) -> None:
        self.put(name, self.w.select(flag, self.w.number(1.0), self.w.number(0.0)))

    def put_any(self, name: str, flag: str) -> None:
        w = self.w
        if w.width == 1:
            any_ = flag
        else:
            bits = w.emit(f"bitcast {w.flag} {flag} to i{w.width}")
            any_ = w.emit(f"icmp ne i{w.width} {bits}, 0")
        value = w.emit(f"select i1 {any_}, double 1.0, double 0.0")
        address = w.slot("%ws", getattr(self.place, name))
        w.lines.append(f"  store double {value}, ptr {address}, align 8")


def choose_function(place: Layout, w: FunctionWriter) -> Made:
    at = _Lanes(place, w)
    ahead, left = at.get("ahead"), w.sub(at.get("boundary"), at.get("t"))
    lands = w.compare("oge", w.mul(ahead, w.number(1.0001)), left)
    halves = w.compare("ogt", w.add(ahead, ahead), left)
    h = w.select(lands, left, w.select(halves, w.mul(left, w.number(0.5)), ahead))
    at.put("h", w.select(at.flag("active"), h, at.get("h")))
    at.put_flag("lands", lands)
    return w, w.function("choose", ("ws",), internal=False)


def judge_function(place: Layout, w: FunctionWriter) -> Made:
    at = _Lanes(place, w)
    one, zero = w.number(1.0), w.number(0.0)
    h, growth, active, fresh = at.get("h"), at.get("growth"), at.flag("active"), at.flag("fresh")
    good = w.compare("ole", at.get("error"), one)
    taken = w.logic("and", good, active)
    calm = w.compare("olt", at.get("rejected"), w.number(0.5))
    reach, before = w.mul(h, growth), at.get("reach")
    trend = _clamp(w, w.div(reach, before), 1.0 / TREND, TREND)
    known = w.logic("and", calm, w.compare("ogt", before, zero))
    factor = w.mul(growth, w.select(known, trend, one))
    most = w.select(calm, w.select(fresh, w.number(KICK), w.number(GROWTH)), one)
    low = w.number(LEAST)
    factor = w.select(w.compare("ogt", factor, low), factor, low)
    factor = w.select(w.compare("olt", factor, most), factor, most)
    ahead = w.mul(h, factor)
    steps = w.add(at.get("steps"), w.select(active, one, zero))
    at.put("steps", steps)
    at.put_flag("accept", taken)
    at.put("ahead", w.select(taken, ahead, at.get("ahead")))
    at.put("kick", w.select(w.logic("and", taken, fresh), ahead, at.get("kick")))
    at.put("reach", w.select(taken, w.select(fresh, zero, reach), before))
    at.put("fresh", w.select(taken, zero, at.get("fresh")))
    at.put("rejected", w.select(taken, zero, at.get("rejected")))
    odd = w.logic("or", w.opposite(good), w.compare("oge", steps, at.get("limit")))
    at.put_any("rare", w.logic("and", active, odd))
    _due(at, taken)
    return w, w.function("judge", ("ws",), internal=False)


def due_function(place: Layout, w: FunctionWriter) -> Made:
    at = _Lanes(place, w)
    _due(at, at.flag("accept"))
    return w, w.function("find_due", ("ws",), internal=False)


def advance_function(place: Layout, w: FunctionWriter) -> Made:
    at = _Lanes(place, w)
    accept, lands, t = at.flag("accept"), at.flag("lands"), at.get("t")
    there = w.select(lands, at.get("boundary"), w.add(t, at.get("h")))
    at.put("t", w.select(accept, there, t))
    at.put_any("arrived", w.logic("and", accept, lands))
    return w, w.function("advance", ("ws",), internal=False)


def _due(at: _Lanes, taken: str) -> None:
    w = at.w
    coming, t, h, lands = at.get("coming"), at.get("t"), at.get("h"), at.flag("lands")
    before = w.compare("olt", coming, at.get("boundary"))
    within = w.compare("ole", coming, w.add(t, h))
    inside = w.emit(f"select {w.flag} {lands}, {w.flag} {before}, {w.flag} {within}")
    due = w.logic("and", inside, taken)
    theta = w.div(w.sub(coming, t), h)
    theta = w.select(w.compare("olt", theta, w.number(1.0)), theta, w.number(1.0))
    at.put("theta", w.select(due, theta, at.get("theta")))
    at.put_flag("due", due)
    at.put_any("pending", due)


def _clamp(w: FunctionWriter, x: str, low: float, high: float) -> str:
    assert math.isfinite(low) and math.isfinite(high)
    x = w.select(w.compare("ogt", x, w.number(low)), x, w.number(low))
    return w.select(w.compare("olt", x, w.number(high)), x, w.number(high))
