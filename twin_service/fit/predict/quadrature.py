"""Areas by quadrature of the model: Gauss-Legendre points on panels that start narrow after every dose.

A course after a dose is a sum of exponentials of very different rates: panels grow by a factor from a second on, so
that each sees a polynomial. Five points a panel are exact to degree nine. Press 2007, ISBN 978-0521880688, section 4.6.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from twin_service.fit.predict.plan import Floats

FIRST_H: Final = 1.0 / 3600.0
GROWS: Final = 1.5
POINTS: Final = 5


class Nodes(NamedTuple):
    """Times (n,) in order and their weights, hours."""

    times_h: Floats
    weights: Floats

    def area(self, times_h: Floats, values: Floats) -> Floats:
        """Area of `values` (N, nt), known at `times_h` (nt,) holding every node: (N,). Raises ValueError elsewhere."""
        at = np.minimum(np.searchsorted(times_h, self.times_h), len(times_h) - 1)
        if not np.array_equal(times_h[at], self.times_h):
            raise ValueError("the times of the course do not hold the nodes of the area asked for")
        return np.asarray(values[:, at] @ self.weights)


def nodes(start_h: float, end_h: float, breaks_h: Iterable[float]) -> Nodes:
    """Nodes of [start, end]; after each break (a dose, the end of an infusion, a meal) the panels start narrow."""
    breaks = [start_h, *sorted({b for b in breaks_h if start_h < b < end_h}), end_h]
    edges = [_edges(a, b) for a, b in zip(breaks[:-1], breaks[1:], strict=True)]
    low = np.concatenate([e[:-1] for e in edges])
    high = np.concatenate([e[1:] for e in edges])
    x, w = np.polynomial.legendre.leggauss(POINTS)
    half, middle = 0.5 * (high - low), 0.5 * (high + low)
    return Nodes((middle[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel())


def _edges(a: float, b: float) -> Floats:
    widths = FIRST_H * GROWS ** np.arange(200)
    inner = a + np.cumsum(widths)
    return np.concatenate([[a], inner[inner < b], [b]])
