"""The data sets of the bench and the models they are estimated with, each from a poor and from a published start."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twin_service.fit.event_table import subjects_of
from twin_service.fit.population.build import BuildOptions, BuiltProblem, build_problem
from twin_service.model.compose import compose
from twin_service.model.poppk.build import build_poppk
from twin_service.model.poppk.record import PopPkRecord, read_model
from twin_service.qualification.estimation.real_sets import SETS
from twin_service.qualification.population.files import benchmark_record

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class BenchSet:
    """A file below the reference folder, how it becomes rows, and the model."""

    name: str
    file: str
    rows: Callable[[list[Mapping[str, str]]], Rows]
    record: Callable[[], PopPkRecord]


def theophylline_rows(table: list[Mapping[str, str]]) -> Rows:
    """EVID 101 is a dose into the first compartment."""
    return [{**r, "EVID": "1" if r["EVID"] == "101" else "0"} for r in table]


def _published(name: str) -> Callable[[list[Mapping[str, str]]], Rows]:
    rows = next(s.rows for s in SETS if s.name == name)
    return lambda table: rows(table)


def _warfarin_levels(table: list[Mapping[str, str]]) -> Rows:
    return [r for r in _published("warfarin")(table) if r["ANALYTE"] == "warfarin"]


CREATININE_MAX = 1200.0


def _vancomycin(table: list[Mapping[str, str]]) -> Rows:
    """Without the children of whom a creatinine outside the model's limits is on record."""
    rows = _published("vancomycin_pediatric")(table)
    odd = {r["ID"] for r in rows if r["creatinine_umol_l"] > CREATININE_MAX}
    return [r for r in rows if r["ID"] not in odd]


def _warfarin_fractions(table: list[Mapping[str, str]]) -> Rows:
    return [r for r in _published("warfarin")(table) if r["AMT"] or float(r["DV"] or 0.0) > 0.0]


BENCH_SETS: tuple[BenchSet, ...] = (
    BenchSet(
        "theophylline", "mipd/real/nlmixr2data_theo_sd.csv", theophylline_rows, lambda: benchmark_record("theophylline")
    ),
    BenchSet(
        "warfarin_pk", "mipd/real/nlmixr2data_warfarin.csv", _warfarin_levels, lambda: benchmark_record("warfarin_pk")
    ),
    BenchSet(
        "warfarin_pkpd",
        "mipd/real/nlmixr2data_warfarin.csv",
        _warfarin_fractions,
        lambda: benchmark_record("warfarin_pkpd"),
    ),
    BenchSet(
        "phenobarbital",
        "mipd/real/nlme_Phenobarb.csv",
        _published("phenobarbital"),
        lambda: read_model("phenobarbital_neonate"),
    ),
    BenchSet(
        "mavoglurant",
        "mipd/real/nlmixr2data_mavoglurant.csv",
        _published("mavoglurant"),
        lambda: read_model("mavoglurant_iv"),
    ),
    BenchSet(
        "vancomycin_children",
        "mipd/real/PMcore_vancomycin_paediatric_214pts.csv",
        _vancomycin,
        lambda: read_model("vancomycin_children"),
    ),
)


def built_set(chosen: BenchSet, reference: Path, options: BuildOptions = BuildOptions()) -> BuiltProblem | None:
    """The problem of a set; None where its file is absent."""
    path = reference / chosen.file
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8-sig") as f:
        rows = chosen.rows(list(csv.DictReader(f)))
    record = chosen.record()
    return build_problem(record, subjects_of(rows, compose(record.id, {record.id: build_poppk(record)})), options)


def moved(built: BuiltProblem, by: float) -> BuiltProblem:
    """A poor start: typical values moved up and down by `by` on the scale of the search, spread large."""
    x, space = built.start.copy(), built.problem.space
    for j, k in enumerate(space.free):
        if k < len(space.beta):
            x[k] += by if j % 2 else -by
        elif k in space.diagonal:
            x[k] = max(x[k], -0.5)
    return replace(built, start=x)
