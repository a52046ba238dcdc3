"""Plasma proteins, kidney function and organ disease by age and condition.

Covariates: egfr_ml_min (measured filtration), creatinine_umol_l, child_pugh (0 none, 1 A, 2 B, 3 C),
pregnancy_week (0 not pregnant).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

TERM_W, WEEKS_A_YEAR = 40.0, 52.18
MG_DL = 88.42
# Liver size, portal flow, albumin, AAG and hematocrit by Child-Pugh class, relative to healthy; liver and portal flow
# Johnson 2010, Clin Pharmacokinet 49:189; the blood Edginton & Willmann 2008, Clin Pharmacokinet 47:743.
CHILD_PUGH = {
    0: (1.0, 1.0, 1.0, 1.0, 1.0),
    1: (0.89, 0.91, 0.81, 0.6, 0.91),
    2: (0.71, 0.63, 0.68, 0.56, 0.88),
    3: (0.61, 0.55, 0.50, 0.30, 0.83),
}
# Enzyme content per mg protein by Child-Pugh class, of the same collection as the liver's size (Johnson 2010), so that
# what is lost is not counted twice: CYP3A4, 1A2, 2C19, 2D6, 2C9, others as CYP3A4.
CHILD_PUGH_ENZYME = {
    "CYP3A4": (1.0, 0.59, 0.39, 0.25),
    "CYP1A2": (1.0, 0.63, 0.26, 0.12),
    "CYP2C19": (1.0, 0.32, 0.26, 0.12),
    "CYP2D6": (1.0, 0.76, 0.33, 0.11),
    "CYP2C9": (1.0, 0.69, 0.51, 0.33),
    "CYP2E1": (1.0, 0.83, 0.83, 0.83),
}
# Glucuronidation is spared (Hoyumpa & Schenker 1991, Hepatology 13:786): lamotrigine clears 0.30, 0.24 and 0.17
# mL/min/kg in classes A, B and C, 0.37 in healthy people (its label; Marcellin 2001, Br J Clin Pharmacol 51:410), over
# liver size.
CHILD_PUGH_UGT = (1.0, 0.91, 0.91, 0.74)


# Filtration by Child-Pugh class, relative to healthy; Edginton & Willmann 2008, Clin Pharmacokinet 47:743.
CHILD_PUGH_GFR = (1.0, 1.0, 0.7, 0.36)

# Days since birth and filtration over what size and maturity say (`filtration_since_birth`).
SINCE_BIRTH = ((0.0, 0.555), (5.0, 1.095), (28.0, 1.34), (120.0, 1.0))


def portal_flow(values: Mapping[str, float]) -> float:
    """Blood through the portal vein into the liver, relative to healthy; the remainder is shunted past it."""
    return CHILD_PUGH[liver_class(values)][1]


class PregnantFlow(NamedTuple):
    """Cardiac output and kidney flow of a pregnant woman, relative to before."""

    output: float
    kidney: float


def pregnant_flow(values: Mapping[str, float]) -> PregnantFlow:
    """Cardiac output 301 + 5.916 w - 0.088 w^2 and kidney flow 53 + 2.6 w - 0.0477 w^2 L/h, w weeks, over their start.

    Abduljalil 2012, Clin Pharmacokinet 51:365
    """
    week = min(max(values.get("pregnancy_week", 0.0), 0.0), 40.0)
    return PregnantFlow((301.0 + 5.916 * week - 0.088 * week**2) / 301.0, (53.0 + 2.6 * week - 0.0477 * week**2) / 53.0)


def liver_class(values: Mapping[str, float]) -> int:
    return int(round(min(max(values.get("child_pugh", 0.0), 0.0), 3.0)))


def enzyme_disease(enzyme: str, values: Mapping[str, float], organ: str = "liver") -> float:
    """Activity per protein in liver disease and pregnancy, relative to healthy.

    Pregnancy acts in the liver, not in the gut wall: Ke 2012, CPT Pharmacometrics Syst Pharmacol 1:e3
    """
    usual = CHILD_PUGH_UGT if enzyme.startswith("UGT") else CHILD_PUGH_ENZYME["CYP3A4"]
    disease = CHILD_PUGH_ENZYME.get(enzyme, usual)[liver_class(values)]
    return disease * (1.0 if organ == "gut" else pregnancy_enzyme(enzyme, values.get("pregnancy_week", 0.0)))


def pregnancy_enzyme(enzyme: str, week: float) -> float:
    """CYP3A4 and 2D6 rise, CYP1A2 and 2C19 fall with gestation; the third-trimester values are reached at week 30.

    Abduljalil 2012, Clin Pharmacokinet 51:365; Ke 2014, Br J Clin Pharmacol 77:554
    """
    late = {"CYP3A4": 1.99, "CYP2D6": 2.0, "CYP1A2": 0.35, "CYP2C19": 0.5, "CYP2C9": 1.6, "UGT1A4": 2.0}.get(
        enzyme, 1.0
    )
    return 1.0 + (late - 1.0) * min(max(week, 0.0) / 30.0, 1.0)


def albumin_g_l(age_y: float, values: Mapping[str, float]) -> float:
    """Albumin = 1.1287 ln(age in days) + 33.746 g/L, then -0.1 g/L a year after 60; less before term.

    Johnson 2006, Clin Pharmacokinet 45:931; old age: Campion 1988, J Gerontol 43:M18 (assumed linear); preterm: 19 g/L
    at 26 weeks to 31 at term, Cartlidge & Rutter 1986, Arch Dis Child 61:657
    """
    days = max(age_y * 365.25, 1.0)
    value = 1.1287 * math.log(days) + 33.746 - 0.1 * max(age_y - 60.0, 0.0)
    pregnancy = 1.0 - 0.27 * min(values.get("pregnancy_week", 0.0) / 36.0, 1.0)
    term = 1.0 - 0.39 * min(max(TERM_W - postmenstrual_week(age_y, values), 0.0) / 14.0, 1.0)
    return value * CHILD_PUGH[liver_class(values)][2] * pregnancy * term


def aag_g_l(age_y: float, values: Mapping[str, float]) -> float:
    """AAG = 0.887 d^0.38 / (8.89^0.38 + d^0.38) g/L, d the age in days. Johnson 2006, Clin Pharmacokinet 45:931"""
    days = max(age_y * 365.25, 0.5) ** 0.38
    return float(0.887 * days / (8.89**0.38 + days) * CHILD_PUGH[liver_class(values)][3])


def hematocrit_change(values: Mapping[str, float]) -> float:
    """Relative hematocrit in liver disease and pregnancy (Abduljalil 2012)."""
    return CHILD_PUGH[liver_class(values)][4] * (1.0 - 0.12 * min(values.get("pregnancy_week", 0.0) / 30.0, 1.0))


def postmenstrual_week(age_y: float, values: Mapping[str, float]) -> float:
    """Weeks since the mother's last period: gestation at birth plus age."""
    return gestation(values) + age_y * WEEKS_A_YEAR


def gestation(values: Mapping[str, float]) -> float:
    """Weeks from the mother's last period to birth: covariate gestational_age_wk, else 40."""
    return float(values.get("gestational_age_wk") or TERM_W)


def filtration_maturity(age_y: float, values: Mapping[str, float]) -> float:
    """PMA^3.4/(47.7^3.4 + PMA^3.4), PMA in weeks. Rhodin 2009, doi:10.1007/s00467-008-0997-5"""
    weeks = postmenstrual_week(age_y, values)
    return float(weeks**3.4 / (47.7**3.4 + weeks**3.4))


def filtration_since_birth(age_y: float, values: Mapping[str, float]) -> float:
    """Filtration over what maturity says: birth starts it within days, and maturity forgets that in four months.

    Measured at birth, 5 and 28 days 19.6, 40.6 and 59.4 mL/min per 1.73 m2 in 881 children born at term, Smeets 2022,
    doi:10.1681/ASN.2021101326, over 35.3, 37.1 and 44.2 by size and maturity. What exceeds 1 fades with weeks of
    gestation from 40 to 32 (assumption: maturity was estimated in children born early).
    """
    factor, at = 1.0, age_y * 365.25
    for (d0, f0), (d1, f1) in zip(SINCE_BIRTH, SINCE_BIRTH[1:], strict=False):
        if d0 <= at < d1:
            factor = f0 + (f1 - f0) * (at - d0) / (d1 - d0)
    term = min(max((gestation(values) - 32.0) / (TERM_W - 32.0), 0.0), 1.0)
    return min(factor, 1.0) + term * max(factor - 1.0, 0.0)


class Filtration(NamedTuple):
    """GFR, L/h, and what works of the nephrons: GFR over that of a healthy young kidney of its size and maturity."""

    gfr_l_h: float
    nephrons: float


def glomerular_filtration(values: Mapping[str, float], body: Any, reference: tuple[float, float]) -> Filtration:
    """GFR: measured, else from creatinine, else by size, maturity, age and pregnancy.

    young   121.2 (w/70)^0.75 b mL/min; w the weight of a usual build of the same fat-free mass, w = w_ref FFM/FFM_ref,
            b what days since birth change
    usual   young x maturity; after 40 years 1 % a year less; up to half more in pregnancy; less in cirrhosis

    reference   height (cm) and weight (kg) usual for the age
    Rhodin 2009, doi:10.1007/s00467-008-0997-5; that filtration follows fat-free mass, not fat: Janmahasatian 2008, Clin
    Pharmacokinet 47:85 (assumed at every age); old age: Lindeman 1985, J Am Geriatr Soc 33:278
    """
    height, weight = reference
    lean = fat_free_mass(body.weight_kg, body.height_cm, body.female) / fat_free_mass(weight, height, body.female)
    young = 121.2 * 0.06 * (weight * lean / 70.0) ** 0.75 * filtration_maturity(body.age_y, values)
    young *= filtration_since_birth(body.age_y, values)
    ageing = max(1.0 - 0.01 * max(body.age_y - 40.0, 0.0), 0.4)
    pregnant = 1.0 + 0.5 * min(values.get("pregnancy_week", 0.0) / 16.0, 1.0)
    gfr = young * ageing * pregnant * CHILD_PUGH_GFR[liver_class(values)]
    if values.get("egfr_ml_min", -1.0) >= 0.0:  # 0 is anuria; below, nobody measured it
        gfr = float(values["egfr_ml_min"]) * 0.06
    elif values.get("creatinine_umol_l"):
        gfr = _from_creatinine(float(values["creatinine_umol_l"]), body) * 0.06
    return Filtration(gfr, gfr / young)


def fat_free_mass(weight_kg: float, height_cm: float, female: bool) -> float:
    """FFM = 9270 w/(6680 + 216 BMI) kg in men, 9270 w/(8780 + 244 BMI) in women.

    Janmahasatian 2005, Clin Pharmacokinet 44:1051
    """
    index = weight_kg / (height_cm / 100.0) ** 2
    return 9270.0 * weight_kg / (8780.0 + 244.0 * index if female else 6680.0 + 216.0 * index)


def body_surface(weight_kg: float, height_cm: float) -> float:
    """Body surface area, m2. Mosteller 1987, doi:10.1056/NEJM198710223171717"""
    return math.sqrt(weight_kg * height_cm / 3600.0)


def _from_creatinine(creatinine: float, body: Any) -> float:
    """mL/min, de-indexed to the patient's surface: CKD-EPI 2021 for adults, bedside Schwartz for children.

    Inker 2021, doi:10.1056/NEJMoa2102953; Schwartz 2009, doi:10.1681/ASN.2008030287
    """
    mg_dl = creatinine / MG_DL
    if body.age_y < 18:
        indexed = 0.413 * body.height_cm / mg_dl
    else:
        kappa, alpha, sex = (0.7, -0.241, 1.012) if body.female else (0.9, -0.302, 1.0)
        low, high = min(mg_dl / kappa, 1.0), max(mg_dl / kappa, 1.0)
        indexed = 142.0 * low**alpha * high**-1.2 * 0.9938**body.age_y * sex
    return float(indexed * body_surface(body.weight_kg, body.height_cm) / 1.73)
