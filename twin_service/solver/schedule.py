"""What is done to one patient: doses, resets, and the times at which parameters change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Dose(NamedTuple):
    """`amount` (unit of the input) given at `time_h` into `input`, over `duration_h` (0: at once).

    `steady_interval_h` > 0: the system is first brought to the steady state of this dose repeated at that interval
    (NONMEM SS=1); `steady_adds`: the steady state is added to what is already there (SS=2).
    """

    time_h: float
    input: str
    amount: float
    duration_h: float = 0.0
    steady_interval_h: float = 0.0
    steady_adds: bool = False


@dataclass(frozen=True)
class Schedule:
    """One patient's course. Row k of the patient's parameters holds from `change_times_h[k-1]` to `[k]`."""

    doses: tuple[Dose, ...] = ()
    change_times_h: tuple[float, ...] = ()
    reset_times_h: tuple[float, ...] = ()


NOTHING = Schedule()
