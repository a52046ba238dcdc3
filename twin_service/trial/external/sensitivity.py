"""How strong an unmeasured difference would have to be to explain an effect away.

    E = R + sqrt(R (R - 1)),   R >= 1 the risk ratio or its approximation

An unmeasured characteristic must be associated with both the group and the outcome by a risk ratio of at least E.
VanderWeele & Ding 2017, doi:10.7326/M16-2607; approximations for hazard and odds ratios of common outcomes VanderWeele
2017, doi:10.1097/EDE.0000000000000655, and for standardized differences Chinn 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from twin_service.trial.adjust.ancova import refuse

Measure = Literal["risk_ratio", "hazard_ratio", "odds_ratio", "standardized_difference"]


class EValue(NamedTuple):
    """`point` for the estimate, `interval` for the limit nearer to no effect (1 when the interval includes it)."""

    point: float
    interval: float


class Tipping(NamedTuple):
    """The smallest shift of the controls' outcomes that takes the interval to no effect; NaN when already there."""

    shift: float
    in_control_sd: float


def e_value(
    estimate: float,
    low: float | None = None,
    high: float | None = None,
    *,
    measure: Measure = "risk_ratio",
    rare: bool = False,
) -> EValue:
    """E-values of an estimate and its interval. `rare`: hazard and odds ratios stand for risk ratios as they are."""
    point = _e(_risk_ratio(estimate, measure, rare))
    if low is None or high is None:
        return EValue(point, float("nan"))
    a, b = _risk_ratio(low, measure, rare), _risk_ratio(high, measure, rare)
    if not a <= _risk_ratio(estimate, measure, rare) <= b:
        raise refuse("low", "the interval must contain the estimate")
    return EValue(point, 1.0 if a <= 1 <= b else _e(a if a > 1 else b))


def tipping_point(effect: float, low: float, high: float, *, control_sd: float) -> Tipping:
    """By how much the controls' mean would have to move toward the treated for the interval to include 0."""
    if not low <= effect <= high or not control_sd > 0:
        raise refuse("low", "expected low <= effect <= high and a positive SD")
    if low <= 0 <= high:
        return Tipping(float("nan"), float("nan"))
    shift = low if low > 0 else high
    return Tipping(shift, shift / control_sd)


def tipping_table(effect: float, se: float, shifts: ArrayLike, *, z: float = 1.959964) -> Sequence[tuple[float, ...]]:
    """(shift, effect, low, high) for each shift of the controls' mean."""
    return [(float(s), effect - s, effect - s - z * se, effect - s + z * se) for s in np.atleast_1d(shifts)]


def _e(ratio: float) -> float:
    r = ratio if ratio >= 1 else 1 / ratio
    return float(r + np.sqrt(r * (r - 1)))


def _risk_ratio(value: float, measure: Measure, rare: bool) -> float:
    if measure == "standardized_difference":
        return float(np.exp(0.91 * value))
    if not (np.isfinite(value) and value > 0):
        raise refuse("estimate", f"a ratio is {value:g}; expected a positive number")
    if measure == "risk_ratio" or rare:
        return value
    if measure == "odds_ratio":
        return float(np.sqrt(value))
    if measure == "hazard_ratio":
        return float((1 - 0.5 ** np.sqrt(value)) / (1 - 0.5 ** np.sqrt(1 / value)))
    raise refuse(
        "measure", f"{measure!r} is unknown; known: risk_ratio, hazard_ratio, odds_ratio, standardized_difference"
    )
