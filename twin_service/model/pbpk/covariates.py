"""What a body may be told about its person, and the doubts that go with an answer."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from twin_service.model.domain import warnings_outside
from twin_service.model.pbpk.conditions import TERM_W, gestation
from twin_service.model.pbpk.elimination import activity_covariate
from twin_service.model.pbpk.individual import BodyPlan
from twin_service.model.pbpk.physiology import reference_size
from twin_service.model.structure import Covariate

HUMAN = (
    Covariate("age_y", "a", 30.0, 0.0, 95.0),
    Covariate("gestational_age_wk", "wk", 40.0, 24.0, 42.0),
    Covariate("sex_female", "1", 0.0, 0.0, 1.0),
    # The default 0 lies outside the limits: it says "not known", derived from the others, and cannot be recorded.
    Covariate("weight_kg", "kg", 0.0, 0.5, 300.0, -inf, 160.0),
    Covariate("height_cm", "cm", 0.0, 30.0, 220.0),
    Covariate("hematocrit", "1", 0.0, 0.1, 0.75),
    Covariate("albumin_g_l", "g/L", 0.0, 5.0, 80.0),
    Covariate("aag_g_l", "g/L", 0.0, 0.05, 6.0),
    Covariate("creatinine_umol_l", "umol/L", 0.0, 5.0, 3000.0),
    Covariate("egfr_ml_min", "mL/min", -1.0, 0.0, 400.0),
    Covariate("smoker", "1", 0.0, 0.0, 1.0),
    Covariate("fed", "1", 0.0, 0.0, 1.0),
    Covariate("gastric_ph", "1", 0.0, 1.0, 9.0),
    Covariate("child_pugh", "1", 0.0, 0.0, 3.0),
    Covariate("pregnancy_week", "wk", 0.0, 0.0, 43.0),
)
ANIMAL = (Covariate("weight_kg", "kg", 0.0, 0.005, 200.0), Covariate("fed", "1", 0.0, 0.0, 1.0))


def covariates_of(plan: BodyPlan) -> tuple[Covariate, ...]:
    """The person's covariates and one activity (1 = typical) for each enzyme the drugs use."""
    used = {c.enzyme or c.transporter for d in plan.drugs for c in d.clearances} - {"", "OTHER"}
    activities = tuple(Covariate(activity_covariate(e), "1", 1.0, 0.0, 20.0, 0.0, 4.0) for e in sorted(used))
    return (HUMAN if plan.species == "human" else ANIMAL) + activities


def body_warnings(plan: BodyPlan, values: Mapping[str, float]) -> list[str]:
    """Sentences on values assumed, and on a person outside what a drug's file says it was built for."""
    said = [f"{d.title}: {a}" for d in plan.drugs for a in d.assumed]
    for drug in plan.drugs:
        said += warnings_outside(drug.domain, values, drug.title)
    species = plan.library.species[plan.species]
    said += warnings_outside(species.domain, values, species.title)
    if plan.species == "human" and _is_like_preterm(plan, values):
        said.append("the weight is that of a child born before term; say gestational_age_wk")
    if plan.species == "human" and not values.get("height_cm"):
        said.append("height is not known; a height usual for the weight is assumed")
    return said


def _is_like_preterm(plan: BodyPlan, values: Mapping[str, float]) -> bool:
    """Younger than three months, taken for born at term, and below two thirds of the usual weight (2.3 kg at birth)."""
    age, weight = values.get("age_y", 30.0), values.get("weight_kg", 0.0)
    if age >= 0.25 or weight <= 0.0 or gestation(values) < TERM_W - 3.0:
        return False
    usual = reference_size(plan.library.species["human"], age, values.get("sex_female", 0.0) >= 0.5)[1]
    return weight < 2.0 / 3.0 * usual
