"""Antibodies in a minimal body: plasma, lymph, tight and leaky tissue; FcRn recycling; a target that binds and is lost.

    Vp dC/dt  = L_tot C_ly - C [L_t (1 - s_t) + L_l (1 - s_l)] - CL C + sources - binding            plasma
    Vt dC_t/dt = L_t (1 - s_t) C - L_t (1 - s_ly) C_t                                                tight (and leaky)
    V_ly dC_ly/dt = L_t (1 - s_ly) C_t + L_l (1 - s_ly) C_l - L_tot C_ly                             lymph
    CL = CL_uptake (1 - FR)                                                                          FcRn
    dR/dt = ksyn - kdeg R - kon C R + koff RC,   dRC/dt = kon C R - (koff + kint) RC                  target (optional)

C umol/L, L lymph flow L/h, s reflection coefficients. Body size: volumes with weight, flows and clearance with
weight^0.75 from 71 kg. Cao 2013, doi:10.1007/s10928-013-9332-2; Mager & Jusko 2001
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import log
from pathlib import Path
from typing import Any

from twin_service.library.files import FOLDER, files_in, parse_toml
from twin_service.model.library.schema import FileKind
from twin_service.model.pbpk.door import FindingsDoor, in_words, shaped
from twin_service.model.pbpk.sheet import Sheet
from twin_service.model.structure import Block, Covariate, DoseRoute, Effect, ErrorLaw, Observable
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver import functions as fn
from twin_service.solver.expression import Expression, constant, symbol
from twin_service.solver.system import Input, Output, Parameter

WEIGHT_KG, PLASMA_L, LYMPH_L, INTERSTITIAL_L, LYMPH_L_H = 71.0, 2.6, 5.2, 15.6, 2.9 / 24.0
TIGHT_VOLUME, TIGHT_FLOW = 0.65, 0.33
_UNITS = {
    "distribution": {"sigma_tight": "1", "sigma_leaky": "1", "sigma_lymph": "1", "interstitial_available": "1"},
    "catabolism": {"uptake": "L/h", "recycled": "1", "clearance": "L/h"},
    "subcutaneous": {"ka": "1/h", "available": "1"},
    "target": {"baseline": "umol/L", "kdeg": "1/h", "kon": "L/umol/h", "koff": "1/h", "kint": "1/h"},
    "spread": {"clearance_cv": "1", "volume_cv": "1"},
}
# A typical IgG where a file is silent: Cao 2013, doi:10.1007/s10928-013-9332-2, mean of twelve antibodies; with FcRn
# 0.925 of what is taken up returns (IgG lives three weeks with and two days without it: Waldmann & Strober 1969).
TYPICAL = {
    "distribution.sigma_tight": 0.945,
    "distribution.sigma_leaky": 0.697,
    "distribution.sigma_lymph": 0.2,
    "distribution.interstitial_available": 0.8,
    "catabolism.recycled": 0.925,
}


def antibody_files(folder: Path = FOLDER) -> dict[str, Path]:
    """Antibody id -> file."""
    return files_in(folder / "antibodies")


def is_antibody(drug: str | Path) -> bool:
    """Whether a library id or a file is an antibody's: its table has [catabolism]."""
    path = Path(drug)
    if path.suffix != ".toml":
        return str(drug) in antibody_files()
    try:
        return "catabolism" in parse_toml(path)
    except Refusal:
        return False


def read_antibody(path: Path) -> dict[str, Any]:
    """Flat values in bench units (`catabolism.uptake` ...), with id, version, title and molar_mass.

    Raises Refusal with every mistake in the file.
    """
    table = parse_toml(path)
    door = FindingsDoor(path.name)
    table = in_words(table, FileKind.ANTIBODY, door)
    door.known(table, "", ("id", "schema", "version", "title", "notes", "fitted", "molar_mass", *_UNITS))
    table = shaped(table, door, lists=(), tables=_UNITS)
    for key in ("id", "version", "title"):
        if not table.get(key):
            door.fault(key, f'is missing; write {key} = "..."', "R8")
    if table.get("id") and table["id"] != path.stem:
        door.fault("id", f"is {table['id']!r}, the file is called {path.name}; they must agree")
    mass = door.quantity(table, "molar_mass", "g/mol", required=True, low=10_000, high=1_000_000)
    door.molar_mass = mass.value if mass else None
    said: dict[str, Any] = {k: str(table.get(k, "")) for k in ("id", "version", "title")}
    said["molar_mass"] = mass.value if mass else 150000.0
    for section, units in _UNITS.items():
        row = table.get(section, {})
        door.known(row, section, units)
        for key, unit in units.items():
            high = 1.0 if unit == "1" and section != "spread" else float("inf")
            needed = section in table and section in ("subcutaneous", "target", "spread")
            q = door.quantity(row, key, unit, where=section, low=0.0, high=high, required=needed)
            if q is not None:
                said[f"{section}.{key}"] = q.value
    _catabolism(said, table, door)
    said["assumed"] = tuple(k for k in TYPICAL if k not in said)
    said = {**TYPICAL, **said}
    if door.findings:
        raise Refusal(
            RefusalCode.INVALID,
            "\n".join(map(str, door.findings)),
            field=door.findings[0].field,
            reason="BAD_LIBRARY_FILE",
        )
    return said


def _catabolism(said: dict[str, Any], table: Mapping[str, Any], door: FindingsDoor) -> None:
    """A clearance, or the uptake and what FcRn returns of it: CL = uptake (1 - recycled)."""
    row = table.get("catabolism", {})
    if "clearance" in row and "uptake" in row:
        door.fault("catabolism.clearance", "clearance and uptake both set; clearance is uptake (1 - recycled)", "R11")
    elif "catabolism.clearance" in said:
        recycled = said.get("catabolism.recycled", TYPICAL["catabolism.recycled"])
        said["catabolism.uptake"] = said["catabolism.clearance"] / max(1.0 - recycled, 1e-9)
    elif "uptake" not in row and "clearance" not in row:
        door.fault(
            "catabolism.clearance",
            'is missing; write clearance = { value = ..., unit = "mL/d", origin = "..." }, or uptake and recycled',
            "R8",
        )


def build_antibody(antibody: str | Path, folder: Path = FOLDER) -> Block:
    """The open block of an antibody (library id or file), with outputs `plasma`, `plasma_unbound` and `<id>_level`.

    Raises Refusal for an unknown id or a wrong file.
    """
    files = antibody_files(folder)
    path = antibody if isinstance(antibody, Path) else files.get(antibody)
    if path is None:
        raise Refusal(
            RefusalCode.NOT_FOUND, f"antibody {antibody!r} is unknown; known: {', '.join(files)}", field="drug"
        )
    said = read_antibody(path)
    name, sheet = said["id"], Sheet()
    effects = (
        Effect(
            f"{name}_eta_clearance", log(1.0 + said.get("spread.clearance_cv", 0.3) ** 2), f"{said['title']}: clearance"
        ),
        Effect(
            f"{name}_eta_volume", log(1.0 + said.get("spread.volume_cv", 0.2) ** 2), f"{said['title']}: plasma volume"
        ),
    )
    plasma = _write(sheet, said)
    sc = "subcutaneous.ka" in said
    per_mg = 1000.0 / said["molar_mass"]
    level = plasma * (said["molar_mass"] / 1000.0)
    held = [symbol(n) for n in sheet.rates if not n.endswith(("_catabolized", "_target"))]
    total = held[0]
    for h in held[1:]:
        total = total + h
    values = _individual(said, {})
    return Block(
        id=f"antibody_{name}",
        version=said["version"],
        states=sheet.states(),
        parameters=(*sheet.filled(values), *(Parameter(e.name, "1", 0.0) for e in effects)),
        outputs=(
            Output("plasma", "umol/L", plasma),
            Output("plasma_unbound", "umol/L", plasma),
            Output(f"{name}_plasma", "umol/L", plasma),
            Output(f"{name}_level", "mg/L", level),
            Output(f"{name}_in_body", "umol", total),
            Output(f"{name}_metabolized", "umol", symbol(f"{name}_catabolized")),
        ),
        inputs=(Input(f"{name}_iv", "umol", f"{name}_plasma"),)
        + ((Input(f"{name}_sc", "umol", f"{name}_depot", constant(said["subcutaneous.available"])),) if sc else ()),
        effects=effects,
        observables=(
            Observable(name, f"{name}_level", "mg/L", ErrorLaw(proportional=0.15), f"{said['title']}, serum"),
        ),
        routes=(DoseRoute(name, "iv", f"{name}_iv", per_mg),)
        + ((DoseRoute(name, "sc", f"{name}_sc", per_mg),) if sc else ()),
        covariates=(Covariate("weight_kg", "kg", WEIGHT_KG, 2.0, 350.0, 30.0, 150.0),),
        individualize=partial(_individual, said),
        warnings=partial(_doubts, said),
    )


def _write(sheet: Sheet, said: Mapping[str, Any]) -> Expression:
    """Write the states; returns the plasma concentration of free antibody."""
    d = said["id"]
    s_t, s_l, s_ly = (said[f"distribution.sigma_{k}"] for k in ("tight", "leaky", "lymph"))
    amounts = {p: sheet.state(f"{d}_{p}") for p in ("plasma", "tight", "leaky", "lymph", "catabolized")}
    volume = sheet.parameter(f"{d}_v_plasma", "L") * fn.exp(symbol(f"{d}_eta_volume"))
    plasma = amounts["plasma"] / volume
    flow = sheet.parameter(f"{d}_lymph_flow", "L/h")
    size = sheet.parameter(f"{d}_size", "1")
    for place, share_v, share_l, sigma in (
        ("tight", TIGHT_VOLUME, TIGHT_FLOW, s_t),
        ("leaky", 1 - TIGHT_VOLUME, 1 - TIGHT_FLOW, s_l),
    ):
        space = share_v * INTERSTITIAL_L * said["distribution.interstitial_available"]
        sheet.move(flow * (share_l * (1 - sigma)) * plasma, f"{d}_plasma", f"{d}_{place}")
        sheet.move(flow * (share_l * (1 - s_ly) / space) * amounts[place] / size, f"{d}_{place}", f"{d}_lymph")
    sheet.move(flow * (1.0 / LYMPH_L) * amounts["lymph"] / size, f"{d}_lymph", f"{d}_plasma")
    clearance = sheet.parameter(f"{d}_clearance", "L/h") * fn.exp(symbol(f"{d}_eta_clearance"))
    sheet.move(clearance * plasma, f"{d}_plasma", f"{d}_catabolized")
    if "subcutaneous.ka" in said:
        depot = sheet.state(f"{d}_depot")
        sheet.move(said["subcutaneous.ka"] * depot, f"{d}_depot", f"{d}_plasma")
    if "target.baseline" in said:
        _bind(sheet, said, plasma, volume)
    return plasma  # type: ignore[no-any-return]


def _bind(sheet: Sheet, said: Mapping[str, Any], plasma: Expression, volume: Expression) -> None:
    """Target-mediated disposition in plasma: full binding kinetics."""
    d = said["id"]
    kdeg, kon, koff, kint = (said[f"target.{k}"] for k in ("kdeg", "kon", "koff", "kint"))
    target = sheet.state(f"{d}_target", "umol/L", initial=said["target.baseline"])
    bound = sheet.state(f"{d}_complex")
    binding = kon * plasma * target
    sheet.add(f"{d}_target", kdeg * (said["target.baseline"] - target) - binding + koff * bound / volume)
    sheet.move(binding * volume - koff * bound, f"{d}_plasma", f"{d}_complex")
    sheet.move(kint * bound, f"{d}_complex", f"{d}_catabolized")


def _doubts(said: Mapping[str, Any], covariates: Mapping[str, float]) -> list[str]:
    found = [f"{said['title']}: {k} not given: that of a typical IgG, Cao 2013" for k in said["assumed"]]
    if not covariates.get("weight_kg"):
        found.append(f"{said['title']}: body weight is not known; {WEIGHT_KG:g} kg assumed")
    return found


def _individual(said: Mapping[str, Any], covariates: Mapping[str, float]) -> dict[str, float]:
    d, ratio = said["id"], float(covariates.get("weight_kg") or WEIGHT_KG) / WEIGHT_KG
    return {
        f"{d}_v_plasma": PLASMA_L * ratio,
        f"{d}_size": ratio,
        f"{d}_lymph_flow": LYMPH_L_H * ratio**0.75,
        f"{d}_clearance": said["catabolism.uptake"] * (1.0 - said["catabolism.recycled"]) * ratio**0.75,
    }
