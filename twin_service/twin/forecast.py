"""What was expected of a measurement before it was seen, and what is said when it was not what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twin_service.kalman.suspicion import Explanation
from twin_service.outcome import Outcome
from twin_service.record.events import Censoring
from twin_service.twin.course import Sample

IMPOSSIBLE = 10.0  # times the upper end of what was expected
IMPOSSIBLY_LOW_SD = 2.0
ODDS_TOLD = 1e4
NOT_USED = "not used: impossible for this patient"


class ForecastBand(NamedTuple):
    """A predictive distribution in the observable's unit."""

    mean: float
    sd: float
    q05: float
    q50: float
    q95: float


@dataclass(frozen=True)
class Forecast:
    """What was expected of one measurement before it was seen, and what came.

    prior      from the characteristics of the patient alone
    band       from everything before this instant
    history    how many earlier measurements of this analyte had been assimilated
    nis        squared innovation over its variance (1 expected); `surprising` when beyond the gate
    weight     share of the measurement's information that was used (1 unless it was surprising)
    explanations   of a surprising one: stories likelier than the record, with their odds
    """

    sample: Sample
    prior: ForecastBand
    band: ForecastBand
    history: int
    nis: float
    surprising: bool
    weight: float
    estimator: str
    outcome: Outcome
    explanations: tuple[Explanation, ...] = ()


def surprise_told(f: Forecast, unit: str) -> str:
    """What was not expected, what was made of it, and what would explain it."""
    used = "it was not used" if f.estimator == NOT_USED else f"it counts with weight {f.weight:.2f}"
    stories = "; ".join(f"{e.story} ({e.odds:.0f} times likelier)" for e in f.explanations[:2] if e.odds < ODDS_TOLD)
    far = "; ".join(e.story for e in f.explanations[:2] if e.odds >= ODDS_TOLD)
    told = "; ".join(x for x in (far, stories) if x)
    return (
        f"{f.sample.analyte} {f.sample.value:g} {unit} at {f.sample.time_h:.4g} h was not expected (90 % "
        f"{f.band.q05:.3g} to {f.band.q95:.3g}): {used}" + (f"; would be explained by: {told}" if told else "")
    )


def is_impossible(sample: Sample, band: ForecastBand, prior: ForecastBand) -> bool:
    """Whether a reading cannot be this patient's: far above all that he or anybody like him was expected to have, or
    nothing where there must be something.

    Ten times the upper end of both 90 % bands is beyond any patient the model knows (six standard deviations of a
    lognormal spread of 50 %), and short of the thousandfold of a wrong unit.
    """
    if sample.censoring is not Censoring.NONE:
        return False
    if not all(np.isfinite([band.q95, prior.q95, band.q05, prior.q05])):
        return False
    if sample.value <= 0.0:
        return band.q05 > 0.0 and prior.q05 > 0.0 and band.mean > IMPOSSIBLY_LOW_SD * band.sd
    return band.q95 > 0.0 and prior.q95 > 0.0 and sample.value > IMPOSSIBLE * max(band.q95, prior.q95)
