"""Brain: cognition, movement, amyloid, receptor occupancy."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn


@law(
    "adas_cog",
    states={"score": "1"},
    parameters={"baseline": "1", "rate": "1/h", "shape": "1", "ceiling": "1"},
    outputs={"score": "1", "change": "1"},
)
def adas_cog(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Decline of cognition in Alzheimer's disease, Richards growth toward the worst score.

    A' = r A (1 - (A/70)^s), whose solution is A(t) = 70 b / (b^s + (70^s - b^s) exp(-s r t))^(1/s)

    A, b   ADAS-Cog, at baseline (0 best, 70 worst)   1
    r, s   rate, shape                                1/h, 1
    Conrado 2014, doi:10.1007/s10928-014-9375-z
    """
    return Equations(
        rates={"score": p.rate * y.score * (1 - (y.score / p.ceiling) ** p.shape)},
        initial={"score": p.baseline},
        outputs={"score": y.score, "change": y.score - p.baseline},
    )


@law(
    "updrs",
    states={"progression": "1", "relief": "1"},
    parameters={"slope": "1/h", "slope_change": "1/h", "relief_placebo": "1", "relief_drug": "1", "onset_rate": "1/h"},
    ports={"treatment": "1"},
    outputs={"change": "1"},
)
def updrs(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Parkinson's disease: progression less symptomatic relief, as change of the total UPDRS.

    U = P - X;   P' = a + da D;   X' = k (x0 + x1 D - X)

    P, X   progression, relief            1
    D      treatment, 0 or 1              1
    At constant D: (a + da D) t - (x0 + x1 D)(1 - exp(-k t)) of the source.
    Lee & Gobburu 2011, AAPS J 13:508
    """
    target = p.relief_placebo + p.relief_drug * u.treatment
    return Equations(
        rates={"progression": p.slope + p.slope_change * u.treatment, "relief": p.onset_rate * (target - y.relief)},
        initial={"progression": 0.0, "relief": 0.0},
        outputs={"change": y.progression - y.relief},
    )


@law(
    "amyloid_secretase",
    states={"csf": "1", "plasma": "1", "clearance": "1"},
    parameters={
        "synthesis": "1/h",
        "inhibition": "1",
        "csf_loss": "1/h",
        "influx": "1/h",
        "volume_ratio": "1",
        "plasma_loss": "1/h",
        "clearance_rate": "1/h",
        "clearance_inhibition": "1",
    },
    ports={"csf_drug": "1", "plasma_drug": "1"},
    outputs={"csf": "1", "plasma": "1"},
    smallest={"csf": 1e-10, "plasma": 1e-10},
)
def amyloid_secretase(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Amyloid-beta in CSF and plasma under a gamma-secretase inhibitor, relative to baseline.

    C' = S / (1 + g/Ki) - k C + J;   P' = k r C - J r - d P l;   l' = e (1 / (1 + a f) - l)

    C, P    amyloid-beta in CSF, plasma / baseline          1
    l       plasma clearance, itself slowed by the drug     1
    g, f    drug in CSF and plasma, in the source's scale   1
    Das 2010, PMID 20411345
    """
    return Equations(
        rates={
            "csf": p.synthesis / (1 + u.csf_drug / p.inhibition) - p.csf_loss * y.csf + p.influx,
            "plasma": p.csf_loss * p.volume_ratio * y.csf
            - p.influx * p.volume_ratio
            - p.plasma_loss * y.plasma * y.clearance,
            "clearance": p.clearance_rate * (1 / (1 + p.clearance_inhibition * u.plasma_drug) - y.clearance),
        },
        initial={"csf": 1.0, "plasma": 1.0, "clearance": 1.0},
        outputs={"csf": y.csf, "plasma": y.plasma},
    )


@law(
    "occupancy",
    states={},
    parameters={"maximum": "%", "half_concentration": "umol/L"},
    ports={"drug_concentration": "umol/L"},
    outputs={"occupancy": "%"},
)
def occupancy(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Receptor occupancy at equilibrium with plasma: RO = Emax C / (EC50 + C).

    C, EC50    concentration, for half the maximum   umol/L
    Remington 2006, doi:10.1176/appi.ajp.163.3.396
    """
    c = fn.maximum(u.drug_concentration, 0.0)
    return Equations({}, {}, {"occupancy": p.maximum * c / (p.half_concentration + c)})
