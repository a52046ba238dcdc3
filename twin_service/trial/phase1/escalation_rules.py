"""Escalation by tables anyone can check at the bedside: BOIN and 3 + 3, with what they do on average computed exactly.

BOIN compares the observed share of toxicities at the current dose with two fixed numbers:

    lambda_e = log((1 - p1)/(1 - t)) / log(t (1 - p1)/(p1 (1 - t)))        escalate at or below
    lambda_d = log((1 - t)/(1 - p2)) / log(p2 (1 - t)/(t (1 - p2)))        de-escalate at or above

with target t, and p1 < t < p2 the risks that would be too low and too high.
Liu & Yuan 2015, doi:10.1111/rssc.12089
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import beta, binom

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
COHORT = 3


@dataclass(frozen=True)
class BoinTable:
    """For n = 1, 2, ... patients at a dose: toxicities that escalate, de-escalate, eliminate it (None: never)."""

    target: float
    escalate_below: float
    deescalate_above: float
    escalate_at_most: tuple[int, ...]
    deescalate_at_least: tuple[int, ...]
    eliminate_at_least: tuple[int | None, ...]


class ThreePlusThree(NamedTuple):
    """On average over all outcomes: probability that each dose is declared the maximum tolerated one (first entry:
    none), patients treated at each dose, toxicities."""

    declared: FloatArray
    patients: FloatArray
    toxicities: float


class _Passed(NamedTuple):
    """Probabilities by dose (k,): none of three toxic; one of three and none of three more; at most one of three."""

    three: FloatArray
    six: FloatArray
    holds: FloatArray


def boin_table(
    target: float,
    patients_max: int = 30,
    *,
    too_low: float | None = None,
    too_high: float | None = None,
    elimination: float = 0.95,
) -> BoinTable:
    """The decision table. Defaults p1 = 0.6 t and p2 = 1.4 t are the source's."""
    p1, p2 = 0.6 * target if too_low is None else too_low, 1.4 * target if too_high is None else too_high
    if not 0 < p1 < target < p2 < 1:
        raise refuse("target", f"expected 0 < {p1:g} < {target:g} < {p2:g} < 1")
    low = np.log((1 - p1) / (1 - target)) / np.log(target * (1 - p1) / (p1 * (1 - target)))
    high = np.log((1 - target) / (1 - p2)) / np.log(p2 * (1 - target) / (target * (1 - p2)))
    counts = range(1, patients_max + 1)
    return BoinTable(
        target,
        float(low),
        float(high),
        tuple(int(np.floor(low * n + 1e-9)) for n in counts),
        tuple(int(np.ceil(high * n - 1e-9)) for n in counts),
        tuple(_eliminate(n, target, elimination) for n in counts),
    )


def boin_selection(
    target: float, patients: Sequence[int], toxicities: Sequence[int], *, elimination: float = 0.95
) -> int | None:
    """Place (from 0) of the dose whose isotonic risk is nearest to the target; None when the lowest is too toxic."""
    n, y = np.asarray(patients, dtype=np.float64), np.asarray(toxicities, dtype=np.float64)
    if n.shape != y.shape or np.any(y > n) or np.any(y < 0):
        raise refuse("toxicities", "expected counts of at most the patients treated, one a dose")
    too_toxic = (n >= COHORT) & (beta.sf(target, 1 + y, 1 + n - y) > elimination)
    top = int(np.argmax(too_toxic)) if too_toxic.any() else len(n)
    tried = np.flatnonzero(n[:top] > 0)
    if not len(tried):
        return None
    a, b = y[tried] + 0.05, n[tried] - y[tried] + 0.05
    variance = a * b / ((a + b) ** 2 * (a + b + 1))
    risk = isotonic_regression(a / (a + b), weights=1 / variance).x
    # Among equal risks below the target the higher dose, above it the lower one.
    distance = np.abs(risk - target)
    best = np.flatnonzero(distance <= distance.min() + 1e-12)
    return int(tried[best[-1] if risk[best[0]] < target else best[0]])


def three_plus_three(risks: Sequence[float], *, deescalate: bool = False) -> ThreePlusThree:
    """Exact operating characteristics when the true risks are `risks` (k,).

    Three patients: none toxic, go up; one, three more; two, stop. Of six: at most one, go up; else stop. The dose below
    is declared; with `deescalate`, it must have had six patients with at most one toxicity, or three more are treated.
    """
    p = np.asarray(risks, dtype=np.float64)
    if p.ndim != 1 or not len(p) or not np.all((p >= 0) & (p <= 1)):
        raise refuse("risks", "expected one probability a dose")
    none, one = binom.pmf(0, COHORT, p), binom.pmf(1, COHORT, p)
    passed = _Passed(none, one * none, binom.cdf(1, COHORT, p))
    tally = ThreePlusThree(np.zeros(len(p) + 1), np.zeros(len(p)), 0.0)
    reach = 1.0
    for j in range(len(p)):
        tally.patients[j] += reach * COHORT * (1 + one[j])
        up = float(passed.three[j] + passed.six[j])
        _go_down(j - 1, reach * (1 - up), passed, tally, deescalate=deescalate)
        reach *= up
    _go_down(len(p) - 1, reach, passed, tally, deescalate=False)
    return tally._replace(toxicities=float(tally.patients @ p))


def three_plus_three_next(
    patients: Sequence[float] | FloatArray, toxicities: Sequence[float] | FloatArray, current: int, *, deescalate: bool
) -> tuple[int | None, bool]:
    """Dose that follows when `current` (from 0) was the last one given, and whether the trial goes on.

    A cohort that is not complete stays. When the trial ends, the dose is the one declared (None: no dose).
    """
    top, n, y = len(patients) - 1, patients[current], toxicities[current]
    if n % COHORT:
        return current, True
    if y >= 2:
        if current == 0:
            return None, False
        return current - 1, deescalate and patients[current - 1] < 2 * COHORT
    if y == 1 and n < 2 * COHORT:
        return current, True
    closed = current == top or (patients[current + 1] > 0 and toxicities[current + 1] >= 2)
    if not closed:
        return current + 1, True
    return current, deescalate and current < top and n < 2 * COHORT


def _go_down(j: int, chance: float, passed: _Passed, tally: ThreePlusThree, *, deescalate: bool) -> None:
    """Declare dose j, which was passed on the way up, or fill it to six patients first and see."""
    if chance == 0.0:
        return
    if j < 0 or not deescalate:
        tally.declared[max(j + 1, 0)] += chance
        return
    with_three = float(chance * passed.three[j] / (passed.three[j] + passed.six[j]))
    holds = float(passed.holds[j])
    tally.declared[j + 1] += chance - with_three * (1 - holds)
    tally.patients[j] += with_three * COHORT
    _go_down(j - 1, with_three * (1 - holds), passed, tally, deescalate=True)


def _eliminate(n: int, target: float, elimination: float) -> int | None:
    if n < COHORT:
        return None
    return next((y for y in range(n + 1) if beta.sf(target, 1 + y, 1 + n - y) > elimination), None)
