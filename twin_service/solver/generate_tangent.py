"""Generate the code of forward sensitivities: how a solution moves with parameters and initial values.

    s' = J(t, y) s + F_q(t, y) dq + dr        s = dy/dtheta, dq = dq/dtheta, dr = d infusion/dtheta

This linear system is stepped by the method, step sizes and factors of the solution itself (staggered direct method,
Caracotsios & Stewart 1985, doi:10.1016/0098-1354(85)85014-6), its coefficients evaluated on the dense output:

    (I/(gamma h) - J) U_i = J(t_i) S_i + F_q(t_i) dq + dr + sum_j (c_ij/h) U_j + gamma_i h (J. s + F_q. dq)

with the dot for the derivative along the solution. Functions, for `width` patients and one direction `dir` each:

    prepare(ws, dir)      dq from dp                     initial(ws, dir)   ahead = d y0
    linearize(ws, es)     coefficients of this step      advance(ws, es, dir)   ahead = s after the step
    adopt(ws, dir)        s = ahead where accepted       observe(ws, dir), seen_now(ws, dir)   seen = d outputs
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from twin_service.solver.derivative import ONE, directional, gradients
from twin_service.solver.emit import emit_roots
from twin_service.solver.expression import Expression, symbol, symbols_of
from twin_service.solver.form import Form
from twin_service.solver.generate import METHOD, Made, collect, emit_solve, reader
from twin_service.solver.layout import Layout, layout
from twin_service.solver.sparse import Position
from twin_service.solver.stepper import interpolation
from twin_service.solver.writer import FunctionWriter

NAMES = ("prepare", "initial", "linearize", "advance", "adopt", "observe", "seen_now")
PREFIX = "\x01"


class TangentLayout(NamedTuple):
    """Offsets in vectors within one direction (`size` each), and the vectors of the coefficients of one step.

    dp, dq          direction in parameters and hoisted constants
    s, ahead, rate  sensitivity now, after the step; derivative of infusions
    dense           polynomial of the sensitivity inside the step
    seen            derivatives of the outputs
    """

    dp: int
    dq: int
    s: int
    ahead: int
    rate: int
    dense: int
    seen: int
    size: int
    coefficients: int


class Tangent(NamedTuple):
    """Derivatives of a form: entries of J, then of F_q at `places`, and how they change along the solution."""

    form: Form
    places: list[Position]
    entries: list[Expression]
    changes: list[Expression]
    place: TangentLayout
    times: tuple[float, ...]


def tangent(form: Form) -> Tangent:
    index = {name: k for k, name in enumerate(form.constant_names)}
    by_constant = gradients(form.rates, form.constant_names)
    places = [(i, index[name]) for i, g in enumerate(by_constant) for name in g]
    entries = [*form.jacobian.values(), *(d for g in by_constant for d in g.values())]
    along = {s.name: symbol(f"{PREFIX}{i}") for i, s in enumerate(form.system.states)}
    changes = directional(entries, {**along, "time": ONE})
    n, no = len(form.rates), max(1, len(form.outputs))
    times = tuple(sorted(set(METHOD.alpha)))
    sizes = (len(form.system.parameters), len(form.constants), n, n, n, len(METHOD.dense) * n, no)
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + size)
    # Coefficients at each stage time, their change, the velocity, the stage states, the increments and one stage.
    spare = (len(times) + 1) * len(entries) + n * (len(times) + METHOD.stages + 2)
    return Tangent(form, places, entries, changes, TangentLayout._make([*offsets, spare]), times)


def generate_tangent(t: Tangent, width: int) -> str:
    """The text of the whole module."""
    texts: list[str] = []
    declared: set[str] = set()
    place = layout(t.form)
    collect(emit_solve(t.form, place, FunctionWriter(width)), texts, declared)
    for part in (
        _rates,
        _partials,
        _changes,
        _apply,
        _linearize,
        _advance,
        _adopt,
        _prepare,
        _initial,
        _observe,
        _seen_now,
    ):
        collect(part(t, place, FunctionWriter(width)), texts, declared)
    return "\n".join(sorted(declared)) + "\n\n" + "\n".join(texts)


def _rates(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    """velocity(ws, out): out = f(t, y) + infusions."""
    read = reader(t.form, place, w, state=lambda i: w.load("%ws", place.y + i), time=lambda: w.load("%ws", place.t))
    fed = set(t.form.fed)
    for i, v in enumerate(emit_roots(w, t.form.rates, read)):
        w.store(w.add(v, w.load("%ws", place.rate + i)) if i in fed else v, "%out", i)
    return w, w.function("velocity", ("ws", "out"))


def _partials(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    """partials(ws, t, y, out): the entries of J and F_q."""
    read = reader(t.form, place, w, state=lambda i: w.load("%y", i), time=lambda: w.load("%t"))
    for i, v in enumerate(emit_roots(w, t.entries, read)):
        w.store(v, "%out", i)
    return w, w.function("partials", ("ws", "t", "y", "out"))


def _changes(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    """changes(ws, velocity, out): the derivatives of the entries along the solution."""
    inner = reader(t.form, place, w, state=lambda i: w.load("%ws", place.y + i), time=lambda: w.load("%ws", place.t))

    def read(name: str) -> str:
        return w.load("%velocity", int(name[1:])) if name.startswith(PREFIX) else inner(name)

    for i, v in enumerate(emit_roots(w, t.changes, read)):
        w.store(v, "%out", i)
    return w, w.function("changes", ("ws", "velocity", "out"))


def _apply(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    """apply(entries, s, dq, out): out += J s + F_q dq."""
    rows: list[list[tuple[int, str, int]]] = [[] for _ in t.form.rates]
    for k, (i, j) in enumerate(t.form.jacobian):
        rows[i].append((k, "%s", j))
    for k, (i, j) in enumerate(t.places, start=len(t.form.jacobian)):
        rows[i].append((k, "%dq", j))
    for i, row in enumerate(rows):
        if row:
            total = w.load("%out", i)
            for k, base, j in row:
                total = w.fma(w.load("%entries", k), w.load(base, j), total)
            w.store(total, "%out", i)
    return w, w.function("apply", ("entries", "s", "dq", "out"))


class _Spare:
    """Addresses inside the coefficients of a step."""

    def __init__(self, t: Tangent, w: FunctionWriter) -> None:
        n, m, k = len(t.form.rates), len(t.entries), len(t.times)
        self.at = {x: w.slot("%es", i * m) for i, x in enumerate(t.times)}
        self.change = w.slot("%es", k * m)
        rest = (k + 1) * m
        self.velocity = w.slot("%es", rest)
        self.states = w.slot("%es", rest + n)
        self.stage = w.slot("%es", rest + 2 * n)
        self.k = [w.slot("%es", rest + (3 + i) * n) for i in range(METHOD.stages)]


def _linearize(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    n, spare = len(t.form.rates), _Spare(t, w)
    h, now = w.load("%ws", place.h), w.load("%ws", place.t)
    moment = w.slot("%ws", place.theta)
    for x in t.times:
        states = w.slot("%ws", place.y if x == 0.0 else place.new)
        if 0.0 < x < 1.0:
            states = spare.states
            at = interpolation(METHOD, n, place, w, theta=w.number(x))
            i = w.begin_loop(n)
            w.store(at(i), states, i)
            w.end_loop()
        w.store(w.fma(h, w.number(x), now), moment)
        w.call("partials", "%ws", moment, states, spare.at[x])
    w.call("velocity", "%ws", spare.velocity)
    w.call("changes", "%ws", spare.velocity, spare.change)
    return w, w.function("linearize", ("ws", "es"), internal=False)


def _advance(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    n, spare, own = len(t.form.rates), _Spare(t, w), t.place
    h = w.load("%ws", place.h)
    inverse = w.div(w.number(1.0), h)
    s, rate, dq, ahead = (w.slot("%dir", x) for x in (own.s, own.rate, own.dq, own.ahead))
    drift = spare.velocity  # free once the changes are known
    _fill(w, n, drift)
    w.call("apply", spare.change, s, dq, drift)
    for stage in range(METHOD.stages):
        where = s if stage == 0 else spare.stage
        _combine(stage, n, (s, spare.stage, rate, drift), spare.k, (h, inverse), w)
        w.call("apply", spare.at[METHOD.alpha[stage]], where, dq, spare.k[stage])
        w.call("solve", "%ws", spare.k[stage])
    dense = [w.slot("%dir", own.dense + r * n) for r in range(len(METHOD.dense))]
    i = w.begin_loop(n)
    k = [w.load(x, i) for x in spare.k]
    w.store(w.add(w.load(spare.stage, i), k[-1]), ahead, i)
    for row, target in zip(METHOD.dense, dense, strict=True):
        total = w.mul(k[0], w.number(row[0]))
        for weight, value in zip(row[1:], k[1:], strict=True):
            total = w.fma(value, w.number(weight), total)
        w.store(total, target, i)
    w.end_loop()
    return w, w.function("advance", ("ws", "es", "dir"), internal=False)


def _fill(w: FunctionWriter, n: int, target: str) -> None:
    i = w.begin_loop(n)
    w.store(w.number(0.0), target, i)
    w.end_loop()


def _combine(
    stage: int, n: int, arrays: tuple[str, str, str, str], k: list[str], steps: tuple[str, str], w: FunctionWriter
) -> None:
    """The stage sensitivity and what its increment starts from."""
    s, stage_s, rate, drift = arrays
    h, inverse = steps
    scale = w.mul(h, w.number(METHOD.gamma_t[stage]))
    i = w.begin_loop(n)
    past = [w.load(x, i) for x in k[:stage]]
    if stage:
        moved = w.load(s, i)
        for value, weight in zip(past, METHOD.a[stage], strict=True):
            moved = w.fma(value, w.number(weight), moved)
        w.store(moved, stage_s, i)
    total = w.load(rate, i)
    for value, weight in zip(past, METHOD.c[stage], strict=True):
        total = w.fma(w.mul(value, inverse), w.number(weight), total)
    if METHOD.gamma_t[stage] != 0.0:
        total = w.fma(scale, w.load(drift, i), total)
    w.store(total, k[stage], i)
    w.end_loop()


def _adopt(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    accepted = w.compare("ogt", w.load("%ws", place.accept), w.number(0.5))
    s, ahead = w.slot("%dir", t.place.s), w.slot("%dir", t.place.ahead)
    i = w.begin_loop(len(t.form.rates))
    w.store(w.select(accepted, w.load(ahead, i), w.load(s, i)), s, i)
    w.end_loop()
    return w, w.function("adopt", ("ws", "dir"), internal=False)


def _along_parameters(t: Tangent, roots: Sequence[Expression]) -> list[Expression]:
    return directional(roots, {p.name: symbol(f"{PREFIX}{i}") for i, p in enumerate(t.form.system.parameters)})


def _parameter_reader(t: Tangent, place: Layout, w: FunctionWriter) -> Callable[[str], str]:
    index = t.form.system.parameter_index

    def read(name: str) -> str:
        if name.startswith(PREFIX):
            return w.load("%dir", t.place.dp + int(name[1:]))
        return w.load("%ws", place.t if name == "time" else place.p + index[name])

    return read


def _prepare(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    roots = _along_parameters(t, t.form.constants)
    for i, v in enumerate(emit_roots(w, roots, _parameter_reader(t, place, w))):
        w.store(v, "%dir", t.place.dq + i)
    return w, w.function("prepare", ("ws", "dir"), internal=False)


def _initial(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    roots = _along_parameters(t, t.form.initial)
    for i, v in enumerate(emit_roots(w, roots, _parameter_reader(t, place, w))):
        w.store(v, "%dir", t.place.ahead + i)
    return w, w.function("initial", ("ws", "dir"), internal=False)


def _seen_roots(t: Tangent) -> list[Expression]:
    n = len(t.form.rates)
    along = {s.name: symbol(f"{PREFIX}{i}") for i, s in enumerate(t.form.system.states)}
    along.update({name: symbol(f"{PREFIX}{n + k}") for k, name in enumerate(t.form.constant_names)})
    return directional(t.form.outputs, along)


def _seen(
    t: Tangent,
    place: Layout,
    w: FunctionWriter,
    state: Callable[[int], str],
    slope: Callable[[int], str],
    time: Callable[[], str],
) -> None:
    inner, n = reader(t.form, place, w, state=state, time=time), len(t.form.rates)

    def read(name: str) -> str:
        if not name.startswith(PREFIX):
            return inner(name)
        k = int(name[1:])
        return slope(k) if k < n else w.load("%dir", t.place.dq + k - n)

    for i, v in enumerate(emit_roots(w, _seen_roots(t), read)):
        w.store(v, "%dir", t.place.seen + i)


def _seen_now(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    _seen(
        t,
        place,
        w,
        lambda i: w.load("%ws", place.y + i),
        lambda i: w.load("%dir", t.place.s + i),
        lambda: w.load("%ws", place.t),
    )
    return w, w.function("seen_now", ("ws", "dir"), internal=False)


def _observe(t: Tangent, place: Layout, w: FunctionWriter) -> Made:
    """Inside a step: the sensitivity by its own polynomial, the states by theirs."""
    n, own = len(t.form.rates), t.place
    theta = w.load("%ws", place.theta)
    rest = w.sub(w.number(1.0), theta)
    between = interpolation(METHOD, n, place, w)
    known = {i: between(i) for name, i in t.form.system.state_index.items() if name in symbols_of(t.form.outputs)}

    def slope(i: int) -> str:
        inner = w.load("%dir", own.dense + (len(METHOD.dense) - 1) * n + i)
        for r in reversed(range(len(METHOD.dense) - 1)):
            inner = w.fma(theta, inner, w.load("%dir", own.dense + r * n + i))
        forward = w.fma(rest, inner, w.load("%dir", own.ahead + i))
        return w.fma(theta, forward, w.mul(rest, w.load("%dir", own.s + i)))

    _seen(t, place, w, known.__getitem__, slope, lambda: w.fma(theta, w.load("%ws", place.h), w.load("%ws", place.t)))
    return w, w.function("observe", ("ws", "dir"), internal=False)
