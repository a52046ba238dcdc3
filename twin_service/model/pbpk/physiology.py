"""One person's body: organ volumes, blood flows, plasma proteins and kidney function from age, sex, height and weight.

A reference body is interpolated over age; organs follow height, V = V_ref (h/h_ref)^k; fat takes up the difference to
the weight, and where too little fat would be left the lean organs but the brain shrink together. Flows keep the
reference perfusion per tissue. Every sum closes: volumes to weight (density 1 kg/L), flows to cardiac output.

ICRP Publication 89 (2002); Willmann 2007, doi:10.1007/s10928-007-9053-5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin_service.model.pbpk.conditions import aag_g_l, albumin_g_l, glomerular_filtration, hematocrit_change
from twin_service.model.pbpk.record import Organ, Species
from twin_service.outcome import Refusal, RefusalCode

LEAST_FAT = 0.03


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

    @property
    def cardiac_output(self) -> float:
        return self.flow["lung"]


def reference_size(species: Species, age_y: float, female: bool) -> tuple[float, float]:
    """(height cm, weight kg) of the reference body at this age."""
    sex = "female" if female else "male"
    return _interpolate(species, f"height_{sex}_cm", age_y), _interpolate(species, f"weight_{sex}_kg", age_y)


def create_body(species: Species, values: Mapping[str, float]) -> Body:
    """The body for covariates age_y, sex_female, height_cm, weight_kg, hematocrit, albumin_g_l, creatinine_umol_l,
    egfr_ml_min; a covariate that is absent or 0 is derived from the others.

    Raises Refusal for a size that leaves no room for the organs.
    """
    if species.id != "human":
        return _animal(species, values)
    age, female = float(values.get("age_y", 30.0)), bool(values.get("sex_female", 0.0) >= 0.5)
    h_ref, w_ref = reference_size(species, age, female)
    weight = float(values.get("weight_kg") or w_ref)
    height = float(values.get("height_cm") or _usual_height(h_ref, w_ref, weight, age))
    masses, blood_kg = _masses(species, age, female, height / h_ref)
    masses = _fit(species, masses, blood_kg, weight)
    volume, blood = _with_blood(species, masses, blood_kg)
    flow = _flows(species, volume, age, female)
    body = Body(
        species.id,
        age,
        female,
        weight,
        height,
        volume,
        flow,
        blood,
        blood_kg * species.body["arterial_share"][0],
        blood_kg * species.body["venous_share"][0],
        float(values.get("hematocrit") or _hematocrit(species, age, female) * hematocrit_change(values)),
        0.0,
        float(values.get("albumin_g_l") or albumin_g_l(age, values)),
        float(values.get("aag_g_l") or aag_g_l(age, values)),
        masses["liver"],
    )
    kidney_ref = _masses(species, age, female, 1.0)[0]["kidney"]
    gfr = glomerular_filtration(values, body, w_ref, masses["kidney"] / kidney_ref)
    return Body(**{**body.__dict__, "gfr_l_h": gfr})


def _animal(species: Species, values: Mapping[str, float]) -> Body:
    """A standard animal scaled to its weight: organs in proportion, flows and filtration with weight^0.75.

    Boxenbaum 1982, J Pharmacokinet Biopharm 10:201
    """
    standard = species.body["weight_male_kg"][0]
    weight = float(values.get("weight_kg") or standard)
    ratio = weight / standard
    masses, blood_kg = _masses(species, 30.0, False, 1.0)
    masses, blood_kg = {k: v * ratio for k, v in masses.items()}, blood_kg * ratio
    volume, blood = _with_blood(species, masses, blood_kg)
    flow = {k: v * ratio**-0.25 for k, v in _flows(species, volume, 30.0, False).items()}
    arterial, venous = (blood_kg * species.body[f"{k}_share"][0] for k in ("arterial", "venous"))
    gfr = float(values.get("egfr_ml_min") or species.body["gfr_ml_min"][0] * ratio**0.75) * 0.06
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


def _interpolate(species: Species, key: str, age: float) -> float:
    series = species.body[key]
    return series[0] if len(series) == 1 else _by_age(species, series, age)


def _by_age(species: Species, series: tuple[float, ...], age: float) -> float:
    """Linear over age, except the first year, in which growth follows age^0.7 (half by 4.5 months)."""
    ages = np.asarray(species.ages_y)
    if len(series) != len(ages):
        return series[0]
    if len(ages) > 1 and age < ages[1]:
        share = (max(age, 0.0) / ages[1]) ** 0.7
        return float(series[0] + share * (series[1] - series[0]))
    return float(np.interp(age, ages, series))


def _hematocrit(species: Species, age: float, female: bool) -> float:
    """Physiological anemia: the nadir near 0.30 lies at two months."""
    value = _interpolate(species, "hematocrit_female" if female else "hematocrit_male", age)
    if species.id != "human" or age > 1.0:
        return value
    return float(np.interp(age, [0.0, 0.083, 0.167, 0.5, 1.0], [0.51, 0.42, 0.33, 0.35, 0.36]))


def _masses(species: Species, age: float, female: bool, stature: float) -> tuple[dict[str, float], float]:
    """Organ masses (kg, without blood) at this age and relative height, and the blood mass."""

    def at(o: Organ) -> float:
        return float(_by_age(species, o.mass_female if female else o.mass_male, age) * stature**o.height_exponent)

    sex = "female" if female else "male"
    w_ref = _interpolate(species, f"weight_{sex}_kg", age)
    blood_ref = _interpolate(species, f"blood_{sex}_kg", age)
    reference = {o.id: _by_age(species, o.mass_female if female else o.mass_male, age) for o in species.organs}
    closing = next(o for o in species.organs if o.closes)
    masses = {o.id: at(o) for o in species.organs}
    masses[closing.id] = (w_ref - blood_ref - sum(reference.values())) * stature**closing.height_exponent
    return masses, blood_ref * stature**2.0


def _fit(species: Species, masses: dict[str, float], blood: float, weight: float) -> dict[str, float]:
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
            f"weight_kg {weight:g} leaves no room for the organs of this height and age; check weight, height and age",
            field="covariates.weight_kg",
            reason="SIZE_IMPLAUSIBLE",
        )
    return {k: fat if k == "adipose" else v if k == "brain" else v * scale for k, v in masses.items()}


def _with_blood(
    species: Species, masses: Mapping[str, float], blood: float
) -> tuple[dict[str, float], dict[str, float]]:
    """(organ volumes with their blood, blood in each organ); the closing organ holds what is left of the blood."""
    shares = {o.id: o.blood_share for o in species.organs}
    closing = next(o.id for o in species.organs if o.closes)
    pools = species.body["arterial_share"][0] + species.body["venous_share"][0]
    shares[closing] = 1.0 - pools - sum(v for k, v in shares.items() if k != closing)
    held = {k: v * blood for k, v in shares.items()}
    return {k: masses[k] + held[k] for k in masses}, held


def _flows(species: Species, volume: Mapping[str, float], age: float, female: bool) -> dict[str, float]:
    """Flow to each organ, L/h: adult perfusion per volume, scaled to the age's cardiac output at reference size."""
    adult = min(30.0, max(species.ages_y))
    sex = "female" if female else "male"
    share = {o.id: o.flow_female if female else o.flow_male for o in species.organs}
    closing = next(o.id for o in species.organs if o.closes)
    lung = next(o.id for o in species.organs if o.drains_to == "arterial")
    share[closing] = 1.0 - sum(v for k, v in share.items() if k not in (closing, lung))
    adult_volume = _with_blood(species, *_masses(species, adult, female, 1.0))[0]
    age_volume = _with_blood(species, *_masses(species, age, female, 1.0))[0]
    perfusion = {k: share[k] / adult_volume[k] for k in share if k != lung}
    output = _interpolate(species, f"cardiac_output_{sex}_l_min", age) * 60.0
    scale = output / sum(perfusion[k] * age_volume[k] for k in perfusion)
    flow = {k: perfusion[k] * volume[k] * scale for k in perfusion}
    return {**flow, lung: sum(flow.values())}
