"""Covariate laws and derived covariates of population PK: each is one function, named by id in the model files.

Every function works on numbers, arrays and symbols alike, so that a covariate may change during a course.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twin_service.solver import functions as fn

Law = Callable[[Any, float, float], Any]
"""x, coefficient k, reference x0 -> factor on the typical value"""


def power(x: Any, k: float, x0: float) -> Any:
    """(x / x0)^k: allometry, renal function."""
    return (x / x0) ** k


def linear(x: Any, k: float, x0: float) -> Any:
    """1 + k (x - x0)"""
    return 1.0 + k * (x - x0)


def exponential(x: Any, k: float, x0: float) -> Any:
    """exp(k (x - x0))"""
    return fn.exp(k * (x - x0))


def fraction(x: Any, k: float, x0: float) -> Any:
    """1 + k x, for an indicator x of 0 or 1"""
    return 1.0 + k * x


def factor(x: Any, k: float, x0: float) -> Any:
    """k^x, for an indicator x of 0 or 1"""
    return fn.where(fn.equal(x, 0.0), 1.0, k**x)


def below(x: Any, k: float, x0: float) -> Any:
    """1 + k where x < x0, else 1"""
    return fn.where(x < x0, 1.0 + k, 1.0)


def category(x: Any, k: float, x0: float) -> Any:
    """1 + k where x equals the category x0, else 1"""
    return fn.where(fn.equal(x, x0), 1.0 + k, 1.0)


def maturation(x: Any, k: float, x0: float) -> Any:
    """x^k / (x0^k + x^k): maturation with half of adult function at x0 and Hill coefficient k.

    Anderson & Holford 2008, doi:10.1146/annurev.pharmtox.48.113006.094708.
    """
    return 1.0 / (1.0 + (x0 / x) ** k)


def power_below(x: Any, k: float, x0: float) -> Any:
    """(x / x0)^k where x < x0, else 1"""
    return fn.where(x < x0, (x / x0) ** k, 1.0)


def power_above(x: Any, k: float, x0: float) -> Any:
    """(x / x0)^k where x > x0, else 1"""
    return fn.where(x > x0, (x / x0) ** k, 1.0)


def linear_below(x: Any, k: float, x0: float) -> Any:
    """1 + k (x - x0) where x < x0, else 1"""
    return fn.where(x < x0, 1.0 + k * (x - x0), 1.0)


def linear_above(x: Any, k: float, x0: float) -> Any:
    """1 + k (x - x0) where x > x0, else 1"""
    return fn.where(x > x0, 1.0 + k * (x - x0), 1.0)


def offset(x: Any, k: float, x0: float) -> Any:
    """k (x - x0), in the parameter's unit; to be added"""
    return k * (x - x0)


def proportional(x: Any, k: float, x0: float) -> Any:
    """k x, for models that state clearance per unit of a covariate"""
    return k * x


LAWS: Final[Mapping[str, Law]] = {
    f.__name__: f
    for f in (
        power,
        linear,
        exponential,
        fraction,
        factor,
        below,
        category,
        maturation,
        proportional,
        power_below,
        power_above,
        offset,
        linear_below,
        linear_above,
    )
}

UMOL_L_PER_MG_DL: Final = 88.42


def creatinine_clearance(c: Mapping[str, Any]) -> Any:
    """Cockcroft-Gault creatinine clearance, mL/min.

    (140 - age) weight / (72 Scr) x 0.85 for women; age y, weight kg, Scr mg/dL.
    Cockcroft & Gault 1976, doi:10.1159/000180580.
    """
    scr = c["creatinine_umol_l"] / UMOL_L_PER_MG_DL
    return (140.0 - c["age_y"]) * c["weight_kg"] / (72.0 * scr) * (1.0 - 0.15 * c["sex_female"])


def creatinine_clearance_bounded(c: Mapping[str, Any]) -> Any:
    """Cockcroft-Gault with creatinine of at least 1 mg/dL above 65 years and a result of at most 150 mL/min.

    Goti 2018, doi:10.1097/FTD.0000000000000490, with its erratum.
    """
    scr = c["creatinine_umol_l"]
    raised = fn.where(c["age_y"] > 65.0, fn.maximum(scr, UMOL_L_PER_MG_DL), scr)
    return fn.minimum(creatinine_clearance({**c, "creatinine_umol_l": raised}), 150.0)


def creatinine_clearance_ideal(c: Mapping[str, Any]) -> Any:
    """Cockcroft-Gault creatinine clearance with ideal body weight, mL/min."""
    return creatinine_clearance({**c, "weight_kg": ideal_weight(c)})


def glomerular_filtration(c: Mapping[str, Any]) -> Any:
    """CKD-EPI 2009 estimate without the race term, mL/min/1.73 m2.

    Levey 2009, doi:10.7326/0003-4819-150-9-200905050-00006.
    """
    female = c["sex_female"]
    ratio = c["creatinine_umol_l"] / UMOL_L_PER_MG_DL / (0.9 - 0.2 * female)
    alpha = -0.411 + 0.082 * female
    return (
        141.0
        * fn.minimum(ratio, 1.0) ** alpha
        * fn.maximum(ratio, 1.0) ** -1.209
        * 0.993 ** c["age_y"]
        * (1.0 + 0.018 * female)
    )


def filtration_of_children(c: Mapping[str, Any]) -> Any:
    """Bedside Schwartz 0.413 height / Scr, mL/min/1.73 m2. Schwartz 2009, doi:10.1681/ASN.2008030287."""
    return 0.413 * c["height_cm"] / (c["creatinine_umol_l"] / UMOL_L_PER_MG_DL)


def body_surface(c: Mapping[str, Any]) -> Any:
    """sqrt(height weight / 3600), m2. Mosteller 1987, doi:10.1056/NEJM198710223171717."""
    return fn.sqrt(c["height_cm"] * c["weight_kg"] / 3600.0)


def fat_free_mass(c: Mapping[str, Any]) -> Any:
    """9270 W / (a + b BMI), kg; a, b 6680, 216 (men), 8780, 244 (women).

    Janmahasatian 2005, doi:10.2165/00003088-200544100-00004.
    """
    bmi = c["weight_kg"] / (c["height_cm"] / 100.0) ** 2
    female = c["sex_female"]
    return 9270.0 * c["weight_kg"] / (6680.0 + 2100.0 * female + (216.0 + 28.0 * female) * bmi)


def ideal_weight(c: Mapping[str, Any]) -> Any:
    """50 kg (men) or 45.5 kg (women) + 0.9055 kg for each cm above 152.4. Devine 1974."""
    return 50.0 - 4.5 * c["sex_female"] + 0.9055 * (c["height_cm"] - 152.4)


def postmenstrual_age(c: Mapping[str, Any]) -> Any:
    """Gestational age at birth + age, weeks."""
    return c["gestational_age_w"] + c["age_y"] * 52.1775


def postmenstrual_age_term(c: Mapping[str, Any]) -> Any:
    """Age + 40 weeks: postmenstrual age, weeks, of someone born at term."""
    return 40.0 + c["age_y"] * 52.1775


def creatinine_excess(c: Mapping[str, Any]) -> Any:
    """Serum creatinine less what is expected at this age, mg/dL.

    Expected: exp(-1.22839 + 0.67190 log10(p) + 6.27017 exp(-3.10940 p)), p postmenstrual age in years of someone born
    at term. Colin 2019, doi:10.1007/s40262-018-0727-5.
    """
    p = postmenstrual_age_term(c) / 52.1775
    expected = fn.exp(-1.22839 + 0.67190 * fn.log(p) / LN_10 + 6.27017 * fn.exp(-3.10940 * p))
    return c["creatinine_umol_l"] / UMOL_L_PER_MG_DL - expected


LN_10: Final = 2.302585092994046

DERIVED: Final[Mapping[str, tuple[Callable[[Mapping[str, Any]], Any], tuple[str, ...]]]] = {
    "creatinine_clearance_ml_min": (creatinine_clearance, ("age_y", "weight_kg", "sex_female", "creatinine_umol_l")),
    "creatinine_clearance_bounded_ml_min": (
        creatinine_clearance_bounded,
        ("age_y", "weight_kg", "sex_female", "creatinine_umol_l"),
    ),
    "creatinine_clearance_ideal_ml_min": (
        creatinine_clearance_ideal,
        ("age_y", "height_cm", "sex_female", "creatinine_umol_l"),
    ),
    "filtration_ml_min_173": (glomerular_filtration, ("age_y", "sex_female", "creatinine_umol_l")),
    "filtration_of_children_ml_min_173": (filtration_of_children, ("height_cm", "creatinine_umol_l")),
    "body_surface_m2": (body_surface, ("height_cm", "weight_kg")),
    "fat_free_mass_kg": (fat_free_mass, ("height_cm", "weight_kg", "sex_female")),
    "ideal_weight_kg": (ideal_weight, ("height_cm", "sex_female")),
    "postmenstrual_age_term_w": (postmenstrual_age_term, ("age_y",)),
    "creatinine_excess_mg_dl": (creatinine_excess, ("age_y", "creatinine_umol_l")),
    "postmenstrual_age_w": (postmenstrual_age, ("gestational_age_w", "age_y")),
}
"""derived covariate -> its function and the covariates it needs"""
