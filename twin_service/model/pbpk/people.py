"""People like a named one: what is said of them is fixed, the rest varies as between people of that age and sex.

    ln h = ln h_usual + cv_h z1     ln w = ln w_usual + 2 ln(h/h_usual) + cv_w z2     ln x = ln x_usual + cv_x z

h height, w weight, x hematocrit, albumin, AAG and filtration, each about what is usual for the person's age, size and
condition; z standard normal, cut off at 2.5. Organs, flows and sums follow from size (`physiology`). The spreads are
the species file's `[variability]`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twin_service.model.pbpk.physiology import create_body, reference_size
from twin_service.model.pbpk.record import SpeciesRecord

MOST_Z = 2.5
WEIGHT_BY_HEIGHT = 2.0


def draw_people(
    species: SpeciesRecord, person: Mapping[str, float], count: int, rng: np.random.Generator
) -> list[dict[str, float]]:
    """Covariates of `count` people like `person`; a characteristic that `person` says (0: not known) stays as said."""
    return [_draw(species, {k: v for k, v in person.items() if v or k == "age_y"}, rng) for _ in range(count)]


def _draw(species: SpeciesRecord, said: Mapping[str, float], rng: np.random.Generator) -> dict[str, float]:
    cv = species.variability
    age, female = float(said.get("age_y", 30.0)), bool(said.get("sex_female", 0.0) >= 0.5)
    z = dict(zip(sorted(cv), np.clip(rng.standard_normal(len(cv)), -MOST_Z, MOST_Z), strict=True))
    found = dict(said)
    h_usual, w_usual = reference_size(species, age, female)
    if "gestational_age_wk" in said or "weight_kg" in said:
        usual = create_body(species, said)
        h_usual, w_usual = usual.height_cm, usual.weight_kg
    if "height_cm" in cv and "height_cm" not in said:
        found["height_cm"] = h_usual * float(np.exp(cv["height_cm"] * z["height_cm"]))
    if "weight_kg" in cv and "weight_kg" not in said:
        tall = (found.get("height_cm", h_usual) / h_usual) ** WEIGHT_BY_HEIGHT
        found["weight_kg"] = w_usual * tall * float(np.exp(cv["weight_kg"] * z["weight_kg"]))
    body = create_body(species, found)
    usual_of = {
        "hematocrit": body.hematocrit,
        "albumin_g_l": body.albumin_g_l,
        "aag_g_l": body.aag_g_l,
        "egfr_ml_min": body.gfr_l_h / 0.06,
    }
    for name, value in usual_of.items():
        if name in cv and name not in said and not (name == "egfr_ml_min" and "creatinine_umol_l" in said):
            found[name] = value * float(np.exp(cv[name] * z[name]))
    return found
