"""Plasma proteins, kidney function and organ disease by age and condition.

Covariates: egfr_ml_min (measured filtration), creatinine_umol_l, child_pugh (0 none, 1 A, 2 B, 3 C),
pregnancy_week (0 not pregnant).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MG_DL = 88.42
# Functional liver, portal flow, albumin, AAG and hematocrit by Child-Pugh class, relative to healthy;
# Johnson 2010, Clin Pharmacokinet 49:189; Edginton & Willmann 2008, Clin Pharmacokinet 47:743.
CHILD_PUGH = {
    0: (1.0, 1.0, 1.0, 1.0, 1.0),
    1: (0.69, 0.91, 0.81, 0.6, 0.91),
    2: (0.55, 0.63, 0.68, 0.56, 0.88),
    3: (0.28, 0.55, 0.50, 0.30, 0.83),
}
# Enzyme activity by Child-Pugh class, the same sources: CYP3A4, 1A2, 2C19, 2D6, 2C9, others as CYP3A4.
CHILD_PUGH_ENZYME = {
    "CYP3A4": (1.0, 0.59, 0.39, 0.25),
    "CYP1A2": (1.0, 0.63, 0.26, 0.12),
    "CYP2C19": (1.0, 0.32, 0.26, 0.12),
    "CYP2D6": (1.0, 0.76, 0.33, 0.11),
    "CYP2C9": (1.0, 0.69, 0.51, 0.33),
    "CYP2E1": (1.0, 0.83, 0.83, 0.83),
}


def liver_class(values: Mapping[str, float]) -> int:
    return int(round(min(max(values.get("child_pugh", 0.0), 0.0), 3.0)))


def enzyme_disease(enzyme: str, values: Mapping[str, float]) -> float:
    """Activity per functional liver in liver disease and pregnancy, relative to healthy."""
    disease = (
        CHILD_PUGH_ENZYME.get(enzyme, CHILD_PUGH_ENZYME["CYP3A4"])[liver_class(values)] if liver_class(values) else 1.0
    )
    return disease * pregnancy_enzyme(enzyme, values.get("pregnancy_week", 0.0))


def pregnancy_enzyme(enzyme: str, week: float) -> float:
    """CYP3A4 and 2D6 rise, CYP1A2 and 2C19 fall with gestation; the third-trimester values are reached at week 30.

    Abduljalil 2012, Clin Pharmacokinet 51:365; Ke 2014, Br J Clin Pharmacol 77:554
    """
    late = {"CYP3A4": 1.99, "CYP2D6": 2.0, "CYP1A2": 0.35, "CYP2C19": 0.5, "CYP2C9": 1.6, "UGT1A4": 2.0}.get(
        enzyme, 1.0
    )
    return 1.0 + (late - 1.0) * min(max(week, 0.0) / 30.0, 1.0)


def albumin_g_l(age_y: float, values: Mapping[str, float]) -> float:
    """Albumin = 1.1287 ln(age in days) + 33.746 g/L, then -0.1 g/L a year after 60.

    Johnson 2006, Clin Pharmacokinet 45:931; old age: Campion 1988, J Gerontol 43:M18 (assumed linear)
    """
    days = max(age_y * 365.25, 1.0)
    value = 1.1287 * math.log(days) + 33.746 - 0.1 * max(age_y - 60.0, 0.0)
    pregnancy = 1.0 - 0.27 * min(values.get("pregnancy_week", 0.0) / 36.0, 1.0)
    return value * CHILD_PUGH[liver_class(values)][2] * pregnancy


def aag_g_l(age_y: float, values: Mapping[str, float]) -> float:
    """AAG = 0.887 d^0.38 / (8.89^0.38 + d^0.38) g/L, d the age in days. Johnson 2006, Clin Pharmacokinet 45:931"""
    days = max(age_y * 365.25, 0.5) ** 0.38
    return float(0.887 * days / (8.89**0.38 + days) * CHILD_PUGH[liver_class(values)][3])


def hematocrit_change(values: Mapping[str, float]) -> float:
    """Relative hematocrit in liver disease and pregnancy (Abduljalil 2012)."""
    return CHILD_PUGH[liver_class(values)][4] * (1.0 - 0.12 * min(values.get("pregnancy_week", 0.0) / 30.0, 1.0))


def glomerular_filtration(values: Mapping[str, float], body: Any, reference_kg: float, kidney_ratio: float) -> float:
    """GFR, L/h: measured, else from creatinine, else mature by age and kidney size.

    mature  121.2 (w/70)^0.75 PMA^3.4/(47.7^3.4 + PMA^3.4) mL/min; after 40 years 1 % a year less
            (w own weight in children, else the reference weight times kidney size; PMA in weeks, born at 40)
    Rhodin 2009, doi:10.1007/s00467-008-0997-5; old age: Lindeman 1985, J Am Geriatr Soc 33:278
    """
    if values.get("egfr_ml_min"):
        return float(values["egfr_ml_min"]) * 0.06
    if values.get("creatinine_umol_l"):
        return _from_creatinine(float(values["creatinine_umol_l"]), body) * 0.06
    if body.species != "human":
        return float(5.0 * 0.06 * body.weight_kg**0.75)
    weeks = 40.0 + body.age_y * 52.18
    mature = weeks**3.4 / (47.7**3.4 + weeks**3.4)
    ageing = max(1.0 - 0.01 * max(body.age_y - 40.0, 0.0), 0.4)
    pregnant = 1.0 + 0.5 * min(values.get("pregnancy_week", 0.0) / 16.0, 1.0)
    weight, size = (body.weight_kg, 1.0) if body.age_y < 18 else (reference_kg, kidney_ratio)
    return float(121.2 * 0.06 * (weight / 70.0) ** 0.75 * mature * size * ageing * pregnant)


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
