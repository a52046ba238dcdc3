"""The compiled engine: generated code for a system, run over many patients on any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import OK, Outcome, Verdict
from twin_service.solver.compiler import Machine, compile_module, one_process_at_a_time
from twin_service.solver.form import Form, form
from twin_service.solver.generate import NAMES, generate
from twin_service.solver.intake import Run
from twin_service.solver.layout import Layout, layout
from twin_service.solver.system import System
from twin_service.solver.tolerances import Deadline, Tolerances
from twin_service.solver.workspace import PROCESS

Floats = NDArray[np.float64]
WIDTH = 8
KEPT_MODELS = 64
SHARE = 256
"""Patients a thread takes at a time: enough to keep its lanes full, few enough to share the work evenly."""


class Model(NamedTuple):
    """Machine code of a system for `width` patients at once, and where its workspace keeps what."""

    system: System
    form: Form
    width: int
    layout: Layout
    machine: Machine


class Computed(NamedTuple):
    """states (N, nt, ns) or empty, outputs (N, nt, no), final (N, ns), outcomes and steps (N,)."""

    states: Floats
    outputs: Floats
    final: Floats
    outcomes: list[Outcome]
    steps: NDArray[np.int64]


def form_of(system: System) -> Form:
    return PROCESS.kept("forms", system.digest, lambda: form(system), most=KEPT_MODELS)


def model_of(system: System, width: int = WIDTH, *, pivoted: bool = False) -> Model:
    """The compiled system: from memory, from the cache on disk, or compiled now."""

    def made() -> Model:
        f = form_of(system)
        if pivoted:
            from twin_service.solver.dense import register

            register()
        machine = compile_module(generate(f, width, pivoted=pivoted), NAMES)
        return Model(system, f, width, layout(f, pivoted=pivoted), machine)

    return PROCESS.kept("models", (system.digest, width, pivoted), made, most=KEPT_MODELS)


def run_compiled(
    model: Model,
    run: Run,
    members: NDArray[np.int64],
    *,
    tolerances: Tolerances,
    keep_states: bool = False,
    deadline: Deadline | None = None,
    threads: int = 1,
    steady: Floats | None = None,
    directions: Callable[[NDArray[np.int64]], Any] | None = None,
) -> Computed:
    """Solve the chosen members; rows of the others are left NaN.

    `steady` holds one row per steady action; `directions` makes the kernel's `Tangents` for a share of the members.
    """
    from twin_service.solver.kernel import drive, new_lanes
    from twin_service.solver.lanes import Functions

    system = model.system
    result = _empty_result(system, run, keep_states)
    course = _course(run, len(system.states), steady)
    functions = Functions(*(model.machine.address[name] for name in NAMES))
    tol = np.array([tolerances.rtol, *(max(s.atol * tolerances.atol_scale, 1e-290) for s in system.states)])
    limits = np.array([tolerances.max_steps], dtype=np.int64)
    stop = np.zeros(1, dtype=np.uint8)
    make = directions or (lambda _: _no_tangents())

    def load() -> bool:
        share = members[:0]
        with one_process_at_a_time("kernel"):
            drive(
                functions,
                model.layout,
                workspace(model.layout.size, model.width),
                model.width,
                tol,
                share,
                course,
                result,
                make(share),
                limits,
                stop,
                new_lanes(model.width, len(system.states)),
            )
        return True

    PROCESS.kept("loaded", "kernel", load, most=8)

    def work(share: NDArray[np.int64]) -> None:
        jobs = members[share]
        ws = workspace(model.layout.size, model.width)
        drive(
            functions,
            model.layout,
            ws,
            model.width,
            tol,
            jobs,
            course,
            result,
            make(share),
            limits,
            stop,
            new_lanes(model.width, len(system.states)),
        )

    share_out(work, np.arange(len(members)), model.width, threads=threads, deadline=deadline, stop=stop)
    outcomes = [OK] * len(result.code)
    for i in np.flatnonzero(result.code):
        outcomes[i] = _outcome(system, int(result.code[i]), float(result.at[i]), int(result.which[i]))
    return Computed(result.states, result.outputs, result.final, outcomes, result.steps)


def _empty_result(system: System, run: Run, keep_states: bool) -> Any:
    from twin_service.solver.lanes import Result

    (n, nt), ns = run.times_h.shape, len(system.states)
    states = np.full((n, nt, ns) if keep_states else (0, 0, 0), np.nan)
    return Result(
        np.full((n, nt, len(system.outputs)), np.nan),
        states,
        keep_states,
        np.full((n, ns), np.nan),
        np.zeros(n, np.int64),
        np.zeros(n),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )


def _course(run: Run, ns: int, steady: Floats | None) -> Any:
    from twin_service.solver.lanes import LaneJob

    none, plan = np.zeros((0, ns)), run.plan
    return LaneJob(
        plain(run.parameters),
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


def _no_tangents() -> Any:
    def made() -> Any:
        from twin_service.solver.generate_tangent import TangentLayout
        from twin_service.solver.lanes import Tangents

        nothing, none = np.zeros(0), np.zeros(0, np.int64)
        flat, deep = np.zeros((0, 0)), np.zeros((0, 0, 0))
        vectors = (nothing, nothing, none, none, none)
        return Tangents(
            0,
            TangentLayout._make([0] * 9),
            (0,) * 7,
            *vectors,
            flat,
            flat.copy(),
            deep,
            np.zeros((0, 0, 0, 0)),
            deep.copy(),
        )

    return PROCESS.kept("no tangents", "", made, most=1)


def plain(x: NDArray[Any]) -> NDArray[Any]:
    """Contiguous and writable: to the kernel a read-only array would be another type, and compiled anew."""
    return x if x.flags.c_contiguous and x.flags.writeable else np.array(x)


def narrow(x: NDArray[Any]) -> NDArray[Any]:
    """One row where all are the same memory."""
    return plain(x[:1] if x.strides[0] == 0 else x)


def workspace(vectors: int, width: int) -> Floats:
    """Zeroed memory on a cache line boundary."""
    size = vectors * width
    raw = np.zeros(size + 8)
    first = (-raw.ctypes.data % 64) // 8
    return raw[first : first + size]


def share_out(
    work: Callable[[NDArray[np.int64]], None],
    members: NDArray[np.int64],
    width: int,
    *,
    threads: int,
    deadline: Deadline | None,
    stop: NDArray[np.uint8],
) -> None:
    """Run `work` on shares of `members`; `stop[0]` turns 1 when the deadline passes."""
    if threads <= 1 and deadline is None:
        work(members)
        return
    even = -(-len(members) // max(1, threads))
    # Few go in one share a thread; of many each thread takes several, so that none waits long for another.
    share = max(width, even if even <= SHARE // 2 else min(SHARE, -(-even // 4)))
    shares: Sequence[NDArray[np.int64]] = [members[k : k + share] for k in range(0, len(members), share)]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        left: set[Future[None]] = {pool.submit(work, s) for s in shares}
        while left:
            if deadline is None:
                done, left = wait(left)
            else:
                done, left = wait(left, timeout=0.01 if deadline.remaining_s < 0.05 else 0.02)
                if deadline.expired:
                    stop[0] = 1
            for future in done:
                future.result()


def _outcome(system: System, code: int, t: float, which: int) -> Outcome:
    verdict = (Verdict.OK, Verdict.NOT_FINITE, Verdict.STEP_TOO_SMALL, Verdict.TOO_MANY_STEPS, Verdict.CANCELLED)[code]
    what = f"state {system.states[which].name}" if which >= 0 else f"output {system.outputs[-1 - which].name}"
    return Outcome(verdict, f"model {system.name}, t = {t:.6g} h, {what}")
