"""A compound file: the chemistry keys of a drug file, then [[animal]] studies and [[in_vitro]] clearances.

Every mistake is a finding, all are reported at once: a microsomal value without its protein concentration, a species
without a body, an unknown key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from twin_service.fit.translation.compound import AnimalStudy, Compound, InVitroClearance, TimeCourse
from twin_service.library.files import parse_toml
from twin_service.model.pbpk.door import FindingsDoor, shaped, table_rows, value_or
from twin_service.model.pbpk.drug_file import read_drug
from twin_service.model.pbpk.library import Library, load_library
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.pbpk.settle import settle
from twin_service.outcome import Refusal, RefusalCode

CHEMISTRY: Final = (
    "id",
    "schema",
    "version",
    "title",
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
    "absorption",
    "formulation",
    "distribution",
)
OWN: Final = ("animal", "in_vitro", "renal_clearance")
ANIMAL_KEYS: Final = ("species", "weight", "clearance", "vss", "fup", "bioavailability", "course", "origin")
IN_VITRO_KEYS: Final = ("clint", "protein", "cells", "fu_inc", "ps_uptake", "ps_efflux", "bile", "origin")
SYSTEMS: Final = {"microsomes": "uL/min/mg", "hepatocytes": "uL/min/10^6cells"}


def read_compound(path: Path, library: Library | None = None) -> Compound:
    """The compound in `path`. Raises Refusal with every mistake in it."""
    library = library or load_library()
    door = FindingsDoor(path.name)
    table = parse_toml(path)
    table.setdefault("id", path.stem)
    found = compound_of(table, door, library)
    wrong = [f for f in door.findings if f.severity == "error"]
    if wrong or found is None:
        raise Refusal(
            RefusalCode.INVALID,
            "\n".join(dict.fromkeys(str(f) for f in wrong)),
            field=wrong[0].field if wrong else "",
            reason="BAD_COMPOUND_FILE",
        )
    return found


def compound_of(table: Mapping[str, Any], door: FindingsDoor, library: Library) -> Compound | None:
    """The compound of a parsed table; None where something required is missing (the door holds the findings)."""
    door.known(table, "", (*CHEMISTRY, *OWN))
    table = shaped(table, door, lists=("animal", "in_vitro"), tables=())
    chemistry = _chemistry(table, door, library)
    animals = [_animal(row, f"animal[{i}]", door, library) for i, row in enumerate(table_rows(table, "animal", door))]
    vitro = [_in_vitro(row, f"in_vitro[{i}]", door) for i, row in enumerate(table_rows(table, "in_vitro", door))]
    renal = door.quantity(table, "renal_clearance", "mL/min/kg", low=0.0, high=100.0)
    if not animals and not vitro:
        door.fault("animal", "no study to translate; write [[animal]] or [[in_vitro]] with what was measured", "R8")
    if chemistry is None or None in animals or None in vitro:
        return None
    return Compound(
        chemistry,
        tuple(a for a in animals if a is not None),
        tuple(v for v in vitro if v is not None),
        renal.value if renal else None,
    )


def _chemistry(table: Mapping[str, Any], door: FindingsDoor, library: Library) -> DrugRecord | None:
    """Read by the drug file's own reader, with a way out that stands for the one to be found."""
    own = {k: v for k, v in table.items() if k in CHEMISTRY}
    way = {"value": 1.0, "unit": "L/h", "origin": "stands for what is translated"}
    own["clearance"] = [{"organ": "total", "law": "in_vivo", "enzyme": "OTHER", "clearance": way}]
    human = library.species["human"]
    record = read_drug(own, door, sorted(library.enzymes), human.organ_ids)
    return replace(record, bp=settle(record, human).bp) if record is not None else None


def _animal(row: Mapping[str, Any], at: str, door: FindingsDoor, library: Library) -> AnimalStudy | None:
    door.known(row, at, ANIMAL_KEYS)
    bodies = [s for s in library.species if s != "human"]
    species = door.word(row.get("species"), f"{at}.species", bodies)
    weight = door.quantity(row, "weight", "kg", where=at, low=0.005, high=200.0)
    clearance = door.quantity(row, "clearance", "mL/min/kg", where=at, positive=True, high=5000.0)
    volume = door.quantity(row, "vss", "L/kg", where=at, positive=True, high=1000.0)
    fup = door.quantity(row, "fup", "1", where=at, positive=True, high=1.0)
    available = door.quantity(row, "bioavailability", "1", where=at, low=0.0, high=1.5)
    course = _course(row["course"], f"{at}.course", door) if "course" in row else None
    if clearance is None and volume is None and course is None:
        door.fault(at, "tells nothing of the compound; write clearance, vss or course, after intravenous doses", "R8")
    if species not in bodies:
        return None
    return AnimalStudy(
        species,
        value_or(weight, library.species[species].body["weight_male_kg"][-1]),
        clearance.value if clearance else None,
        volume.value if volume else None,
        fup.value if fup else None,
        available.value if available else None,
        course,
    )


def _course(raw: Any, at: str, door: FindingsDoor) -> TimeCourse | None:
    if not isinstance(raw, Mapping):
        door.fault(at, "expected a table: time_h, conc_mg_l (lists of the same length) and dose", "R8")
        return None
    door.known(raw, at, ("time_h", "conc_mg_l", "dose", "origin"))
    dose = door.quantity(raw, "dose", "mg/kg", where=at, required=True, positive=True)
    times, levels = raw.get("time_h"), raw.get("conc_mg_l")
    if not _rising(times) or not _numbers(levels) or len(times) != len(levels) or min(levels) < 0:  # type: ignore[arg-type]
        door.fault(at, "time_h (rising) and conc_mg_l (not below 0) are lists of one length, at least 3 numbers", "R9")
        return None
    return TimeCourse(tuple(times), tuple(levels), dose.value) if dose else None  # type: ignore[arg-type]


def _numbers(raw: Any) -> bool:
    return isinstance(raw, list) and len(raw) >= 3 and all(type(x) in (int, float) for x in raw)


def _rising(raw: Any) -> bool:
    return _numbers(raw) and all(b > a for a, b in zip(raw, raw[1:], strict=False))


def _in_vitro(row: Mapping[str, Any], at: str, door: FindingsDoor) -> InVitroClearance | None:
    door.known(row, at, IN_VITRO_KEYS)
    if "clint" not in row:
        door.quantity(row, "clint", SYSTEMS["microsomes"], where=at, required=True)
        return None
    system, unit = door.basis(row["clint"], f"{at}.clint", SYSTEMS)
    clint = door.read(row["clint"], f"{at}.clint", unit, low=0.0) if unit else None
    fu_inc = door.quantity(row, "fu_inc", "1", where=at, positive=True, high=1.0)
    concentration = _concentration(row, at, system, door)
    key = "protein" if system == "microsomes" else "cells"
    if system and concentration is None and fu_inc is None and key not in row:
        door.fault(
            f"{at}.{key}",
            f"a value from {system} without its concentration cannot be corrected for binding in the incubation; "
            + ('write protein = { value = ..., unit = "mg/mL", origin = "..." }' if key == "protein" else "write cells")
            + " or fu_inc",
            "R8",
        )
    extended = {
        k: door.quantity(row, k, SYSTEMS["hepatocytes"], where=at, low=0.0) for k in ("ps_uptake", "ps_efflux", "bile")
    }
    if clint is None:
        return None
    uptake, efflux, bile = (q.value if q else None for q in extended.values())
    return InVitroClearance(
        system, clint.value, concentration, fu_inc.value if fu_inc else None, uptake, efflux, bile or 0.0
    )


def _concentration(row: Mapping[str, Any], at: str, system: str, door: FindingsDoor) -> float | None:
    """mg/mL of protein or 10^6 cells/mL; cells are a plain number of millions per mL."""
    if system == "microsomes":
        found = door.quantity(row, "protein", "mg/mL", where=at, positive=True, high=50.0)
        return found.value if found else None
    found = door.quantity(row, "cells", "1", where=at, positive=True, high=50.0)
    return found.value if found else None
