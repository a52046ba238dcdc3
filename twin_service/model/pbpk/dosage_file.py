"""`[absorption]` and `[[formulation]]` of a drug file become the nouns of `dosage`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twin_service.model.pbpk.defaults import assume_colon_factor, assume_peff, caco2_to_peff
from twin_service.model.pbpk.door import FindingsDoor, table_rows, value_or
from twin_service.model.pbpk.dosage import RELEASE_LAWS, Absorption, Formulation
from twin_service.model.pbpk.record import DrugRecord

# key -> (unit, lowest, highest); the limits are those of any molecule, so that a slipped exponent is caught
_ABSORPTION: Final[dict[str, tuple[str, float, float]]] = {
    "peff": ("cm/h", 0.0, 36.0),
    "caco2": ("cm/h", 0.0, 3.6),
    "ka": ("1/h", 0.0, 100.0),
    "fraction_absorbed": ("1", 0.0, 1.0),
    "solubility": ("umol/L", 0.0, 1e8),
    "solubility_ph": ("1", 0.0, 14.0),
    "salt_limit": ("1", 1.0, 1e7),
    "solubilization": ("1", 0.0, 1e8),
    "bile_factor": ("1", 0.0, 1e4),
    "fu_gut": ("1", 0.0, 1.0),
    "gut_scalar": ("1", 0.0, 100.0),
    "colon_factor": ("1", 0.0, 10.0),
    "precipitation": ("1/h", 0.0, 1e4),
    "supersaturation": ("1", 1.0, 1e4),
    "precipitate_radius": ("um", 0.01, 1000.0),
    "bile_stored": ("1", 0.0, 1.0),
    "sc_ka": ("1/h", 0.0, 100.0),
    "im_ka": ("1/h", 0.0, 100.0),
    "sc_available": ("1", 0.0, 1.0),
    "im_available": ("1", 0.0, 1.0),
}
_NAMES: Final = {"precipitation": "precipitation_per_h", "precipitate_radius": "precipitate_um"}
# What a law needs beside its id, and what it may have.
_NEEDS: Final = {"first_order": ("t50",), "zero_order": ("t50",), "weibull": ("t50", "shape"), "particle": ("radius",)}


def read_absorption(table: Mapping[str, Any], door: FindingsDoor, drug: DrugRecord) -> Absorption:
    """The absorption of a drug file; permeability from the best that is given: ka, peff, Caco-2, psa and hbd, logP."""
    row, at = table.get("absorption", {}), "absorption"
    psa = door.quantity(table, "psa", "A2", low=0, high=1000)
    hbd = door.quantity(table, "hbd", "1", low=0, high=50)
    if not isinstance(row, Mapping):
        door.fault(at, f"is {row!r}; write [absorption] and its keys below it")
        row = {}
    door.known(row, at, _ABSORPTION)
    said: dict[str, Any] = {}
    for key, (unit, low, high) in _ABSORPTION.items():
        q = door.quantity(row, key, unit, where=at, low=low, high=high)
        if q is not None:
            said[_NAMES.get(key, key)] = q.value
    caco2 = said.pop("caco2", None)
    if "peff" not in said and caco2:
        said["peff"] = caco2_to_peff(caco2)
    if "peff" not in said and "ka" not in said:
        peff, how = assume_peff(drug.logp, psa.value if psa else None, hbd.value if hbd else None)
        said |= {"peff": peff, "peff_assumed": True}
        door.doubt("absorption.peff", f"not given; {peff / 3600:.2g} cm/s assumed ({how})")
    # A stated permeability comes with the colon it was fitted with; an assumed one with what is usual for it.
    if said.get("peff_assumed") or caco2:
        said.setdefault("colon_factor", assume_colon_factor(said.get("peff", 1.0)))
    _check(table, said, door)
    return Absorption(**said)


def _check(table: Mapping[str, Any], said: Mapping[str, Any], door: FindingsDoor) -> None:
    """Keys that mean nothing without another."""
    need = (
        ("precipitation_per_h", "solubility", "how much drug the fluid holds decides what falls out"),
        ("supersaturation", "precipitation_per_h", "the rate (1/h) at which what is beyond it falls out"),
        ("solubility_ph", "solubility", "the pH belongs to a solubility"),
        ("solubilization", "solubility", "bile salts multiply it"),
    )
    for key, other, why in need:
        if key in said and other not in said:
            names = {v: k for k, v in _NAMES.items()}
            door.fault(f"absorption.{names.get(key, key)}", f"needs absorption.{names.get(other, other)}: {why}")
    rows = table.get("clearance", [])
    if said.get("bile_stored") and not any(isinstance(r, Mapping) and r.get("organ") == "bile" for r in rows):
        door.fault("absorption.bile_stored", 'needs a [[clearance]] with organ = "bile" that makes the bile', "R4")
    if said.get("bile_stored") and said["bile_stored"] > 0.95:
        door.doubt("absorption.bile_stored", "nearly all bile waits for a meal; 0.7 to 0.8 is usual")


def read_formulations(table: Mapping[str, Any], door: FindingsDoor) -> tuple[Formulation, ...]:
    """The dosage forms, the first of them the default; a solution where none is given."""
    found: list[Formulation] = []
    for i, row in enumerate(table_rows(table, "formulation", door)):
        at = f"formulation[{i}]"
        door.known(row, at, ("id", "law", "t50", "shape", "lag", "available", "radius", "origin", "note"))
        law = door.word(row.get("law"), f"{at}.law", RELEASE_LAWS)
        if not row.get("id"):
            door.fault(f"{at}.id", 'is missing; write id = "tablet"')
        if row.get("id") in {f.id for f in found}:
            door.fault(f"{at}.id", f"{row['id']!r} is there twice; --formulation could not tell them apart")
        needs = _NEEDS.get(law, ())
        for key in ("t50", "shape", "radius"):
            if key in row and key not in needs and law in RELEASE_LAWS:
                what = ", ".join(needs) or "nothing beside its id"
                door.fault(f"{at}.{key}", f"has no place in a {law} form; it needs: {what}")
        t50 = door.quantity(row, "t50", "h", where=at, required="t50" in needs, positive=True, high=1000)
        lag = door.quantity(row, "lag", "h", where=at, low=0, high=48)
        available = door.quantity(row, "available", "1", where=at, high=1, positive=True)
        radius = door.quantity(row, "radius", "um", where=at, required="radius" in needs, positive=True, high=5000)
        if law == "particle" and "solubility" not in table.get("absorption", {}):
            door.doubt(f"{at}.law", "particles of a drug without absorption.solubility dissolve at once; give it")
        found.append(
            Formulation(
                str(row.get("id", "")),
                law,
                value_or(t50, 0.0),
                _shape(row, at, door, law == "weibull"),
                value_or(lag, 0.0),
                value_or(available, 1.0),
                value_or(radius, 0.0),
            )
        )
    return tuple(found) or (Formulation("solution", "solution"),)


def _shape(row: Mapping[str, Any], at: str, door: FindingsDoor, needed: bool) -> float:
    """A bare number or a quantity; 0.3 to 10."""
    raw = row.get("shape")
    if raw is None:
        if needed:
            door.fault(f"{at}.shape", "is missing; write shape = 1.0 for first order, above 1 for a sigmoid release")
        return 1.0
    if isinstance(raw, Mapping):
        return value_or(door.read(raw, f"{at}.shape", "1", low=0.3, high=10.0), 1.0)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0.3 <= raw <= 10.0:
        door.fault(f"{at}.shape", f"is {raw!r}; expected a number from 0.3 to 10")
        return 1.0
    return float(raw)
