"""Observed concentration curves of the reference tables as studies the library can simulate.

A simulation row names an individual, a compound, its protocol and formulation, and the data sets measured in it; rows
of one simulation are its drugs. Only plasma data of drugs in the library are taken.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.studies import Treatment
from twin_service.qualification.pbpk.intake import circumstances, form_words, told_apart
from twin_service.qualification.pbpk.regimens import protocol_doses, treatments_of

Floats = NDArray[np.float64]
csv.field_size_limit(10_000_000)
ALIASES = {
    "r_verapamil": "verapamil",
    "s_verapamil": "verapamil",
    "hydroxy_itraconazole": "hydroxyitraconazole",
    "sum_verapamil": "verapamil",
    "propofol_2": "propofol",
    "clarithromycin_test_old": "clarithromycin",
    "clarithromycin2": "clarithromycin",
    "fluvoxaminekjujhöjö": "fluvoxamine",
    "sum": "verapamil",
    "r_norverapamil": "norverapamil",
    "s_norverapamil": "norverapamil",
}
PER_LITER = {"mg/l": 1.0, "µg/ml": 1.0, "ng/ml": 1e-3, "µg/l": 1e-3, "ng/l": 1e-6, "pg/ml": 1e-6}
MOLAR = {"µmol/l": 1e-3, "nmol/l": 1e-6, "mmol/l": 1.0}
HOUR = {"h": 1.0, "min": 1 / 60, "s": 1 / 3600, "day(s)": 24.0}


@dataclass(frozen=True)
class ObservedStudy:
    """A measured course: times (h) and plasma levels (mg/L) of `drug` under `treatments` of `person`.

    `forms` says in the tables' words in which dosage form each drug was taken.
    """

    name: str
    study: str
    drug: str
    treatments: tuple[Treatment, ...]
    person: Mapping[str, float]
    forms: Mapping[str, str]
    times_h: Floats
    levels: Floats
    subjects: float

    @property
    def with_others(self) -> bool:
        return any(t.drug != self.drug for t in self.treatments)


def drug_id(compound: str) -> str:
    """The library id of a compound's name."""
    plain = compound.strip().lower().replace("-", "_").replace(" ", "_")
    return ALIASES.get(plain, plain)


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file, compressed or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def observed_studies(folder: Path, library: Library, drugs: set[str] | None = None) -> list[ObservedStudy]:
    """Every plasma course in `folder` (the osp tables) whose drugs and routes the library has."""
    wanted = drugs or set(library.drug_paths)
    people = {(r["repo"], r["individual"]): r for r in rows(folder / "individuals.csv.gz")}
    protocols = {(r["repo"], r["protocol"]): r for r in rows(folder / "protocols.csv.gz")}
    sets = {(r["repo"], r["dataset"]): r for r in rows(folder / "observed_datasets.csv.gz")}
    points: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for r in rows(folder / "observed_points.csv.gz"):
        points[r["repo"], r["dataset"]].append(r)
    simulations: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for r in rows(folder / "simulations.csv.gz"):
        simulations[r["repo"], r["simulation"]].append(r)
    apart = told_apart(_labels(simulations.values()))
    found: dict[str, ObservedStudy] = {}
    for (repo, _), parts in simulations.items():
        given = _treatments(parts, repo, people, protocols, library)
        if given is None:
            continue
        person, treatments, labels = given
        for name in {
            d for p in parts for d in (json.loads(p["observed_data"]) if p["observed_data"].startswith("[") else [])
        }:
            meta = sets.get((repo, name))
            study = _study(name, meta, points[repo, name], parts)
            if meta is None or study is None or name in found or study[0] not in wanted & set(library.drug_paths):
                continue
            drug, t, c, source, n = study
            c = in_plasma(c, meta.get("Compartment") or "", library.drug(drug).bp)
            if not any(x.drug == drug for x in treatments) and not _is_formed(drug, treatments, library):
                continue
            known = person | genotype_of(name, parts[0]["individual"], drug)
            known |= circumstances(name, meta.get("Food state") or "", labels.get(drug, ""))
            forms = {
                d: form_words((meta.get("Formulation") or "") if d == drug else "", label, told_apart=d in apart)
                for d, label in labels.items()
            }
            found[name] = ObservedStudy(name, source, drug, tuple(treatments), known, forms, t, c, n)
    return list(found.values())


def _labels(simulations: Iterable[list[dict[str, str]]]) -> Iterator[tuple[str, str]]:
    """(drug, form named) of every simulation; a form named after the other drug says nothing of this one."""
    for parts in simulations:
        compounds = {p["compound"].lower() for p in parts}
        for p in parts:
            label = p["formulation"].lower()
            if not any(other in label for other in compounds - {p["compound"].lower()}):
                yield drug_id(p["compound"]), label


def _treatments(
    parts: list[dict[str, str]],
    repo: str,
    people: Mapping[tuple[str, str], dict[str, str]],
    protocols: Mapping[tuple[str, str], dict[str, str]],
    library: Library,
) -> tuple[dict[str, float], list[Treatment], dict[str, str]] | None:
    """(person, treatments, dosage form named by drug); None where any drug given or its route is not in the library."""
    individual = people.get((repo, parts[0]["individual"]))
    # A simulation of a population (often of patients with organ disease) names no individual.
    if individual is None:
        return None
    if individual.get("species", "Human") not in ("Human", ""):
        return None
    person = _person(individual)
    treatments: list[Treatment] = []
    labels: dict[str, str] = {}
    for part in parts:
        if not part["protocol"] or part["protocol"] == '""':
            continue
        drug = drug_id(part["compound"])
        protocol = protocols.get((repo, part["protocol"]))
        doses = protocol_doses(protocol, person.get("weight_kg", 73.0)) if protocol else None
        if drug not in library.drug_paths or doses is None:
            return None
        treatments += treatments_of(drug, doses)
        labels[drug] = f"{labels.get(drug, '')} {part['formulation']}"
    return (person, treatments, labels) if treatments else None


def _person(row: Mapping[str, str]) -> dict[str, float]:
    person = {
        "age_y": float(row["age"]) if row.get("age") else 30.0,
        "sex_female": float(row.get("gender") == "FEMALE"),
    }
    if row.get("age_unit", "").startswith("month"):
        person["age_y"] /= 12.0
    if row.get("weight_kg"):
        person["weight_kg"] = float(row["weight_kg"])
    if row.get("height"):
        person["height_cm"] = float(row["height"]) * (10.0 if float(row["height"]) < 25 else 1.0)
    return person


def _study(
    name: str, meta: Mapping[str, str] | None, points: list[dict[str, str]], parts: list[dict[str, str]]
) -> tuple[str, Floats, Floats, str, float] | None:
    if meta is None or not points or "unbound" in name.lower() or "urine" in name.lower() or "saliva" in name.lower():
        return None
    where = (meta.get("Compartment") or "Plasma").lower()
    if where not in ("plasma", "serum", "undefined", "whole blood") or "urine" in (meta.get("Organ") or "").lower():
        return None
    drug = _measured(name, meta, parts)
    if drug is None or _is_enantiomer(meta, drug):
        return None
    factor = _per_liter(points[0]["unit"], meta.get("mw") or "")
    if factor is None:
        return None
    t = np.array([float(p["time"]) * HOUR.get(p["time_unit"], 1.0) for p in points])
    c = np.array([float(p["value"]) * factor for p in points])
    keep = (c > 0) & np.isfinite(c) & np.isfinite(t)
    order = np.argsort(t[keep], kind="stable")
    if keep.sum() < 4:
        return None
    source = meta.get("Study Id") or name.split(" - ")[0]
    return drug, t[keep][order], c[keep][order], source, float(meta.get("N") or 1.0)


def in_plasma(levels: Floats, compartment: str, bp: float | None) -> Floats:
    """Levels of whole blood as the plasma levels they stand for, by the drug's blood:plasma ratio where it is known."""
    return levels / bp if compartment.lower() == "whole blood" and bp is not None else levels


def _is_enantiomer(meta: Mapping[str, str], drug: str) -> bool:
    """Whether one enantiomer was measured of a drug that the library holds as the racemate: not comparable."""
    molecule = (meta.get("Molecule") or "").strip().lower()
    return molecule.startswith(("r-", "s-")) and not drug.startswith(("r_", "s_"))


def _measured(name: str, meta: Mapping[str, str], parts: list[dict[str, str]]) -> str | None:
    molecule = (meta.get("Molecule") or "").strip()
    if molecule and molecule != ".":
        return drug_id(molecule)
    end = name.lower().rsplit(",", 1)[-1].rsplit(" - ", 1)[-1].strip()
    for part in parts:
        if part["compound"].lower() == end:
            return drug_id(part["compound"])
    dosed = {drug_id(p["compound"]) for p in parts if p["protocol"] and p["protocol"] != '""'}
    others = {p["compound"].lower() for p in parts if drug_id(p["compound"]) not in dosed}
    return (
        next(iter(dosed))
        if len(dosed) == 1 and not any(o in name.lower() for o in others) and end == name.lower()
        else None
    )


def _per_liter(unit: str, molar_mass: str) -> float | None:
    if unit in PER_LITER:
        return PER_LITER[unit]
    return MOLAR[unit] * float(molar_mass) if unit in MOLAR and molar_mass else None


PHENOTYPES = {r"\*6/\*6": 0.3, r"\*1/\*6": 0.65, "PM": 0.0, "IM": 0.25, "NM": 1.0, "EM": 1.0, "UM": 1.5}
POLYMORPHIC = {
    "dextromethorphan": "cyp2d6_activity",
    "paroxetine": "cyp2d6_activity",
    "metoprolol": "cyp2d6_activity",
    "s_mephenytoin": "cyp2c19_activity",
    "efavirenz": "cyp2b6_activity",
    "fluvoxamine": "cyp2d6_activity",
}


def genotype_of(name: str, individual: str, drug: str) -> dict[str, float]:
    """Enzyme activity where a study's name gives the phenotype ("EM", "AS=1.25", "SM3" for poor mephenytoin); none
    for a mixed group ("EM/PM")."""
    enzyme = POLYMORPHIC.get(drug)
    if enzyme is None:
        return {}
    score = re.search(r"AS ?= ?([\d.]+)", individual)
    if score:
        return {enzyme: float(score[1]) / 2.0}
    for word, activity in PHENOTYPES.items():
        if re.search(rf"(?<![A-Za-z/]){word}(?![A-Za-z/])", name):
            return {enzyme: activity}
    return {enzyme: 0.0} if drug == "s_mephenytoin" and re.search(r"\+SM[13]", name) else {}


def _is_formed(drug: str, treatments: list[Treatment], library: Library) -> bool:
    return any(w.forms == drug for t in treatments for w in library.drug(t.drug).clearances)
