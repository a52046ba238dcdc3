"""One person's body: organ volumes, blood flows, plasma proteins and kidney function from age, sex, height and weight.

A reference body is interpolated over age; organs follow height, V = V_ref (h/h_ref)^k; fat takes up the difference to
the weight, and where too little fat would be left the lean organs but the brain shrink together. Flows keep the
reference perfusion per tissue. Every sum closes: volumes to weight (density 1 kg/L), flows to cardiac output.

ICRP Publication 89 (2002); Willmann 2007, doi:10.1007/s10928-007-9053-5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from twin_service.model.domain import refuse_outside
from twin_service.model.pbpk.conditions import (
    TERM_W,
    WEEKS_A_YEAR,
    aag_g_l,
    albumin_g_l,
    glomerular_filtration,
    hematocrit_change,
    portal_flow,
    postmenstrual_week,
    pregnant_flow,
)
from twin_service.model.pbpk.record import Organ, SpeciesRecord
from twin_service.outcome import Refusal, RefusalCode

LEAST_FAT = 0.03
CORRECTED_Y = 2.0


@dataclass(frozen=True)
class Body:
    """Volumes L, flows L/h, gfr L/h, proteins g/L; `flow["lung"]` is the cardiac output.

    liver_kg   liver tissue without blood; `reference` is the same person's age in the reference body
    """

    species: str
    age_y: float
    female: bool
    weight_kg: float
    height_cm: float
    volume: Mapping[str, float]
    flow: Mapping[str, float]
    blood: Mapping[str, float]
    arterial_l: float
    venous_l: float
    hematocrit: float
    gfr_l_h: float
    albumin_g_l: float
    aag_g_l: float
    liver_kg: float
    nephrons: float = 1.0

    @property
    def cardiac_output(self) -> float:
        return self.flow["lung"]


@dataclass(frozen=True)
class _Reference:
    """The reference body's age, sex and, before term, its weeks since the last period (0 at term and later)."""

    species: SpeciesRecord
    age_y: float
    female: bool
    weeks: float = 0.0

    @property
    def sex(self) -> str:
        return "female" if self.female else "male"

    @property
    def growth(self) -> float:
        """Weight relative to the newborn at term; 1 from term on."""
        return 1.0 if not self.weeks else self.before_term("weight_kg") / self.species.body["weight_male_kg"][0]

    def before_term(self, what: str) -> float:
        body = self.species.body
        return float(np.interp(self.weeks, body["preterm_week"], body[f"preterm_{what}"]))


def reference_size(species: SpeciesRecord, age_y: float, female: bool, weeks: float = 0.0) -> tuple[float, float]:
    """(height cm, weight kg) of the reference body at this age, or `weeks` after the last period before term."""
    at = _Reference(species, age_y, female, weeks)
    if weeks:
        return at.before_term("length_cm"), at.before_term("weight_kg")
    return _interpolate(species, f"height_{at.sex}_cm", age_y), _interpolate(species, f"weight_{at.sex}_kg", age_y)


def create_body(species: SpeciesRecord, values: Mapping[str, float]) -> Body:
    """The body for covariates age_y, gestational_age_wk, sex_female, height_cm, weight_kg, hematocrit, albumin_g_l,
    creatinine_umol_l, egfr_ml_min; a covariate that is absent or 0 is derived from the others.

    A child born before term is as big as its corrected age says, which fades in the second year; before term organs
    grow in proportion to weight, with little fat. Raises Refusal for a size that leaves no room for the organs and for
    a value outside the species' domain.
    """
    refuse_outside(species.domain, values, species.title)
    if species.id != "human":
        return _animal(species, values)
    age, female = float(values.get("age_y", 30.0)), bool(values.get("sex_female", 0.0) >= 0.5)
    at = _reference(species, age, female, values)
    h_ref, w_ref = reference_size(species, at.age_y, female, at.weeks)
    weight = float(values.get("weight_kg") or w_ref)
    height = float(values.get("height_cm") or _usual_height(h_ref, w_ref, weight, age))
    masses, blood_kg = _masses(at, height / h_ref)
    masses = _fit(species, masses, blood_kg, weight)
    volume, blood = _with_blood(species, masses, blood_kg)
    body = Body(
        species.id,
        age,
        female,
        weight,
        height,
        volume,
        _in_condition(species, _flows(at, volume), values),
        blood,
        blood_kg * species.body["arterial_share"][0],
        blood_kg * species.body["venous_share"][0],
        float(values.get("hematocrit") or _hematocrit(at, age) * hematocrit_change(values)),
        0.0,
        float(values.get("albumin_g_l") or albumin_g_l(age, values)),
        float(values.get("aag_g_l") or aag_g_l(age, values)),
        masses["liver"],
    )
    filtered = glomerular_filtration(values, body, (h_ref, w_ref))
    return replace(body, gfr_l_h=filtered.gfr_l_h, nephrons=filtered.nephrons)


def _reference(species: SpeciesRecord, age: float, female: bool, values: Mapping[str, float]) -> _Reference:
    early = (TERM_W - postmenstrual_week(0.0, values)) / WEEKS_A_YEAR
    corrected = age - max(early, 0.0) * min(max(CORRECTED_Y - age, 0.0), 1.0)
    if corrected >= 0.0:
        return _Reference(species, corrected, female)
    return _Reference(species, 0.0, female, postmenstrual_week(age, values))


def _animal(species: SpeciesRecord, values: Mapping[str, float]) -> Body:
    """A standard animal scaled to its weight: organs in proportion, flows and filtration with weight^0.75.

    Boxenbaum 1982, J Pharmacokinet Biopharm 10:201
    """
    standard = species.body["weight_male_kg"][0]
    weight = float(values.get("weight_kg") or standard)
    ratio = weight / standard
    at = _Reference(species, 30.0, False)
    masses, blood_kg = _masses(at, 1.0)
    masses, blood_kg = {k: v * ratio for k, v in masses.items()}, blood_kg * ratio
    volume, blood = _with_blood(species, masses, blood_kg)
    flow = {k: v * ratio**-0.25 for k, v in _flows(at, volume).items()}
    arterial, venous = (blood_kg * species.body[f"{k}_share"][0] for k in ("arterial", "venous"))
    known = values.get("egfr_ml_min", -1.0)
    gfr = (float(known) if known >= 0.0 else species.body["gfr_ml_min"][0] * ratio**0.75) * 0.06
    hematocrit = float(values.get("hematocrit") or species.body["hematocrit_male"][0])
    return Body(
        species.id,
        30.0,
        False,
        weight,
        0.0,
        volume,
        flow,
        blood,
        arterial,
        venous,
        hematocrit,
        gfr,
        albumin_g_l(30.0, {}),
        aag_g_l(30.0, {}),
        masses["liver"],
    )


def _usual_height(h_ref: float, w_ref: float, weight: float, age: float) -> float:
    """Without a height: children keep the reference build, h ~ w^0.4; adults vary less, h ~ w^0.2 (assumption
    from r = 0.4 to 0.5 between them and CVs of 4 % and 17 %)."""
    return float(h_ref * (weight / w_ref) ** (0.2 if age >= 18 else 0.4))


def _interpolate(species: SpeciesRecord, key: str, age: float) -> float:
    series = species.body[key]
    return series[0] if len(series) == 1 else _by_age(species, series, age)


def _by_age(species: SpeciesRecord, series: tuple[float, ...], age: float) -> float:
    """Linear over age, except the first year, in which growth follows age^0.7 (half by 4.5 months)."""
    ages = np.asarray(species.ages_y)
    if len(series) != len(ages):
        return series[0]
    if len(ages) > 1 and age < ages[1]:
        share = (max(age, 0.0) / ages[1]) ** 0.7
        return float(series[0] + share * (series[1] - series[0]))
    return float(np.interp(age, ages, series))


def _hematocrit(at: _Reference, age: float) -> float:
    """Physiological anemia: the nadir near 0.30 lies at two months. Before term 0.0064 less a week, Jopling 2009,
    Pediatrics 123:e333"""
    value = _interpolate(at.species, f"hematocrit_{at.sex}", age)
    if at.species.id != "human" or age > 1.0:
        return value
    early = 0.0064 * (TERM_W - at.weeks) if at.weeks else 0.0
    return float(np.interp(age, [0.0, 0.083, 0.167, 0.5, 1.0], [0.51, 0.42, 0.33, 0.35, 0.36])) - early


def _masses(at: _Reference, stature: float) -> tuple[dict[str, float], float]:
    """Organ masses (kg, without blood) of the reference body at this relative height, and the blood mass."""
    species = at.species

    def reference(o: Organ) -> float:
        return _by_age(species, o.mass_female if at.female else o.mass_male, at.age_y)

    w_ref = _interpolate(species, f"weight_{at.sex}_kg", at.age_y)
    blood = _interpolate(species, f"blood_{at.sex}_kg", at.age_y)
    found = {o.id: reference(o) for o in species.organs}
    closing = next(o.id for o in species.organs if o.closes)
    found[closing] = w_ref - blood - sum(found.values())
    if at.weeks:
        found, blood = _before_term(at, found, blood)
    return {o.id: found[o.id] * stature**o.height_exponent for o in species.organs}, blood * stature**2.0


def _before_term(at: _Reference, born: Mapping[str, float], blood: float) -> tuple[dict[str, float], float]:
    """The newborn's organs in proportion to weight; what fat is not there yet, the other organs but the brain are."""
    weight = at.before_term("weight_kg")
    fat = at.before_term("fat_share") * weight
    kept = born["brain"] * at.growth
    lean = {k: v for k, v in born.items() if k not in ("adipose", "brain")}
    scale = (weight - blood * at.growth - fat - kept) / sum(lean.values())
    return {"adipose": fat, "brain": kept, **{k: v * scale for k, v in lean.items()}}, blood * at.growth


def _fit(species: SpeciesRecord, masses: dict[str, float], blood: float, weight: float) -> dict[str, float]:
    """Fat absorbs the difference to `weight`; below the least fat the lean organs shrink too."""
    if "adipose" not in masses:
        scale = (weight - blood) / sum(masses.values())
        return {k: v * scale for k, v in masses.items()}
    lean = sum(v for k, v in masses.items() if k != "adipose")
    fat = weight - blood - lean
    if fat >= LEAST_FAT * weight:
        return {**masses, "adipose": fat}
    fat = LEAST_FAT * weight
    brain = masses.get("brain", 0.0)
    scale = (weight - blood - fat - brain) / (lean - brain)
    if scale < 0.4:
        raise Refusal(
            RefusalCode.OUT_OF_RANGE,
            f"weight_kg {weight:g} leaves no room for the organs of this height and age; check weight, height and age, "
            "and say gestational_age_wk of a child born before term",
            field="covariates.weight_kg",
            reason="SIZE_IMPLAUSIBLE",
        )
    return {k: fat if k == "adipose" else v if k == "brain" else v * scale for k, v in masses.items()}


def _with_blood(
    species: SpeciesRecord, masses: Mapping[str, float], blood: float
) -> tuple[dict[str, float], dict[str, float]]:
    """(organ volumes with their blood, blood in each organ); the closing organ holds what is left of the blood."""
    shares = {o.id: o.blood_share for o in species.organs}
    closing = next(o.id for o in species.organs if o.closes)
    pools = species.body["arterial_share"][0] + species.body["venous_share"][0]
    shares[closing] = 1.0 - pools - sum(v for k, v in shares.items() if k != closing)
    held = {k: v * blood for k, v in shares.items()}
    return {k: masses[k] + held[k] for k in masses}, held


def _flows(at: _Reference, volume: Mapping[str, float]) -> dict[str, float]:
    """Flow to each organ, L/h: adult perfusion per volume, scaled to the age's cardiac output at reference size."""
    species = at.species
    share = {o.id: o.flow_female if at.female else o.flow_male for o in species.organs}
    closing = next(o.id for o in species.organs if o.closes)
    lung = next(o.id for o in species.organs if o.drains_to == "arterial")
    share[closing] = 1.0 - sum(v for k, v in share.items() if k not in (closing, lung))
    grown = _Reference(species, min(30.0, max(species.ages_y)), at.female)
    adult_volume, age_volume = (_with_blood(species, *_masses(a, 1.0))[0] for a in (grown, at))
    perfusion = {k: share[k] / adult_volume[k] for k in share if k != lung}
    output = _interpolate(species, f"cardiac_output_{at.sex}_l_min", at.age_y) * 60.0 * at.growth
    scale = output / sum(perfusion[k] * age_volume[k] for k in perfusion)
    flow = {k: perfusion[k] * volume[k] * scale for k in perfusion}
    return {**flow, lung: sum(flow.values())}


def _in_condition(species: SpeciesRecord, flow: dict[str, float], values: Mapping[str, float]) -> dict[str, float]:
    """Flows in cirrhosis and pregnancy; the closing organ takes what is shunted past the liver, and of a pregnant
    woman's output what does not go to the kidney (womb and skin)."""
    portal, pregnant = portal_flow(values), pregnant_flow(values)
    if portal == 1.0 and pregnant.output == 1.0:
        return flow
    closing = next(o.id for o in species.organs if o.closes)
    into_liver = {o.id for o in species.organs if o.drains_to == "liver"}
    lung = next(o.id for o in species.organs if o.drains_to == "arterial")
    changed = {k: v * portal if k in into_liver else v for k, v in flow.items() if k not in (closing, lung)}
    changed["kidney"] *= pregnant.kidney
    output = flow[lung] * pregnant.output
    return {**changed, closing: output - sum(changed.values()), lung: output}
