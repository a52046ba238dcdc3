"""From covariates to the numbers of one body: the door between a person and the symbols of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twin_service.model.domain import refuse_outside
from twin_service.model.pbpk.absorption import gut_values, transit_values
from twin_service.model.pbpk.circulation import exchange_values, shared_values
from twin_service.model.pbpk.dosage import Formulation
from twin_service.model.pbpk.elimination import Capacities, capacity, filtered_fraction
from twin_service.model.pbpk.partition import (
    Chemistry,
    blood_plasma_ratio,
    partition,
    scale_to_vss,
    steady_volume,
    unbound_fraction,
)
from twin_service.model.pbpk.physiology import Body, create_body
from twin_service.model.pbpk.record import DrugRecord, SharedRecords, SpeciesRecord


@dataclass(frozen=True)
class BodyPlan:
    """What a block was built from."""

    library: SharedRecords
    species: str
    drugs: tuple[DrugRecord, ...]
    formulations: Mapping[str, Formulation]
    routes: frozenset[str]


@dataclass(frozen=True)
class Disposition:
    """A drug in a person: unbound fraction, blood:plasma ratio, Kp of every organ and Vss (L, plasma)."""

    fup: float
    bp: float
    kp: Mapping[str, float]
    vss_l: float


def individual_values(plan: BodyPlan, covariates: Mapping[str, float]) -> dict[str, float]:
    """Every parameter of the block for these covariates (local names)."""
    species = plan.library.species[plan.species]
    for drug in plan.drugs:
        refuse_outside(drug.domain, covariates, drug.title)
    body, reference = create_body(species, covariates), reference_body(species)
    values = shared_values(species, body) | transit_values(covariates.get("fed", 0.0) >= 0.5)
    for drug in plan.drugs:
        values |= _drug_values(plan, drug, (body, reference), covariates)
    return values


def reference_body(species: SpeciesRecord) -> Body:
    """The person whole-organ values and Vss belong to: a man of 30 years, 73 kg and 176 cm (or the standard animal)."""
    return create_body(species, {"age_y": 30.0})


def disposition(drug: DrugRecord, species: SpeciesRecord, body: Body, reference: Body) -> Disposition:
    """Distribution of `drug`; where its file asks for a Vss, the scalar is found in the reference person."""
    found = _unscaled(drug, species, body, reference)
    if drug.vss_l_kg is None:
        return found
    at_reference = _unscaled(drug, species, reference, reference)
    wanted = drug.vss_l_kg * reference.weight_kg
    scale = scale_to_vss(at_reference.kp, reference, bp=at_reference.bp, vss_l=wanted, fixed=drug.kp)
    kp = {o: k if o in drug.kp else k * scale for o, k in found.kp.items()}
    return Disposition(found.fup, found.bp, kp, steady_volume(kp, body, found.bp))


def _unscaled(drug: DrugRecord, species: SpeciesRecord, body: Body, reference: Body) -> Disposition:
    fup = unbound_fraction(drug, body, reference)
    bp = blood_plasma_ratio(drug, fup, body, species.composition["red_cell"])
    tissue = partition(drug, species, body, Chemistry(drug, fup, bp, body.hematocrit))
    kp = {o: k if o in drug.kp else _with_blood(k, bp, body, o) for o, k in tissue.items()}
    return Disposition(fup, bp, kp, steady_volume(kp, body, bp))


def _with_blood(kp: float, bp: float, body: Body, organ: str) -> float:
    """Kp of the organ as it lies in the body: its tissue at Kp, the blood it holds at the blood:plasma ratio."""
    share = body.blood[organ] / body.volume[organ]
    return kp * (1.0 - share) + bp * share


def _drug_values(
    plan: BodyPlan, drug: DrugRecord, bodies: tuple[Body, Body], covariates: Mapping[str, float]
) -> dict[str, float]:
    species, d = plan.library.species[plan.species], drug.id
    body, reference = bodies
    # Clearances are human unless the file gives the species' own: an animal clears what a human liver its size would.
    human = reference if plan.species == drug.home else reference_body(plan.library.species["human"])
    at = disposition(drug, species, body, reference)
    values = exchange_values(drug, species, bodies, fup=at.fup, bp=at.bp, kp=at.kp)
    values |= gut_values(
        drug,
        bodies,
        formulation=plan.formulations[d],
        fed=covariates.get("fed", 0.0) >= 0.5,
        gastric_ph=covariates.get("gastric_ph", 0.0),
    )
    values |= {
        f"{d}_cu_arterial": at.fup / (at.bp * body.arterial_l),
        f"{d}_plasma_arterial": 1.0 / (at.bp * body.arterial_l),
        f"{d}_plasma_venous": 1.0 / (at.bp * body.venous_l),
        f"{d}_fup": at.fup,
        f"{d}_bp": at.bp,
        f"{d}_filtration": body.gfr_l_h * filtered_fraction(drug, human) * at.fup / (at.bp * body.arterial_l),
        f"{d}_sc_ka": drug.absorption.sc_ka or 0.0,
        f"{d}_im_ka": drug.absorption.im_ka or 0.0,
    }
    values |= {f"{d}_vol_{o}": 1.0 / v for o, v in body.volume.items()}
    scaling = Capacities(body, human, plan.library.enzymes, covariates)
    for i, way in enumerate(drug.clearances):
        size = capacity(way, drug, scaling)
        values[f"{d}_cl{i}"] = size / (at.bp * body.arterial_l) if way.organ == "plasma" else size
    return values
