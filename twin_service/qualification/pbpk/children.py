"""Clearance of children against published tables: group means relative to adults, and children one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twin_service.library.files import FOLDER, parse_toml
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.record import DrugRecord
from twin_service.qualification.pbpk.groups import (
    ClearanceKind,
    Sampling,
    StudiedGroup,
    chronic_clearance,
    group_clearance,
    induces_itself,
)
from twin_service.qualification.pbpk.observed import HOUR, drug_id, rows
from twin_service.qualification.pbpk.scores import Ratio, gmfe, split, within

ADULT_Y = 18.0
# Oral clearances stand for clearance only where nearly all of a dose arrives.
FULLY_AVAILABLE = {"theophylline", "caffeine", "carbamazepine", "s_warfarin"}
SEXES = {"male": (0.0,), "female": (1.0,), "both": (0.0, 1.0)}
# Drugs from whose clearance in children the maturation of their enzyme was drawn (`library/enzymes.toml`), or may have
# been (S-warfarin): their rows say how well the curve closes, not how well an unseen drug is predicted.
DRAWN_FROM = frozenset({"caffeine", "theophylline", "midazolam", "sufentanil", "s_warfarin"})
WHO = FOLDER / "physiology" / "human.check.toml"


@dataclass(frozen=True)
class Child(Ratio):
    """One row of a table of children: the drug, the (mean) age, and whether it is a group mean relative to adults."""

    drug: str
    age_y: float
    group: bool


def relative_clearances(path: Path, library: Library, drugs: set[str] | None = None) -> list[Child]:
    """Children's clearance per kg relative to the same table's adults (same drug and route), predicted and observed.

    Relative, because oral rows hold CL/F, which divides out. A drug that induces itself is taken at steady state, as
    its patients were. Johnson 2006, Clin Pharmacokinet 45:931
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
    predicted = {key: _predicted(library.drug(key[0]), library, row) for key, row in adults.items()}
    found = []
    for row, drug in children:
        key = (drug, row["Route"])
        if key not in adults:
            continue
        ratio = _predicted(library.drug(drug), library, row) / predicted[key]
        observed = float(row["Clearance.mean"]) / float(adults[key]["Clearance.mean"])
        low, high = float(row["Age.min"]), float(row["Age.max"])
        found.append(Child(f"{drug} {low:.3g} to {high:.3g} y", observed, ratio, drug, (low + high) / 2.0, True))
    return found


def _predicted(drug: DrugRecord, library: Library, row: Mapping[str, str]) -> float:
    ages = (float(row["Age.min"]), float(row["Age.max"]))
    group = StudiedGroup(ages, float(row["BW.mean"]) if row["BW.mean"] else None)
    if row["Route"] != "iv" and induces_itself(drug):
        return chronic_clearance(drug, library, group)
    return group_clearance(drug, library, group)


def single_clearances(path: Path, library: Library, drugs: set[str] | None = None) -> list[Child]:
    """Clearance per kg of the children in `human.check.toml`, relative to the table's adults where it has some."""
    table, studies = list(rows(path)), parse_toml(WHO)["study"]
    found, adults = [], defaultdict(list)
    for study in sorted(studies, key=lambda s: not s.get("adult", False)):
        drug = study["drug"]
        if drug not in library.drug_paths or (drugs and drug not in drugs):
            continue
        for subject in study["subject"]:
            mine = [row for row in table if row["Study"] == study["study"] and _belongs(row, subject)]
            observed = [v for row in mine for v in _observed(row, subject)]
            if not observed:
                continue
            group = _subject(subject)
            kinds = [_kind(study, row) for row in mine]
            each = {kind: group_clearance(library.drug(drug), library, group, kind) for kind in set(kinds)}
            predicted = float(np.mean([each[k] for k in kinds]))
            name = f"{drug} {study['study']} {subject.get('group', subject.get('row'))}"
            row = Child(name, float(np.mean(observed)), predicted, drug, float(np.mean(group.ages_y)), False)
            if study.get("adult", False):
                adults[drug].append(row)
            else:
                found.append(_relative(row, adults[drug]))
    return found


def _relative(row: Child, adults: Sequence[Child]) -> Child:
    if not adults:
        return row
    observed, predicted = (float(np.mean(v)) for v in zip(*((a.observed, a.predicted) for a in adults), strict=True))
    return replace(row, observed=row.observed / observed, predicted=row.predicted / predicted)


def _belongs(row: Mapping[str, str], subject: Mapping[str, Any]) -> bool:
    """Whether a row of the table is of `subject`."""
    return row["Grouping"] == subject.get("group") or int(row["ID"]) == subject.get("row")


def _observed(row: Mapping[str, str], subject: Mapping[str, Any]) -> Iterator[float]:
    """The row's clearance in L/h/kg; one in mL/min is per kg by the weight the study gives (`weight_kg`)."""
    if row["CL AvgUnit"] == "mL/min/kg":
        yield float(row["CL Avg"]) * 0.06
    elif row["CL AvgUnit"] == "mL/min":
        yield float(row["CL Avg"]) * 0.06 / float(subject["weight_kg"])


def _kind(study: Mapping[str, Any], row: Mapping[str, str]) -> ClearanceKind:
    """Of one dose (`dose_h`, how long it ran) the row says until when samples were taken."""
    sampling = None
    if "dose_h" in study:
        sampling = Sampling(float(study["dose_h"]), float(row["tend"]) * HOUR[row["t Unit"]])
    return ClearanceKind(study.get("blood", False), study.get("oral", False), sampling)


def _subject(subject: Mapping[str, Any]) -> StudiedGroup:
    age = subject["age_y"]
    span = (float(age[0]), float(age[1])) if isinstance(age, list) else (float(age), float(age))
    weeks = float(subject.get("gestational_age_wk", 0.0))
    return StudiedGroup(span, subject.get("weight_kg"), weeks, SEXES[subject.get("sex", "both")])


def by_drug(children: Sequence[Child]) -> dict[str, list[Child]]:
    """The rows of each drug, by name."""
    found: dict[str, list[Child]] = defaultdict(list)
    for child in children:
        found[child.drug].append(child)
    return dict(sorted(found.items()))


def bias_removed(children: Sequence[Child]) -> list[float]:
    """Fold errors with each drug's geometric mean divided out: what no change to a drug or a curve could mend."""
    return [c.fold / split([x.fold for x in rows]).bias for rows in by_drug(children).values() for c in rows]


def children_figures(children: Sequence[Child]) -> dict[str, float]:
    """Over all rows of both tables, each table, the rows of drugs that gave no curve, and by drug with its bias."""
    if not children:
        return {}
    folds = [c.fold for c in children]
    groups, singles = ([c.fold for c in children if c.group == which] for which in (True, False))
    unseen = [c.fold for c in children if c.drug not in DRAWN_FROM]
    figures = {
        "pbpk.pediatric_n": float(len(folds)),
        "pbpk.pediatric_cl_gmfe": gmfe(folds),
        "pbpk.pediatric_within_2fold": within(folds, 2.0),
        "pbpk.pediatric_bias": split(folds).bias,
        "pbpk.pediatric_bias_removed_gmfe": gmfe(bias_removed(children)),
        "pbpk.pediatric_groups_n": float(len(groups)),
        "pbpk.pediatric_groups_cl_gmfe": gmfe(groups),
        "pbpk.pediatric_singles_cl_gmfe": gmfe(singles),
        "pbpk.pediatric_unseen_n": float(len(unseen)),
        "pbpk.pediatric_unseen_cl_gmfe": gmfe(unseen),
    }
    for drug, rows_ in by_drug(children).items():
        parts = split([c.fold for c in rows_])
        figures |= {f"pbpk.pediatric_cl_gmfe.{drug}": parts.gmfe, f"pbpk.pediatric_bias.{drug}": parts.bias}
    return figures
