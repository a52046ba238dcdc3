"""Areas and times above a level of a simulated course, as the course moves between its points.

Between two points a rising course is taken as a line and a falling one as an exponential, which is exact for
first-order elimination (the "linear up, logarithmic down" rule).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
DAY_H = 24.0


def area(times_h: FloatArray, values: FloatArray) -> FloatArray:
    """Area under each row of `values` (N, nt) on `times_h` (nt,): (N,) in the values' unit times h.

    (a - b) dt / ln(a/b) where a > b > 0, else (a + b) dt / 2
    """
    a, b, dt = values[:, :-1], values[:, 1:], np.diff(times_h)
    falling = (b > 0) & (b < a * (1 - 1e-9))
    ratio = np.where(falling, a / np.where(falling, b, 1.0), np.e)
    mean = np.where(falling, (a - b) / np.log(ratio), 0.5 * (a + b))
    return np.asarray((mean * dt).sum(axis=1))


def hours_above(times_h: FloatArray, values: FloatArray, level: float) -> FloatArray:
    """Hours of each row of `values` (N, nt) above `level`: (N,); the crossing lies on the same line or curve."""
    a, b, dt = values[:, :-1], values[:, 1:], np.diff(times_h)
    share = ((a > level) & (b > level)).astype(np.float64)
    rises, falls = (a <= level) & (b > level), (a > level) & (b <= level)
    up = np.where(rises, (b - level) / np.where(rises, b - a, 1.0), 0.0)
    log = falls & (b > 0) & (level > 0)
    safe_a, safe_b = np.where(log, a, 2.0), np.where(log, b, 1.0)
    down_log = np.log(safe_a / max(level, 1e-300)) / np.log(safe_a / safe_b)
    down_line = (a - level) / np.where(falls, a - b, 1.0)
    share = share + up + np.where(log, down_log, np.where(falls, down_line, 0.0))
    return np.asarray((share * dt).sum(axis=1))
