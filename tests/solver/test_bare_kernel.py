"""The kernel is compiled by a flag of Numba that its manual does not mention: these tests say when it goes."""

from __future__ import annotations

import numpy as np
from numba import njit

from twin_service.solver.kernel import drive
from twin_service.solver.lanes import njit_bare_part


def test_numba_still_takes_the_flag_and_keeps_no_references() -> None:
    def add(a: np.ndarray, b: np.ndarray) -> None:
        for i in range(a.size):
            a[i] += b[i]

    bare, counted = njit_bare_part(add), njit(nogil=True, error_model="numpy")(add)
    x, y = np.arange(4.0), np.arange(4.0)
    bare(x, np.ones(4))
    counted(y, np.ones(4))
    assert np.array_equal(x, y) and np.array_equal(x, np.arange(4.0) + 1.0)
    (code,) = bare.inspect_llvm().values()
    assert "NRT_incref" not in code and "NRT_decref" not in code, "the flag `_nrt` no longer removes the counts"


def test_the_kernel_itself_is_compiled_with_the_flag() -> None:
    assert drive.targetoptions.get("_nrt") is False
