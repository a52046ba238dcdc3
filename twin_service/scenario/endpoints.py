"""Endpoints (a toxicity grade, a response) over members or people: one rule for baselines and for those who failed.

An endpoint is reached when its output is beyond the threshold at any computed hour. A relative one is judged against
the member's own baseline: its value before treatment where that is known, else its first value. A member without a
solution at every hour counts neither as reached nor as not: it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import Endpoint

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Reached:
    """Probability that an endpoint is reached within the horizon."""

    endpoint: Endpoint
    probability: float


def crossed(endpoint: Endpoint, values: FloatArray, baseline: FloatArray | None = None) -> NDArray[np.bool_]:
    """Which members' `values` (N, nt) are beyond the threshold at any time, (N,); `baseline` (N,)."""
    if endpoint.relative_to_baseline:
        values = values / (values[:, 0] if baseline is None else baseline)[:, None]
    with np.errstate(invalid="ignore"):
        beyond = values < endpoint.threshold if endpoint.comparison == "below" else values > endpoint.threshold
    return np.asarray(beyond.any(axis=1))


def endpoint_probability(endpoint: Endpoint, values: FloatArray, baseline: FloatArray | None = None) -> float:
    """Share of the solved members that reach `endpoint`; NaN where none could be solved."""
    good = np.all(np.isfinite(values), axis=1)
    if not good.any():
        return float("nan")
    return float(np.mean(crossed(endpoint, values[good], None if baseline is None else baseline[good])))
