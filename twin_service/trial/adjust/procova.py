"""Prognostic covariate adjustment: each patient's own control forecast as one more covariate, and what it buys.

The forecast uses nothing from after randomization, so the adjusted effect estimates the same tau as the difference in
means; a good forecast narrows its interval and a useless one changes nothing but one degree of freedom.

    Var(tau) = nu^2 / n
    nu^2 = s0^2/q0 + s1^2/q1 - q0 q1 (r0 s0/q0 + r1 s1/q1)^2,     q0 + q1 = 1

    s, r    SD of the endpoint and its correlation with the forecast in control (0) and treated (1) patients
    q       shares of the patients in each arm

For equal s and r: nu^2 = s^2 (1 - r^2)/(q0 q1), so the variance falls by r^2.
Schuler, Walsh, Hall, Walsh & Fisher 2022, doi:10.1515/ijb-2021-0072
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from twin_service.trial.adjust.ancova import Errors, TreatmentEffect, ancova, read_arms, refuse

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Adjusted:
    """One trial analyzed with and without the forecasts.

    unadjusted           difference in means
    covariates_only      adjusted for the covariates alone; equals `unadjusted` where there are none
    adjusted             adjusted for the covariates and the forecast
    variance_reduction   1 - Var(adjusted)/Var(unadjusted)
    beyond_covariates    1 - Var(adjusted)/Var(covariates_only): what the forecast adds to the covariates
    correlation          between forecast and endpoint, within arms; also in each arm
    slope                endpoint units per forecast unit in the controls: 1 for a calibrated forecast
    """

    unadjusted: TreatmentEffect
    covariates_only: TreatmentEffect
    adjusted: TreatmentEffect
    variance_reduction: float
    beyond_covariates: float
    correlation: float
    correlation_control: float
    correlation_treated: float
    slope: float


def procova(
    y: ArrayLike,
    treatment: ArrayLike,
    prognostic: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    interactions: bool = False,
    errors: Errors = "HC3",
    level: float = 0.95,
) -> Adjusted:
    """The effect of `treatment` (n,) on `y` (n,) with and without the control forecasts `prognostic` (n,).

    Raises Refusal as `ancova` does, and for a forecast that is the same for every patient.
    """
    forecast = np.asarray(prognostic, dtype=np.float64)
    if forecast.ndim != 1:
        raise refuse("prognostic", "expected one forecast a patient")
    arms = read_arms(y, treatment, covariates)
    with_forecast = np.column_stack([arms.x, forecast]) if len(forecast) == len(arms.y) else None
    if with_forecast is None or not np.all(np.isfinite(forecast)):
        raise refuse("prognostic", "every analyzed patient needs a finite forecast")
    options = {"errors": errors, "level": level}
    unadjusted = ancova(arms.y, arms.w, **options)  # type: ignore[arg-type]
    alone = ancova(arms.y, arms.w, arms.x, interactions=interactions, **options)  # type: ignore[arg-type]
    adjusted = ancova(arms.y, arms.w, with_forecast, interactions=interactions, **options)  # type: ignore[arg-type]
    control, treated = arms.w == 0, arms.w == 1
    return Adjusted(
        unadjusted,
        alone,
        adjusted,
        1 - (adjusted.se / unadjusted.se) ** 2,
        1 - (adjusted.se / alone.se) ** 2,
        _within(arms.y, forecast, arms.w),
        _correlation(arms.y[control], forecast[control]),
        _correlation(arms.y[treated], forecast[treated]),
        _slope(arms.y[control], forecast[control]),
    )


def unit_variance(
    *,
    sd_control: float,
    sd_treated: float | None = None,
    correlation_control: float = 0.0,
    correlation_treated: float | None = None,
    share_treated: float = 0.5,
) -> float:
    """nu^2: the variance of the adjusted effect times the number of patients."""
    s0, s1 = sd_control, sd_control if sd_treated is None else sd_treated
    r0, r1 = correlation_control, correlation_control if correlation_treated is None else correlation_treated
    q1 = share_treated
    if not (s0 > 0 and s1 > 0):
        raise refuse("sd", "standard deviations must be positive")
    if not (-1 < r0 < 1 and -1 < r1 < 1):
        raise refuse("correlation", "correlations must lie between -1 and 1")
    if not 0 < q1 < 1:
        raise refuse("share_treated", "the treated share must lie between 0 and 1")
    q0 = 1 - q1
    return s0**2 / q0 + s1**2 / q1 - q0 * q1 * (r0 * s0 / q0 + r1 * s1 / q1) ** 2


def _correlation(a: FloatArray, b: FloatArray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan")


def _within(y: FloatArray, forecast: FloatArray, w: FloatArray) -> float:
    """Correlation of the deviations from each arm's mean."""
    a, b = y.copy(), forecast.copy()
    for arm in (0.0, 1.0):
        a[w == arm] -= y[w == arm].mean()
        b[w == arm] -= forecast[w == arm].mean()
    return _correlation(a, b)


def _slope(y: FloatArray, forecast: FloatArray) -> float:
    return float(stats.linregress(forecast, y).slope) if forecast.std() > 0 else float("nan")
