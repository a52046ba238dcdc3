"""A drug file as TOML becomes a `DrugRecord`; every mistake is a finding with its place, rule and remedy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from twin_service.model.domain import DRUG_FIELDS, read_domain
from twin_service.model.library.schema import FileKind
from twin_service.model.pbpk.animal import read_animals, species_bodies
from twin_service.model.pbpk.door import FindingsDoor, in_words, shaped, table_rows, value_or
from twin_service.model.pbpk.dosage_file import read_absorption, read_formulations
from twin_service.model.pbpk.drug_ways import gut_is_assumed, read_clearances, read_interactions
from twin_service.model.pbpk.record import (
    CHARGES,
    PARTITION_METHODS,
    DrugRecord,
    DrugVariability,
    Pka,
    TherapeuticRange,
)

_TOP: Final = (
    "id",
    "schema",
    "version",
    "title",
    "atc",
    "source",
    "notes",
    "molar_mass",
    "logp",
    "fup",
    "bp",
    "binding",
    "pka",
    "psa",
    "hbd",
    "distribution",
    "clearance",
    "gfr_fraction",
    "interaction",
    "absorption",
    "formulation",
    "variability",
    "error",
    "therapeutic_range",
    "domain",
    "fitted",
    "metabolite_of",
    "species",
)


# Spread of the compounds behind Rodgers & Rowland 2006, doi:10.1002/jps.20502, and Poulin & Theil 2002, with a margin.
LOGP_BUILT: Final = (-4.0, 8.0)
_LISTS: Final = ("pka", "clearance", "interaction", "formulation", "variability", "therapeutic_range")
_TABLES: Final = ("distribution", "absorption", "error", "domain", "species")


def read_drug(
    table: Mapping[str, Any], door: FindingsDoor, enzymes: Collection[str], organs: Collection[str]
) -> DrugRecord | None:
    """The record of a drug file; None where a required value is missing or wrong (the findings say which)."""
    table = in_words(table, FileKind.DRUG, door)
    door.known(table, "", _TOP)
    table = shaped(table, door, lists=_LISTS, tables=_TABLES)
    for key in ("id", "version", "title"):
        if not table.get(key):
            door.fault(key, f'is missing; write {key} = "..."', "R8")
    mass = door.quantity(table, "molar_mass", "g/mol", required=True, low=10, high=300000)
    door.molar_mass = mass.value if mass else None
    logp = door.quantity(table, "logp", "1", required=True, low=-10, high=12)
    fup = door.quantity(table, "fup", "1", required=True, high=1, positive=True)
    bp = door.quantity(table, "bp", "1", low=0.3, high=100)
    pka = _pka(table, door)
    record = DrugRecord(
        id=str(table.get("id", "")),
        version=str(table.get("version", "")),
        title=str(table.get("title", "")),
        molar_mass=value_or(mass, 300.0),
        logp=value_or(logp, 1.0),
        fup=value_or(fup, 0.5),
        bp=bp.value if bp else None,
        pka=pka,
        atc=str(table.get("atc", "")),
    )
    binding = door.word(
        table.get("binding", "aag" if record.charge == "base" else "albumin"), "binding", ("albumin", "aag")
    )
    gfr = door.quantity(table, "gfr_fraction", "1", low=0, high=1)
    record = replace(
        record,
        binding=binding,
        gfr_fraction=value_or(gfr, 1.0),
        clearances=read_clearances(table, door, enzymes),
        interactions=read_interactions(table, door, enzymes),
        absorption=read_absorption(table, door, record),
        formulations=read_formulations(table, door),
        variability=_variability(table, door),
        windows=_windows(table, door),
        domain=read_domain(table, DRUG_FIELDS, door.fault),
        animals=read_animals(table.get("species", {}), door, species_bodies()),
    )
    record = replace(record, assumed=_assumed(table, record))
    record = _distribution(_error(record, table, door), table.get("distribution", {}), door, organs)
    return None if any(f.severity == "error" for f in door.findings) else record


def _pka(table: Mapping[str, Any], door: FindingsDoor) -> tuple[Pka, ...]:
    found = []
    for i, row in enumerate(table_rows(table, "pka", door)):
        charge = door.word(row.get("charge"), f"pka[{i}].charge", CHARGES)
        body = {k: v for k, v in row.items() if k != "charge"}
        q = door.read({"unit": "1", **body}, f"pka[{i}]", "1", low=-5, high=20)
        if q is not None:
            found.append(Pka(charge, q.value))
    return tuple(found)


DOMAIN: Final = ("age_y", "weight_kg", "height_cm", "dose_mg")
EFFECTS: Final = ("clint", "distribution", "permeability", "gastric_emptying", "renal", "gut")


def _variability(table: Mapping[str, Any], door: FindingsDoor) -> tuple[DrugVariability, ...]:
    found = []
    for i, row in enumerate(table_rows(table, "variability", door)):
        at = f"variability[{i}]"
        door.known(row, at, ("on", "cv", "origin", "occasion"))
        on = door.word(row.get("on"), f"{at}.on", EFFECTS)
        cv = row.get("cv")
        if not isinstance(cv, int | float) or not 0 < cv <= 3:
            door.fault(f"{at}.cv", f"is {cv!r}; expected a fraction above 0 and at most 3 (0.3 means 30 %)")
            continue
        if not row.get("origin"):
            door.fault(f"{at}.origin", "origin is missing", "R7")
        found.append(DrugVariability(on, float(cv), str(row.get("origin", "")), bool(row.get("occasion", False))))
    if found:
        return tuple(found)
    common = "Rowland Yeo 2011: typical spread of a population, assumed"
    return (
        DrugVariability("clint", 0.35, common),
        DrugVariability("distribution", 0.25, common),
        DrugVariability("permeability", 0.3, common),
        DrugVariability("gastric_emptying", 0.35, common),
    )


def _windows(table: Mapping[str, Any], door: FindingsDoor) -> tuple[TherapeuticRange, ...]:
    found = []
    for i, row in enumerate(table_rows(table, "therapeutic_range", door)):
        at = f"therapeutic_range[{i}]"
        door.known(row, at, ("low", "high", "measure", "origin"))
        low = door.quantity(row, "low", "mg/L", where=at, low=0)
        high = door.quantity(row, "high", "mg/L", where=at, low=0)
        if not row.get("origin"):
            door.fault(f"{at}.origin", "origin is missing", "R7")
        found.append(
            TherapeuticRange(
                low.value if low else None,
                high.value if high else None,
                str(row.get("measure", "trough")),
                str(row.get("origin", "")),
            )
        )
    return tuple(found)


def _error(record: DrugRecord, table: Mapping[str, Any], door: FindingsDoor) -> DrugRecord:
    row = table.get("error", {})
    door.known(row, "error", ("proportional", "additive"))
    proportional = door.quantity(row, "proportional", "1", where="error", low=0, high=2)
    additive = door.quantity(row, "additive", "mg/L", where="error", low=0)
    return replace(record, error_proportional=value_or(proportional, 0.15), error_additive=value_or(additive, 0.0))


def _distribution(
    record: DrugRecord, row: Mapping[str, Any], door: FindingsDoor, organs: Collection[str]
) -> DrugRecord:
    at = "distribution"
    door.known(row, at, ("method", "kp_scalar", "vss", "kp", "permeability"))
    method = door.word(row.get("method", "rodgers_rowland"), f"{at}.method", PARTITION_METHODS)
    scalar = door.quantity(row, "kp_scalar", "1", where=at, positive=True)
    vss = door.quantity(row, "vss", "L/kg", where=at, positive=True, high=1000)
    if scalar and vss:
        door.fault(f"{at}.vss", "vss and kp_scalar both set; vss is reached by choosing the scalar, keep one")
    kp = {}
    for organ, raw in row.get("kp", {}).items():
        door.word(organ, f"{at}.kp.{organ}", organs)
        q = door.read(raw, f"{at}.kp.{organ}", "1", positive=True)
        if q:
            kp[organ] = q.value
    ps = {}
    for organ, raw in row.get("permeability", {}).items():
        door.word(organ, f"{at}.permeability.{organ}", organs)
        q = door.read(raw, f"{at}.permeability.{organ}", "L/h", positive=True)
        if q:
            ps[organ] = q.value
    return replace(
        record,
        method=method,
        kp_scalar=value_or(scalar, 1.0),
        vss_l_kg=vss.value if vss else None,
        kp=kp,
        permeability=ps,
    )


def _assumed(table: Mapping[str, Any], record: DrugRecord) -> tuple[str, ...]:
    said = []
    if "bp" not in table:
        said.append("blood:plasma ratio not given: estimated from its red-cell binding")
    if record.absorption.peff_assumed:
        how = "from psa, hbd and logP" if "psa" in table and "hbd" in table else "from logP alone"
        said.append(f"intestinal permeability not given: assumed {how}")
    if gut_is_assumed(table):
        said.append("gut-wall CYP3A4 not given: assumed by its content relative to the liver")
    if not LOGP_BUILT[0] <= record.logp <= LOGP_BUILT[1]:
        low, high = LOGP_BUILT
        said.append(
            f"logP {record.logp:g} is outside what tissue composition methods were built on ({low:g} to {high:g}): "
            "volume and permeability from structure are extrapolated; set distribution.vss and absorption.peff"
        )
    if not table.get("clearance"):
        said.append("no clearance given: filtration by the kidney alone")
    return tuple(said)
