"""What the kernel works with: records of arrays, calls into generated code, and where Numba keeps what it compiled."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite.ir as ir
import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from twin_service.solver.compiler import cache_directory

FINISHED, NOT_FINITE, TOO_SMALL, TOO_MANY, CANCELLED = 0, 1, 2, 3, 4
INNER: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
OUTER: dict[str, Any] = {"cache": True, **INNER}
"""Only what Python calls is kept on disk: it contains what it calls."""


def _keep_compiled_code() -> None:
    """Numba looks at one file's age only; a directory per state of all kernel files keeps callers and callees apart."""
    directory = cache_directory()
    if directory is not None:
        files = sorted(Path(__file__).parent.glob("*.py"))
        digest = hashlib.sha256(b"".join(f.read_bytes() for f in files if b"numba" in f.read_bytes())).hexdigest()
        numba.config.CACHE_DIR = str(directory / f"numba-{digest[:16]}")


_keep_compiled_code()


class Functions(NamedTuple):
    """Addresses of generated code for one method."""

    prepare: int
    initial: int
    slope: int
    commit: int
    seen_now: int
    attempt: int
    observe: int
    states: int


class Course(NamedTuple):
    """What is asked for: see `intake.Run` and `plan.Plan`; `times` and `after` hold one row for all or one each."""

    parameters: np.ndarray
    row: np.ndarray
    start: np.ndarray
    state: np.ndarray
    given: bool
    times: np.ndarray
    after: np.ndarray
    offset: np.ndarray
    when: np.ndarray
    kind: np.ndarray
    index: np.ndarray
    value: np.ndarray
    steady: np.ndarray


class Result(NamedTuple):
    """What is found; `code` is one of the constants above, `at` and `which` the time and state of a failure."""

    outputs: np.ndarray
    states: np.ndarray
    keep: bool
    final: np.ndarray
    code: np.ndarray
    at: np.ndarray
    which: np.ndarray
    steps: np.ndarray


class Lanes(NamedTuple):
    """Per lane: member, its first direction, next action, next output, boundary (h), next step (h), step after the last jump, counters."""

    member: np.ndarray
    first: np.ndarray
    action: np.ndarray
    output: np.ndarray
    boundary: np.ndarray
    ahead: np.ndarray
    kick: np.ndarray
    fresh: np.ndarray
    lands: np.ndarray
    rejected: np.ndarray
    steps: np.ndarray
    running: np.ndarray
    due: np.ndarray


class Tangents(NamedTuple):
    """Sensitivities: `count` directions a lane, zero for none.

    place, functions    offsets of `TangentLayout`; addresses of generated code in its order
    es, dirs            working space: coefficients of a step; directions one after another
    first               first direction of each member in the list of members (several lanes may share a patient)
    parameter, state    what each of the nw directions moves: a parameter or an initial value, else -1
    value, time         d amount (or rate) and d time of each action (A, nw)
    steady              d steady state (S, nw, n)
    outputs, final      found: (N, nt, no, nw) and (N, n, nw)
    """

    count: int
    place: Any
    functions: Any
    es: np.ndarray
    dirs: np.ndarray
    first: np.ndarray
    parameter: np.ndarray
    state: np.ndarray
    value: np.ndarray
    time: np.ndarray
    steady: np.ndarray
    outputs: np.ndarray
    final: np.ndarray


def _caller(count: int) -> Any:
    """A function that calls the machine code at an address with `count` pointers."""

    def typed(context: Any, address: Any, *pointers: Any) -> Any:
        def build(target: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = ir.IntType(8).as_pointer()
            kind = ir.FunctionType(ir.VoidType(), [pointer] * count)
            function = builder.inttoptr(args[0], kind.as_pointer())
            builder.call(function, [builder.inttoptr(a, pointer) for a in args[1:]])
            return target.get_dummy_value()

        return types.void(types.int64, *([types.int64] * count)), build

    return typed


@intrinsic
def call1(context: Any, address: Any, a: Any) -> Any:
    return _caller(1)(context, address, a)


@intrinsic
def call2(context: Any, address: Any, a: Any, b: Any) -> Any:
    return _caller(2)(context, address, a, b)


@intrinsic
def call3(context: Any, address: Any, a: Any, b: Any, c: Any) -> Any:
    return _caller(3)(context, address, a, b, c)
