"""An animal's own values in a drug file, `[species.rat]`: they take the human ones' place in that body.

    fup, bp                unbound fraction, blood:plasma ratio
    clearance              plasma clearance after intravenous doses, mL/min/kg; with `unchanged`, the share in urine
    vss                    L/kg
    clint                  microsomes or hepatocytes of the species; scaled as the human ones, in the animal's liver

Where clearance is silent, the human way out acts in an animal's liver of its size, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from twin_service.model.pbpk.clearance import Assay, Clearance, InVivo, Linear, SourcedQuantity
from twin_service.model.pbpk.door import PER_CELLS, PER_PROTEIN, FindingsDoor
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.record import AnimalValues, DrugRecord, SharedRecords
from twin_service.model.pbpk.settle import settle
from twin_service.outcome import Refusal, RefusalCode

KEYS: Final = ("fup", "bp", "clearance", "unchanged", "vss", "clint", "fu_inc")
CLINT: Final = {PER_PROTEIN: "uL/min/mg", PER_CELLS: "uL/min/10^6cells"}


BODIES: Final = Path(__file__).resolve().parents[2] / "library" / "physiology"


def species_bodies() -> list[str]:
    """Ids of the species that have a body."""
    return sorted(p.stem for p in BODIES.glob("*.toml") if not p.name.endswith(".check.toml"))


def read_animals(table: Mapping[str, Any], door: FindingsDoor, bodies: Iterable[str]) -> dict[str, AnimalValues]:
    """Every `[species.<id>]`; mistakes are findings."""
    found, known = {}, sorted(set(bodies) - {"human"})
    for name, row in table.items():
        at = f"species.{name}"
        door.word(name, at, known)
        if not isinstance(row, Mapping):
            door.fault(at, f"is {row!r}; write [{at}] and its keys below it", "R8")
            continue
        door.known(row, at, KEYS)
        numbers = {
            "fup": door.quantity(row, "fup", "1", where=at, positive=True, high=1.0),
            "bp": door.quantity(row, "bp", "1", where=at, low=0.3, high=100.0),
            "vss": door.quantity(row, "vss", "L/kg", where=at, positive=True, high=1000.0),
        }
        fup, bp, vss = (q.value if q else None for q in numbers.values())
        found[name] = AnimalValues(fup, bp, vss, _ways(row, at, door))
    return found


def _ways(row: Mapping[str, Any], at: str, door: FindingsDoor) -> tuple[Clearance, ...]:
    total = door.quantity(row, "clearance", "L/h/kg", where=at, positive=True, high=500.0)
    unchanged = door.quantity(row, "unchanged", "1", where=at, low=0.0, high=1.0)
    fu_inc = door.quantity(row, "fu_inc", "1", where=at, positive=True, high=1.0)
    if "clearance" in row and "clint" in row:
        door.fault(f"{at}.clint", "clearance and clint both say what the liver does; keep one", "R11")
    if unchanged is not None and "clearance" not in row:
        door.fault(f"{at}.unchanged", "is the share of clearance; write clearance beside it", "R8")
    if total is not None:
        return (_total(total, unchanged),)
    if "clint" not in row:
        return ()
    basis, unit = door.basis(row["clint"], f"{at}.clint", CLINT)
    clint = door.read(row["clint"], f"{at}.clint", unit, low=0.0) if unit else None
    if clint is None:
        return ()
    inside = fu_inc.value if fu_inc else 1.0
    return (Clearance("liver", Linear(clint, Assay(basis), inside), "OTHER", name="own liver"),)


def _total(total: SourcedQuantity, unchanged: SourcedQuantity | None) -> Clearance:
    share = unchanged.value if unchanged else None
    return Clearance("total", InVivo(total, per_weight=True, unchanged=share), "OTHER", name="own")


def drug_in(drug: DrugRecord, species: str, library: SharedRecords) -> DrugRecord:
    """`drug` as it is in `species`. Raises Refusal for a species without a body."""
    if species not in library.species:
        raise Refusal(
            RefusalCode.NOT_FOUND,
            f"species {species!r} has no body here; known: {', '.join(library.species)}",
            field="species",
            reason="UNKNOWN_SPECIES",
        )
    if species == "human":
        return drug
    own = drug.animals.get(species, AnimalValues())
    said = {"fup": own.fup, "bp": own.bp, "clearance": own.ways, "vss": own.vss_l_kg}
    silent = [name for name, value in said.items() if not value]
    note = f"{species}: the human {', '.join(silent)} stands in; write [species.{species}]" if silent else ""
    # A human volume holds for a human body: elsewhere the tissues' own composition answers, unless it was measured.
    changed = replace(
        drug,
        fup=own.fup or drug.fup,
        bp=own.bp or drug.bp,
        vss_l_kg=own.vss_l_kg,
        kp=drug.kp,
        assumed=(*drug.assumed, *((note,) if note else ())),
    )
    if own.vss_l_kg is None and drug.vss_l_kg is not None:
        changed = replace(changed, kp_scalar=_human_scalar(drug, library))
    if not own.ways:
        return changed
    return settle(replace(changed, clearances=own.ways, home=species), library.species[species])


def _human_scalar(drug: DrugRecord, library: SharedRecords) -> float:
    """The scalar on every Kp with which the human body has the file's volume; kept in the animal."""
    human = library.species["human"]
    body = reference_body(human)
    plain = replace(drug, vss_l_kg=None)
    one, two = (disposition(replace(plain, kp_scalar=k), human, body, body).vss_l / body.weight_kg for k in (1.0, 2.0))
    if drug.vss_l_kg is None or two <= one:
        return 1.0
    return max(1.0 + (drug.vss_l_kg - one) / (two - one), 0.01)
