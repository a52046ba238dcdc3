"""Exact forward sensitivities: how outputs and states move with parameters and initial values.

They are carried along the steps of the solution itself, several directions in each lane; a patient with many
directions takes several lanes, whose solutions are identical bit for bit. Doses whose amount, lag or duration depends
on a parameter move the sensitivity by the derivative of their jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.solver.action import BOLUS, START, STOP
from twin_service.solver.compiler import Machine, compile_module
from twin_service.solver.derivative import gradients
from twin_service.solver.engine import WIDTH, Model, form_of, model_of, run_compiled, workspace
from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import Expression, symbols_of
from twin_service.solver.generate_tangent import NAMES, Tangent, generate_tangent, tangent
from twin_service.solver.intake import Run, admit
from twin_service.solver.ladder import find_steady, solve
from twin_service.solver.plan import Doses, change_matrix, flatten_doses, repeat_doses, row_in_force
from twin_service.solver.reference import accumulators
from twin_service.solver.schedule import NOTHING, Schedule
from twin_service.solver.solution import Solution
from twin_service.solver.steady import SteadyFound, pulse_run
from twin_service.solver.system import ZERO, System
from twin_service.solver.tolerances import DEFAULT, Deadline, Tolerances
from twin_service.solver.workspace import PROCESS

Floats = NDArray[np.float64]
TIGHTEST_LINEAR = 1e-9


class Slopes(NamedTuple):
    """Derivatives of each action's amount (or rate), time, duration and lag: (A, nw)."""

    value: Floats
    time: Floats
    duration: Floats
    lag: Floats


class _Code(NamedTuple):
    model: Model
    tangent: Tangent
    machine: Machine


def simulate_sensitivities(
    system: System,
    parameters: ArrayLike,
    schedules: Schedule | Sequence[Schedule] = NOTHING,
    times_h: ArrayLike = (),
    *,
    wrt: Sequence[str],
    start_h: ArrayLike = 0.0,
    state: ArrayLike | None = None,
    after_dose: ArrayLike | None = None,
    keep_states: bool = False,
    tolerances: Tolerances = DEFAULT,
    deadline: Deadline | None = None,
    threads: int = 1,
) -> tuple[Solution, Floats, Floats]:
    """The solution with d outputs (N, nt, no, nw) and d final (N, ns, nw) with respect to the names in `wrt`.

    A name of a parameter moves it in every row; a name of a state moves its value at the start. Other arguments are
    those of `simulate`. Rows of patients whose solution failed are NaN.
    """
    run = admit(system, parameters, schedules, times_h, start_h=start_h, state=state, after_dose=after_dose)
    moved, placed = _directions(system, wrt)
    courses = [schedules] if isinstance(schedules, Schedule) else list(schedules)
    slopes = _slopes(system, run, courses, moved)
    steady, steady_slopes, plan = None, np.zeros((0, len(wrt), len(system.states))), run.plan
    if run.plan.steady.any():
        found = find_steady(system, run, tolerances, deadline=deadline)
        steady_slopes = _steady_slopes(system, run, found, slopes, (moved, tolerances))
        steady, plan = found.states, found.plan
    nominal = solve(system, run, tolerances=tolerances, keep_states=keep_states, deadline=deadline, threads=threads)
    tight = tolerances
    if form_of(system).is_linear:
        # The solution itself is exact there; its derivatives should not be the coarser of the two.
        tight = Tolerances(
            min(tolerances.rtol, TIGHTEST_LINEAR), min(tolerances.atol_scale, 1e-3), tolerances.max_steps
        )
    d_outputs, d_final, carried = _carry(
        system, run._replace(plan=plan), (moved, placed), slopes, (steady, steady_slopes), (tight, deadline, threads)
    )
    # A solution that only a more robust method found may leave its derivatives behind: that is no success.
    outcomes = tuple(c if o.ok and not c.ok else o for o, c in zip(nominal.outcomes, carried, strict=True))
    failed = [not o.ok for o in outcomes]
    for array in (nominal.outputs, nominal.final, d_outputs, d_final):
        array[failed] = np.nan
    states = nominal.states if keep_states else None
    return Solution(run.times_h, nominal.outputs, nominal.final, outcomes, states), d_outputs, d_final


def _directions(system: System, wrt: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each name the parameter and the state it moves, -1 for none."""
    unknown = [name for name in wrt if name not in system.parameter_index and name not in system.state_index]
    if unknown or not wrt:
        what = f"{unknown[0]!r} is neither a parameter nor a state" if unknown else "nothing to differentiate by"
        raise Refusal(RefusalCode.INVALID, f"system {system.name!r}, wrt: {what}", field="wrt", reason="NAME_UNKNOWN")
    moved = np.array([system.parameter_index.get(name, -1) for name in wrt], np.int64)
    return moved, np.array([system.state_index.get(name, -1) for name in wrt], np.int64)


def _code_of(system: System, width: int) -> _Code:
    def made() -> _Code:
        model = model_of(system, width)
        t = tangent(model.form)
        return _Code(model, t, compile_module(generate_tangent(t, width), NAMES))

    return PROCESS.kept("tangents", (system.digest, width), made, most=64)


def _carry(
    system: System,
    run: Run,
    directions: tuple[NDArray[np.int64], NDArray[np.int64]],
    slopes: Slopes,
    steady: tuple[Floats | None, Floats],
    how: tuple[Tolerances, Deadline | None, int],
) -> tuple[Floats, Floats, list[Outcome]]:
    from twin_service.solver.lanes import Tangents

    code = _code_of(system, WIDTH)
    (n, nt), nw, place = run.times_h.shape, len(directions[0]), code.tangent.place
    groups = max(1, min(nw, WIDTH // max(1, n)))
    count = -(-nw // groups)
    groups = -(-nw // count)
    members = np.repeat(np.arange(n), groups)
    first = np.tile(np.arange(groups) * count, n)
    d_outputs = np.full((n, nt, len(system.outputs), nw), np.nan)
    d_final = np.full((n, len(system.states), nw), np.nan)
    functions = tuple(code.machine.address[name] for name in NAMES)

    def make(share: NDArray[np.int64]) -> Tangents:
        return Tangents(
            count,
            place,
            functions,
            workspace(place.coefficients, WIDTH),
            workspace(place.size * count, WIDTH),
            first[share],
            directions[0],
            directions[1],
            slopes.value,
            slopes.time,
            steady[1],
            d_outputs,
            d_final,
        )

    tolerances, deadline, threads = how
    done = run_compiled(
        code.model,
        run,
        members,
        tolerances=tolerances,
        deadline=deadline,
        threads=threads,
        steady=steady[0],
        directions=make,
    )
    return d_outputs, d_final, done.outcomes


def _slopes(system: System, run: Run, courses: Sequence[Schedule], moved: NDArray[np.int64]) -> Slopes:
    plan, nw = run.plan, len(moved)
    zeros = Slopes(*(np.zeros((len(plan.time), nw)) for _ in range(4)))
    doses = flatten_doses(system, courses)
    moving = {system.parameters[k].name for k in moved if k >= 0}
    roots = [e for u in system.inputs for e in (u.bioavailability, u.lag, ZERO if u.duration is None else u.duration)]
    if not len(doses.who) or not symbols_of(roots) & moving:
        return zeros
    if len(courses) == 1:
        doses = repeat_doses(doses, len(run.parameters))
    changes = np.broadcast_to(change_matrix(courses), (len(run.parameters), change_matrix(courses).shape[1]))
    row = row_in_force(changes, doses.who, doses.time)
    for k, u in enumerate(system.inputs):
        mine = np.flatnonzero((doses.input == k)[np.maximum(plan.source, 0)] & (plan.source >= 0))
        if len(mine):
            j = plan.source[mine]
            roots = [u.bioavailability, u.lag, ZERO if u.duration is None else u.duration]
            at = (doses.who[j], row[j], doses.time[j])
            values, gradient = _input_values(system, roots, run.parameters, at, moved=moved)
            _fill_slopes(zeros, mine, run, doses, values=values, gradient=gradient, modelled=u.duration is not None)
    return zeros


def _input_values(
    system: System,
    roots: list[Expression],
    p: Floats,
    at: tuple[NDArray[np.int64], NDArray[np.int64], Floats],
    *,
    moved: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Values (3, m) and derivatives (3, m, nw) of bioavailability, lag and duration."""
    who, row, time = at
    wanted = [system.parameters[k].name if k >= 0 else "" for k in moved]
    slopes = [g.get(name, ZERO) for g in gradients(roots, [w for w in wanted if w]) for name in wanted]
    every = [*roots, *slopes]
    names = sorted(symbols_of(every))
    columns = [time if s == "time" else p[who, row, system.parameter_index[s]] for s in names]
    found = [np.broadcast_to(v, (len(who),)) for v in array_function(every, names)(*columns)]
    return np.array(found[:3]), np.array(found[3:]).reshape(3, len(moved), len(who)).transpose(0, 2, 1)


def _fill_slopes(
    into: Slopes, mine: NDArray[np.int64], run: Run, doses: Doses, *, values: Floats, gradient: Floats, modelled: bool
) -> None:
    plan, j = run.plan, run.plan.source[mine]
    kind, start = plan.kind[mine], run.start_h[doses.who[j]]
    duration = values[2] if modelled else doses.duration[j]
    entry = doses.time[j] + values[1]
    d_duration = gradient[2] if modelled else np.zeros_like(gradient[2])
    d_amount = gradient[0] * doses.amount[j][:, None]
    infused = np.isin(kind, (START, STOP))
    safe = np.where(duration > 0.0, duration, 1.0)[:, None]
    rate = (values[0] * doses.amount[j])[:, None] / safe
    into.value[mine] = np.where(infused[:, None], (d_amount - rate * d_duration) / safe, d_amount)
    into.duration[mine] = d_duration
    into.lag[mine] = gradient[1]
    leaves = entry + duration
    # An infusion entered midway or cut short begins or ends at a time that no parameter moves; earlier doses of a
    # steady state enter and leave whole intervals before.
    back = np.where(kind == STOP, leaves, entry) - plan.time[mine]
    interval = doses.interval[j]
    whole = np.round(back / np.where(interval > 0.0, interval, np.inf)) * interval
    free = np.isclose(back, whole, rtol=0.0, atol=1e-9 * (1.0 + np.abs(plan.time[mine])))
    free &= ~((kind == START) & (entry < start))
    into.time[mine] = np.where(free[:, None], gradient[1] + (kind == STOP)[:, None] * d_duration, 0.0)


def _steady_slopes(
    system: System, run: Run, found: SteadyFound, slopes: Slopes, how: tuple[NDArray[np.int64], Tolerances]
) -> Floats:
    """d y = (I - M)^-1 dF with M = dF/dy, both carried over one interval from the steady state."""
    moved, tolerances = how
    ns, nw = len(system.states), len(moved)
    places = np.flatnonzero(run.plan.steady)
    pulse = pulse_run(run, places, found.who, found.states)
    action = np.repeat(np.arange(len(places)), np.diff(pulse.plan.offset))
    value, kind = np.zeros((len(action), nw + ns)), pulse.plan.kind
    time = np.zeros_like(value)
    for a, s in enumerate(places[action]):
        duration = run.plan.duration[s]
        d_amount, d_duration = slopes.value[s], slopes.duration[s]
        value[a, :nw] = d_amount
        if kind[a] != BOLUS:
            value[a, :nw] = (d_amount - run.plan.value[s] / duration * d_duration) / duration
            time[a, :nw] = d_duration * (kind[a] == STOP)
        # an infusion that runs from before begins with the interval, whatever the lag
        if kind[a] == STOP or pulse.plan.time[a] > pulse.start_h[action[a]]:
            time[a, :nw] += slopes.lag[s]
    parameter = np.concatenate([moved, np.full(ns, -1)])
    state = np.concatenate([np.full(nw, -1), np.arange(ns)])
    tight = Tolerances(max(tolerances.rtol / 10, 1e-12), tolerances.atol_scale / 10, tolerances.max_steps)
    none = np.zeros((0, nw + ns, ns))
    moves = Slopes(value, time, time, time)
    _, d_final, _ = _carry(system, pulse, (parameter, state), moves, (None, none), (tight, None, 1))
    moving = ~accumulators(system)
    change = d_final[:, :, nw:] * moving[None, :, None] * moving[None, None, :]
    source = d_final[:, :, :nw] * moving[None, :, None]
    slopes_found = np.full((len(places), nw, ns), np.nan)
    for k in np.flatnonzero(found.converged):
        slopes_found[k] = np.linalg.solve(np.eye(ns) - change[k], source[k]).T
    return slopes_found
