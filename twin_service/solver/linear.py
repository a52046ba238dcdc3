"""Linear systems take the exact path: no step size, no tolerance, microseconds a patient.

A system is linear here when its rates are linear in the states with coefficients of parameters only and free of time:
most of population pharmacokinetics. Large ones are faster through sparse steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import OK, Outcome, Verdict
from twin_service.solver.compiler import one_process_at_a_time
from twin_service.solver.derivative import ZERO
from twin_service.solver.engine import Computed, form_of, narrow, plain, share_out
from twin_service.solver.evaluate import Function, array_function
from twin_service.solver.expression import Expression, substitute, symbols_of
from twin_service.solver.intake import Run
from twin_service.solver.system import System
from twin_service.solver.tolerances import Deadline
from twin_service.solver.workspace import PROCESS

Floats = NDArray[np.float64]
LARGEST = 12


class LinearForm(NamedTuple):
    """Functions of parameters: entries of A at `places`, the constant rates, initial values; and outputs."""

    places: list[tuple[int, int]]
    names: list[str]
    coefficients: Function
    outputs: Function
    output_names: list[str]


def linear_form(system: System) -> LinearForm | None:
    """The linear form of `system`, or None when it is not linear or too large for this path."""
    return PROCESS.kept("linear", system.digest, lambda: _derive(system), most=256)


def _derive(system: System) -> LinearForm | None:
    if not 0 < len(system.states) <= LARGEST:
        return None
    form = form_of(system)
    if not form.is_linear or "time" in symbols_of(form.initial):
        return None
    meaning = dict(zip(form.constant_names, form.constants, strict=True))
    entries: list[Expression] = substitute(form.jacobian.values(), meaning)
    at_zero = substitute([s.rate for s in system.states], {s.name: ZERO for s in system.states})
    roots = [*entries, *at_zero, *form.initial]
    names, seen = sorted(symbols_of(roots)), [o.expression for o in system.outputs]
    used = sorted(symbols_of(seen))
    return LinearForm(list(form.jacobian), names, array_function(roots, names), array_function(seen, used), used)


def run_linear(
    system: System,
    linear: LinearForm,
    run: Run,
    *,
    deadline: Deadline | None,
    threads: int,
    steady: Floats | None = None,
) -> Computed:
    """Solve all members exactly."""
    from twin_service.solver.linear_kernel import LinearCourse, propagate

    n, ns, nt = run.parameters.shape[0], len(system.states), run.times_h.shape[1]
    matrix, constant, initial = _coefficients(system, linear, run.parameters)
    none, plan = np.zeros((0, ns)), run.plan
    course = LinearCourse(
        matrix,
        constant,
        initial,
        plain(run.row),
        plain(run.start_h),
        none if run.state is None else plain(run.state),
        run.state is not None,
        narrow(run.times_h),
        narrow(run.after_dose),
        plan.offset,
        plan.time,
        plan.kind,
        plan.target,
        plan.value,
        none if steady is None else steady,
    )
    states, final = np.full((n, nt, ns), np.nan), np.full((n, ns), np.nan)
    rows = np.zeros((n, nt), np.int64)
    stop = np.zeros(1, np.uint8)

    def load() -> bool:
        with one_process_at_a_time("linear"):
            propagate(course, np.zeros(0, np.int64), states, rows, final, stop)
        return True

    PROCESS.kept("loaded", "linear", load, most=8)
    share_out(
        lambda s: propagate(course, s, states, rows, final, stop),
        np.arange(n),
        64,
        threads=threads,
        deadline=deadline,
        stop=stop,
    )
    outputs = _outputs(system, linear, run, states, rows)
    return Computed(
        states, outputs, final, _outcomes(system, run, final, outputs, bool(stop[0])), np.zeros(n, np.int64)
    )


def _coefficients(system: System, linear: LinearForm, p: Floats) -> tuple[Floats, Floats, Floats]:
    ns = len(system.states)
    values = linear.coefficients(*(p[:, :, system.parameter_index[k]] for k in linear.names))
    matrix, vectors = np.zeros((*p.shape[:2], ns, ns)), np.empty((2, *p.shape[:2], ns))
    for (i, j), v in zip(linear.places, values, strict=False):
        matrix[:, :, i, j] = v
    for k, v in enumerate(values[len(linear.places) :]):
        vectors[k // ns, :, :, k % ns] = v
    return matrix, vectors[0], vectors[1]


def _outputs(system: System, linear: LinearForm, run: Run, states: Floats, rows: NDArray[np.int64]) -> Floats:
    who = np.arange(len(states))[:, None]
    single = run.parameters.shape[1] == 1
    columns = []
    for name in linear.output_names:
        if name == "time":
            columns.append(run.times_h)
        elif name in system.state_index:
            columns.append(states[:, :, system.state_index[name]])
        else:
            column = run.parameters[:, :, system.parameter_index[name]]
            columns.append(column if single else column[who, rows])
    outputs = np.empty((*states.shape[:2], len(system.outputs)))
    for k, v in enumerate(linear.outputs(*columns)):
        outputs[:, :, k] = v
    return outputs


def _outcomes(system: System, run: Run, final: Floats, outputs: Floats, stopped: bool) -> list[Outcome]:
    outcomes = [OK] * len(final)
    if np.isfinite(final).all() and np.isfinite(outputs).all():
        return outcomes
    good = np.isfinite(final).all(axis=1) & np.isfinite(outputs).all(axis=(1, 2))
    for i in np.flatnonzero(~good):
        if stopped and np.isnan(final[i]).all():
            outcomes[i] = Outcome(Verdict.CANCELLED, f"model {system.name}")
            continue
        bad = ~np.isfinite(outputs[i])
        t = float(run.times_h[i][bad.any(axis=1)][0]) if bad.any() else float(run.start_h[i])
        state = system.states[int((~np.isfinite(final[i])).argmax())].name
        what = f"output {system.outputs[int(bad.any(axis=0).argmax())].name}" if bad.any() else f"state {state}"
        outcomes[i] = Outcome(Verdict.NOT_FINITE, f"model {system.name}, t = {t:.6g} h, {what}")
    return outcomes
