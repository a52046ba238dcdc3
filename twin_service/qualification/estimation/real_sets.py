"""Real patients of the reference folder, each set with the model that is asked to forecast it.

Tables come as their authors published them; here they become event tables. Readings before the first dose carry no
information about a drug and are left out; so are those marked missing.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin_service.fit.event_table import ColumnReading, subjects_of
from twin_service.fit.subject import TableSubject
from twin_service.model.structure import PatientModel
from twin_service.record.person import ModelChoice
from twin_service.twin.assemble import build

Row = dict[str, Any]
SECOND_OCCASION_H: Final = 336.0  # each occasion's clock starts at 0: two weeks apart, with a reset between them
UMOL_L_PER_MG_DL: Final = 88.42


@dataclass(frozen=True)
class RealSet:
    """`file` below the reference folder; `sample`: what the model has seen of it; `half`: the 2nd, 4th ... subject."""

    name: str
    title: str
    file: str
    model: ModelChoice
    sample: str
    rows: Callable[[Iterable[Mapping[str, str]]], list[Row]]
    how: ColumnReading = ColumnReading()
    half: bool = False


def load(chosen: RealSet, reference: Path) -> tuple[PatientModel, list[TableSubject]] | None:
    """The set's model and subjects with readings; None where the file is absent."""
    path = reference / chosen.file
    if not path.exists():
        return None
    model = build(chosen.model)
    with path.open(newline="", encoding="utf-8-sig") as f:
        rows = chosen.rows(csv.DictReader(f))
    kept = set(list(dict.fromkeys(r["ID"] for r in rows))[1 if chosen.half else 0 :: 2 if chosen.half else 1])
    subjects = subjects_of([r for r in rows if r["ID"] in kept], model, chosen.how)
    return model, [s for s in subjects if len(s)]


def _phenobarbital(table: Iterable[Mapping[str, str]]) -> list[Row]:
    return [
        {"ID": r["Subject"], "TIME": r["time"], "AMT": r["dose"], "DV": r["conc"], "WT": r["Wt"], "APGR": r["Apgar"]}
        for r in table
    ]


def _quinidine(table: Iterable[Mapping[str, str]]) -> list[Row]:
    return [
        {
            "ID": r["Subject"],
            "TIME": r["time"],
            "AMT": r["dose"],
            "DV": r["conc"],
            "SS": int(bool(r["interval"])),
            "II": r["interval"],
            "WT": r["Weight"],
            "GLYCO": r["glyco"],
            "low_creatinine_clearance": float(r["Creatinine"] == "< 50"),
            "severe_heart_failure": float(r["Heart"] == "Severe"),
        }
        for r in table
    ]


def _theophylline(table: Iterable[Mapping[str, str]]) -> list[Row]:
    rows: list[Row] = []
    for r in table:
        who = {"ID": r["Subject"], "WT": r["Wt"], "ROUTE": "oral"}
        if not rows or rows[-1]["ID"] != r["Subject"]:
            rows.append({**who, "TIME": 0.0, "EVID": 1, "AMT": float(r["Dose"]) * float(r["Wt"])})
        if float(r["Time"]) > 0.0:
            rows.append({**who, "TIME": r["Time"], "EVID": 0, "DV": r["conc"]})
    return rows


def _warfarin(table: Iterable[Mapping[str, str]]) -> list[Row]:
    names = {"cp": "warfarin", "pca": "prothrombin_complex_activity"}
    return [
        {
            "ID": r["id"],
            "TIME": r["time"],
            "EVID": r["evid"],
            "DV": r["dv"],
            "ANALYTE": names[r["dvid"]],
            "AMT": r["amt"] if float(r["evid"]) else "",
            "WT": r["wt"],
        }
        for r in table
    ]


def _mavoglurant(table: Iterable[Mapping[str, str]]) -> list[Row]:
    rows: list[Row] = []
    for r in table:
        late = SECOND_OCCASION_H if r["OCC"] == "2" else 0.0
        who = {"ID": r["ID"], "TIME": float(r["TIME"]) + late, "WT": r["WT"]}
        if r["EVID"] == "1":
            rows.append({**who, "EVID": 4 if late else 1, "AMT": r["AMT"], "RATE": r["RATE"]})
        elif r["MDV"] == "0":
            rows.append({**who, "EVID": 0, "DV": float(r["DV"]) / 1000.0})
    return rows


def _vancomycin(table: Iterable[Mapping[str, str]]) -> list[Row]:
    rows: list[Row] = []
    dosed: set[str] = set()
    for r in table:
        who = {"ID": r["ID"], "TIME": r["TIME"], "WT": r["WT"], "creatinine_umol_l": float(r["SCR"]) * UMOL_L_PER_MG_DL}
        if r["EVID"] == "1" and float(r["DOSE"]) > 0.0:
            dosed.add(r["ID"])
            rows.append({**who, "EVID": 1, "AMT": r["DOSE"], "DUR": r["DUR"]})
        elif r["EVID"] == "0" and r["ID"] in dosed:
            rows.append({**who, "EVID": 0, "DV": r["OUT"]})
        else:
            rows.append({**who, "EVID": 2})
    return rows


_OWN_HALF: Final = "out-of-sample: every second subject, those whose readings the model file was not estimated from"
SETS: Final[Sequence[RealSet]] = (
    RealSet(
        "phenobarbital",
        "Phenobarbital, 59 neonates",
        "mipd/real/nlme_Phenobarb.csv",
        ModelChoice(poppk="phenobarbital_neonate"),
        "in-sample: population values estimated from these infants",
        _phenobarbital,
    ),
    RealSet(
        "quinidine",
        "Quinidine, 136 men in hospital",
        "mipd/real/nlme_Quinidine.csv",
        ModelChoice(poppk="quinidine_verme"),
        "in-sample: population values estimated from these men",
        _quinidine,
        ColumnReading(carry="forward"),
    ),
    RealSet(
        "theophylline",
        "Theophylline, 12 adults, population PK",
        "mipd/real/datasets_Theoph.csv",
        ModelChoice(poppk="theophylline_oral"),
        "in-sample: population values estimated from these adults",
        _theophylline,
    ),
    RealSet(
        "theophylline_pbpk",
        "Theophylline, 12 adults, whole-body PBPK",
        "mipd/real/datasets_Theoph.csv",
        ModelChoice(drugs=("theophylline",)),
        "out-of-sample: the drug file was built without this set",
        _theophylline,
    ),
    RealSet(
        "warfarin",
        "Warfarin and prothrombin complex activity, 32 adults",
        "mipd/real/nlmixr2data_warfarin.csv",
        ModelChoice(poppk="warfarin_pkpd"),
        "in-sample: population values estimated from these adults",
        _warfarin,
    ),
    RealSet(
        "warfarin_half",
        "Warfarin and prothrombin complex activity, 16 of 32 adults",
        "mipd/real/nlmixr2data_warfarin.csv",
        ModelChoice(poppk="warfarin_oreilly"),
        _OWN_HALF,
        _warfarin,
        half=True,
    ),
    RealSet(
        "mavoglurant",
        "Mavoglurant by vein, 60 of 120 adults",
        "mipd/real/nlmixr2data_mavoglurant.csv",
        ModelChoice(poppk="mavoglurant_iv"),
        _OWN_HALF,
        _mavoglurant,
        half=True,
    ),
    RealSet(
        "vancomycin_pediatric",
        "Vancomycin, every second of 214 children",
        "mipd/real/PMcore_vancomycin_paediatric_214pts.csv",
        ModelChoice(poppk="vancomycin_children"),
        _OWN_HALF,
        _vancomycin,
        ColumnReading(carry="forward"),
        half=True,
    ),
)
ABSENT: Final[Mapping[str, str]] = {
    "vancomycin_adult": "the reference folder holds no levels of adults on vancomycin: PMcore_vancomycin_9pts.csv is "
    "nine of the 214 children (two of them of adult size), Pmetrics_ex_20pts.csv names no drug"
}
