"""Warfarin: the international normalized ratio and prothrombin complex activity."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law

FAST, SLOW = ("fast1", "fast2", "fast3"), ("slow1", "slow2", "slow3")


@law(
    "hamberg_inr",
    states={"depot": "mg", "central": "mg"} | dict.fromkeys(FAST + SLOW, "1"),
    parameters={
        "absorption": "1/h",
        "volume": "L",
        "cl_star1": "L/h",
        "cl_star2": "L/h",
        "cl_star3": "L/h",
        "cl_age": "1/a",
        "ec50_g": "mg/L",
        "ec50_a": "mg/L",
        "hill": "1",
        "fast_time": "h",
        "slow_time": "h",
        "inr_baseline": "1",
        "inr_maximum": "1",
        "clearance_scale": "1",
        "ec50_scale": "1",
    },
    outputs={"inr": "1", "s_warfarin": "mg/L"},
    inputs={"oral": ("depot", "mg")},
    covariates={"age_y": "a", "cyp2c9_star2": "1", "cyp2c9_star3": "1", "vkorc1_a": "1"},
)
def hamberg_inr(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """INR under warfarin by CYP2C9, VKORC1 and age: S-warfarin inhibits two chains of clotting factors.

    E = C^g/(EC50^g + C^g);   chains of 3 states driven by (1 - E) at 3/28.6 and 3/118.3 per h
    INR = 1 + 20 (1 - (fast3 + slow3)/2);   CL = (sum over alleles)(1 - 0.00571 (age - 71));   EC50 = sum over alleles

    C                     S-warfarin                        mg/L
    CYP2C9, VKORC1        number of *2, *3 and A alleles    0, 1, 2
    Hamberg 2010, doi:10.1038/clpt.2010.37
    """
    alleles = 2 - p.cyp2c9_star2 - p.cyp2c9_star3
    by_allele = alleles * p.cl_star1 + p.cyp2c9_star2 * p.cl_star2 + p.cyp2c9_star3 * p.cl_star3
    clearance = p.clearance_scale * by_allele * (1 - p.cl_age * (p.age_y - 71.0))
    ec50 = p.ec50_scale * ((2 - p.vkorc1_a) * p.ec50_g + p.vkorc1_a * p.ec50_a)
    c = y.central / p.volume
    power = c**p.hill
    drive = 1 - power / (ec50**p.hill + power)
    rates: dict[str, Any] = {"depot": -p.absorption * y.depot, "central": p.absorption * y.depot - clearance * c}
    for names, time in ((FAST, p.fast_time), (SLOW, p.slow_time)):
        before = drive
        for name in names:
            now = getattr(y, name)
            rates[name] = 3 / time * (before - now)
            before = now
    return Equations(
        rates=rates,
        initial={"depot": 0.0, "central": 0.0} | dict.fromkeys(FAST + SLOW, 1.0),
        outputs={"inr": p.inr_baseline + p.inr_maximum * (1 - (y.fast3 + y.slow3) / 2), "s_warfarin": c},
    )


@law(
    "warfarin_pca",
    states={"depot": "mg", "gut": "mg", "central": "mg", "pca": "%"},
    parameters={
        "transit": "1/h",
        "absorption": "1/h",
        "clearance": "L/h",
        "volume": "L",
        "maximum": "1",
        "half_effect": "mg/L",
        "loss": "1/h",
        "baseline": "%",
    },
    outputs={"concentration": "mg/L", "pca": "%"},
    inputs={"oral": ("depot", "mg")},
)
def warfarin_pca(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Prothrombin complex activity by turnover, its synthesis inhibited by racemic warfarin.

    R' = k R0 (1 - Emax C/(EC50 + C)) - k R;   depot -> gut -> central, first order

    R, R0   prothrombin complex activity, untreated   %
    C       racemic warfarin                          mg/L
    Data O'Reilly 1963 and 1968; turnover as in Holford 1986, Clin Pharmacokinet 11:483
    """
    c = y.central / p.volume
    inhibition = p.maximum * c / (p.half_effect + c)
    return Equations(
        rates={
            "depot": -p.transit * y.depot,
            "gut": p.transit * y.depot - p.absorption * y.gut,
            "central": p.absorption * y.gut - p.clearance * c,
            "pca": p.loss * (p.baseline * (1 - inhibition) - y.pca),
        },
        initial={"depot": 0.0, "gut": 0.0, "central": 0.0, "pca": p.baseline},
        outputs={"concentration": c, "pca": y.pca},
    )
