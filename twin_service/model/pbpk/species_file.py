"""Species, enzyme and genotype files as TOML become records, with the sums checked (R1, R2, R3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from twin_service.model.domain import BODY_FIELDS, read_domain
from twin_service.model.pbpk.door import FindingsDoor
from twin_service.model.pbpk.record import Composition, Enzyme, Genotype, Maturation, Organ, SpeciesRecord

CLOSE = 1e-9


def read_species(table: Mapping[str, Any], door: FindingsDoor) -> SpeciesRecord:
    """The species of a parsed file; sums that do not close are findings R1-R3."""
    body = {k: _series(v, f"body.{k}", door) for k, v in table.get("body", {}).items()}
    species = SpeciesRecord(
        str(table.get("id", "")),
        str(table.get("version", "")),
        str(table.get("title", "")),
        tuple(float(a) for a in table.get("ages_y", (30.0,))),
        body,
        tuple(_organ(row, f"organ[{i}]", door) for i, row in enumerate(table.get("organ", ()))),
        {k: _composition(v, f"composition.{k}", door) for k, v in table.get("composition", {}).items()},
        read_domain(table, BODY_FIELDS, door.fault),
        _variability(table, door),
    )
    check_closure(species, door)
    return species


VARIES = ("height_cm", "weight_kg", "hematocrit", "albumin_g_l", "aag_g_l", "egfr_ml_min")


def _variability(table: Mapping[str, Any], door: FindingsDoor) -> dict[str, float]:
    found = {}
    for name, raw in table.get("variability", {}).items():
        door.word(name, f"variability.{name}", VARIES)
        cv = raw.get("cv") if isinstance(raw, Mapping) else None
        if not isinstance(cv, int | float) or not 0.0 < cv < 1.0:
            door.fault(f"variability.{name}.cv", f"is {cv!r}; expected a fraction above 0 and below 1 (0.1 means 10 %)")
            continue
        if not raw.get("origin"):
            door.fault(f"variability.{name}.origin", "origin is missing", "R7")
        found[name] = float(cv)
    return found


def _series(raw: Any, where: str, door: FindingsDoor) -> tuple[float, ...]:
    if not isinstance(raw, Mapping) or not raw.get("origin"):
        door.fault(where, "expected { value = ..., unit = ..., origin = ... }", "R7")
        return (1.0,)
    value = raw.get("value")
    return tuple(float(v) for v in value) if isinstance(value, list) else (float(value),)  # type: ignore[arg-type]


def _organ(row: Mapping[str, Any], at: str, door: FindingsDoor) -> Organ:
    def series(key: str, default: tuple[float, ...]) -> tuple[float, ...]:
        return _series(row[key], f"{at}.{key}", door) if key in row else default

    zero = (0.0,)
    return Organ(
        str(row.get("id", "")),
        str(row.get("drains_to", "")),
        str(row.get("composition", "")),
        series("mass_male_kg", zero),
        series("mass_female_kg", series("mass_male_kg", zero)),
        series("blood_share", zero)[0],
        series("flow_share_male", zero)[0],
        series("flow_share_female", series("flow_share_male", zero))[0],
        series("height_exponent", (0.75,))[0],
        bool(row.get("closes", False)),
    )


def _composition(row: Mapping[str, Any], where: str, door: FindingsDoor) -> Composition:
    if not row.get("origin"):
        door.fault(where, "origin is missing", "R7")
    known = {f.name for f in fields(Composition)}
    return Composition(**{k: float(v) for k, v in row.items() if k in known})


def check_closure(species: SpeciesRecord, door: FindingsDoor) -> None:
    """R1 masses, R2 flows, R3 drains: every organ's blood ends in the lung, and `rest` is not negative."""
    ids = set(species.organ_ids)
    closing = [o for o in species.organs if o.closes]
    if len(closing) != 1:
        door.fault("organ", f"{len(closing)} organs say closes = true; exactly one takes what the others leave", "R1")
    for sex in ("male", "female"):
        _check_mass(species, sex, door)
        flow = sum(o.flow_male if sex == "male" else o.flow_female for o in species.organs)
        if flow > 1 + CLOSE:
            door.fault(
                "organ.flow_share",
                f"sum to {flow:.6g} ({sex}); at most 1, the rest flows through "
                f"{closing[0].id if closing else 'the closing organ'}",
                "R2",
            )
    for organ in species.organs:
        seen, at = {organ.id}, organ
        while at.drains_to not in ("venous", "arterial"):
            if at.drains_to not in ids or at.drains_to in seen:
                door.fault(
                    f"organ {organ.id}.drains_to",
                    f"{at.drains_to!r} leads nowhere; expected venous or one of: {', '.join(sorted(ids))}",
                    "R3",
                )
                break
            seen.add(at.drains_to)
            at = next(o for o in species.organs if o.id == at.drains_to)
        if organ.composition not in species.composition:
            door.fault(
                f"organ {organ.id}.composition",
                f"{organ.composition!r} is unknown; known: {', '.join(species.composition)}",
                "R4",
            )
    if sum(o.drains_to == "arterial" for o in species.organs) != 1:
        door.fault("organ", "exactly one organ (the lung) drains to the arterial blood", "R3")


def _check_mass(species: SpeciesRecord, sex: str, door: FindingsDoor) -> None:
    for i, age in enumerate(species.ages_y):
        weight = _at(species.body.get(f"weight_{sex}_kg", (0.0,)), i)
        blood = _at(species.body.get(f"blood_{sex}_kg", (0.0,)), i)
        solid = sum(_at(o.mass_male if sex == "male" else o.mass_female, i) for o in species.organs)
        if solid + blood > weight * (1 + CLOSE):
            door.fault(
                "organ.mass",
                f"organs and blood weigh {solid + blood:.4g} kg of a {weight:.4g} kg body at {age:g} years ({sex})",
                "R1",
            )


def _at(series: tuple[float, ...], i: int) -> float:
    return series[min(i, len(series) - 1)]


def read_enzymes(table: Mapping[str, Any], door: FindingsDoor) -> dict[str, Enzyme]:
    """Enzyme id -> record."""
    found = {}
    for i, row in enumerate(table.get("enzyme", ())):
        at = f"enzyme[{i}]"
        liver = door.quantity(row, "liver", "pmol/mg", where=at, low=0)
        gut = door.quantity(row, "gut", "nmol", where=at, low=0)
        kdeg = door.quantity(row, "kdeg_liver", "1/h", where=at, positive=True)
        kdeg_gut = door.quantity(row, "kdeg_gut", "1/h", where=at, positive=True)
        mature = _curve(row, "maturation", at, door)
        rate = kdeg.value if kdeg else 0.0193
        found[row["id"]] = Enzyme(
            row["id"],
            row.get("kind", "enzyme"),
            liver.value if liver else 0.0,
            gut.value if gut else 0.0,
            rate,
            kdeg_gut.value if kdeg_gut else max(rate, 0.0301),
            mature,
            _curve(row, "gut_maturation", at, door) if "gut_maturation" in row else mature,
            float(row.get("cv", {}).get("value", 0.4)),
            row.get("genotype", ""),
            _curve(row, "kidney_maturation", at, door) if "kidney_maturation" in row else None,
        )
    return found


def _curve(row: Mapping[str, Any], key: str, at: str, door: FindingsDoor) -> Maturation:
    if key not in row:
        return Maturation()
    raw = row[key]
    if not raw.get("origin"):
        door.fault(f"{at}.{key}.origin", "origin is missing", "R7")
    numbers = [float(v) for v in raw.get("value", ())]
    if not 4 <= len(numbers) <= 5 or min(numbers) < 0.0 or numbers[2] <= 0.0:
        door.fault(
            f"{at}.{key}", f"is {numbers}; expected [at birth, peak, age at half in years > 0, Hill, cap in years]"
        )
        return Maturation()
    counted = door.word(raw.get("age", "postnatal"), f"{at}.{key}.age", ("postnatal", "postmenstrual"))
    birth, peak, half, hill = numbers[:4]
    cap = numbers[4] if len(numbers) == 5 else Maturation().cap_y
    return Maturation(birth, peak, half, hill, cap, counted == "postmenstrual")


def read_genotypes(table: Mapping[str, Any], door: FindingsDoor) -> dict[str, Genotype]:
    """Gene -> record; `activity` also holds the phenotype words."""
    found = {}
    for i, row in enumerate(table.get("gene", ())):
        if not row.get("origin"):
            door.fault(f"gene[{i}].origin", "origin is missing", "R7")
        words = {**row.get("activity", {}), **row.get("phenotype", {})}
        found[row["gene"]] = Genotype(
            row["gene"],
            row["enzyme"],
            {k: float(v) for k, v in words.items()},
            {k: float(v) for k, v in row.get("frequency", {}).items()},
        )
    return found
