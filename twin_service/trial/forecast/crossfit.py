"""Forecasts for the patients of a trial that no patient's own outcome ever touched.

With historical controls, one model is learned from them. Without, patients of both arms are dealt into the same folds,
and a fold's forecasts come from the trial's controls outside it: both arms' forecasts are made alike, and no treated
patient teaches. Chernozhukov et al. 2018, doi:10.1111/ectj.12097
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.forecast.features import Baseline
from twin_service.trial.forecast.learned import LEVELS, LearnedForecast, LearnedModel, Progress, learn
from twin_service.trial.protocol import ForecastSpec

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ForecastCalibration:
    """Forecasts of controls against what was read, none of whom had taught: one visit.

    coverage90   share inside the central 90 % band;  z_sd  SD of (reading - mean)/sd, 1 when the width is right
    """

    visit: int
    patients: int
    coverage90: float
    bias: float
    rmse: float
    correlation: float
    z_sd: float


@dataclass(frozen=True)
class TrialForecast:
    """Every patient's forecast under control, the models they rest on, and how they held for the controls."""

    forecast: LearnedForecast
    models: tuple[LearnedModel, ...]
    calibration: tuple[ForecastCalibration, ...]
    cross_fitted: bool


def historical_forecast(model: LearnedModel, x: Baseline, arm: NDArray[np.intp], y: FloatArray) -> TrialForecast:
    found = model.forecast(x)
    return TrialForecast(found, (model,), calibrate(found, arm, y), False)


def cross_fitted_forecast(
    x: Baseline,
    arm: NDArray[np.intp],
    y: FloatArray,
    spec: ForecastSpec,
    rng: np.random.Generator,
    progress: Progress = lambda share: None,
) -> TrialForecast:
    """Raises Refusal when an arm is too small for the folds, or the controls are too few to learn from."""
    fold = np.empty(len(arm), dtype=int)
    for a in np.unique(arm):
        mine = np.flatnonzero(arm == a)
        if len(mine) < spec.folds:
            raise Refusal(
                RefusalCode.PRECONDITION,
                f"{len(mine)} subjects of an arm cannot be dealt into {spec.folds} folds",
                field="forecast.folds",
                reason="TOO_FEW_PATIENTS",
            )
        fold[mine] = rng.permutation(len(mine)) % spec.folds
    n, m = y.shape
    mean, sd, quantiles = np.empty((n, m)), np.empty((n, m)), np.empty((len(LEVELS), n, m))
    models = []
    for k in range(spec.folds):
        teach, mine = (fold != k) & (arm == 0), fold == k
        # Three inner folds: they only weigh models and widths, and the outer ones multiply their cost.
        model = learn(x.take(teach), y[teach], spec.method, rng, folds=3, cutoff=spec.training_cutoff)
        found = model.forecast(x.take(mine))
        mean[mine], sd[mine], quantiles[:, mine] = found.mean, found.sd, found.quantiles
        models.append(model)
        progress((k + 1) / spec.folds)
    forecast = LearnedForecast(mean, sd, quantiles)
    return TrialForecast(forecast, tuple(models), calibrate(forecast, arm, y), True)


def calibrate(forecast: LearnedForecast, arm: NDArray[np.intp], y: FloatArray) -> tuple[ForecastCalibration, ...]:
    """The controls' readings beside their forecasts, visit by visit; visits with fewer than three are left out."""
    found = []
    low, high = forecast.quantiles[LEVELS.index(0.05)], forecast.quantiles[LEVELS.index(0.95)]
    for j in range(y.shape[1]):
        mine = (arm == 0) & np.isfinite(y[:, j])
        if np.sum(mine) < 3:
            continue
        v, f = y[mine, j], forecast.mean[mine, j]
        inside = float(np.mean((v >= low[mine, j]) & (v <= high[mine, j])))
        r = float(np.corrcoef(v, f)[0, 1]) if f.std() > 0 and v.std() > 0 else 0.0
        z = float(np.std((v - f) / forecast.sd[mine, j], ddof=1))
        error = v - f
        rmse = float(np.sqrt(np.mean(error**2)))
        found.append(ForecastCalibration(j, len(v), inside, float(error.mean()), rmse, r, z))
    return tuple(found)
