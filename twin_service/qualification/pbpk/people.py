"""Effects of genotypes, and volumes from structure, against published tables."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from twin_service.library.files import parse_toml
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.record import DrugRecord, Pka
from twin_service.model.pbpk.studies import Treatment, course, series
from twin_service.qualification.pbpk.observed import rows
from twin_service.qualification.pbpk.scores import Ratio


def genotype_effects(path: Path, library: Library, drugs: set[str] | None = None) -> list[Ratio]:
    """Published AUC ratios between genotypes, from `genotypes.check.toml` of the library."""
    found = []
    for check in parse_toml(path).get("check", []):
        drug = check["drug"]
        if drug not in library.drug_paths or (drugs and drug not in drugs):
            continue
        every, count = float(check.get("interval_h", 24.0)), int(check.get("count", 1))
        dose = Treatment(drug, check["route"], float(check["dose_mg"]), every, count)
        # The window follows the last dose.
        after, last = float(check["window_h"]), every * (count - 1)
        t = last + np.unique(np.concatenate([np.linspace(0, after, 800), np.geomspace(0.02, after, 300)]))
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


ANIMALS = ("rat", "dog", "monkey")


def animal_volumes(path: Path, chemicals: Path, library: Library) -> dict[str, list[Ratio]]:
    """Vss (L/kg) of each species by Rodgers-Rowland in its body, from structure and the species' own fup."""
    structure = {r["Compound"].lower(): r for r in _gzipped(chemicals)}
    found: dict[str, list[Ratio]] = {s: [] for s in ANIMALS}
    for row in rows(path):
        known = structure.get(row["NAME"].lower())
        if known is None or not _number(known["logP"]):
            continue
        pka = tuple(_sites(known["pKa_Accept"], "base")) + tuple(_sites(known["pKa_Donor"], "acid"))
        for s in ANIMALS:
            fup, observed = _number(row[f"{s}_fup"]), _number(row[f"{s}_VDss_L_kg"])
            if not 0.0 < fup <= 1.0 or observed <= 0.0:
                continue
            drug = DrugRecord("x", "1", row["NAME"], 300.0, _number(known["logP"]), fup, None, pka)
            body = reference_body(library.species[s])
            vss = disposition(drug, library.species[s], body, body).vss_l / body.weight_kg
            found[s].append(Ratio(row["NAME"], observed, vss))
    return found


def _number(text: str) -> float:
    """The number, or 0 where there is none."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0


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
