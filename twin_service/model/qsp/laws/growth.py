"""Tumor growth models beyond sums of diameters: delay of death, quiescence, resistance, turnover."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn


@law(
    "simeoni",
    states={"cycling": "g", "dying1": "g", "dying2": "g", "dying3": "g"},
    parameters={
        "initial_weight": "g",
        "exponential_rate": "1/h",
        "linear_rate": "g/h",
        "death_rate": "1/h",
        "potency": "L/umol/h",
        "switch": "1",
    },
    ports={"drug_concentration": "umol/L"},
    outputs={"weight": "g", "cycling": "g"},
)
def simeoni(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Exponential, then linear growth; cells hit by the drug die in three stages.

    x1' = l0 x1 / (1 + (l0/l1 w)^psi)^(1/psi) - k2 C x1;   x2' = k2 C x1 - k1 x2
    x3' = k1 (x2 - x3);   x4' = k1 (x3 - x4)

    x1 .. x4, w   cycling and dying tumor, their sum   g
    l0, l1        exponential and linear growth        1/h, g/h
    k1, k2        death, potency                       1/h, L/umol/h
    Simeoni 2004, doi:10.1158/0008-5472.CAN-03-2524
    """
    weight = y.cycling + y.dying1 + y.dying2 + y.dying3
    slowing = (1 + (p.exponential_rate / p.linear_rate * weight) ** p.switch) ** (1 / p.switch)
    hit = p.potency * u.drug_concentration * y.cycling
    return Equations(
        rates={
            "cycling": p.exponential_rate * y.cycling / slowing - hit,
            "dying1": hit - p.death_rate * y.dying1,
            "dying2": p.death_rate * (y.dying1 - y.dying2),
            "dying3": p.death_rate * (y.dying2 - y.dying3),
        },
        initial={"cycling": p.initial_weight, "dying1": 0.0, "dying2": 0.0, "dying3": 0.0},
        outputs={"weight": weight, "cycling": y.cycling},
    )


@law(
    "ribba",
    states={"drug": "1", "proliferating": "mm", "quiescent": "mm", "damaged": "mm"},
    parameters={
        "growth_rate": "1/h",
        "capacity": "mm",
        "to_quiescence": "1/h",
        "from_damage": "1/h",
        "damage_loss": "1/h",
        "damage": "1",
        "drug_elimination": "1/h",
        "proliferating_baseline": "mm",
        "quiescent_baseline": "mm",
    },
    outputs={"diameter": "mm", "relative_size": "1"},
    inputs={"cycle": ("drug", "1")},
)
def ribba(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Low-grade glioma: proliferating and quiescent tissue, damage that the drug leaves behind.

    C' = -K C;   P' = lP P (1 - P*/Kmax) + kQpP Qp - kPQ P - g K C P;   Q' = kPQ P - g K C Q;
    Qp' = g K C Q - kQpP Qp - d Qp;   P* = P + Q + Qp

    C             drug, 1 per cycle given (kinetics of effect only)    1
    P, Q, Qp      proliferating, quiescent, damaged quiescent tissue   mm
    Ribba 2012, doi:10.1158/1078-0432.CCR-12-0084 (a public SBML copy lacks the factor P in Q')
    """
    diameter = y.proliferating + y.quiescent + y.damaged
    hit = p.damage * p.drug_elimination * y.drug
    rest = p.to_quiescence * y.proliferating
    healed = p.from_damage * y.damaged
    growth = p.growth_rate * y.proliferating * (1 - diameter / p.capacity)
    return Equations(
        rates={
            "drug": -p.drug_elimination * y.drug,
            "proliferating": growth + healed - rest - hit * y.proliferating,
            "quiescent": rest - hit * y.quiescent,
            "damaged": hit * y.quiescent - healed - p.damage_loss * y.damaged,
        },
        initial={
            "drug": 0.0,
            "proliferating": p.proliferating_baseline,
            "quiescent": p.quiescent_baseline,
            "damaged": 0.0,
        },
        outputs={"diameter": diameter, "relative_size": diameter / (p.proliferating_baseline + p.quiescent_baseline)},
    )


@law(
    "greene",
    states={"sensitive": "1", "resistant": "1"},
    parameters={
        "time_scale": "1/h",
        "spontaneous": "1",
        "induction": "1",
        "kill": "1",
        "resistant_growth": "1",
        "sensitive_baseline": "1",
        "resistant_baseline": "1",
    },
    ports={"exposure": "1"},
    outputs={"burden": "1", "resistant_share": "1"},
    smallest={"sensitive": 1e-12, "resistant": 1e-12},
)
def greene(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Resistance that arises by itself and resistance that the drug induces, in shares of the carrying capacity.

    S' = (1 - S - R) S - (eps + alpha u) S - d u S;   R' = pr (1 - S - R) R + (eps + alpha u) S

    S, R       sensitive, resistant cells / capacity    1
    u          exposure                                 1
    time in units of the sensitive growth time (time_scale turns it into h)
    Greene 2019, doi:10.1200/CCI.18.00087
    """
    room = 1 - y.sensitive - y.resistant
    change = (p.spontaneous + p.induction * u.exposure) * y.sensitive
    burden = y.sensitive + y.resistant
    return Equations(
        rates={
            "sensitive": p.time_scale * (room * y.sensitive - change - p.kill * u.exposure * y.sensitive),
            "resistant": p.time_scale * (p.resistant_growth * room * y.resistant + change),
        },
        initial={"sensitive": p.sensitive_baseline, "resistant": p.resistant_baseline},
        outputs={"burden": burden, "resistant_share": y.resistant / burden},
    )


@law(
    "tham",
    states={"effect_amount": "mg", "size": "mm"},
    parameters={"baseline": "mm", "turnover_time": "mm.h", "half_effect": "mg", "equilibration_half_life": "h"},
    outputs={"size": "mm", "relative_size": "1"},
    inputs={"infusion": ("effect_amount", "mg")},
)
def tham(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Shrinkage of lung cancer: the drug inhibits growth, loss is quadratic in size.

    Ce' = dose rate - Ce ln 2 / Teq;   S' = (k S0 E - k S) S;   E = 1 - Ce / (AE50 + Ce);   k = 1 / T

    S, S0       size, at baseline                      mm
    Ce, AE50    amount at the effect site, for half the effect   mg
    T           turnover                               mm h
    Tham 2008, PMID 18594002
    """
    effect = 1 - y.effect_amount / (p.half_effect + y.effect_amount)
    k = 1 / p.turnover_time
    return Equations(
        rates={
            "effect_amount": -fn.log(2.0) / p.equilibration_half_life * y.effect_amount,
            "size": k * (p.baseline * effect - y.size) * y.size,
        },
        initial={"effect_amount": 0.0, "size": p.baseline},
        outputs={"size": y.size, "relative_size": y.size / p.baseline},
    )
