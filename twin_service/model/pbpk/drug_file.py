"""A drug file as TOML becomes a `DrugRecord`; every mistake is a finding with its place, rule and remedy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from twin_service.model.pbpk.defaults import assume_peff
from twin_service.model.pbpk.door import Door
from twin_service.model.pbpk.record import (
    CHARGES,
    CLEARANCE_LAWS,
    INTERACTION_KINDS,
    PARTITION_METHODS,
    RELEASE_LAWS,
    Absorption,
    Clearance,
    DrugRecord,
    Formulation,
    Interaction,
    Pka,
    Quantity,
    Variability,
    Window,
)  # fmt: skip

_TOP: Final = (
    "id", "schema", "version", "title", "atc", "source", "notes", "molar_mass", "logp", "fup", "bp", "binding", "pka", "psa", "hbd",
    "distribution", "clearance", "gfr_fraction", "interaction", "absorption", "formulation", "variability", "error",
    "target", "domain", "fitted", "metabolite_of",
)  # fmt: skip
_CLEARANCE: Final = (
    "organ", "law", "enzyme", "transporter", "vmax", "kcat", "km", "clint", "clearance", "basis", "fu_inc", "scalar", "forms",
    "share", "name", "note", "fg",
)  # fmt: skip
_VMAX: Final = {"microsomes": "pmol/min/mg", "hepatocytes": "pmol/min/10^6cells", "liver": "umol/h"}
_CLINT: Final = {
    "microsomes": "uL/min/mg", "recombinant": "uL/min/pmol", "hepatocytes": "uL/min/10^6cells", "liver": "L/h",
}  # fmt: skip
ORGANS: Final = ("liver", "gut", "kidney", "bile", "plasma")


def read_drug(table: Mapping[str, Any], door: Door, enzymes: Collection[str], organs: Collection[str]) -> DrugRecord | None:
    """The record of a drug file; None where a required value is missing or wrong (the findings say which)."""
    door.known(table, "", _TOP)
    for key in ("id", "version", "title"):
        if not table.get(key):
            door.fault(key, f"is missing; write {key} = \"...\"")
    mass = door.quantity(table, "molar_mass", "g/mol", required=True, low=10, high=300000)
    door.molar_mass = mass.value if mass else None
    logp = door.quantity(table, "logp", "1", required=True, low=-10, high=12)
    fup = door.quantity(table, "fup", "1", required=True, high=1, positive=True)
    bp = door.quantity(table, "bp", "1", low=0.3, high=100)
    pka = _pka(table, door)
    record = DrugRecord(
        id=str(table.get("id", "")), version=str(table.get("version", "")), title=str(table.get("title", "")),
        molar_mass=_value(mass, 300.0), logp=_value(logp, 1.0), fup=_value(fup, 0.5),
        bp=bp.value if bp else None, pka=pka, atc=str(table.get("atc", "")),
    )  # fmt: skip
    binding = door.word(table.get("binding", "aag" if record.charge == "base" else "albumin"), "binding", ("albumin", "aag"))
    gfr = door.quantity(table, "gfr_fraction", "1", low=0, high=1)
    record = replace(
        record, binding=binding, gfr_fraction=_value(gfr, 1.0),
        clearances=_clearances(table, door, enzymes), interactions=_interactions(table, door, enzymes),
        absorption=_absorption(table, door, record), formulations=_formulations(table, door),
        variability=_variability(table, door), windows=_windows(table, door), domain=_domain(table, door),
        assumed=_assumed(table, record),
    )  # fmt: skip
    record = _distribution(_error(record, table, door), table.get("distribution", {}), door, organs)
    return None if any(f.severity == "error" for f in door.findings) else record


def _value(quantity: Quantity | None, default: float) -> float:
    return default if quantity is None else quantity.value


def _pka(table: Mapping[str, Any], door: Door) -> tuple[Pka, ...]:
    found = []
    for i, row in enumerate(_rows(table, "pka", door)):
        charge = door.word(row.get("charge"), f"pka[{i}].charge", CHARGES)
        body = {k: v for k, v in row.items() if k != "charge"}
        q = door.read({"unit": "1", **body}, f"pka[{i}]", "1", low=-5, high=20)
        if q is not None:
            found.append(Pka(charge, q.value))
    return tuple(found)


def _rows(table: Mapping[str, Any], key: str, door: Door) -> list[Mapping[str, Any]]:
    rows = table.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
        door.fault(key, f"expected a list of tables; write [[{key}]]")
        return []
    return rows


def _clearances(table: Mapping[str, Any], door: Door, enzymes: Collection[str]) -> tuple[Clearance, ...]:
    rows = [_clearance(row, f"clearance[{i}]", door, enzymes) for i, row in enumerate(_rows(table, "clearance", door))]
    found = [w for w in rows if w.law != "from_liver"]
    for i, gut in enumerate(rows):
        if gut.law == "from_liver":
            like = [k for k, w in enumerate(found) if w.organ == "liver" and w.enzyme == gut.enzyme]
            if gut.organ != "gut" or not like:
                door.fault(f"clearance[{i}]", "from_liver is for organ = \"gut\" and an enzyme that a liver row names", "R4")
            found += [replace(found[k], organ="gut", basis="from_liver", scalar=gut.scalar, source=k) for k in like]
        elif gut.law == "availability" and gut.organ != "gut":
            door.fault(f"clearance[{i}].organ", "availability is for organ = \"gut\"", "R4")
    if not found and table.get("gfr_fraction", {}).get("value") == 0:
        door.fault("clearance", "the drug never leaves the body: no clearance and gfr_fraction 0", "R6")
    return tuple(found)


def _clearance(row: Mapping[str, Any], at: str, door: Door, enzymes: Collection[str]) -> Clearance:
    door.known(row, at, _CLEARANCE)
    organ = door.word(row.get("organ"), f"{at}.organ", ORGANS)
    law = door.word(row.get("law"), f"{at}.law", CLEARANCE_LAWS)
    enzyme = door.word(row["enzyme"], f"{at}.enzyme", enzymes) if "enzyme" in row else ""
    carrier = door.word(row["transporter"], f"{at}.transporter", enzymes) if "transporter" in row else ""
    maximum = constant = km = None
    basis = "liver"
    if law == "michaelis_menten":
        km = door.quantity(row, "km", "umol/L", where=at, required=True, positive=True)
        if "kcat" in row:
            basis, maximum = "recombinant", door.quantity(row, "kcat", "1/min", where=at, positive=True)
        else:
            basis, unit = door.basis(row.get("vmax"), f"{at}.vmax", _VMAX)
            maximum = door.quantity(row, "vmax", unit, where=at, required=True, positive=True)
    elif law == "linear":
        basis, unit = door.basis(row.get("clint"), f"{at}.clint", _CLINT)
        constant = door.quantity(row, "clint", unit, where=at, required=True, low=0)
    elif law == "availability":
        constant = door.quantity(row, "fg", "1", where=at, required=True, low=0.01, high=0.999)
        km = door.quantity(row, "km", "umol/L", where=at, positive=True)
        basis = "liver"
    elif law == "in_vivo":
        basis, unit = door.basis(row.get("clearance"), f"{at}.clearance", {"liver": "L/h", "body_weight": "L/h/kg"})
        constant = door.quantity(row, "clearance", unit, where=at, required=True, low=0)
        km = door.quantity(row, "km", "umol/L", where=at, positive=True)
    basis = door.word(row.get("basis", basis), f"{at}.basis", ("recombinant", "microsomes", "hepatocytes", "liver", "body_weight"))
    if basis == "recombinant" and not (enzyme or carrier):
        door.fault(f"{at}.enzyme", f"is missing: a value per enzyme needs its abundance; known: {', '.join(enzymes)}", "R4")
    if organ == "gut" and law == "in_vivo":
        door.fault(f"{at}.law", "in_vivo is for liver, kidney, bile and plasma; the gut wall wants clint or vmax", "R4")
    share = float(row.get("share", 1.0))
    fu_inc = door.quantity(row, "fu_inc", "1", where=at, high=1, positive=True)
    scalar = door.quantity(row, "scalar", "1", where=at, low=0)
    return Clearance(organ, law, enzyme, carrier, basis, maximum, constant, km, _value(fu_inc, 1.0), _value(scalar, 1.0),
                     str(row.get("forms", "")), share, str(row.get("name", enzyme or carrier or organ)))  # fmt: skip


def _interactions(table: Mapping[str, Any], door: Door, enzymes: Collection[str]) -> tuple[Interaction, ...]:
    found = []
    for i, row in enumerate(_rows(table, "interaction", door)):
        at = f"interaction[{i}]"
        door.known(row, at, ("target", "kind", "ki", "kinact", "emax", "ec50", "organs", "note"))
        target = door.word(row.get("target"), f"{at}.target", enzymes)
        kind = door.word(row.get("kind"), f"{at}.kind", INTERACTION_KINDS)
        needs = {"competitive": ("ki",), "noncompetitive": ("ki",), "mechanism_based": ("ki", "kinact"),
                 "induction": ("emax", "ec50"), "suppression": ("emax", "ec50")}.get(kind, ())  # fmt: skip
        units = {"ki": "umol/L", "ec50": "umol/L", "kinact": "1/h", "emax": "1"}
        given = {k: door.quantity(row, k, units[k], where=at, required=True, positive=True) for k in needs}
        if kind == "suppression" and given.get("emax") and given["emax"].value > 1:  # type: ignore[union-attr]
            door.fault(f"{at}.emax", "suppression cannot exceed 1 (the whole synthesis)")
        for k in row:
            if k in units and k not in needs:
                door.fault(f"{at}.{k}", f"has no place in a {kind} interaction; it needs: {', '.join(needs)}")
        found.append(Interaction(target, kind, organs=tuple(row.get("organs", ("liver", "gut", "kidney"))), **given))  # type: ignore[arg-type]
    return tuple(found)


def _absorption(table: Mapping[str, Any], door: Door, drug: DrugRecord) -> Absorption:
    row, at = table.get("absorption", {}), "absorption"
    units = {
        "peff": "cm/h", "ka": "1/h", "fraction_absorbed": "1", "solubility": "umol/L", "bile_factor": "1", "fu_gut": "1",
        "gut_scalar": "1", "colon_factor": "1", "precipitation": "1/h", "sc_ka": "1/h", "im_ka": "1/h",
        "sc_available": "1", "im_available": "1",
    }  # fmt: skip
    door.known(row, at, units)
    fractions = {"fraction_absorbed", "fu_gut", "sc_available", "im_available"}
    said: dict[str, Any] = {}
    for key, unit in units.items():
        q = door.quantity(row, key, unit, where=at, low=0, high=1.0 if key in fractions else float("inf"))
        if q is not None:
            said["precipitation_per_h" if key == "precipitation" else key] = q.value
    if "peff" not in said and "ka" not in said:
        peff, how = assume_peff(drug.molar_mass, drug.logp, _number(table.get("psa")), _number(table.get("hbd")))
        said |= {"peff": peff, "peff_assumed": True}
        if "absorption" in table or "formulation" in table:
            door.doubt("absorption.peff", f"not given; {peff / 3600:.2g} cm/s assumed ({how})")
    return Absorption(**said)


def _number(raw: Any) -> float | None:
    value = raw.get("value") if isinstance(raw, Mapping) else raw
    return float(value) if isinstance(value, int | float) else None


def _formulations(table: Mapping[str, Any], door: Door) -> tuple[Formulation, ...]:
    found = []
    for i, row in enumerate(_rows(table, "formulation", door)):
        at = f"formulation[{i}]"
        door.known(row, at, ("id", "law", "t50", "shape", "lag", "available", "radius", "origin", "note"))
        law = door.word(row.get("law"), f"{at}.law", RELEASE_LAWS)
        if not row.get("id"):
            door.fault(f"{at}.id", 'is missing; write id = "tablet"')
        t50 = door.quantity(row, "t50", "h", where=at, required=law not in ("solution", "particle"), positive=True)
        lag = door.quantity(row, "lag", "h", where=at, low=0)
        available = door.quantity(row, "available", "1", where=at, high=1, positive=True)
        radius = door.quantity(row, "radius", "um", where=at, required=law == "particle", positive=True)
        found.append(Formulation(str(row.get("id", "")), law, _value(t50, 0.0), float(row.get("shape", 1.0)),
                                 _value(lag, 0.0), _value(available, 1.0), _value(radius, 0.0)))  # fmt: skip
    return tuple(found) or (Formulation("solution", "solution"),)


EFFECTS: Final = ("clint", "distribution", "permeability", "gastric_emptying", "renal", "gut")


def _variability(table: Mapping[str, Any], door: Door) -> tuple[Variability, ...]:
    found = []
    for i, row in enumerate(_rows(table, "variability", door)):
        at = f"variability[{i}]"
        door.known(row, at, ("on", "cv", "origin", "occasion"))
        on = door.word(row.get("on"), f"{at}.on", EFFECTS)
        cv = row.get("cv")
        if not isinstance(cv, int | float) or not 0 < cv <= 3:
            door.fault(f"{at}.cv", f"is {cv!r}; expected a fraction above 0 and at most 3 (0.3 means 30 %)")
            continue
        if not row.get("origin"):
            door.fault(f"{at}.origin", "origin is missing", "R7")
        found.append(Variability(on, float(cv), str(row.get("origin", "")), bool(row.get("occasion", False))))
    if found:
        return tuple(found)
    common = "Rowland Yeo 2011, doi:10.1016/j.ejps.2011.04.018: typical spread of a population, assumed"
    return (Variability("clint", 0.35, common), Variability("distribution", 0.25, common),
            Variability("permeability", 0.3, common), Variability("gastric_emptying", 0.35, common))  # fmt: skip


def _windows(table: Mapping[str, Any], door: Door) -> tuple[Window, ...]:
    found = []
    for i, row in enumerate(_rows(table, "target", door)):
        at = f"target[{i}]"
        door.known(row, at, ("low", "high", "measure", "origin"))
        low = door.quantity(row, "low", "mg/L", where=at, low=0)
        high = door.quantity(row, "high", "mg/L", where=at, low=0)
        if not row.get("origin"):
            door.fault(f"{at}.origin", "origin is missing", "R7")
        found.append(Window(low.value if low else None, high.value if high else None,
                            str(row.get("measure", "trough")), str(row.get("origin", ""))))  # fmt: skip
    return tuple(found)


def _domain(table: Mapping[str, Any], door: Door) -> dict[str, tuple[float, float]]:
    found = {}
    for key, span in table.get("domain", {}).items():
        door.word(key, f"domain.{key}", ("age_y", "weight_kg", "height_cm", "dose_mg"))
        if not (isinstance(span, list) and len(span) == 2 and span[0] < span[1]):
            door.fault(f"domain.{key}", f"is {span!r}; expected [low, high]")
            continue
        found[key] = (float(span[0]), float(span[1]))
    return found


def _error(record: DrugRecord, table: Mapping[str, Any], door: Door) -> DrugRecord:
    row = table.get("error", {})
    door.known(row, "error", ("proportional", "additive"))
    proportional = door.quantity(row, "proportional", "1", where="error", low=0, high=2)
    additive = door.quantity(row, "additive", "mg/L", where="error", low=0)
    return replace(record, error_proportional=_value(proportional, 0.15), error_additive=_value(additive, 0.0))


def _distribution(record: DrugRecord, row: Mapping[str, Any], door: Door, organs: Collection[str]) -> DrugRecord:
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
    return replace(record, method=method, kp_scalar=_value(scalar, 1.0), vss_l_kg=vss.value if vss else None, kp=kp,
                   permeability=ps)  # fmt: skip


def _assumed(table: Mapping[str, Any], record: DrugRecord) -> tuple[str, ...]:
    said = []
    if "bp" not in table:
        said.append("blood:plasma ratio not given: estimated from its red-cell binding")
    if "absorption" not in table or not ({"peff", "ka"} & set(table["absorption"])):
        said.append("intestinal permeability not given: assumed")
    if not table.get("clearance"):
        said.append("no clearance given: filtration by the kidney alone")
    return tuple(said)
