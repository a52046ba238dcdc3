"""What a run returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Outcome


@dataclass(frozen=True)
class Solution:
    """N patients at nt times each.

    times_h    (N, nt)       h
    outputs    (N, nt, no)   in each output's own unit
    states     (N, nt, ns)   None unless asked for
    final      (N, ns)       state at the last time, before any dose given at that time
    outcomes   N             what happened to each patient; rows that failed are NaN
    """

    times_h: NDArray[np.float64]
    outputs: NDArray[np.float64]
    final: NDArray[np.float64]
    outcomes: tuple[Outcome, ...]
    states: NDArray[np.float64] | None = None

    @property
    def ok(self) -> bool:
        return all(o.ok for o in self.outcomes)
