"""Control forecasts learned from controls: mean, bands and joint draws of every visit, from baseline alone.

    mean      spline regression by visit, gradient boosting, or the mixture of both that predicts left-out folds best
    spread    covariance over visits of out-of-fold residuals, by restricted likelihood (missing visits allowed)
    bands     conformal: quantiles of the out-of-fold residuals themselves, so that 90 % hold 90 % whatever their shape

Out of fold throughout: a residual is made by models that never saw its patient. Vovk, Gammerman & Shafer 2005; Barber
et al. 2021, doi:10.1214/20-AOS1965 (cross-conformal); van der Laan 2007, doi:10.2202/1544-6115.1309 (stacking)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.adjust.mmrm.covariance import CovarianceStructure
from twin_service.trial.adjust.mmrm.fit import fit_repeated
from twin_service.trial.forecast.features import Baseline, encoder_of
from twin_service.trial.protocol import ForecastMethod

FloatArray = NDArray[np.float64]
Mean = Callable[[Baseline], FloatArray]
Progress = Callable[[float], None]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
FEWEST = 20


@dataclass(frozen=True)
class LearnedForecast:
    """Subjects by visits: mean, sd (n, m), quantiles (nq, n, m) at LEVELS; all predicted, none observed."""

    mean: FloatArray
    sd: FloatArray
    quantiles: FloatArray


@dataclass(frozen=True)
class LearnedModel:
    """A frozen prognostic model. `digest` is that of what it was learned from and of what it answers for it.

    covariance   of a new patient's residuals over visits (m, m)
    residuals    out-of-fold, divided by sd (n, m), NaN where not read: the conformal scores
    """

    id: str
    method: ForecastMethod
    cutoff: str
    digest: str
    patients: int
    covariance: FloatArray
    scores: FloatArray
    predict: Mean
    shares: tuple[float, float]

    @property
    def sd(self) -> FloatArray:
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def forecast(self, x: Baseline) -> LearnedForecast:
        """What each subject would be read at every visit under control."""
        mean = self.predict(x)
        q = np.stack([[_conformal(self.scores[:, j], a) for j in range(len(self.sd))] for a in LEVELS])
        return LearnedForecast(mean, np.broadcast_to(self.sd, mean.shape), mean[None] + q[:, None, :] * self.sd)

    def draws(self, x: Baseline, count: int, rng: np.random.Generator) -> FloatArray:
        """Joint draws over visits (count, n, m): residuals of one patient move together."""
        mean = self.predict(x)
        L = np.linalg.cholesky(self.covariance)
        return np.asarray(mean + rng.standard_normal((count, *mean.shape)) @ L.T)


def learn(
    x: Baseline,
    y: FloatArray,
    method: ForecastMethod,
    rng: np.random.Generator,
    *,
    folds: int = 5,
    cutoff: str = "",
    progress: Progress = lambda share: None,
) -> LearnedModel:
    """From controls with baseline x and endpoint y (n, m; NaN: not read). Raises Refusal for too few of them."""
    _require(y, folds)
    fold = rng.permutation(len(y)) % folds
    seed = int(rng.integers(2**31))
    kinds = _kinds(method)
    apart = np.stack([_out_of_fold(k, x, y, fold, seed, progress, i / len(kinds)) for i, k in enumerate(kinds)])
    shares = _shares(apart, y) if len(kinds) == 2 else (1.0,)
    residuals = y - np.einsum("k,knm->nm", np.array(shares), apart)
    covariance = residual_covariance(residuals)
    fits = [k(x, y, seed) for k in kinds]
    progress(1.0)

    def predict(new: Baseline) -> FloatArray:
        return np.asarray(sum(s * f(new) for s, f in zip(shares, fits, strict=True)))

    both = (shares[0], shares[1]) if len(shares) == 2 else ((1.0, 0.0) if kinds[0] is _splines else (0.0, 1.0))
    digest = _digest(method.value.encode(), x.numbers, y, predict(x), covariance)
    return LearnedModel(
        f"{method.value}-{digest[:12]}",
        method,
        cutoff,
        digest,
        len(y),
        covariance,
        residuals / np.sqrt(np.diag(covariance)),
        predict,
        both,
    )


def residual_covariance(residuals: FloatArray) -> FloatArray:
    """Covariance over visits (m, m) of residuals with gaps; first-order dependence where visits share few patients."""
    n, m = residuals.shape
    seen = np.isfinite(residuals).astype(float)
    few = np.any(seen.T @ seen < max(10, 2 * m))
    shape = CovarianceStructure("heterogeneous_ar1" if few and m > 1 else "unstructured", m)
    found = fit_repeated(residuals, np.broadcast_to(np.eye(m), (n, m, m)), shape)
    # A new patient's error holds the sampling error of the mean too, and any bias that out-of-fold residuals show.
    return found.sigma + np.diag(np.nanmean(residuals, axis=0) ** 2)


def _require(y: FloatArray, folds: int) -> None:
    read = np.isfinite(y).sum(axis=0)
    if len(y) < FEWEST or np.any(read < max(FEWEST, 2 * folds)):
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{len(y)} controls with {int(read.min())} to {int(read.max())} readings a visit; a control forecast is "
            f"learned from {FEWEST} or more at every visit",
            field="forecast",
            reason="TOO_FEW_CONTROLS",
        )


def _kinds(method: ForecastMethod) -> list[Callable[[Baseline, FloatArray, int], Mean]]:
    table: dict[ForecastMethod, list[Callable[[Baseline, FloatArray, int], Mean]]] = {
        ForecastMethod.MIXED_MODEL: [_splines],
        ForecastMethod.BOOSTING: [_boosting],
        ForecastMethod.STACKED: [_splines, _boosting],
    }
    return table[method]


def _out_of_fold(
    kind: Callable[[Baseline, FloatArray, int], Mean],
    x: Baseline,
    y: FloatArray,
    fold: NDArray[np.intp],
    seed: int,
    progress: Progress,
    start: float,
) -> FloatArray:
    out = np.empty_like(y)
    count = int(fold.max()) + 1
    for k in range(count):
        out[fold == k] = kind(x.take(fold != k), y[fold != k], seed)(x.take(fold == k))
        progress(start + 0.4 * (k + 1) / count)
    return out


def _shares(apart: FloatArray, y: FloatArray) -> tuple[float, ...]:
    """Nonnegative weights of the two models that sum to one, by least squares on left-out readings."""
    read = np.isfinite(y)
    found, _ = nnls(apart[:, read].T, y[read])
    total = float(found.sum())
    return tuple(float(s) / total for s in found) if total > 0 else (1.0, 0.0)


def _splines(x: Baseline, y: FloatArray, seed: int) -> Mean:
    """Least squares on splines at each visit, with a ridge as heavy as one patient."""
    encoder = encoder_of(x)
    X = encoder.splines(x)
    ridge = np.eye(X.shape[1])
    ridge[0, 0] = 0.0
    beta = np.empty((X.shape[1], y.shape[1]))
    for j in range(y.shape[1]):
        read = np.isfinite(y[:, j])
        beta[:, j] = np.linalg.solve(X[read].T @ X[read] + ridge, X[read].T @ y[read, j])
    return lambda new: np.asarray(encoder.splines(new) @ beta)


def _boosting(x: Baseline, y: FloatArray, seed: int) -> Mean:
    """Gradient-boosted trees at each visit, shallow and slow: hundreds of patients carry no more."""
    from sklearn.ensemble import GradientBoostingRegressor

    encoder = encoder_of(x)
    X = encoder.plain(x)
    models = []
    for j in range(y.shape[1]):
        read = np.isfinite(y[:, j])
        model = GradientBoostingRegressor(
            n_estimators=80, learning_rate=0.07, max_depth=2, min_samples_leaf=10, subsample=0.7, random_state=seed + j
        )
        models.append(model.fit(X[read], y[read, j]))
    return lambda new: np.column_stack([m.predict(encoder.plain(new)) for m in models])


def _conformal(scores: FloatArray, level: float) -> float:
    """The quantile that a further patient's score exceeds with probability 1 - level, at least for a band."""
    s = np.sort(scores[np.isfinite(scores)])
    n = len(s)
    rank = np.ceil((n + 1) * level) if level > 0.5 else np.floor((n + 1) * level)
    return float(s[int(np.clip(rank, 1, n)) - 1])


def _digest(*parts: bytes | FloatArray) -> str:
    h = hashlib.sha256()
    for part in parts:
        # Rounded: a sum in another order may differ in its last bits and is the same model.
        h.update(part if isinstance(part, bytes) else np.round(part, 8).tobytes())
    return h.hexdigest()
