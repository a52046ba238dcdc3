"""Treated patients against controls from outside: whatever the endpoint, one way to weigh, one way to judge.

The same method is turned on two control groups wherever the trial has one of its own: their true difference is none, so
what it finds is the method's bias in these data. An answer whose calibration fails is given with that warning first.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.adjust.ancova import TreatmentEffect, effect_of, refuse
from twin_service.trial.external.doubly_robust import augmented_effect
from twin_service.trial.external.external_control import hajek_effect
from twin_service.trial.external.matching import entropy_weights, nearest_pairs
from twin_service.trial.external.propensity import (
    Balance,
    Estimand,
    Propensity,
    balance,
    effective_sample_size,
    propensity,
    weights,
)
from twin_service.trial.note import Note
from twin_service.trial.survival.cox import cox
from twin_service.trial.survival.curves import kaplan_meier

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]
FEWEST = 10
BALANCED = 0.1
# Between two control groups a ratio outside 0.8 to 1.25, or a difference beyond 0.2 SD, is bias worth a warning.
LOG_RATIO_BIAS = float(np.log(1.25))
SD_BIAS = 0.2


class Comparability(enum.Enum):
    WEIGHTING = "weighting"
    MATCHING = "matching"
    ENTROPY = "entropy"


class Outcomes(NamedTuple):
    """y (n,): a value, 0/1, or a time; `event` (n,) of 0/1 for a time, None otherwise."""

    y: FloatArray
    event: FloatArray | None


@dataclass(frozen=True)
class Groups:
    """group 1 (treated) and 0 (from outside): covariates x (n, k) by `names`, what happened, and who they are."""

    outcomes: Outcomes
    group: FloatArray
    x: FloatArray
    names: tuple[str, ...]
    subjects: NDArray[np.object_] | None = None

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Groups:
        event = None if self.outcomes.event is None else self.outcomes.event[rows]
        who = None if self.subjects is None else self.subjects[rows]
        return Groups(Outcomes(self.outcomes.y[rows], event), self.group[rows], self.x[rows], self.names, who)


@dataclass(frozen=True)
class Way:
    """How groups are made comparable."""

    how: Comparability
    estimand: Estimand
    caliper: float
    smallest_ess: float
    level: float = 0.95


@dataclass(frozen=True)
class Compared:
    """naive and comparable effects ("log hazard ratio" or "difference"), balance, overlap and what to know."""

    scale: str
    naive: TreatmentEffect
    effect: TreatmentEffect
    augmented: TreatmentEffect | None
    balance: tuple[Balance, ...]
    scores: FloatArray
    group: FloatArray
    weights: FloatArray
    ess: tuple[float, float]
    unmatched: int
    notes: tuple[Note, ...]


def compare_groups(groups: Groups, way: Way) -> Compared:
    """Raises Refusal for fewer than ten patients in a group, groups without overlap, or too few effective controls."""
    _require(groups)
    fit = propensity(groups.group, groups.x)
    if not fit.outcome.ok:
        raise Refusal(
            RefusalCode.PRECONDITION, f"no overlap: {fit.outcome}", field="external.covariates", reason="NO_OVERLAP"
        )
    w, unmatched = _weights(groups, fit, way)
    t = groups.group == 1
    ess = effective_sample_size(w[t]), effective_sample_size(w[~t])
    if min(ess) < way.smallest_ess:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"after making the groups comparable {ess[0]:.0f} treated and {ess[1]:.0f} controls are left in effect; "
            f"the protocol asks for {way.smallest_ess:g} (external.smallest_ess)",
            field="external",
            reason="TOO_FEW_EFFECTIVE",
        )
    table = balance(fit, w, groups.names)
    scale, naive, effect, augmented = _effects(groups, fit, w, way)
    notes = tuple(_notes(groups, fit, w, table, ess, unmatched))
    return Compared(scale, naive, effect, augmented, table, fit.scores, groups.group, w, ess, unmatched, notes)


def bootstrap_effect(
    groups: Groups, way: Way, count: int, rng: np.random.Generator, progress: Progress = lambda share: None
) -> tuple[float, float, int]:
    """Percentile interval of the effect, weights made anew in each resample, and how many resamples failed."""
    found, failed = [], 0
    one, zero = np.flatnonzero(groups.group == 1), np.flatnonzero(groups.group == 0)
    for k in range(count):
        rows = np.concatenate([rng.choice(one, len(one)), rng.choice(zero, len(zero))])
        try:
            found.append(compare_groups(groups.take(rows), way).effect.estimate)
        except Refusal:
            failed += 1
        progress((k + 1) / count)
    if len(found) < count / 2:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{failed} of {count} resamples had no overlap",
            field="external",
            reason="NO_OVERLAP",
        )
    tail = (1 - way.level) / 2
    return float(np.quantile(found, tail)), float(np.quantile(found, 1 - tail)), failed


def calibration_note(found: Compared, outcome_sd: float) -> Note:
    """What the method finds between two control groups, whose difference is none."""
    e = found.effect
    ratio = found.scale.startswith("log")
    size = abs(e.estimate) if ratio else abs(e.estimate) / outcome_sd
    excluded = e.low > 0 or e.high < 0
    bad = excluded or size > (LOG_RATIO_BIAS if ratio else SD_BIAS)
    shown, naive = (np.exp(v) if ratio else v for v in (e.estimate, found.naive.estimate))
    null = "1" if ratio else "0"
    text = f"between the trial's own controls and those outside it finds {shown:.2f} ({naive:.2f} before), truth {null}"
    return Note("control against control", text + (": the answer carries that bias" if bad else ""), bool(bad))


def _require(groups: Groups) -> None:
    for g, name in ((1, "treated"), (0, "external control")):
        count = int(np.sum(groups.group == g))
        if count < FEWEST:
            raise refuse("external", f"{count} {name} patients with all covariates; {FEWEST} or more are needed")


def _weights(groups: Groups, fit: Propensity, way: Way) -> tuple[FloatArray, int]:
    if way.how is Comparability.WEIGHTING:
        return weights(fit, way.estimand), 0
    if way.how is Comparability.ENTROPY:
        return entropy_weights(groups.x, groups.group), 0
    pairs = nearest_pairs(fit, way.caliper)
    w = np.zeros(len(groups.group))
    w[pairs.treated], w[pairs.control] = 1.0, 1.0
    if len(pairs.treated) < 2:
        raise Refusal(
            RefusalCode.PRECONDITION, "no pairs within the caliper", field="external.caliper", reason="NO_OVERLAP"
        )
    return w, pairs.unmatched


def _effects(
    groups: Groups, fit: Propensity, w: FloatArray, way: Way
) -> tuple[str, TreatmentEffect, TreatmentEffect, TreatmentEffect | None]:
    y, event = groups.outcomes
    keep = w > 0
    if event is not None:
        plain, weighed = cox(y, event, groups.group), cox(y[keep], event[keep], groups.group[keep], w[keep])
        if not plain.outcome.ok:
            raise refuse("endpoint", "one group has no event at all; a hazard ratio does not exist")
        naive = _normal(float(plain.beta[0]), float(np.sqrt(plain.cov[0, 0])), groups.group, way.level)
        return (
            "log hazard ratio",
            naive,
            _normal(float(weighed.beta[0]), float(np.sqrt(weighed.robust[0, 0])), groups.group, way.level),
            None,
        )
    ones = np.ones_like(w)
    naive = _weighted_difference(y, groups.group, ones, way.level)
    if way.how is Comparability.WEIGHTING:
        effect = hajek_effect(y, fit, way.estimand, level=way.level)
        augmented = augmented_effect(y, fit, level=way.level) if way.estimand == "ATT" else None
        return "difference", naive, effect, augmented
    return "difference", naive, _weighted_difference(y, groups.group, w, way.level), None


def _weighted_difference(y: FloatArray, group: FloatArray, w: FloatArray, level: float) -> TreatmentEffect:
    parts = []
    for g in (1, 0):
        mine = (group == g) & (w > 0)
        mean = float(np.average(y[mine], weights=w[mine]))
        variance = float(np.sum((w[mine] * (y[mine] - mean)) ** 2) / w[mine].sum() ** 2)
        parts.append((mean, variance, effective_sample_size(w[mine])))
    se = float(np.sqrt(parts[0][1] + parts[1][1]))
    return effect_of(parts[0][0] - parts[1][0], se, parts[0][2] + parts[1][2] - 2, group, level=level)


def _normal(estimate: float, se: float, group: FloatArray, level: float) -> TreatmentEffect:
    return effect_of(estimate, se, np.inf, group, level=level)


def _notes(
    groups: Groups, fit: Propensity, w: FloatArray, table: Sequence[Balance], ess: tuple[float, float], unmatched: int
) -> list[Note]:
    t = groups.group == 1
    found = [
        Note("balance", f"{b.name} still differs by {b.difference_after:+.2f} SD", True)
        for b in table
        if abs(b.difference_after) >= BALANCED
    ]
    if ess[1] < 0.3 * np.sum(~t):
        found.append(Note("effective size", f"{int(np.sum(~t))} controls weigh as much as {ess[1]:.0f}", True))
    share = float(w[~t].max() / w[~t].sum())
    if share > 0.1:
        found.append(Note("effective size", f"one control carries {share:.0%} of the weight", True))
    outside = float(np.mean((fit.scores[t] > fit.scores[~t].max()) | (fit.scores[t] < fit.scores[~t].min())))
    if outside > 0.02:
        found.append(Note("positivity", f"{outside:.0%} of the treated have no control of their kind", True))
    if unmatched:
        found.append(Note("matching", f"{unmatched} treated have no control within the caliper and are left out", True))
    return found


def weighted_curves(groups: Groups, w: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Weighted Kaplan-Meier (times, survival) of the treated and of the controls."""
    y, event = groups.outcomes
    out = []
    for g in (1, 0):
        mine = (groups.group == g) & (w > 0)
        curve = kaplan_meier(y[mine], cast(FloatArray, event)[mine], w[mine])
        out.append((curve.times, curve.survival))
    return out
