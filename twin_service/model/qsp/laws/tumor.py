"""Tumor size under treatment: growth, kill, delay and resistance."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn

_CLARET = {"baseline": "mm", "growth_rate": "1/h", "kill_rate": "1/h", "resistance_rate": "1/h", "onset_rate": "1/h"}
_CLARET_STATES = {"size": "mm", "sensitivity": "1", "treated": "1"}
_CLARET_OUTPUTS = {"size": "mm", "relative_size": "1", "baseline_size": "mm", "time_to_growth": "d"}


def _claret(y: Names, p: Names, exposure: Any) -> Equations:
    # a rate of 0 is a patient whose tumor never grows or never answers; the logarithm must stay finite
    ratio = fn.log(fn.maximum(p.kill_rate, 1e-12) / fn.maximum(p.growth_rate, 1e-12))
    return Equations(
        rates={
            "size": y.size * (p.growth_rate - p.kill_rate * y.sensitivity * exposure),
            "sensitivity": -p.resistance_rate * y.sensitivity * y.treated,
            "treated": p.onset_rate * exposure * (1 - y.treated),
        },
        initial={"size": p.baseline, "sensitivity": 1.0, "treated": 0.0},
        outputs={
            "size": y.size,
            "relative_size": y.size / p.baseline,
            "baseline_size": p.baseline,
            "time_to_growth": fn.maximum(ratio / fn.maximum(p.resistance_rate, 1e-12), 0.0) / 24,
        },
    )


@law(
    "claret",
    states=_CLARET_STATES | {"exposure": "1"},
    parameters=_CLARET | {"reference_concentration": "umol/L", "exposure_delay": "h"},
    ports={"drug_concentration": "umol/L"},
    outputs=_CLARET_OUTPUTS,
    smallest={"size": 1e-6},
)
def claret(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Sum of diameters under a drug whose effect wears off from the first dose on.

    TS' = KL TS - KD A x TS;   A' = -lambda A m;   m' = k_on x (1 - m);   x' = (C / C_ref - x) / D

    time to growth = max(0, ln(KD/KL)/lambda)

    TS, B     sum of longest diameters, first scan                  mm
    KL, KD    growth rate, kill rate at the reference exposure      1/h
    A         what is left of the effect; lambda its loss           1, 1/h
    m         0 before the first dose, 1 soon after (k_on large)    1
    C, C_ref  concentration; its average under the regimen that KD belongs to   umol/L
    x, D      exposure that kills, and how long it lags behind the concentration    1, h
    The source's exposure was that of a day or a cycle, and its kill constant meanwhile. A concentration that is gone
    after a day would spend the kill of a whole cycle in that day; with D half a cycle the kill comes on average when it
    does under a constant exposure. Once x = 1 this is the source's B exp(KL t - KD/lambda (1 - exp(-lambda t))).
    Claret 2009, doi:10.1200/JCO.2008.21.0807
    """
    found = _claret(y, p, y.exposure)
    lagging = (u.drug_concentration / p.reference_concentration - y.exposure) / p.exposure_delay
    return found._replace(rates={**found.rates, "exposure": lagging}, initial={**found.initial, "exposure": 0.0})


@law(
    "claret_on_treatment",
    states=_CLARET_STATES,
    parameters=_CLARET,
    ports={"exposure": "1"},
    outputs=_CLARET_OUTPUTS,
    smallest={"size": 1e-6},
)
def claret_on_treatment(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """`claret` with the exposure x itself as input: 1 under the source's regimen, 0 without treatment.

    Claret 2009, doi:10.1200/JCO.2008.21.0807
    """
    return _claret(y, p, u.exposure)


@law(
    "survival_by_tumor_growth",
    states={"elapsed": "d"},
    parameters={
        "intercept": "1",
        "size_effect": "1/mm",
        "growth_effect": "1",
        "asian_effect": "1",
        "smoker_effect": "1",
        "sigma": "1",
    },
    ports={"baseline_size": "mm", "time_to_growth": "d"},
    outputs={"survival": "1", "median_survival": "d"},
    covariates={"asian": "1", "smoker": "1"},
)
def survival_by_tumor_growth(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Probability of being alive, from the baseline and the time to growth of a tumor.

    S(t) = 1 - Phi((ln t - m)/sigma);   m = a + b B + c ln(TTG + 100) + asian + smoker

    t, TTG   time since the first scan, time to growth   d
    B        sum of diameters at the first scan          mm
    Phi by its tanh form, 0.5 (1 + tanh(sqrt(2/pi)(z + 0.044715 z^3))), within 4e-4.
    Claret 2014, doi:10.1038/clpt.2014.11
    """
    m = (
        p.intercept
        + p.size_effect * u.baseline_size
        + p.growth_effect * fn.log(u.time_to_growth + 100.0)
        + p.asian_effect * p.asian
        + p.smoker_effect * p.smoker
    )
    z = (fn.log(fn.maximum(y.elapsed, 1e-6)) - m) / p.sigma
    dead = 0.5 * (1 + fn.tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)))
    return Equations({"elapsed": 1 / 24.0}, {"elapsed": 0.0}, {"survival": 1 - dead, "median_survival": fn.exp(m)})
