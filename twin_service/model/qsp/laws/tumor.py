"""Tumor size under treatment: growth, kill, delay and resistance."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law

_CLARET = {
    "baseline": "mm",
    "growth_rate": "1/h",
    "kill_rate": "1/h",
    "resistance_rate": "1/h",
    "onset_rate": "1/h",
}
_CLARET_STATES = {"size": "mm", "sensitivity": "1", "treated": "1"}
_CLARET_OUTPUTS = {"size": "mm", "relative_size": "1"}


def _claret(y: Names, p: Names, exposure: Any) -> Equations:
    return Equations(
        rates={
            "size": y.size * (p.growth_rate - p.kill_rate * y.sensitivity * exposure),
            "sensitivity": -p.resistance_rate * y.sensitivity * y.treated,
            "treated": p.onset_rate * exposure * (1 - y.treated),
        },
        initial={"size": p.baseline, "sensitivity": 1.0, "treated": 0.0},
        outputs={"size": y.size, "relative_size": y.size / p.baseline},
    )


@law(
    "claret",
    states=_CLARET_STATES,
    parameters=_CLARET | {"reference_concentration": "umol/L"},
    ports={"drug_concentration": "umol/L"},
    outputs=_CLARET_OUTPUTS,
    smallest={"size": 1e-6},
)
def claret(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Sum of diameters under a drug whose effect wears off from the first dose on.

    TS' = KL TS - KD A x TS;   A' = -lambda A m;   m' = k_on x (1 - m);   x = C / C_ref

    TS, B     sum of longest diameters, first scan                  mm
    KL, KD    growth rate, kill rate at the reference exposure      1/h
    A         what is left of the effect; lambda its loss           1, 1/h
    m         0 before the first dose, 1 soon after (k_on large)    1
    C, C_ref  concentration; its average under the regimen that KD belongs to   umol/L
    At constant C = C_ref this is B exp(KL t - KD/lambda (1 - exp(-lambda t))) of the source; the kill follows the
    exposure as in the source, whose exposure was the daily dose.
    Claret 2009, doi:10.1200/JCO.2008.21.0807
    """
    return _claret(y, p, u.drug_concentration / p.reference_concentration)


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
