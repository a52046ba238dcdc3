"""Time to an event: survival from tumor growth, and hazards that follow a forecast.

S(t) = exp(-integral of h);   log-likelihood of an event ln h + ln S, of a censored time ln S, of an interval
ln(S(left) - S(right))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from twin_service.outcome import Refusal, RefusalCode

Floats = NDArray[np.float64]
HOURS_PER_DAY = 24.0


@dataclass(frozen=True)
class LogNormalSurvival:
    """ln T ~ N(intercept + size B + growth ln(TTG + 100) + asian + smoker, sigma^2), T and TTG in days, B in mm.

    Claret 2014, doi:10.1038/clpt.2014.11 (first-line lung cancer, MONET1)
    """

    intercept: float = 1.079
    size_per_mm: float = -0.00197
    growth: float = 0.97695
    asian: float = 0.319
    smoker: float = -0.264
    sigma: float = 0.7866

    def log_median(self, baseline_mm: Any, ttg_d: Any, *, asian: Any = 0.0, smoker: Any = 0.0) -> Floats:
        """Logarithm of median survival (d), elementwise."""
        linear = (
            self.intercept
            + self.size_per_mm * np.asarray(baseline_mm)
            + self.growth * np.log(np.asarray(ttg_d) + 100.0)
        )
        return np.asarray(linear + self.asian * asian + self.smoker * smoker, dtype=np.float64)

    def survival(self, time_d: Any, log_median: Any) -> Floats:
        """P(T > time)."""
        return np.asarray(np.exp(log_ndtr(-self._z(time_d, log_median))))

    def log_likelihood(self, time_d: Any, log_median: Any, *, event: bool) -> Floats:
        """Of death at `time_d` (density per day), or of being alive then."""
        z = self._z(time_d, log_median)
        if not event:
            return np.asarray(log_ndtr(-z))
        return np.asarray(-0.5 * z * z - 0.5 * np.log(2 * np.pi) - np.log(self.sigma * np.asarray(time_d)))

    def _z(self, time_d: Any, log_median: Any) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray((np.log(np.asarray(time_d, dtype=np.float64)) - log_median) / self.sigma)


def time_to_growth_h(growth_rate: Any, kill_rate: Any, resistance_rate: Any) -> Floats:
    """Time at which a Claret tumor is smallest: ln(KD/KL)/lambda (h), 0 where it never shrinks. Rates in 1/h."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ttg = np.log(np.asarray(kill_rate) / np.asarray(growth_rate)) / np.asarray(resistance_rate)
    return np.asarray(np.maximum(np.nan_to_num(ttg, nan=0.0, posinf=1e9, neginf=0.0), 0.0))


def current_value_hazard(
    baseline_per_h: float, association: float, marker: Floats, *, shape: float = 1.0, times_h: Floats | None = None
) -> Floats:
    """h(t) = h0 shape (t/1 h)^(shape-1) exp(association m(t)), for marker m (..., nt) at `times_h`.

    Weibull baseline (shape 1: constant). Rizopoulos 2012, doi:10.1201/b12208.
    """
    weibull: Any = 1.0
    if shape != 1.0:
        assert times_h is not None
        weibull = shape * np.maximum(times_h, 1e-6) ** (shape - 1)
    return np.asarray(baseline_per_h * weibull * np.exp(association * marker))


def survival_curve(times_h: Floats, hazard_per_h: Floats) -> Floats:
    """S (..., nt) from a hazard (..., nt) on the same times, by the trapezoid rule; S = 1 at the first time."""
    h = np.asarray(hazard_per_h, dtype=np.float64)
    if np.any(h < 0) or not np.all(np.isfinite(h)):
        raise Refusal(RefusalCode.INVALID, "a hazard must be finite and not negative", reason="BAD_HAZARD")
    step = np.diff(times_h) * (h[..., 1:] + h[..., :-1]) / 2
    total = np.concatenate([np.zeros((*h.shape[:-1], 1)), np.cumsum(step, axis=-1)], axis=-1)
    return np.asarray(np.exp(-total))


def event_log_likelihood(
    times_h: Floats,
    hazard_per_h: Floats,
    *,
    event_h: float | None = None,
    alive_h: float | None = None,
    between_h: tuple[float, float] | None = None,
) -> Floats:
    """Log-likelihood (...,) of one observation under hazards (..., nt): an event at a time, none until a time, or one
    between two visits. Exactly one of the three is given.
    """
    assert sum(x is not None for x in (event_h, alive_h, between_h)) == 1
    log_s = np.log(survival_curve(times_h, hazard_per_h))

    def at(series: Floats, t: float) -> Floats:
        return np.asarray(np.apply_along_axis(lambda row: np.interp(t, times_h, row), -1, series))

    if alive_h is not None:
        return at(log_s, alive_h)
    if between_h is not None:
        left, right = at(log_s, between_h[0]), at(log_s, between_h[1])
        return np.asarray(left + np.log(-np.expm1(np.minimum(right - left, -1e-300))))
    assert event_h is not None
    return np.asarray(np.log(at(np.asarray(hazard_per_h, dtype=np.float64), event_h)) + at(log_s, event_h))
