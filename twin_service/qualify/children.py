"""Clearance of children against published tables: group means relative to adults, and children one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twin_service.model.pbpk.checks import plasma_clearance
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import FOLDER, Library, parse_toml
from twin_service.model.pbpk.physiology import create_body, reference_size
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.pbpk.studies import Treatment, course, observe
from twin_service.qualify.observed import drug_id, rows
from twin_service.qualify.scores import Ratio

ADULT_Y = 18.0
ADULT_KG = 73.0
AGES = 7
WINDOW_H = 480.0
# Oral clearances stand for clearance only where nearly all of a dose arrives.
FULLY_AVAILABLE = {"theophylline", "caffeine", "carbamazepine", "s_warfarin"}
WHO = FOLDER / "physiology" / "human.check.toml"


@dataclass(frozen=True)
class Group:
    """People whose mean clearance was published: ages, mean weight (kg; None: the usual one), weeks of gestation."""

    ages_y: tuple[float, float]
    weight_kg: float | None = None
    gestational_age_wk: float = 0.0


@dataclass(frozen=True)
class Kind:
    """What a published clearance is: of whole blood (over the blood:plasma ratio), oral (over what is available)."""

    blood: bool = False
    oral: bool = False


def group_clearance(drug: DrugRecord, library: Library, group: Group, kind: Kind | None = None) -> float:
    """Mean clearance (L/h/kg) over a group: its ages evenly, both sexes, weights of their age scaled to its mean."""
    kind = kind or Kind()
    species = library.species["human"]
    people = list(_people(library, group))
    found = []
    for person in people:
        cleared = plasma_clearance(drug, library, person) / person["weight_kg"]
        if kind.blood:
            cleared /= disposition(drug, species, create_body(species, person), reference_body(species)).bp
        found.append(cleared)
    available = bioavailability(drug, library, people[len(people) // 2]) if kind.oral else 1.0
    return float(np.mean(found)) / available


def _people(library: Library, group: Group) -> Iterator[dict[str, float]]:
    species = library.species["human"]
    ages = np.linspace(*group.ages_y, AGES if len(set(group.ages_y)) > 1 else 1)
    people = [(float(a), s) for a in ages for s in (0.0, 1.0)]
    usual = np.array([reference_size(species, a, s > 0.5)[1] for a, s in people])
    weights = usual * (1.0 if group.weight_kg is None else group.weight_kg / usual.mean())
    for (age, female), weight in zip(people, weights, strict=True):
        person = {"age_y": age, "sex_female": female, "weight_kg": float(weight)}
        yield person | ({"gestational_age_wk": group.gestational_age_wk} if group.gestational_age_wk else {})


def bioavailability(drug: DrugRecord, library: Library, person: Mapping[str, float]) -> float:
    """Share of an oral dose that reaches the blood: areas of an oral and an intravenous dose of 1 mg to the end."""
    areas = [
        observe(course([dose], person, library), drug.id, (0.0, WINDOW_H), dose)["auc_inf"]
        for dose in (Treatment(drug.id, "oral", 1.0), Treatment(drug.id, "iv", 1.0, duration_h=0.1))
    ]
    return areas[0] / areas[1]


def relative_clearances(path: Path, library: Library, drugs: set[str] | None = None) -> list[Ratio]:
    """Children's clearance per kg relative to the same table's adults (same drug and route), predicted and observed.

    Relative, because oral rows hold CL/F and chronic rows an induced clearance: both divide out. Johnson 2006, Clin
    Pharmacokinet 45:931
    """
    adults: dict[tuple[str, str], dict[str, str]] = {}
    children: list[tuple[dict[str, str], str]] = []
    for row in rows(path):
        drug = drug_id(row["Compound"])
        if drug not in library.drug_paths or row["Clearance.units"] != "L/h/kg" or (drugs and drug not in drugs):
            continue
        if row["Route"] != "iv" and drug not in FULLY_AVAILABLE:
            continue
        if float(row["Age.min"]) >= ADULT_Y:
            adults.setdefault((drug, row["Route"]), row)
        elif float(row["Age.max"]) <= ADULT_Y:
            children.append((row, drug))
    found = []
    for row, drug in children:
        adult = adults.get((drug, row["Route"]))
        if adult is None:
            continue
        record = library.drug(drug)
        predicted = group_clearance(record, library, _group(row)) / group_clearance(record, library, _group(adult))
        observed = float(row["Clearance.mean"]) / float(adult["Clearance.mean"])
        found.append(Ratio(f"{drug} {float(row['Age.min']):.3g} to {float(row['Age.max']):.3g} y", observed, predicted))
    return found


def _group(row: Mapping[str, str]) -> Group:
    return Group((float(row["Age.min"]), float(row["Age.max"])), float(row["BW.mean"]) if row["BW.mean"] else None)


def single_clearances(path: Path, library: Library, drugs: set[str] | None = None) -> list[Ratio]:
    """Clearance per kg of the children in `human.check.toml`, relative to the table's adults where it has some."""
    table, studies = list(rows(path)), parse_toml(WHO)["study"]
    found, adults = [], defaultdict(list)
    for study in sorted(studies, key=lambda s: not s.get("adult", False)):
        drug = study["drug"]
        if drug not in library.drug_paths or (drugs and drug not in drugs):
            continue
        kind = Kind(study.get("blood", False), study.get("oral", False))
        for subject in study["subject"]:
            observed = list(_observed(table, study["study"], subject))
            if not observed:
                continue
            predicted = group_clearance(library.drug(drug), library, _subject(subject), kind)
            name = f"{drug} {study['study']} {subject.get('group', subject.get('row'))}"
            row = Ratio(name, float(np.mean(observed)), predicted)
            if study.get("adult", False):
                adults[drug].append(row)
            else:
                found.append(_relative(row, adults[drug]))
    return found


def _relative(row: Ratio, adults: Sequence[Ratio]) -> Ratio:
    if not adults:
        return row
    observed, predicted = (float(np.mean(v)) for v in zip(*((a.observed, a.predicted) for a in adults), strict=True))
    return Ratio(row.name, row.observed / observed, row.predicted / predicted)


def _observed(table: Sequence[Mapping[str, str]], study: str, subject: Mapping[str, Any]) -> Iterator[float]:
    """Clearances in L/h/kg of the rows that belong to `subject`; a group "ind" takes ind1, ind2 ..."""
    for row in table:
        mine = row["Grouping"] == subject.get("group") or int(row["ID"]) == subject.get("row")
        mine = mine or (subject.get("group") == "ind" and row["Grouping"].startswith("ind"))
        if row["Study"] != study or not mine:
            continue
        if row["CL AvgUnit"] == "mL/min/kg":
            yield float(row["CL Avg"]) * 0.06
        elif row["CL AvgUnit"] == "mL/min":
            yield float(row["CL Avg"]) * 0.06 / ADULT_KG


def _subject(subject: Mapping[str, Any]) -> Group:
    age = subject["age_y"]
    span = (float(age[0]), float(age[1])) if isinstance(age, list) else (float(age), float(age))
    return Group(span, subject.get("weight_kg"), float(subject.get("gestational_age_wk", 0.0)))
