"""Looks inside a Phase 1: is the drug active at all, is it too toxic, and how many more patients would settle it.

A twin knows before the trial what share of patients should respond by a pharmacodynamic marker at each dose, with its
doubt: M possible worlds, each a response probability r_m(d) and one common parameter behind them. What was seen
weighs the worlds,

    w_m ~ prod_d r_m(d)^x_d (1 - r_m(d))^(n_d - x_d)

so that an effect missing at low doses speaks about high doses through the mechanism and not by themselves. Success at
the end is r or more responders of N at a dose; its predictive probability is the weighted mean of binomial tails.
Lee & Liu 2008, doi:10.1177/1740774508089279, with the twin's worlds in place of a beta prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlog1py, xlogy
from scipy.stats import beta, binom

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.human_course import HumanPk, draw, exposure
from twin_service.trial.phase1.occupancy import SampledTarget, occupancy

FloatArray = NDArray[np.float64]
WORLDS, PATIENTS = 1000, 200


@dataclass(frozen=True)
class Worlds:
    """Response probabilities (M, k) at each of `doses` (k,); equally likely before data."""

    doses: tuple[float, ...]
    response: FloatArray

    @classmethod
    def create(cls, doses: Sequence[float], response: FloatArray) -> Worlds:
        """Raises Refusal unless there is one probability a dose and world."""
        r = np.asarray(response, dtype=np.float64)
        if r.ndim != 2 or r.shape[1] != len(doses) or not np.all((r >= 0) & (r <= 1)):
            raise refuse("response", "expected one probability of response for each world and dose")
        return cls(tuple(map(float, doses)), r)


class MarkerSeen(NamedTuple):
    """Patients with the marker read, and responders among them, at each dose (k,)."""

    patients: FloatArray
    responders: FloatArray


class Doubt(NamedTuple):
    """CV of Kd between worlds (what is not known of the drug), and of clearance and volume between patients."""

    kd: float
    clearance: float
    volume: float


@dataclass(frozen=True)
class Look:
    """At one dose: response expected (mean, 5 %, 95 %), predictive probability of success, and the decision.

    effective   worlds that still count, 1 / sum w^2: few means that the twin did not expect what was seen
    """

    dose: float
    expected: float
    low: float
    high: float
    predictive: float
    futile: bool
    effective: float
    reason: str


class ToxicityInterim(NamedTuple):
    """Probability that the risk exceeds the limit, from a beta prior, and whether that stops the dose."""

    probability: float
    stops: bool


def target_worlds(
    pk: HumanPk,
    target: SampledTarget,
    doses_umol: Sequence[float],
    threshold: float,
    doubt: Doubt,
    rng: np.random.Generator,
) -> Worlds:
    """Worlds of a marker that responds when a patient's peak occupancy passes `threshold`: Kd differs between worlds,
    kinetics between patients. Raises Refusal unless 0 < threshold < 1."""
    if not 0 < threshold < 1:
        raise refuse("threshold", "expected a share of the target between 0 and 1")
    spread = float(np.sqrt(np.log1p(doubt.kd**2)))
    kd = target.kd * np.exp(spread * rng.standard_normal(WORLDS))
    people = draw(
        HumanPk(pk.clearance, pk.volume, pk.absorption_per_h, pk.bioavailability, pk.fu, doubt.clearance, doubt.volume),
        PATIENTS,
        rng,
    )
    found = np.empty((WORLDS, len(doses_umol)))
    for k, dose in enumerate(doses_umol):
        peak = exposure(pk, dose, people)[0]
        share = occupancy(peak[None, :], kd[:, None] / pk.fu, target.total)
        found[:, k] = (share > threshold).mean(axis=1)
    # No finite sample of people shows a probability of nothing or of certainty.
    return Worlds.create(doses_umol, np.clip(found, 0.5 / PATIENTS, 1 - 0.5 / PATIENTS))


def look(worlds: Worlds, seen: MarkerSeen, *, total: int, needed: int, futile_below: float = 0.05) -> tuple[Look, ...]:
    """Every dose after `seen`: success is `needed` responders of `total` at that dose."""
    n, x = np.asarray(seen.patients, dtype=np.float64), np.asarray(seen.responders, dtype=np.float64)
    if n.shape != (len(worlds.doses),) or x.shape != n.shape or np.any(x > n) or np.any(x < 0):
        raise refuse("responders", "expected patients and at most as many responders at each dose")
    if not 0 < needed <= total or np.any(n > total):
        raise refuse("needed", f"expected 1 to {total} responders, and no more than {total} patients at a dose")
    r = worlds.response
    log_weight = (xlogy(x, r) + xlog1py(n - x, -r)).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    effective = float(1 / (weight**2).sum())
    return tuple(
        _look(worlds, k, weight, (int(n[k]), int(x[k])), (total, needed, futile_below), effective)
        for k in range(len(n))
    )


def too_toxic(patients: int, toxicities: int, limit: float, *, confidence: float = 0.9) -> ToxicityInterim:
    """Beta(limit, 1 - limit) prior: one patient's worth at the limit itself."""
    if not 0 <= toxicities <= patients or not 0 < limit < 1:
        raise refuse("toxicities", "expected counts of at most the patients, and a limit between 0 and 1")
    p = float(beta.sf(limit, limit + toxicities, 1 - limit + patients - toxicities))
    return ToxicityInterim(p, p > confidence)


def expansion_size(
    worlds: Worlds, dose: int, weight: FloatArray, *, futile_rate: float, power: float = 0.8, largest: int = 80
) -> int | None:
    """Fewest patients at a dose such that a one-sided exact test of `futile_rate` at 0.05 succeeds with predictive
    probability `power`; None: not within `largest`."""
    for n in range(5, largest + 1):
        needed = int(binom.isf(0.05, n, futile_rate)) + 1
        if float(weight @ binom.sf(needed - 1, n, worlds.response[:, dose])) >= power:
            return n
    return None


def _look(
    worlds: Worlds, k: int, weight: FloatArray, seen: tuple[int, int], rule: tuple[int, int, float], effective: float
) -> Look:
    (n, x), (total, needed, futile_below), r = seen, rule, worlds.response[:, k]
    predictive = float(weight @ binom.sf(needed - x - 1, total - n, r))
    order = np.argsort(r)
    running = np.cumsum(weight[order])
    low, high = (float(r[order][min(int(np.searchsorted(running, q)), len(r) - 1)]) for q in (0.05, 0.95))
    futile = predictive < futile_below
    said = f"{x} of {n} responded; {needed} of {total} needed; predictive probability {predictive:.2f}"
    return Look(
        worlds.doses[k],
        float(weight @ r),
        low,
        high,
        predictive,
        futile,
        effective,
        f"{said}; stop for inactivity below {futile_below:g}" if futile else said,
    )
