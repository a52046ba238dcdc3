"""What the kernel works with: records of arrays, calls into generated code, and where Numba keeps what it compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import llvmlite.ir as ir
import numba
import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from twin_service.solver.compiler import cache_directory

SOURCES = ("lanes", "layout", "action", "kernel", "tangents", "linear_kernel", "dense")
FINISHED, NOT_FINITE, TOO_SMALL, TOO_MANY, CANCELLED = 0, 1, 2, 3, 4
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Function = TypeVar("Function", bound=Callable[..., Any])


def njit_part(function: Function) -> Function:
    """Compile a part of a kernel: without the interpreter's lock, with NumPy's rules for division by zero."""
    return cast(Function, njit(nogil=True, error_model="numpy")(function))


def njit_kernel(function: Function) -> Function:
    """Compile what Python calls, and keep it on disk; it contains the parts that it calls."""
    try:
        return cast(Function, njit(nogil=True, error_model="numpy", cache=True)(function))
    except RuntimeError:  # nowhere to keep it: each process compiles for itself
        return njit_part(function)


def njit_bare_part(function: Function) -> Function:
    """A part of a kernel that allocates nothing, without the counts of references: they are atomic, and slow."""
    return cast(Function, njit(nogil=True, error_model="numpy", _nrt=False)(function))  # type: ignore[call-overload]


def njit_bare_kernel(function: Function) -> Function:
    try:
        return cast(Function, njit(nogil=True, error_model="numpy", cache=True, _nrt=False)(function))  # type: ignore[call-overload]
    except RuntimeError:  # nowhere to keep it: each process compiles for itself
        return njit_bare_part(function)


def _keep_compiled_code() -> None:
    """Numba looks at one file's age only; a directory per state of all kernel files keeps callers and callees apart."""
    directory = cache_directory()
    if directory is not None:
        here = Path(__file__).parent
        digest = hashlib.sha256(b"".join((here / f"{name}.py").read_bytes() for name in SOURCES)).hexdigest()
        setattr(numba.config, "CACHE_DIR", str(directory / f"numba-{digest[:16]}"))  # noqa: B010


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
    choose: int
    judge: int
    find_due: int
    advance: int


class LaneJob(NamedTuple):
    """What is asked for (see `intake.Run`, `plan.Plan`); `times` and `after` hold one row for all or one each."""

    parameters: Floats
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


class Result(NamedTuple):
    """What is found; `code` is one of the constants above, `at` and `which` the time and state of a failure."""

    outputs: Floats
    states: Floats
    keep: bool
    final: Floats
    code: Ints
    at: Floats
    which: Ints
    steps: Ints


class Lanes(NamedTuple):
    """Per lane: member, its first direction, next action and output, boundary (h), next step (h), step after the last
    jump (h), whether it just jumped, whether its step lands on the boundary, counters, and infusions running.
    """

    member: Ints
    first: Ints
    action: Ints
    output: Ints
    running: Ints


class Tangents(NamedTuple):
    """Sensitivities: `each` directions a lane, zero for none.

    place, functions    offsets of `TangentLayout`; addresses of generated code in its order
    es, dirs            working space: coefficients of a step; directions one after another
    first               first direction of each member in the list of members (several lanes may share a patient)
    parameter, state    what each of the nw directions moves: a parameter or an initial value, else -1
    value, time         d amount (or rate) and d time of each action (A, nw)
    steady              d steady state (S, nw, n)
    outputs, final      found: (N, nt, no, nw) and (N, n, nw)
    """

    each: int
    place: Any
    functions: Any
    es: Floats
    dirs: Floats
    first: Ints
    parameter: Ints
    state: Ints
    value: Floats
    time: Floats
    steady: Floats
    outputs: Floats
    final: Floats


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
def _call1(context: Any, address: Any, a: Any) -> Any:
    return _caller(1)(context, address, a)


@intrinsic
def _call2(context: Any, address: Any, a: Any, b: Any) -> Any:
    return _caller(2)(context, address, a, b)


@intrinsic
def _call3(context: Any, address: Any, a: Any, b: Any, c: Any) -> Any:
    return _caller(3)(context, address, a, b, c)


call1: Any = _call1
call2: Any = _call2
call3: Any = _call3
