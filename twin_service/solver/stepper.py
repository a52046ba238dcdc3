"""The step of a Rosenbrock method as LLVM IR: loops over the states around the generated `rates`, `factor`, `solve`."""

from __future__ import annotations

from collections.abc import Callable

from twin_service.solver import elementary
from twin_service.solver.layout import Layout
from twin_service.solver.tableau import Tableau
from twin_service.solver.writer import FunctionWriter

SAFETY = 0.9


def commit_function(n: int, place: Layout, w: FunctionWriter) -> tuple[FunctionWriter, str]:
    """y = new in the lanes that accepted their step."""
    accepted = w.compare("ogt", w.load("%ws", place.accept), w.number(0.5))
    old, new = w.slot("%ws", place.y), w.slot("%ws", place.new)
    i = w.begin_loop(n)
    w.store(w.select(accepted, w.load(new, i), w.load(old, i)), old, i)
    w.end_loop()
    return w, w.function("commit", ("ws",), internal=False)


def slope_function(n: int, place: Layout, w: FunctionWriter) -> tuple[FunctionWriter, str]:
    """The first increment's place = f(t, y) + infusions."""
    target = w.slot("%ws", place.k)
    i = w.begin_loop(n)
    w.store(w.number(0.0), target, i)
    w.end_loop()
    w.call("rates", "%ws", w.slot("%ws", place.t), w.slot("%ws", place.y), target)
    return w, w.function("slope", ("ws",), internal=False)


def step_function(m: Tableau, shape: tuple[int, bool], place: Layout, w: FunctionWriter) -> tuple[FunctionWriter, str]:
    """attempt(ws, tol): new state, squared error norm and the factor by which the step may grow.

    `shape` is the number of states and whether rates depend on time explicitly.
    """
    n, drifts = shape
    h = w.load("%ws", place.h)
    inverse = w.div(w.number(1.0), h)
    k = [w.slot("%ws", place.k + s * n) for s in range(m.stages)]
    y, stage, t = (w.slot("%ws", x) for x in (place.y, place.stage, place.t))
    growth = w.slot("%ws", place.growth)
    w.store(w.mul(inverse, w.number(1.0 / m.gamma)), growth)
    w.call("factor", "%ws", growth, k[0])
    if drifts:
        _add_drift(m.gamma_t[0], n, (h, k[0]), place, w)
    w.call("solve", "%ws", k[0])
    moment = w.slot("%ws", place.theta)
    for s in range(1, m.stages):
        _combine(m, s, (n, drifts), (y, stage, k), steps=(h, inverse), place=place, w=w)
        if drifts:
            w.store(w.fma(h, w.number(m.alpha[s]), w.load(t)), moment)
        w.call("rates", "%ws", moment if drifts else t, stage, k[s])
        w.call("solve", "%ws", k[s])
    _finish(m, n, (y, stage, k[-1]), place, w)
    return w, w.function("attempt", ("ws", "tol"), internal=False)


def _add_drift(factor: float, n: int, where: tuple[str, str], place: Layout, w: FunctionWriter) -> None:
    h, target = where
    drift = w.slot("%ws", place.drift)
    scale = w.mul(h, w.number(factor))
    i = w.begin_loop(n)
    w.store(w.fma(scale, w.load(drift, i), w.load(target, i)), target, i)
    w.end_loop()


def _combine(
    m: Tableau,
    s: int,
    shape: tuple[int, bool],
    arrays: tuple[str, str, list[str]],
    *,
    steps: tuple[str, str],
    place: Layout,
    w: FunctionWriter,
) -> None:
    """stage = y + sum a_sj k_j and k_s = sum c_sj/h k_j + gamma_s h drift, in one pass over the increments."""
    n, drifts = shape
    y, stage, k = arrays
    h, inverse = steps
    adds = m.a[s] == (*m.a[s - 1], 1.0)
    drift = w.slot("%ws", place.drift)
    scale = w.mul(h, w.number(m.gamma_t[s]))
    i = w.begin_loop(n)
    past = [w.load(k[j], i) for j in range(s)]
    if adds:
        moved = w.add(w.load(stage, i), past[-1])
    else:
        moved = w.load(y, i)
        for j in range(s):
            moved = w.fma(past[j], w.number(m.a[s][j]), moved)
    w.store(moved, stage, i)
    total = w.mul(past[0], w.number(m.c[s][0]))
    for j in range(1, s):
        total = w.fma(past[j], w.number(m.c[s][j]), total)
    total = w.mul(total, inverse)
    if drifts and m.gamma_t[s] != 0.0:
        total = w.fma(scale, w.load(drift, i), total)
    w.store(total, k[s], i)
    w.end_loop()


def _finish(m: Tableau, n: int, arrays: tuple[str, str, str], place: Layout, w: FunctionWriter) -> None:
    """new = stage + last increment; the error is that increment, weighted by tolerance."""
    y, stage, last = arrays
    new, rtol = w.slot("%ws", place.new), w.broadcast("%tol")
    i = w.begin_loop(n)
    total, unfinished = w.carry(w.number(0.0))
    increment = w.load(last, i)
    ahead = w.add(w.load(stage, i), increment)
    w.store(ahead, new, i)
    here, there = w.intrinsic("fabs", w.load(y, i)), w.intrinsic("fabs", ahead)
    larger = w.select(w.compare("ogt", here, there), here, there)
    address = w.emit(f"getelementptr double, ptr %tol, i64 {i}")
    atol = w.broadcast(w.emit(f"getelementptr double, ptr {address}, i64 1"))
    weighted = w.mul(increment, elementary.rough_reciprocal(w, w.fma(rtol, larger, atol)))
    grown = w.fma(weighted, weighted, total)
    w.end_loop((unfinished, grown))
    error = w.mul(grown, w.number(1.0 / n))
    w.store(error, "%ws", place.error)
    logarithm = elementary.log(w, w.add(error, w.number(1e-30)))
    growth = elementary.exp(w, w.mul(logarithm, w.number(-0.5 / m.order)))
    w.store(w.mul(growth, w.number(SAFETY)), "%ws", place.growth)


def interpolation(
    m: Tableau, n: int, place: Layout, w: FunctionWriter, *, theta: str = ""
) -> Callable[[int | str], str]:
    """A function giving state i at t + theta h, with theta from the workspace unless given."""
    theta = theta or w.load("%ws", place.theta)
    rest = w.sub(w.number(1.0), theta)
    y, new = w.slot("%ws", place.y), w.slot("%ws", place.new)
    k = [w.slot("%ws", place.k + s * n) for s in range(m.stages)]

    def at(i: int | str) -> str:
        inner = ""
        past = [w.load(x, i) for x in k]
        for row in reversed(m.dense):
            total = w.mul(past[0], w.number(row[0]))
            for j in range(1, m.stages):
                if row[j] != 0.0:
                    total = w.fma(past[j], w.number(row[j]), total)
            inner = w.fma(theta, inner, total) if inner else total
        forward = w.fma(rest, inner, w.load(new, i))
        return w.fma(theta, forward, w.mul(rest, w.load(y, i)))

    return at


def states_function(m: Tableau, n: int, place: Layout, w: FunctionWriter) -> tuple[FunctionWriter, str]:
    """All states at t + theta h."""
    at = interpolation(m, n, place, w)
    full = w.slot("%ws", place.full)
    i = w.begin_loop(n)
    w.store(at(i), full, i)
    w.end_loop()
    return w, w.function("states", ("ws",), internal=False)
