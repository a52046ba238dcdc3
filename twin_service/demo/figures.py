"""How good forecasts were: error and coverage of the next level, before and after the first one was seen.

    e_j = (median forecast - observed) / observed
    rRMSE = sqrt(mean e^2)     MAPE = mean |e|     coverage = share of readings inside the 5-95 % band

Relative to the observed value, as in the published evaluations of model-informed dosing (Sheiner & Beal 1981,
doi:10.1007/BF01060893). `posterior` uses readings with at least one earlier level of the same drug, forecast from
everything before them; `prior` is the forecast of the *same* readings from the patient's characteristics alone, so the
two differ only by what was learned. Readings of zero, and those before any dose, have no relative error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_service.v1 import twin_pb2


@dataclass(frozen=True)
class Quality:
    """n readings with relative RMSE, mean absolute relative error and share inside the 90 % band (fractions)."""

    n: int
    rrmse: float
    mape: float
    coverage90: float


def judge(forecasts: Sequence[twin_pb2.Forecast], which: str) -> Quality:
    """Quality of the `which` ("prior" or "forecast") spread of `forecasts`."""
    usable = [f for f in forecasts if f.observed > 0 and np.isfinite(getattr(f, which).q50) and f.forecast.q95 > 0]
    if not usable:
        return Quality(0, float("nan"), float("nan"), float("nan"))
    y = np.array([f.observed for f in usable])
    spread = [getattr(f, which) for f in usable]
    e = (np.array([s.q50 for s in spread]) - y) / y
    inside = np.array([s.q05 <= v <= s.q95 for s, v in zip(spread, y, strict=True)])
    return Quality(len(usable), float(np.sqrt(np.mean(e**2))), float(np.mean(np.abs(e))), float(np.mean(inside)))


def set_figures(name: str, patients: int, forecasts: Sequence[twin_pb2.Forecast]) -> dict[str, float]:
    """The flat figures of one data set."""
    later = [f for f in forecasts if f.history >= 1]
    prior, posterior = judge(later, "prior"), judge(later, "forecast")
    first = judge([f for f in forecasts if f.history == 0], "prior")
    return {
        f"demo.{name}.patients": patients,
        f"demo.{name}.observations": len(forecasts),
        f"demo.{name}.first_rrmse": first.rrmse,
        f"demo.{name}.first_coverage90": first.coverage90,
        f"demo.{name}.prior_rrmse": prior.rrmse,
        f"demo.{name}.posterior_rrmse": posterior.rrmse,
        f"demo.{name}.prior_mape": prior.mape,
        f"demo.{name}.posterior_mape": posterior.mape,
        f"demo.{name}.prior_coverage90": prior.coverage90,
        f"demo.{name}.coverage90": posterior.coverage90,
    }
