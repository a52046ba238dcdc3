"""Dense LU with scaled partial pivoting, called by generated code when the sparse order without pivoting fails.

Rows are compared relative to their own largest entry: rates of a model differ in unit and scale.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numba

import twin_service.solver.lanes  # noqa: F401 (says where Numba keeps compiled code)

carray: Any = getattr(numba, "carray")  # noqa: B009
types: Any = numba.types
cfunc: Any = numba.cfunc
SYMBOLS = ("twin_dense_factor", "twin_dense_solve")
_NUMBERS = types.CPointer(types.float64)


def _njit_callback(signature: Any) -> Any:
    def compiled(function: Any) -> Any:
        try:
            return cfunc(signature, error_model="numpy", cache=True)(function)
        except RuntimeError:  # nowhere to keep it
            return cfunc(signature, error_model="numpy")(function)

    return compiled


@_njit_callback(types.void(_NUMBERS, _NUMBERS, types.int64))
def factor(address: Any, order: Any, n: int) -> None:
    """LU of the n x n matrix in place; `order[k]` is the row exchanged with row k. A zero pivot leaves infinities."""
    a, exchanged = carray(address, (n, n)), carray(order, (2 * n,))
    for i in range(n):
        largest = 0.0
        for j in range(n):
            largest = max(largest, abs(a[i, j]))
        exchanged[n + i] = 1.0 / largest if largest > 0.0 else 0.0
    for k in range(n):
        best, row = -1.0, k
        for i in range(k, n):
            size = abs(a[i, k]) * exchanged[n + i]
            if size > best:
                best, row = size, i
        exchanged[k] = row
        if row != k:
            for j in range(n):
                a[k, j], a[row, j] = a[row, j], a[k, j]
            exchanged[n + row] = exchanged[n + k]
        inverse = 1.0 / a[k, k]
        for i in range(k + 1, n):
            if a[i, k] != 0.0:
                a[i, k] *= inverse
                for j in range(k + 1, n):
                    a[i, j] -= a[i, k] * a[k, j]


@_njit_callback(types.void(_NUMBERS, _NUMBERS, _NUMBERS, types.int64))
def solve(address: Any, order: Any, right: Any, n: int) -> None:
    """Replace the right-hand side by the solution."""
    a, exchanged, b = carray(address, (n, n)), carray(order, (n,)), carray(right, (n,))
    for k in range(n):
        row = int(exchanged[k])
        if row != k:
            b[k], b[row] = b[row], b[k]
    for i in range(n):
        for j in range(i):
            b[i] -= a[i, j] * b[j]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            b[i] -= a[i, j] * b[j]
        b[i] /= a[i, i]


def register() -> None:
    """Let generated code find these functions by name."""
    for name, function in zip(SYMBOLS, (factor, solve), strict=True):
        llvm.add_symbol(name, function.address)
