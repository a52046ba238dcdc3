"""Clearance of children and of genotypes, and volumes from structure, against published tables."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin_service.model.pbpk.checks import plasma_clearance
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import Library, parse_toml
from twin_service.model.pbpk.record import DrugRecord, Pka
from twin_service.model.pbpk.studies import Treatment, course, series
from twin_service.qualify.observed import drug_id, rows

ADULT_Y = 18.0
# Oral clearances stand for clearance only where nearly all of a dose arrives.
FULLY_AVAILABLE = {"theophylline", "caffeine", "carbamazepine", "s_warfarin"}


@dataclass(frozen=True)
class Ratio:
    """Predicted over observed, of one row of a table."""

    name: str
    observed: float
    predicted: float

    @property
    def fold(self) -> float:
        return self.predicted / self.observed


def pediatric_clearances(path: Path, library: Library, drugs: set[str] | None = None) -> list[Ratio]:
    """Children's clearance per kg relative to the same table's adults (same drug and route), predicted and observed.

    Relative, because oral rows hold CL/F and chronic rows an induced clearance: both divide out. Johnson 2006, Clin
    Pharmacokinet 45:931
    """
    adults: dict[tuple[str, str], float] = {}
    children: list[tuple[dict[str, str], str]] = []
    for row in rows(path):
        drug = drug_id(row["Compound"])
        if drug not in library.drug_paths or row["Clearance.units"] != "L/h/kg" or (drugs and drug not in drugs):
            continue
        if float(row["Age.min"]) >= ADULT_Y:
            adults.setdefault((drug, row["Route"]), float(row["Clearance.mean"]))
        elif _is_child_row(row, drug):
            children.append((row, drug))
    found = []
    for row, drug in children:
        adult = adults.get((drug, row["Route"]))
        if adult is None:
            continue
        weight, record = float(row["BW.mean"]), library.drug(drug)
        low, high = float(row["Age.min"]), float(row["Age.max"])
        child = plasma_clearance(record, library, {"age_y": 0.5 * (low + high), "weight_kg": weight}) / weight
        reference = plasma_clearance(record, library, {"age_y": 30.0, "weight_kg": 73.0}) / 73.0
        found.append(
            Ratio(f"{drug} {low:.3g} to {high:.3g} y", float(row["Clearance.mean"]) / adult, child / reference)
        )
    return found


def _is_child_row(row: dict[str, str], drug: str) -> bool:
    return (
        bool(row["BW.mean"]) and float(row["Age.max"]) <= ADULT_Y and (row["Route"] == "iv" or drug in FULLY_AVAILABLE)
    )


def genotype_effects(path: Path, library: Library, drugs: set[str] | None = None) -> list[Ratio]:
    """Published AUC ratios between genotypes, from `genotypes.check.toml` of the library."""
    found = []
    for check in parse_toml(path).get("check", []):
        drug = check["drug"]
        if drug not in library.drug_paths or (drugs and drug not in drugs):
            continue
        dose = Treatment(drug, check["route"], float(check["dose_mg"]))
        t = np.unique(
            np.concatenate(
                [np.linspace(0, float(check["window_h"]), 800), np.geomspace(0.02, float(check["window_h"]), 300)]
            )
        )
        areas = [
            float(np.trapezoid(series(course([dose], {check["covariate"]: float(v)}, library), f"{drug}_level", t), t))
            for v in (check["activity"], check["reference_activity"])
        ]
        found.append(
            Ratio(f"{drug} {check['covariate']} {check['activity']:g}", float(check["auc_ratio"]), areas[0] / areas[1])
        )
    return found


def volumes_from_structure(baseline: Path, chemicals: Path, library: Library) -> list[tuple[Ratio, float]]:
    """(Vss ratio, logP) of every drug of the baseline, by Rodgers-Rowland from logP, pKa and fup alone."""
    structure = {r["Compound"].lower(): r for r in _gzipped(chemicals)}
    species = library.species["human"]
    body = reference_body(species)
    found = []
    for row in rows(baseline):
        known = structure.get(row["name"].lower())
        fup = float(row["fu"])
        if known is None or not 0 < fup <= 1:
            continue
        pka = tuple(_sites(known["pKa_Accept"], "base")) + tuple(_sites(known["pKa_Donor"], "acid"))
        drug = DrugRecord("x", "1", row["name"], 300.0, float(row["logP"]), fup, None, pka)
        vss = disposition(drug, species, body, body).vss_l / body.weight_kg
        found.append((Ratio(row["name"], float(row["obs"]), vss), float(row["logP"])))
    return found


def _gzipped(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _sites(text: str, charge: str) -> Iterator[Pka]:
    """The strongest site: computed tables list many weak ones that no titration ever sees."""
    values = []
    for part in text.replace(";", ",").split(","):
        try:
            values.append(float(part))
        except ValueError:
            continue
    kept = [v for v in values if 0.0 < v < 14.0]
    if kept:
        yield Pka(charge, max(kept) if charge == "base" else min(kept))
