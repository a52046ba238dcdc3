"""Human clearance and volume from animals, one function a method; each gives mL/min/kg or L/kg of a man of 70 kg.

simple allometry         CL = a W^b through two or more species
rule of exponents        b <= 0.70: simple; to 0.99: CL x maximum life span; above: CL x brain weight
                         Mahmood & Balian 1996, Xenobiotica 26:887
corrected intercept      CL = 33.35 (a / Rfu)^0.77 mL/min, Rfu = fu(rat)/fu(human), Tang & Mayersohn 2005,
                         Drug Metab Dispos 33:1297
single, two species      rat 0.152, dog 0.410, monkey 0.407 times CL/kg; a 70^0.628 (rat, dog), a 70^0.650
                         (rat, monkey), Tang 2007, J Pharm Sci 96:1810
liver blood flow         CL Q_human / Q_species, flows 85, 31, 44 and 21 mL/min/kg, Davies & Morris 1993
maximum life span        10.839 Br^0.636 W^-0.225 years (g), Sacher 1959
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from twin_service.fit.translation.compound import HUMAN_KG, AnimalStudy, Compound

SINGLE: Final = {"rat": 0.152, "dog": 0.410, "monkey": 0.407}
TWO: Final = {frozenset(("rat", "dog")): 0.628, frozenset(("rat", "monkey")): 0.650}
LIVER_FLOW: Final = {"mouse": 90.0, "rat": 55.2, "rabbit": 70.8, "dog": 30.9, "monkey": 43.6, "human": 20.7}
EXTRACTED_BELOW: Final = 0.71
LIFE_SPAN_BELOW: Final = 1.0


class ScalingMethod(NamedTuple):
    """One method's answer; `note` says what it took for granted."""

    name: str
    value: float
    note: str = ""


class PowerLaw(NamedTuple):
    """y = coefficient W^exponent, W in kg."""

    coefficient: float
    exponent: float

    def at(self, weight_kg: float) -> float:
        return float(self.coefficient * weight_kg**self.exponent)


def power_law(weights_kg: Sequence[float], values: Sequence[float]) -> PowerLaw:
    """Least squares of log value on log weight."""
    slope, intercept = np.polyfit(np.log(weights_kg), np.log(values), 1)
    return PowerLaw(float(np.exp(intercept)), float(slope))


def clearance_methods(compound: Compound, brain_kg: Mapping[str, float]) -> list[ScalingMethod]:
    """Every method that the animals allow; `brain_kg` gives brain weights at the species' reference weight."""
    studies = [a for a in compound.animals if a.clearance_ml_min_kg]
    found = [m for a in studies for m in _single(a, compound)]
    species = {a.species for a in studies}
    if len(species) >= 2:
        found += _fitted(studies, compound, brain_kg)
    for pair, exponent in TWO.items():
        if pair <= species:
            two = [a for a in studies if a.species in pair]
            law = power_law([a.weight_kg for a in two], [_whole(a) for a in two])
            value = law.coefficient * HUMAN_KG**exponent / HUMAN_KG
            found.append(
                ScalingMethod(f"two species, {' and '.join(sorted(pair))}", value, f"fixed exponent {exponent}")
            )
    return found


def _whole(study: AnimalStudy) -> float:
    assert study.clearance_ml_min_kg is not None
    return study.clearance_ml_min_kg * study.weight_kg


def _single(study: AnimalStudy, compound: Compound) -> list[ScalingMethod]:
    assert study.clearance_ml_min_kg is not None
    clearance, s = study.clearance_ml_min_kg, study.species
    found = [ScalingMethod(f"{s}, exponent 0.75", clearance * (HUMAN_KG / study.weight_kg) ** -0.25)]
    if s in SINGLE:
        found.append(ScalingMethod(f"{s}, single species", clearance * SINGLE[s], f"{SINGLE[s]} of CL/kg"))
    if s in LIVER_FLOW:
        found.append(ScalingMethod(f"{s}, liver blood flow", clearance * LIVER_FLOW["human"] / LIVER_FLOW[s]))
    if study.fup is not None:
        value = found[0].value * compound.fup / study.fup
        found.append(ScalingMethod(f"{s}, exponent 0.75, unbound", value, "clearance follows the unbound fraction"))
    return found


def _fitted(studies: Sequence[AnimalStudy], compound: Compound, brain_kg: Mapping[str, float]) -> list[ScalingMethod]:
    weights, wholes = [a.weight_kg for a in studies], [_whole(a) for a in studies]
    law = power_law(weights, wholes)
    found = [ScalingMethod("simple allometry", law.at(HUMAN_KG) / HUMAN_KG, f"exponent {law.exponent:.2f}")]
    found.append(_rule_of_exponents(law, studies, brain_kg))
    rat = next((a for a in studies if a.species == "rat" and a.fup), None)
    if rat is not None and rat.fup:
        ratio = rat.fup / compound.fup
        value = 33.35 * (law.coefficient / ratio) ** 0.77 / HUMAN_KG
        found.append(ScalingMethod("unbound-corrected intercept", value, f"unbound fraction rat over man {ratio:.2g}"))
    return found


def _rule_of_exponents(law: PowerLaw, studies: Sequence[AnimalStudy], brain_kg: Mapping[str, float]) -> ScalingMethod:
    name, weights, wholes = "rule of exponents", [a.weight_kg for a in studies], [_whole(a) for a in studies]
    doubt = "; beyond 0.55 to 1.3 the rule does not trust itself" if not 0.55 <= law.exponent <= 1.3 else ""
    if law.exponent < EXTRACTED_BELOW:
        return ScalingMethod(name, law.at(HUMAN_KG) / HUMAN_KG, "simple allometry" + doubt)
    brains = [brain_kg[a.species] for a in studies]
    if law.exponent < LIFE_SPAN_BELOW:
        spans = [life_span_y(b, w) for b, w in zip(brains, weights, strict=True)]
        fitted = power_law(weights, [c * s for c, s in zip(wholes, spans, strict=True)])
        return ScalingMethod(
            name, fitted.at(HUMAN_KG) / life_span_y(brain_kg["human"], HUMAN_KG) / HUMAN_KG, "life span" + doubt
        )
    fitted = power_law(weights, [c * b for c, b in zip(wholes, brains, strict=True)])
    return ScalingMethod(name, fitted.at(HUMAN_KG) / brain_kg["human"] / HUMAN_KG, "brain weight" + doubt)


def life_span_y(brain_kg: float, weight_kg: float) -> float:
    """Maximum life span, years: 10.839 Br^0.636 W^-0.225 with grams (Sacher 1959), Br and W here in kg."""
    return float(10.839 * (1000.0 * brain_kg) ** 0.636 * (1000.0 * weight_kg) ** -0.225)


def invariant_time(study: AnimalStudy) -> tuple[list[float], list[float]]:
    """The animal's course in man's time, t (70/W)^0.25 h, and its levels per mg/kg (Dedrick 1973; exponents 0.75, 1).

    C_man / (dose/kg) = C_animal / (dose/kg); a man clears by W^0.75 and holds by W, so only time stretches.
    """
    assert study.course is not None
    stretch = (HUMAN_KG / study.weight_kg) ** 0.25
    return ([t * stretch for t in study.course.time_h], [c / study.course.dose_mg_kg for c in study.course.conc_mg_l])
