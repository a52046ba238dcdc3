"""What a marker does to a trial: all comers, only positives, or both stratified; power, patients, screening, time.

    z = (p_t - p_c) / sqrt(p (1 - p) (1/n_t + 1/n_c))                 one-sided at alpha, in each population tested

all comers    everyone is randomized, everyone is tested
enriched      marker-positives are randomized; the others are screen failures
stratified    everyone is randomized; all at `alpha_share` of alpha, positives at the rest (Bonferroni): Freidlin,
              McShane & Korn 2010, doi:10.1093/jnci/djp477

The assay is wrong with its sensitivity and specificity, so "positive" is what it says and not what is so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MarkerTruth:
    """What is so. Shares and probabilities of response under control and treatment, in those with and without the
    marker; how well the assay sees it; patients a month who come."""

    prevalence: float
    control_positive: float
    control_negative: float
    treated_positive: float
    treated_negative: float
    sensitivity: float = 1.0
    specificity: float = 1.0
    per_month: float = 10.0

    @classmethod
    def create(cls, **values: float) -> MarkerTruth:
        """Raises Refusal for what is no probability."""
        made = cls(**values)
        shares = [v for k, v in vars(made).items() if k != "per_month"]
        if not all(0 <= v <= 1 for v in shares) or not 0 < made.prevalence < 1 or not made.per_month > 0:
            raise refuse("truth", "expected probabilities from 0 to 1, a prevalence inside them, and arrivals above 0")
        return made

    @property
    def assay_positive(self) -> float:
        """Share whom the assay calls positive."""
        return self.prevalence * self.sensitivity + (1 - self.prevalence) * (1 - self.specificity)


class TrialDesign(NamedTuple):
    """One way to use a marker: who is randomized and which populations are tested at which one-sided level."""

    name: str
    enriched: bool
    alpha_all: float
    alpha_positive: float


def designs(alpha: float = 0.025, alpha_share: float = 0.8) -> tuple[TrialDesign, ...]:
    """The three designs, each at `alpha` in all."""
    return (
        TrialDesign("all comers", False, alpha, 0.0),
        TrialDesign("enriched", True, 0.0, alpha),
        TrialDesign("stratified", False, alpha * alpha_share, alpha * (1 - alpha_share)),
    )


@dataclass(frozen=True)
class Performance:
    """On average: chance to reject in all, in the positives, in either, with the Monte Carlo error of the last;
    patients screened, failed at screening, randomized; months until the last is randomized."""

    design: str
    power_all: float
    power_positive: float
    power: float
    power_se: float
    screened: float
    screen_failures: float
    randomized: float
    months: float


def perform(
    design: TrialDesign, truth: MarkerTruth, randomized: int, trials: int, rng: np.random.Generator
) -> Performance:
    """`trials` simulated trials of `randomized` patients, half of them treated."""
    if randomized < 4:
        raise refuse("randomized", "expected four patients or more")
    share = truth.assay_positive
    if design.enriched:
        screened = randomized + rng.negative_binomial(randomized, share, trials).astype(np.float64)
        positive = np.full(trials, randomized)
    else:
        screened, positive = np.full(trials, float(randomized)), rng.binomial(randomized, share, trials)
    counts = _outcomes(truth, positive, randomized - positive, rng)
    all_z = _z(counts[0] + counts[2], counts[1] + counts[3], (positive // 2 + (randomized - positive) // 2), randomized)
    pos_z = _z(counts[0], counts[1], positive // 2, positive)
    in_all = (all_z > norm.isf(design.alpha_all)) if design.alpha_all > 0 else np.zeros(trials, dtype=bool)
    in_positive = (
        (pos_z > norm.isf(design.alpha_positive)) if design.alpha_positive > 0 else np.zeros(trials, dtype=bool)
    )
    either = in_all | in_positive
    power = float(either.mean())
    return Performance(
        design.name,
        float(in_all.mean()),
        float(in_positive.mean()),
        power,
        float(np.sqrt(power * (1 - power) / trials)),
        float(screened.mean()),
        float(screened.mean() - randomized),
        float(randomized),
        float((rng.gamma(screened) / truth.per_month).mean()),
    )


def _outcomes(
    truth: MarkerTruth, positive: NDArray[np.int64], negative: NDArray[np.int64], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Responders among assay-positives treated and control, assay-negatives treated and control."""
    really = truth.prevalence * truth.sensitivity / max(truth.assay_positive, 1e-12)
    hidden = truth.prevalence * (1 - truth.sensitivity) / max(1 - truth.assay_positive, 1e-12)

    def respond(n: NDArray[np.int64], share: float, with_marker: float, without: float) -> FloatArray:
        return rng.binomial(n, share * with_marker + (1 - share) * without).astype(np.float64)

    t_pos, t_neg = positive // 2, negative // 2
    return (
        respond(t_pos, really, truth.treated_positive, truth.treated_negative),
        respond(positive - t_pos, really, truth.control_positive, truth.control_negative),
        respond(t_neg, hidden, truth.treated_positive, truth.treated_negative),
        respond(negative - t_neg, hidden, truth.control_positive, truth.control_negative),
    )


def _z(
    treated: FloatArray, control: FloatArray, n_treated: NDArray[np.int64], n: NDArray[np.int64] | int
) -> FloatArray:
    """Pooled two-sample statistic; 0 where an arm is empty or nobody or everybody responded."""
    nt, nc = np.maximum(n_treated, 1), np.maximum(n - n_treated, 1)
    pooled = (treated + control) / (nt + nc)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / nt + 1 / nc))
    return np.asarray(np.where(spread > 0, (treated / nt - control / nc) / np.where(spread > 0, spread, 1.0), 0.0))
