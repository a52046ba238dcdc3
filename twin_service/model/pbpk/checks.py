"""The numbered rules, and every mistake of a file told in one go.

R1 masses (volumes) close   R2 flows close   R3 every organ's blood reaches the lung   R4 laws, enzymes, organs exist
R5 units have the dimension the law wants   R6 the drug leaves the body and reaches a steady state   R7 origins present
R8 what is required is there   R9 values lie in their range   R10 keys are known   R11 nothing counts twice
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from twin_service.library.files import FOLDER, parse_toml
from twin_service.model.library.findings import Finding
from twin_service.model.library.reader import findings_of
from twin_service.model.library.schema import kind_of
from twin_service.model.library.tables import EnzymesTable, GenotypesTable, SpeciesTable
from twin_service.model.pbpk.clearance import Assay, InVitro, InVivo, plasma_clearance_of, unbound_km
from twin_service.model.pbpk.door import FindingsDoor, in_words
from twin_service.model.pbpk.dosage import Formulation
from twin_service.model.pbpk.elimination import Capacities, capacity, filtered_fraction, hepatic_flow, renal_clearance
from twin_service.model.pbpk.individual import BodyPlan, disposition, individual_values, reference_body
from twin_service.model.pbpk.library import Library, inspect_drug, load_library
from twin_service.model.pbpk.physiology import create_body
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.pbpk.settle import renal_share, settle
from twin_service.model.pbpk.species_file import read_enzymes, read_genotypes, read_species
from twin_service.outcome import Refusal

LONGEST_HALF_LIFE_H = 24.0 * 365.0
RULES = {
    "R1": "organ masses and blood sum to at most the body's weight; the closing organ takes the rest",
    "R2": "flow shares sum to at most the cardiac output; the closing organ takes the rest",
    "R3": "every drain exists, every organ's blood reaches the lung, one organ drains to the arterial blood",
    "R4": "every law, enzyme, organ and drug named exists",
    "R5": "every unit has the dimension its law wants",
    "R6": "the drug leaves the body: a half-life from minutes to a year, clearance below organ flow",
    "R7": "every value has an origin",
    "R8": "everything required is there, in the shape it is read in",
    "R9": "every value lies in the range of what it is",
    "R10": "every key is known: a misspelled one would leave a default in force",
    "R11": "nothing counts twice",
}


def check_file(path: Path | str, library: Library | None = None) -> list[Finding]:
    """Every mistake and doubt in a drug, species, enzyme or genotype file; empty where there is none.

    Findings with severity "error" keep a file from being used, "warning" tells what will be assumed.
    """
    path = Path(path)
    try:
        table = parse_toml(path)
    except Refusal as refusal:
        return [Finding(path.name, "", "", refusal.message.removeprefix(f"{path.name}: "))]
    door = FindingsDoor(path.name)
    table = in_words(table, kind_of(table), door)
    shared: dict[str, type[BaseModel]] = {"organ": SpeciesTable, "enzyme": EnzymesTable, "gene": GenotypesTable}
    for key, model in shared.items():
        shape = findings_of(model, table, path.name) if key in table else []
        if shape:
            return door.findings + shape
    if "organ" in table:
        read_species(table, door)
    elif "enzyme" in table:
        read_enzymes(table, door)
    elif "gene" in table:
        read_genotypes(table, door)
    else:
        return check_drug(table, path, library or load_library(FOLDER))
    return door.findings


def check_drug(table: dict[str, object], path: Path, library: Library) -> list[Finding]:
    """Findings of a drug file: the reader's, then (if it can be read) whether the drug behaves."""
    record, door = inspect_drug(table, path.name, sorted(library.enzymes), library.species["human"].organ_ids)
    if "id" in table and table["id"] != path.stem:
        door.fault("id", f"is {table['id']!r}, the file is called {path.name}; they must agree")
    if record is not None:
        for said in record.assumed:
            if "gut-wall" not in said and "permeability" not in said:
                door.doubt("", said)
        _check_renal(record, library, door)
        _check_in_vitro(record, door)
        record = settle(record, library.species["human"])
        _check_behavior(record, library, door)
        _check_metabolites(record, library, door)
    return door.findings


def _check_metabolites(drug: DrugRecord, library: Library, door: FindingsDoor) -> None:
    for i, way in enumerate(drug.clearances):
        if way.forms and way.forms not in library.drug_paths and way.forms != drug.id:
            door.fault(
                f"clearance[{i}].forms",
                f"{way.forms!r} is no drug of the library and no file beside this one; known: "
                f"{', '.join(library.drug_paths)}",
                "R4",
            )


STRONGLY_BOUND = 0.05


def _check_in_vitro(drug: DrugRecord, door: FindingsDoor) -> None:
    """Where in vitro values are known to fall short."""
    for i, way in enumerate(drug.clearances):
        law = way.law
        if not isinstance(law, InVitro) or law.facilitated or drug.fup >= STRONGLY_BOUND:
            continue
        if law.assay in (Assay.MICROSOMES, Assay.RECOMBINANT):
            door.doubt(
                f"clearance[{i}].uptake",
                f"{law.assay} of a drug {drug.fup:.2g} unbound predict too slow a clearance as a rule; give cells, "
                'an in vivo clearance, or uptake = "facilitated" (Poulin 2012)',
            )


def _check_renal(drug: DrugRecord, library: Library, door: FindingsDoor) -> None:
    """Say what the kidney adds to a liver's clearance, or takes of a total one."""
    body = reference_body(library.species["human"])
    gfr = body.gfr_l_h
    for i, way in enumerate(drug.clearances):
        if way.organ == "total" and isinstance(way.law, InVivo) and way.law.unchanged is None:
            total = plasma_clearance_of(way.law, body.weight_kg)
            renal = min(renal_share(drug) * gfr, total)
            door.doubt(
                f"clearance[{i}].unchanged",
                f"not given; the kidney is assumed to take {renal:.3g} of {total:.3g} L/h (filtration "
                "less reabsorption by lipophilicity); write unchanged, the fraction found unchanged in urine",
            )
    added = drug.gfr_fraction * drug.fup * gfr
    hepatic = [w.law for w in drug.clearances if isinstance(w.law, InVivo) and w.organ == "liver"]
    stated = sum(plasma_clearance_of(law, body.weight_kg) for law in hepatic)
    if stated > 0 and added > 0.1 * stated and not any(w.organ == "kidney" for w in drug.clearances):
        door.doubt(
            "gfr_fraction",
            f"filtration of unbound drug adds {added:.3g} L/h to the liver's {stated:.3g}; if that is the total, write "
            'organ = "total"; if urine holds less, write gfr_fraction or a [[clearance]] with organ = "kidney"',
        )


def _check_behavior(drug: DrugRecord, library: Library, door: FindingsDoor) -> None:
    species = library.species["human"]
    body = reference_body(species)
    form = drug.formulations[0] if drug.formulations else Formulation("solution", "solution")
    plan = BodyPlan(library, "human", (drug,), {drug.id: form}, frozenset({"iv"}))
    try:
        individual_values(plan, {})
    except Refusal as refusal:
        door.fault(refusal.field or "clearance", refusal.message.split(": ", 1)[-1], "R6")
        return
    at = disposition(drug, species, body, body)
    clearance = plasma_clearance(drug, library)
    if clearance <= 0:
        door.fault("clearance", "the drug never leaves the body; add a [[clearance]] or a gfr_fraction above 0", "R6")
        return
    half_life = 0.693 * at.vss_l / clearance
    if half_life > LONGEST_HALF_LIFE_H or half_life < 1 / 60:
        door.doubt(
            "clearance",
            f"clearance {clearance:.3g} L/h and Vss {at.vss_l:.3g} L give a half-life near "
            f"{half_life:.3g} h; expected a minute to a year",
            "R6",
        )
    reached = at.vss_l / body.weight_kg
    if drug.vss_l_kg is not None and abs(reached - drug.vss_l_kg) > 0.02 * drug.vss_l_kg:
        door.doubt(
            "distribution.vss",
            f"{drug.vss_l_kg:.3g} L/kg cannot be reached: blood and the tissues that are fixed hold {reached:.3g}; it "
            "is below plasma, or bp or distribution.kp is too high",
            "R6",
        )
    if reached > 50:
        door.doubt(
            "distribution",
            f"{drug.method} gives Vss {reached:.3g} L/kg, more than nearly every "
            "drug has; if a Vss is known, set distribution.vss",
            "R6",
        )


class Clearances(NamedTuple):
    """Plasma clearances of a person at low concentration, L/h."""

    liver: float
    kidney: float
    plasma: float

    @property
    def total(self) -> float:
        return self.liver + self.kidney + self.plasma


class Organs(NamedTuple):
    """What each way out can do at low concentration: unbound capacity over blood (L/h), flows (L/h), and the rest."""

    liver: float
    kidney: float
    plasma: float
    hepatic_flow: float
    renal_flow: float
    filtration: float
    bp: float


def _organs(drug: DrugRecord, library: Library, person: Mapping[str, float] | None, species_id: str) -> Organs:
    species, values = library.species[species_id], person or {}
    body, own = create_body(species, values), reference_body(species)
    at = disposition(drug, species, body, own)
    reference = reference_body(library.species[drug.home])
    scaling = Capacities(body, reference, library.enzymes, values)
    sizes = {"liver": 0.0, "kidney": 0.0, "plasma": 0.0}
    for way in drug.clearances:
        km = unbound_km(way.law)
        size = capacity(way, drug, scaling) / (1.0 if km is None else km)
        place = "liver" if way.organ == "bile" else way.organ
        if place in sizes:
            sizes[place] += size if place == "plasma" else size * at.fup / at.bp
    filtration = body.gfr_l_h * filtered_fraction(drug, reference) * at.fup
    return Organs(
        sizes["liver"], sizes["kidney"], sizes["plasma"], hepatic_flow(body), body.flow["kidney"], filtration, at.bp
    )


def plasma_clearances(
    drug: DrugRecord, library: Library, person: Mapping[str, float] | None = None, *, species: str = "human"
) -> Clearances:
    """Plasma clearance (L/h) by organ at low concentration, well stirred: with CLi fu in blood,

    CL = bp [CLi fu Q/(CLi fu + Q)]_liver (with bile) + CL_kidney (filtration, then secretion) + CL_plasma
    """
    o = _organs(drug, library, person, species)
    liver = o.liver * o.hepatic_flow / (o.liver + o.hepatic_flow) * o.bp
    kidney = renal_clearance(o.kidney, o.filtration, o.renal_flow, o.bp)
    return Clearances(liver, kidney, o.plasma)


def plasma_clearance(
    drug: DrugRecord, library: Library, person: Mapping[str, float] | None = None, *, species: str = "human"
) -> float:
    """Plasma clearance (L/h) at low concentration of a person (default: the reference), all organs."""
    return plasma_clearances(drug, library, person, species=species).total


def hepatic_availability(
    drug: DrugRecord, library: Library, person: Mapping[str, float] | None = None, *, species: str = "human"
) -> float:
    """The fraction that escapes the liver on one passage at low concentration: Q/(Q + CLi fu), well stirred."""
    o = _organs(drug, library, person, species)
    return o.hepatic_flow / (o.hepatic_flow + o.liver)
