"""Tumor and immune system: effector cells, checkpoint blockade, CAR-T cells."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn


@law(
    "kuznetsov",
    states={"effectors": "{cell}", "tumor": "{cell}"},
    parameters={
        "source": "{cell}/h",
        "stimulation": "1/h",
        "half_stimulation": "{cell}",
        "inactivation": "1/{cell}/h",
        "kill": "1/{cell}/h",
        "effector_loss": "1/h",
        "growth": "1/h",
        "crowding": "1/{cell}",
        "effector_baseline": "{cell}",
        "tumor_baseline": "{cell}",
    },
    ports={"checkpoint_blockade": "1"},
    outputs={"effectors": "{cell}", "tumor": "{cell}"},
    smallest={"effectors": 1e-3, "tumor": 1e-3},
)
def kuznetsov(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Effector cells against an immunogenic tumor; dormancy, escape and a threshold between them.

    E' = s + p E T / (g + T) - m E T - d E;   T' = a T (1 - b T) - n (1 + B) E T

    E, T   effector and tumor cells        cell
    B      checkpoint blockade: the factor by which it raises the kill, 0 without   1
    Kuznetsov 1994, doi:10.1007/BF02460644; the port is our addition
    """
    meeting = y.effectors * y.tumor
    return Equations(
        rates={
            "effectors": p.source
            + p.stimulation * meeting / (p.half_stimulation + y.tumor)
            - p.inactivation * meeting
            - p.effector_loss * y.effectors,
            "tumor": p.growth * y.tumor * (1 - p.crowding * y.tumor) - p.kill * (1 + u.checkpoint_blockade) * meeting,
        },
        initial={"effectors": p.effector_baseline, "tumor": p.tumor_baseline},
        outputs={"effectors": y.effectors, "tumor": y.tumor},
    )


@law(
    "tsur",
    states={"presenting": "{cell}", "effectors": "{cell}", "tumor": "{cell}"},
    parameters={
        "activation": "{cell}/h",
        "half_activation": "{cell}",
        "presenting_loss": "1/h",
        "effector_activation": "1/h",
        "effector_loss": "1/h",
        "growth": "1/h",
        "kill": "1/h",
        "half_kill": "{cell}",
        "presenting_baseline": "{cell}",
        "effector_baseline": "{cell}",
        "tumor_baseline": "{cell}",
    },
    outputs={"presenting": "{cell}", "effectors": "{cell}", "tumor": "{cell}"},
    smallest={"presenting": 1e-4, "effectors": 1e-3, "tumor": 1e-3},
)
def tsur(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Melanoma under pembrolizumab: antigen-presenting cells activate effectors that kill with saturation.

    A' = aA M / (M + b) - mA A;   T' = ae A - me T;   M' = g M - n T M / (M + h)

    A, T, M   presenting, effector and melanoma cells   cell
    Tsur 2019, PMID 31580835
    """
    activation = p.activation * y.tumor / (y.tumor + p.half_activation)
    return Equations(
        rates={
            "presenting": activation - p.presenting_loss * y.presenting,
            "effectors": p.effector_activation * y.presenting - p.effector_loss * y.effectors,
            "tumor": p.growth * y.tumor - p.kill * y.effectors * y.tumor / (y.tumor + p.half_kill),
        },
        initial={"presenting": p.presenting_baseline, "effectors": p.effector_baseline, "tumor": p.tumor_baseline},
        outputs={"presenting": y.presenting, "effectors": y.effectors, "tumor": y.tumor},
    )


@law(
    "car_t_expansion",
    states={"expanding": "{cell}/uL", "persistent": "{cell}/uL", "tumor": "{cell}/uL"},
    parameters={
        "expansion": "1/h",
        "contraction": "1/h",
        "conversion": "1/h",
        "persistent_loss": "1/h",
        "growth": "1/h",
        "kill": "1/h",
        "half_expansion": "{cell}/uL",
        "half_kill": "{cell}/uL",
        "capacity": "{cell}/uL",
        "cure_threshold": "{cell}/uL",
        "cure_steepness": "1",
        "expansion_end": "h",
        "dose": "{cell}/uL",
        "tumor_baseline": "{cell}/uL",
    },
    outputs={"car_t": "{cell}/uL", "expanding": "{cell}/uL", "persistent": "{cell}/uL", "tumor": "{cell}/uL"},
    smallest={"expanding": 1e-9, "persistent": 1e-9, "tumor": 1e-12},
)
def car_t_expansion(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """CAR-T cells expand on antigen until Tmax, then contract into a small persistent pool.

    t <= Tmax: CE' = r CE U / (Er + CE + U), CP' = 0;   t > Tmax: CE' = -(kE + kEP) CE, CP' = kEP CE - b CP
    U' = F g U (lg Umax - lg U) / lg Umax - d CE U / (Ed + CE + U);   F = 1 / (1 + (Ucrit/U)^h)

    CE, CP, U   expanding and persistent CAR-T cells, tumor cells   cell/uL
    t           time since infusion, which is the model's start     h
    Chaudhury 2020, doi:10.1002/jcph.1691 (structure after Stein 2019, doi:10.1002/psp4.12388)
    """
    met = y.expanding * y.tumor
    early = t <= p.expansion_end
    tumor = fn.maximum(y.tumor, 1e-30)
    cure = 1 / (1 + (p.cure_threshold / tumor) ** p.cure_steepness)
    left = 1 - fn.log(tumor) / fn.log(p.capacity)
    expanding = fn.where(
        early,
        p.expansion * met / (p.half_expansion + y.expanding + y.tumor),
        -(p.contraction + p.conversion) * y.expanding,
    )
    return Equations(
        rates={
            "expanding": expanding,
            "persistent": fn.where(early, 0.0, p.conversion * y.expanding - p.persistent_loss * y.persistent),
            "tumor": cure * p.growth * tumor * left - p.kill * met / (p.half_kill + y.expanding + y.tumor),
        },
        initial={"expanding": p.dose, "persistent": 0.0, "tumor": p.tumor_baseline},
        outputs={
            "car_t": y.expanding + y.persistent,
            "expanding": y.expanding,
            "persistent": y.persistent,
            "tumor": y.tumor,
        },
    )


@law(
    "car_t_lymphodepletion",
    states={"normal": "{cell}/uL", "car_t": "{cell}/uL", "tumor": "{cell}/uL"},
    parameters={
        "normal_growth": "1/h",
        "normal_capacity": "{cell}/uL",
        "car_t_growth": "1/h",
        "car_t_boost": "1/h",
        "boost_shape": "1",
        "car_t_capacity": "{cell}/uL",
        "tumor_growth": "1/h",
        "kill": "1/h",
        "half_kill": "{cell}/uL",
        "normal_baseline": "{cell}/uL",
        "car_t_baseline": "{cell}/uL",
        "tumor_baseline": "{cell}/uL",
    },
    outputs={"normal": "{cell}/uL", "car_t": "{cell}/uL", "tumor": "{cell}/uL"},
    smallest={"tumor": 1e-12},
)
def car_t_lymphodepletion(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """CAR-T and normal T cells compete after lymphodepletion; the depth of depletion drives expansion.

    N' = -rN N ln((N + C)/KN);   C' = -rC C ln((N + C)/KC);   B' = rB B - gB B C / (kB + C)
    rC = r0 + b (L - KN)^2 / (a L^2 + (L - KN)^2);   L = N + C

    N, C, B   normal T, CAR-T and tumor cells   cell/uL
    Kimmel 2021, doi:10.1098/rspb.2021.0229
    """
    total = y.normal + y.car_t
    gap = (total - p.normal_capacity) ** 2
    rate = p.car_t_growth + p.car_t_boost * gap / (p.boost_shape * total * total + gap)
    return Equations(
        rates={
            "normal": -p.normal_growth * y.normal * fn.log(total / p.normal_capacity),
            "car_t": -rate * y.car_t * fn.log(total / p.car_t_capacity),
            "tumor": p.tumor_growth * y.tumor - p.kill * y.tumor * y.car_t / (p.half_kill + y.car_t),
        },
        initial={"normal": p.normal_baseline, "car_t": p.car_t_baseline, "tumor": p.tumor_baseline},
        outputs={"normal": y.normal, "car_t": y.car_t, "tumor": y.tumor},
    )
