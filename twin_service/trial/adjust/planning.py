"""How many patients a trial needs when their forecasts will be used, and what that saves.

    n = nu^2 (z_{1 - alpha/2} + z_{power})^2 / tau^2

A correlation measured in old data is likely to be smaller in the new trial, and the SD larger: both are discounted
before planning (`deflate`, `inflate`), so that a disappointing forecast costs power only beyond the discount.
Schuler et al. 2022, doi:10.1515/ijb-2021-0072
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.adjust.procova import unit_variance


@dataclass(frozen=True)
class Assumptions:
    """What a plan rests on.

    effect           the difference to detect, in the endpoint's unit
    sd_*, correlation_*   of the endpoint, and of endpoint and forecast, in each arm (treated: as control when None)
    share_treated    of all patients
    deflate          factor on the correlations, at most 1
    inflate          factor on the SDs, at least 1
    dropout          share of randomized patients without an endpoint
    """

    effect: float
    sd_control: float
    sd_treated: float | None = None
    correlation_control: float = 0.0
    correlation_treated: float | None = None
    share_treated: float = 0.5
    alpha: float = 0.05
    power: float = 0.9
    deflate: float = 1.0
    inflate: float = 1.0
    dropout: float = 0.0


@dataclass(frozen=True)
class SampleSizePlan:
    """Patients to randomize with and without the forecasts; `exact` is before rounding each arm up."""

    patients: int
    treated: int
    control: int
    exact: float
    patients_unadjusted: int
    control_unadjusted: int
    saved_share: float


def plan(assumptions: Assumptions) -> SampleSizePlan:
    """The smallest trial that detects the effect with the wanted power."""
    _check(assumptions)
    n = _exact(assumptions)
    without = _exact(replace(assumptions, correlation_control=0.0, correlation_treated=0.0))
    treated, control = _arms(n, assumptions)
    treated0, control0 = _arms(without, assumptions)
    return SampleSizePlan(treated + control, treated, control, n, treated0 + control0, control0, 1 - n / without)


def power(assumptions: Assumptions, patients: int) -> float:
    """Power of the two-sided test with `patients` randomized."""
    _check(assumptions)
    if patients < 4:
        raise refuse("patients", f"{patients} patients make no trial; expected four or more")
    a = assumptions
    z = abs(a.effect) / np.sqrt(_unit_variance(a) / (patients * (1 - a.dropout)))
    critical = norm.ppf(1 - a.alpha / 2)
    return float(norm.sf(critical - z) + norm.cdf(-critical - z))


def _exact(a: Assumptions) -> float:
    z = norm.ppf(1 - a.alpha / 2) + norm.ppf(a.power)
    return float(_unit_variance(a) * z**2 / a.effect**2)


def _unit_variance(a: Assumptions) -> float:
    treated = a.correlation_control if a.correlation_treated is None else a.correlation_treated
    return unit_variance(
        sd_control=a.sd_control * a.inflate,
        sd_treated=(a.sd_control if a.sd_treated is None else a.sd_treated) * a.inflate,
        correlation_control=a.correlation_control * a.deflate,
        correlation_treated=treated * a.deflate,
        share_treated=a.share_treated,
    )


def _arms(n: float, a: Assumptions) -> tuple[int, int]:
    """Each arm rounded up after adding what dropout takes; a hair is forgiven so that 50.000000001 is 50."""
    randomized = n / (1 - a.dropout)
    treated, control = randomized * a.share_treated, randomized * (1 - a.share_treated)
    return int(np.ceil(treated - 1e-9)), int(np.ceil(control - 1e-9))


def _check(a: Assumptions) -> None:
    bad = {
        "effect": not (np.isfinite(a.effect) and a.effect != 0),
        "alpha": not 0 < a.alpha < 1,
        "power": not a.alpha < a.power < 1,
        "deflate": not 0 <= a.deflate <= 1,
        "inflate": not 1 <= a.inflate < np.inf,
        "dropout": not 0 <= a.dropout < 1,
    }
    for name, is_bad in bad.items():
        if is_bad:
            raise refuse(name, f"{getattr(a, name):g} makes no plan; see Assumptions for its range")
