"""Generate the functions of one system as LLVM IR, for `width` patients at once.

    prepare(ws)         q from p                             initial(ws)    full = y0(p, t)
    slope(ws)           first increment = f(t, y)            commit(ws)     y = new where accepted
    attempt(ws, tol)    one step                             states(ws)     full = states at t + theta h
    observe(ws)         seen = outputs at t + theta h        seen_now(ws)   seen = outputs at t

`tol` holds rtol and then atol of each state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twin_service.solver.control import advance_function, choose_function, due_function, judge_function
from twin_service.solver.emit import Emitter, emit_roots
from twin_service.solver.expression import Expression, symbols_of
from twin_service.solver.form import Form
from twin_service.solver.layout import Layout, layout
from twin_service.solver.stepper import commit_function, interpolation, slope_function, states_function, step_function
from twin_service.solver.tableau import RODAS5P, Tableau
from twin_service.solver.writer import FunctionWriter

METHOD = RODAS5P
NAMES = (
    "prepare",
    "initial",
    "slope",
    "commit",
    "seen_now",
    "attempt",
    "observe",
    "states",
    "choose",
    "judge",
    "find_due",
    "advance",
)


def generate(form: Form, width: int, *, pivoted: bool = False) -> str:
    """The text of the whole module; `pivoted` needs a width of one."""
    assert width == 1 or not pivoted
    place = layout(form, pivoted=pivoted)
    factor, solve = (_dense_factor, _dense_solve) if pivoted else (_factor, emit_solve)
    parts = [_prepare, _initial, _rates, factor, solve, _seen_now]
    texts: list[str] = []
    declared: set[str] = set()
    for part in parts:
        collect(part(form, place, FunctionWriter(width)), texts, declared)
    # a rate may depend on time through a condition whose derivative is 0: its stages need their own times too
    n, drifts = len(form.rates), "time" in symbols_of(form.rates)
    collect(slope_function(n, place, FunctionWriter(width)), texts, declared)
    collect(commit_function(n, place, FunctionWriter(width)), texts, declared)
    collect(step_function(METHOD, (n, drifts), place, FunctionWriter(width)), texts, declared)
    for control in (choose_function, judge_function, due_function, advance_function):
        collect(control(place, FunctionWriter(width)), texts, declared)
    collect(states_function(METHOD, n, place, FunctionWriter(width)), texts, declared)
    collect(_observe(form, place, FunctionWriter(width), METHOD), texts, declared)
    return "\n".join(sorted(declared)) + "\n\n" + "\n".join(texts)


Made = tuple[FunctionWriter, str]


def collect(made: Made, texts: list[str], declared: set[str]) -> None:
    declared |= made[0].declared
    texts.append(made[1])


def reader(
    form: Form, place: Layout, w: FunctionWriter, *, state: Callable[[int], str], time: Callable[[], str]
) -> Callable[[str], str]:
    states = form.system.state_index
    constants = {name: place.q + i for i, name in enumerate(form.constant_names)}

    def read(name: str) -> str:
        if name in constants:
            return w.load("%ws", constants[name])
        return time() if name == "time" else state(states[name])

    return read


def _prepare(form: Form, place: Layout, w: FunctionWriter) -> Made:
    index = form.system.parameter_index
    values = emit_roots(w, form.constants, lambda name: w.load("%ws", place.p + index[name]))
    for i, v in enumerate(values):
        w.store(v, "%ws", place.q + i)
    return w, w.function("prepare", ("ws",), internal=False)


def _initial(form: Form, place: Layout, w: FunctionWriter) -> Made:
    index = form.system.parameter_index

    def read(name: str) -> str:
        return w.load("%ws", place.t if name == "time" else place.p + index[name])

    for i, v in enumerate(emit_roots(w, form.initial, read)):
        w.store(v, "%ws", place.full + i)
    return w, w.function("initial", ("ws",), internal=False)


def _rates(form: Form, place: Layout, w: FunctionWriter) -> Made:
    """rates(ws, t, y, out): out += f(t, y) + infusions."""
    read = reader(form, place, w, state=lambda i: w.load("%y", i), time=lambda: w.load("%t"))
    _add_rates(form, place, w, emit_roots(w, form.rates, read))
    return w, w.function("rates", ("ws", "t", "y", "out"))


def _add_rates(form: Form, place: Layout, w: FunctionWriter, values: Sequence[str]) -> None:
    fed = set(form.fed)
    for i, v in enumerate(values):
        total = w.add(v, w.load("%ws", place.rate + i)) if i in fed else v
        w.store(w.add(w.load("%out", i), total), "%out", i)


def _factor(form: Form, place: Layout, w: FunctionWriter) -> Made:
    """factor(ws, diagonal, out): LU of diagonal*I - J(t, y), drift, and out = f(t, y) + infusions.

    Each entry is finished in one go, all its updates together, so that few values are alive at once.
    """
    _eliminate(form, place, w, _slopes(form, place, w))
    return w, w.function("factor", ("ws", "diagonal", "out"))


def _slopes(form: Form, place: Layout, w: FunctionWriter) -> Emitter:
    """Store f and drift, and be ready for the entries of J."""
    read = reader(form, place, w, state=lambda i: w.load("%ws", place.y + i), time=lambda: w.load("%ws", place.t))
    emitter = Emitter(w, [*form.rates, *form.jacobian.values(), *form.drift.values()], read)
    fed = set(form.fed)
    for i, v in enumerate(emitter.values(form.rates)):
        w.store(w.add(v, w.load("%ws", place.rate + i)) if i in fed else v, "%out", i)
    for i, v in zip(form.drift, emitter.values(list(form.drift.values())), strict=True):
        w.store(v, "%ws", place.drift + i)
    return emitter


def _dense_factor(form: Form, place: Layout, w: FunctionWriter) -> Made:
    """The same, with the whole matrix and exchanges of rows."""
    n = len(form.rates)
    emitter = _slopes(form, place, w)
    matrix = w.slot("%ws", place.lu)
    i = w.begin_loop(n * n)
    w.store(w.number(0.0), matrix, i)
    w.end_loop()
    diagonal = w.load("%diagonal")
    for k in range(n):
        w.store(diagonal, matrix, k * n + k)
    for (row, column), entry in form.jacobian.items():
        slope = emitter.values([entry])[0]
        value = w.sub(diagonal, slope) if row == column else w.neg(slope)
        w.store(value, matrix, row * n + column)
    w.foreign("twin_dense_factor", (matrix, w.slot("%ws", place.lu + n * n)), n)
    return w, w.function("factor", ("ws", "diagonal", "out"))


def _dense_solve(form: Form, place: Layout, w: FunctionWriter) -> Made:
    n = len(form.rates)
    w.foreign("twin_dense_solve", (w.slot("%ws", place.lu), w.slot("%ws", place.lu + n * n), "%b"), n)
    return w, w.function("solve", ("ws", "b"))


def _eliminate(form: Form, place: Layout, w: FunctionWriter, emitter: Emitter) -> None:
    lu = form.lu
    diagonal = w.load("%diagonal")
    below: list[list[int]] = [[] for _ in lu.order]
    for i in lu.order:
        for j in lu.lower[i]:
            below[j].append(i)

    def stored(i: int, j: int) -> str:
        return w.load("%ws", place.lu + lu.slot[(i, j)])

    def reduced(i: int, j: int) -> str:
        value = ""
        entry = form.jacobian.get((i, j))
        if entry is not None:
            slope = emitter.values([entry])[0]
            value = w.sub(diagonal, slope) if i == j else w.neg(slope)
        elif i == j:
            value = diagonal
        for m in lu.lower[i]:
            if m == j:
                break
            if (m, j) in lu.slot:
                left, up = w.neg(stored(i, m)), stored(m, j)
                value = w.fma(left, up, value) if value else w.mul(left, up)
        return value

    for k in lu.order:
        inverse = w.div(w.number(1.0), reduced(k, k))
        w.store(inverse, "%ws", place.lu + lu.slot[(k, k)])
        for j in lu.upper[k]:
            w.store(reduced(k, j), "%ws", place.lu + lu.slot[(k, j)])
        for i in below[k]:
            w.store(w.mul(reduced(i, k), inverse), "%ws", place.lu + lu.slot[(i, k)])


def emit_solve(form: Form, place: Layout, w: FunctionWriter) -> Made:
    """solve(ws, b): b = (LU)^-1 b."""
    lu = form.lu
    x: dict[int, str] = {}
    for i in lu.order:
        x[i] = w.load("%b", i)
        for j in lu.lower[i]:
            x[i] = w.fma(w.neg(w.load("%ws", place.lu + lu.slot[(i, j)])), x[j], x[i])
    for i in reversed(lu.order):
        for j in reversed(lu.upper[i]):
            x[i] = w.fma(w.neg(w.load("%ws", place.lu + lu.slot[(i, j)])), x[j], x[i])
        x[i] = w.mul(x[i], w.load("%ws", place.lu + lu.slot[(i, i)]))
        w.store(x[i], "%b", i)
    return w, w.function("solve", ("ws", "b"))


def _seen_now(form: Form, place: Layout, w: FunctionWriter) -> Made:
    read = reader(form, place, w, state=lambda i: w.load("%ws", place.y + i), time=lambda: w.load("%ws", place.t))
    _store_seen(form.outputs, place, w, read)
    return w, w.function("seen_now", ("ws",), internal=False)


def _observe(form: Form, place: Layout, w: FunctionWriter, method: Tableau) -> Made:
    """Outputs inside a step need only the states they read: those alone are interpolated."""
    theta = w.load("%ws", place.theta)
    between = interpolation(method, len(form.rates), place, w)
    known: dict[int, str] = {}
    for name in sorted(symbols_of(form.outputs) & set(form.system.state_index)):
        i = form.system.state_index[name]
        known[i] = between(i)

    def time() -> str:
        return w.fma(theta, w.load("%ws", place.h), w.load("%ws", place.t))

    _store_seen(form.outputs, place, w, reader(form, place, w, state=known.__getitem__, time=time))
    return w, w.function("observe", ("ws",), internal=False)


def _store_seen(outputs: Sequence[Expression], place: Layout, w: FunctionWriter, read: Callable[[str], str]) -> None:
    for i, v in enumerate(emit_roots(w, outputs, read)):
        w.store(v, "%ws", place.seen + i)
