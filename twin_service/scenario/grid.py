"""At which hours a planned course is computed: where it moves fastest, and on both sides of each jump.

A bolus makes the level jump; the course is taken just before it (the trough) and just after it (the peak), so one hour
may stand twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.solver.schedule import Dose

FloatArray = NDArray[np.float64]
OFFSETS_H = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
FEW_OFFSETS_H = (1.0, 4.0)
FINE_POINTS_MAX = 1500


class Grid(NamedTuple):
    """hours   (nt,) from the start of the forecast, nondecreasing
    clock_h (nt,) the same on the twin's clock; equal to a dose's own time to the last bit where one is given
    after   (nt,) bool: the value after the dose of that time
    """

    hours: FloatArray
    clock_h: FloatArray
    after: NDArray[np.bool_]


def dosing_grid(
    doses: Sequence[Dose], start_h: float, horizon_h: float, step_h: float, *, marks_h: Sequence[float] = ()
) -> Grid:
    """A regular grid, `marks_h` (from the start), and points around each dose of `doses` (on the twin's clock)."""
    at = np.array([d.time_h for d in doses])
    over = np.array([d.duration_h for d in doses])
    offsets = np.array(OFFSETS_H if len(doses) * len(OFFSETS_H) <= FINE_POINTS_MAX else FEW_OFFSETS_H)
    regular = np.arange(0.0, horizon_h + 0.5 * step_h, step_h)
    parts = [regular, np.array([horizon_h]), np.asarray(list(marks_h), dtype=np.float64)]
    if len(doses):
        ends = (at + over)[over > 0]
        # an infusion's rise bends most at its beginning: points inside it, whatever its length
        inside = at[over > 0, None] + over[over > 0, None] * np.array([0.25, 0.5, 0.75])
        after_end = (ends[:, None] + offsets[None, :3]).ravel()
        parts.append(np.concatenate([(at[:, None] + offsets).ravel(), inside.ravel(), after_end, ends]) - start_h)
    hours = np.concatenate(parts)
    hours = np.unique(np.round(hours[(hours >= 0) & (hours <= horizon_h)], 9))
    exact = at[(at >= start_h) & (at <= start_h + horizon_h)]
    # the rounded neighbor of a dose gives way to the dose's own time
    near = np.zeros(len(hours), dtype=bool) if not len(exact) else _near(hours + start_h, np.unique(exact))
    clock = np.concatenate([hours[~near] + start_h, np.unique(exact)])
    jumps = np.unique(at[(over == 0) & (at >= start_h) & (at < start_h + horizon_h)])
    both = np.concatenate([clock, jumps])
    after = np.concatenate([np.zeros(len(clock), dtype=bool), np.ones(len(jumps), dtype=bool)])
    order = np.lexsort((after, both))
    clock, after = both[order], after[order]
    return Grid(np.maximum(np.round(clock - start_h, 9), 0.0), clock, after)


def forecast_hours(doses: Sequence[Dose], start_h: float, horizon_h: float, step_h: float) -> FloatArray:
    """The hours of `dosing_grid`, each once: where one value an hour is wanted, the one before the dose."""
    return np.unique(dosing_grid(doses, start_h, horizon_h, step_h).hours)


def _near(clock: FloatArray, doses: FloatArray) -> NDArray[np.bool_]:
    at = np.searchsorted(doses, clock)
    left = np.abs(clock - doses[np.maximum(at - 1, 0)])
    right = np.abs(clock - doses[np.minimum(at, len(doses) - 1)])
    return np.asarray(np.minimum(left, right) < 1e-7)
