"""Changing a trial's size at a look without inflating its error; and when patients and events will be there.

    promising zone   n2* such that conditional power at the observed effect is what was planned, up to a cap, and only
                     where conditional power is promising; Z of both stages combined with weights fixed before
    blinded          n from the variance of all patients together, less the planned effect's share d^2/4
    enrolment        sites' rates ~ Gamma: patients in time T ~ negative binomial (Poisson-gamma)
    events           exponential times with the patients' own entry dates; rates ~ Gamma(events, exposure)

Mehta & Pocock 2011, doi:10.1002/sim.4102; Cui, Hung & Wang 1999, doi:10.1111/j.0006-341X.1999.00853.x; Kieser & Friede
2003, doi:10.1002/sim.1585; Anisimov & Fedorov 2007, doi:10.1002/sim.2956; Bagiella & Heitjan 2001, doi:10.1002/sim.843
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
class PromisingZone:
    """Two stages of n1 and n2 patients, second stage up to `largest`; one-sided alpha; zone of conditional power."""

    n1: int
    n2: int
    largest: int
    alpha: float = 0.025
    wanted: float = 0.9
    lowest: float = 0.3

    def __post_init__(self) -> None:
        if not (
            0 < self.n1 and 0 < self.n2 <= self.largest and 0 < self.alpha < 0.5 and 0 < self.lowest < self.wanted < 1
        ):
            raise refuse("interim", "expected n1 > 0, 0 < n2 <= largest, and 0 < lowest < wanted < 1")

    @property
    def weights(self) -> tuple[float, float]:
        whole = self.n1 + self.n2
        return float(np.sqrt(self.n1 / whole)), float(np.sqrt(self.n2 / whole))

    def conditional_power(self, z1: FloatArray, n2: FloatArray) -> FloatArray:
        """At the effect seen: E(Z2) = z1 sqrt(n2/n1)."""
        w1, w2 = self.weights
        need = (norm.isf(self.alpha) - w1 * z1) / w2
        return np.asarray(norm.sf(need - z1 * np.sqrt(n2 / self.n1)))

    def second_stage(self, z1: FloatArray) -> FloatArray:
        """Patients of the second stage (as z1): more only where conditional power lies between lowest and wanted."""
        z = np.asarray(z1, dtype=np.float64)
        planned = np.full(z.shape, float(self.n2))
        power = self.conditional_power(z, planned)
        w1, w2 = self.weights
        with np.errstate(divide="ignore", invalid="ignore"):
            need = (norm.isf(self.alpha) - w1 * z) / w2 + norm.ppf(self.wanted)
            n2 = self.n1 * (need / z) ** 2
        zone = (power >= self.lowest) & (power < self.wanted) & (z > 0)
        return np.where(zone, np.ceil(np.clip(n2, self.n2, self.largest)), planned)


def blinded_size(y: FloatArray, *, effect: float, alpha: float = 0.05, power: float = 0.9) -> int:
    """Patients in all (1:1) from the pooled readings, arms unknown. Raises Refusal for fewer than ten readings."""
    if len(y) < 10 or effect == 0:
        raise refuse("y", "ten or more readings and an effect other than 0 are needed")
    variance = max(float(np.var(y, ddof=1)) - effect**2 / 4, 1e-12)
    z = norm.ppf(1 - alpha / 2) + norm.ppf(power)
    return int(2 * np.ceil(2 * variance * z**2 / effect**2))


class Waiting(NamedTuple):
    """When a count is reached: median and 90 % interval of the time from now."""

    median: float
    low: float
    high: float


def enrolment_time(
    enrolled: FloatArray, months: FloatArray, needed: int, rng: np.random.Generator, *, draws: int = 4000
) -> Waiting:
    """Months until `needed` more patients, from what each site (n,) enrolled in its months; rates share a gamma."""
    if needed < 1 or np.any(months <= 0) or np.any(enrolled < 0) or not enrolled.sum() > 0:
        raise refuse("enrolled", "expected positive months, counts, and at least one patient")
    rate = float(enrolled.sum() / months.sum())
    spread = max(float(np.var(enrolled / months)) - rate / float(months.mean()), 1e-3 * rate**2)
    shape, scale = rate**2 / spread, rate / spread
    rates = rng.gamma(shape + enrolled, 1 / (scale + months), size=(draws, len(months))).sum(axis=1)
    return _quantiles(rng.gamma(needed, 1 / rates))


def event_time(
    exposure: float,
    events: int,
    at_risk: int,
    needed: int,
    rng: np.random.Generator,
    *,
    entering: float = 0.0,
    draws: int = 2000,
) -> Waiting:
    """Months until `needed` more events: `at_risk` patients now, `entering` more a month until then."""
    if events < 1 or exposure <= 0 or needed < 1 or at_risk < 0 or entering < 0 or at_risk + entering <= 0:
        raise refuse("events", "expected events, exposure and patients at risk above zero")
    rates = rng.gamma(events, 1 / exposure, size=draws)
    grid = np.linspace(0, 240, 4801)
    found = np.empty(draws)
    for k, rate in enumerate(rates):
        gone = 1 - np.exp(-rate * grid)
        expected = at_risk * gone + entering * (grid - gone / rate)
        # The time of the r-th event: expected count reaches a gamma variate, as for an inhomogeneous Poisson process.
        target = rng.gamma(needed)
        index = int(np.searchsorted(expected, target))
        found[k] = grid[index] if index < len(grid) else np.inf
    return _quantiles(found)


def _quantiles(times: FloatArray) -> Waiting:
    low, middle, high = np.quantile(times, [0.05, 0.5, 0.95], method="inverted_cdf")
    return Waiting(float(middle), float(low), float(high))
