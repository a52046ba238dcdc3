"""Who is likely to respond, and whether the markers that say so say anything.

    logit P(response) = b_0 + sum_j b_j x_j,   b_j ~ N(0, 1/lambda) for standardized markers, b_0 free

The penalty is chosen inside each training set by the deviance of inner folds (nested cross-validation), so that what
is reported was never used to choose. A marker set is called useful when out-of-fold scores of responders exceed those
of the others (one-sided Mann-Whitney at `LEVEL`). Optimism by bootstrap: Harrell, Lee & Mark 1996,
doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4; decision curve: Vickers & Elkin 2006,
doi:10.1177/0272989X06295361
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import mannwhitneyu

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)
OUTER, INNER, ITERATIONS, BOOTSTRAPS = 5, 5, 8, 200
# Out-of-fold scores depend on each other: at 0.025, 4.5 % of 200 simulated noise sets passed. The level was lowered
# after that was seen, and is measured with other seeds by `twin qualify --phase1`.
LEVEL = 0.01
EVENTS_MIN = 8


@dataclass(frozen=True)
class Candidates:
    """Patients with what was known before treatment: names (p,), values (n, p), responded (n,)."""

    names: tuple[str, ...]
    values: FloatArray
    responded: FloatArray

    @classmethod
    def create(cls, names: Sequence[str], values: FloatArray, responded: FloatArray) -> Candidates:
        """Raises Refusal for missing values, constant markers, or too few responders or others to learn from."""
        x, y = np.asarray(values, dtype=np.float64), np.asarray(responded, dtype=np.float64)
        if x.ndim != 2 or x.shape != (len(y), len(names)):
            raise refuse("values", "expected one row a patient and one column a marker")
        bad = [names[j] for j in range(len(names)) if not np.all(np.isfinite(x[:, j]))]
        if bad:
            raise refuse("values", f"missing values in {', '.join(bad)}; leave the marker or the patients out")
        flat = [names[j] for j in range(len(names)) if x[:, j].std() == 0]
        if flat:
            raise refuse("values", f"{', '.join(flat)} never varies; leave it out")
        if not np.all((y == 0) | (y == 1)):
            raise refuse("responded", "expected 0 or 1 for each patient")
        if min(y.sum(), len(y) - y.sum()) < EVENTS_MIN:
            raise refuse("responded", f"fewer than {EVENTS_MIN} responders or others: nothing can be validated")
        return cls(tuple(names), x, y)


class Accuracy(NamedTuple):
    """c-statistic, Brier score, calibration slope and intercept (1 and 0 are perfect)."""

    auc: float
    brier: float
    slope: float
    intercept: float


@dataclass(frozen=True)
class Responder:
    """The model of response.

    center, scale    of the markers (p,);  coefficients (p + 1,), the first is b_0;  covariance of them
    """

    names: tuple[str, ...]
    center: FloatArray
    scale: FloatArray
    coefficients: FloatArray
    covariance: FloatArray
    penalty: float

    def probability(self, values: FloatArray) -> FloatArray:
        """P(response) for rows of markers, (n,)."""
        return np.asarray(expit(_design((np.atleast_2d(values) - self.center) / self.scale) @ self.coefficients))


@dataclass(frozen=True)
class Reasoned:
    """One patient: probability with its 90 % interval, and each marker's share of the log-odds, largest first."""

    probability: float
    low: float
    high: float
    reasons: tuple[tuple[str, float], ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Validated:
    """A model with what it is worth: seen on its own patients, out of fold, and corrected for optimism.

    p_value     of out-of-fold separation;  `useful`: below LEVEL
    scores      out-of-fold probability of each patient (n,)
    threshold   probability above which patients are selected, with its 90 % interval over bootstraps
    """

    model: Responder
    apparent: Accuracy
    nested: Accuracy
    corrected_auc: float
    p_value: float
    useful: bool
    scores: FloatArray
    responded: FloatArray
    threshold: float
    threshold_interval: tuple[float, float]

    @property
    def verdict(self) -> str:
        """The sentence for a reader."""
        if self.useful:
            ordered = f"{self.nested.auc:.2f} of pairs are ordered rightly (p {self.p_value:.1g})"
            return f"the markers tell responders apart: {ordered}"
        return (
            f"nothing shows that these markers tell responders apart ({self.nested.auc:.2f} of pairs ordered rightly, "
            f"p {self.p_value:.2g}); do not select by them"
        )


class NetBenefit(NamedTuple):
    """At each threshold probability: net benefit of selecting by the model, of treating all; none is 0."""

    thresholds: FloatArray
    model: FloatArray
    everyone: FloatArray


def validate(seen: Candidates, rng: np.random.Generator, *, bootstraps: int = BOOTSTRAPS) -> Validated:
    """Fit, validate and choose a threshold (highest sum of sensitivity and specificity out of fold)."""
    scores = _out_of_fold(seen, rng)
    y = seen.responded
    model = fit(seen, rng)
    apparent = accuracy(model.probability(seen.values), y)
    p_value = float(mannwhitneyu(scores[y == 1], scores[y == 0], alternative="greater").pvalue)
    optimism, cuts = [], []
    for _ in range(bootstraps):
        rows = rng.integers(0, len(y), len(y))
        if min(y[rows].sum(), len(y) - y[rows].sum()) < 2 or np.any(seen.values[rows].std(axis=0) == 0):
            continue
        again = _fit(seen.names, seen.values[rows], y[rows], model.penalty)
        optimism.append(_auc(again.probability(seen.values[rows]), y[rows]) - _auc(again.probability(seen.values), y))
        cuts.append(_youden(scores[rows], y[rows]))
    low, high = np.quantile(cuts, [0.05, 0.95]) if cuts else (np.nan, np.nan)
    return Validated(
        model,
        apparent,
        accuracy(scores, y),
        apparent.auc - float(np.mean(optimism)) if optimism else float("nan"),
        p_value,
        p_value < LEVEL,
        scores,
        y,
        _youden(scores, y),
        (float(low), float(high)),
    )


def fit(seen: Candidates, rng: np.random.Generator) -> Responder:
    """The model on all patients, with the penalty that inner folds choose."""
    train = np.ones((1, len(seen.responded)))
    return _fit(seen.names, seen.values, seen.responded, float(_penalties(seen, train, rng)[0]))


def explain(model: Responder, patient: FloatArray, seen: Candidates) -> Reasoned:
    """One patient with reasons; doubts name markers outside what was seen."""
    z = (np.asarray(patient, dtype=np.float64) - model.center) / model.scale
    row = _design(z[None, :])[0]
    odds, sd = float(row @ model.coefficients), float(np.sqrt(row @ model.covariance @ row))
    shares = sorted(zip(model.names, model.coefficients[1:] * z, strict=True), key=lambda s: -abs(s[1]))
    outside = (patient < seen.values.min(axis=0)) | (patient > seen.values.max(axis=0))
    doubts = tuple(f"{n} lies outside what was seen" for n, o in zip(model.names, outside, strict=True) if o)
    ends = expit(odds - 1.645 * sd), expit(odds + 1.645 * sd)
    return Reasoned(float(expit(odds)), float(ends[0]), float(ends[1]), tuple((n, float(v)) for n, v in shares), doubts)


def accuracy(probability: FloatArray, responded: FloatArray) -> Accuracy:
    """Discrimination and calibration of probabilities."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    b = _newton(_design(logit(p)[:, None]), responded, np.ones((1, len(p))), np.array([1e-9]))[0]
    return Accuracy(_auc(p, responded), float(np.mean((p - responded) ** 2)), float(b[1]), float(b[0]))


def decision_curve(probability: FloatArray, responded: FloatArray, thresholds: FloatArray) -> NetBenefit:
    """NB(t) = TP/n - FP/n t/(1 - t): what selecting is worth when a false selection costs t/(1 - t) of a true one."""
    t, n = np.asarray(thresholds), len(responded)
    chosen = probability[None, :] >= t[:, None]
    true, false = (chosen * responded).sum(axis=1) / n, (chosen * (1 - responded)).sum(axis=1) / n
    rate = responded.mean()
    return NetBenefit(t, true - false * t / (1 - t), rate - (1 - rate) * t / (1 - t))


def _out_of_fold(seen: Candidates, rng: np.random.Generator) -> FloatArray:
    """Scores of each patient by a model whose training and penalty never saw him."""
    fold = _folds(seen.responded, OUTER, rng)
    train = np.array([(fold != k).astype(float) for k in range(OUTER)])
    chosen, scores = _penalties(seen, train, rng), np.zeros(len(fold))
    for k in range(OUTER):
        rows = fold != k
        scores[~rows] = _fit(seen.names, seen.values[rows], seen.responded[rows], float(chosen[k])).probability(
            seen.values[~rows]
        )
    return scores


def _penalties(seen: Candidates, train: FloatArray, rng: np.random.Generator) -> FloatArray:
    """For each training set (f, n) of zeros and ones, the penalty of least deviance in its inner folds, (f,)."""
    x, y = _design((seen.values - seen.values.mean(axis=0)) / seen.values.std(axis=0)), seen.responded
    inner = _folds(y, INNER, rng)
    inside = np.array([[t * (inner != k) for k in range(INNER)] for t in train])
    out = np.array([[t * (inner == k) for k in range(INNER)] for t in train])
    weight = np.repeat(inside[:, :, None, :], len(PENALTIES), axis=2).reshape(-1, len(y))
    b = _newton(x, y, weight, np.tile(PENALTIES, len(train) * INNER))
    odds = b @ x.T
    deviance = np.logaddexp(0.0, np.where(y == 1, -odds, odds)).reshape(len(train), INNER, len(PENALTIES), -1)
    total = np.einsum("fkln,fkn->fl", deviance, out)
    return np.asarray(np.asarray(PENALTIES)[np.argmin(total, axis=1)], dtype=np.float64)


def _fit(names: tuple[str, ...], values: FloatArray, y: FloatArray, penalty: float) -> Responder:
    center, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    x = _design((values - center) / scale)
    b = _newton(x, y, np.ones((1, len(y))), np.array([penalty]))[0]
    p = expit(x @ b)
    information = (x * (p * (1 - p))[:, None]).T @ x + penalty * np.diag([0.0] + [1.0] * len(names))
    return Responder(names, center, scale, b, np.linalg.inv(information), penalty)


def _newton(x: FloatArray, y: FloatArray, weight: FloatArray, penalty: FloatArray) -> FloatArray:
    """Penalized logistic regressions for many weights (f, n) and penalties (f,) at once, (f, p)."""
    b: FloatArray = np.zeros((len(weight), x.shape[1]))
    ridge = penalty[:, None] * np.array([1e-9] + [1.0] * (x.shape[1] - 1))
    k = x.shape[1]
    squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), k * k)
    for _ in range(ITERATIONS):
        p = expit(np.clip(b @ x.T, -30, 30))
        slope = (weight * (y - p)) @ x - ridge * b
        curve = ((weight * np.maximum(p * (1 - p), 1e-9)) @ squares).reshape(-1, k, k)
        curve[:, np.arange(k), np.arange(k)] += ridge
        b = b + np.asarray(np.clip(np.linalg.solve(curve, slope[..., None])[..., 0], -4, 4))
    return np.asarray(b, dtype=np.float64)


def _design(z: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(z)), z])


def _folds(y: FloatArray, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Responders and others dealt evenly."""
    fold = np.zeros(len(y), dtype=np.int64)
    for value in (0.0, 1.0):
        rows = rng.permutation(np.flatnonzero(y == value))
        fold[rows] = np.arange(len(rows)) % k
    return fold


def _auc(score: FloatArray, y: FloatArray) -> float:
    n1, n0 = int(y.sum()), int(len(y) - y.sum())
    return float(mannwhitneyu(score[y == 1], score[y == 0]).statistic / (n1 * n0))


def _youden(score: FloatArray, y: FloatArray) -> float:
    order = np.argsort(-score)
    gain = np.cumsum(y[order]) / max(y.sum(), 1) - np.cumsum(1 - y[order]) / max((1 - y).sum(), 1)
    return float(score[order][int(np.argmax(gain))])
