"""Compartmental structures: from individual parameters to states, inputs and concentrations.

Mammillary disposition with 1-3 compartments in amounts A (mg) and volumes (L):

    dA1/dt = absorption - elimination - sum_k (Q_k/V1 A1 - Q_k/V_k A_k)        dA_k/dt = Q_k/V1 A1 - Q_k/V_k A_k
    elimination: linear CL C | Michaelis-Menten VMAX C/(KM + C) | mixed: both          C = A1/V1

Rate constants (K, K12, K21, K13, K31) may be given instead of clearances. Gabrielsson & Weiner 2016, ISBN
978-9198299106.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from twin_service.model.library.findings import hinted
from twin_service.model.library.tables import StructureTable
from twin_service.model.poppk.record import PopPkRecord, refuse
from twin_service.solver import functions as fn
from twin_service.solver.expression import TIME, Expression, expression, symbol
from twin_service.solver.system import ONE, ZERO, Input, SystemState

ATOL_MG = 1e-8


class PopulationStructure(NamedTuple):
    """states; inputs by route name; concentrations by compartment name (mg/L), and which parameters were used."""

    states: tuple[SystemState, ...]
    inputs: tuple[Input, ...]
    concentrations: Mapping[str, Expression]


class _Flow(NamedTuple):
    """Rates between compartments, mg/h."""

    absorbed: Expression
    eliminated: Expression
    concentration: Expression


class Absorbed(NamedTuple):
    """Depot states, the extravascular input, and the rate into the central compartment, mg/h."""

    states: list[SystemState]
    inputs: list[Input]
    rate: Any


class EliminationParts(NamedTuple):
    """Whether a linear and a saturable way out are there."""

    linear: bool
    saturable: bool


ELIMINATIONS: Final[Mapping[str, EliminationParts]] = {
    "linear": EliminationParts(True, False),
    "michaelis_menten": EliminationParts(False, True),
    "mixed": EliminationParts(True, True),
}


def structure_of(record: PopPkRecord, p: Mapping[str, Any]) -> PopulationStructure:
    """The structure named in `record`, with individual parameters `p`. Raises Refusal for what is missing."""
    s = record.structure
    need(record, p, _wanted(record, s))
    depot_states, depot_inputs, absorbed = _absorption(record, s, p)
    concentration = symbol("central") / volume(p)
    flow = _Flow(expression(absorbed), _elimination(s, p, concentration), concentration)
    disposition = _disposition(s, p, flow)
    metabolite_states, more = _metabolite(s, p, flow)
    return PopulationStructure(
        (*depot_states, *disposition, *metabolite_states),
        (Input("iv", "mg", "central", lag=_lag_of_infusions(s, p)), *depot_inputs),
        {"central": concentration, **more},
    )


def _lag_of_infusions(s: StructureTable, p: Mapping[str, Any]) -> Expression:
    """LAG belongs to absorption where there is any, else to the infusion line."""
    return expression(p["LAG"]) if "LAG" in p and ABSORPTIONS[s.absorption] is _no_depot else ZERO


def volume(p: Mapping[str, Any]) -> Any:
    """Central volume, L: V of one-compartment models, else V1."""
    return p["V"] if "V" in p else p["V1"]


def need(record: PopPkRecord, p: Mapping[str, Any], names: list[str]) -> None:
    missing = [n for n in names if n not in p]
    if missing:
        raise refuse(record.where, f"the structure needs the parameters {', '.join(missing)} (R4)")


def _wanted(record: PopPkRecord, s: StructureTable) -> list[str]:
    n = s.compartments
    if n not in (1, 2, 3):
        raise refuse(record.where, f"compartments = {n}: expected 1, 2 or 3")
    for said, known in ((s.elimination, ELIMINATIONS), (s.absorption, ABSORPTIONS)):
        if said not in known:
            what = "elimination" if known is ELIMINATIONS else "absorption"
            raise refuse(record.where, f"{what} {said!r} is unknown{hinted(said, known)}")
    parts = ELIMINATIONS[s.elimination]
    micro = "K" in record.parameters
    wanted = ["V"] if n == 1 or (micro and "V" in record.parameters) else ["V1"]
    if parts.linear:
        wanted.append("K" if micro else "CL")
    if parts.saturable:
        wanted += ["VMAX", "KM"]
    for k in range(2, n + 1):
        wanted += [f"K1{k}", f"K{k}1"] if micro else ["Q" if k == 2 else f"Q{k}", f"V{k}"]
    return wanted


def _elimination(s: StructureTable, p: Mapping[str, Any], c: Expression) -> Expression:
    """Rate at which drug leaves the body, mg/h.

    With VINH and VT50 the capacity falls from hour 1 on, to VMAX (1 - VINH), half of it after VT50 hours
    (autoinhibition; Friberg 2012, doi:10.1128/AAC.05761-11).
    """
    parts, linear = ELIMINATIONS[s.elimination], ZERO
    if parts.linear:
        linear = expression(p["K"] * symbol("central") if "K" in p else p["CL"] * c)
    if not parts.saturable:
        return linear
    capacity = p["VMAX"]
    if "VINH" in p:
        elapsed = fn.maximum(TIME - 1.0, 0.0)
        capacity = capacity * (1.0 - p["VINH"] * elapsed / (elapsed + p["VT50"]))
    saturable = capacity * c / (p["KM"] + c)
    return expression(linear + saturable if parts.linear else saturable)


def _disposition(s: StructureTable, p: Mapping[str, Any], flow: _Flow) -> list[SystemState]:
    central, out, peripheral = symbol("central"), flow.eliminated, []
    for k in range(2, s.compartments + 1):
        name = f"peripheral{k - 1}"
        if f"K1{k}" in p:
            there, back = p[f"K1{k}"] * central, p[f"K{k}1"] * symbol(name)
        else:
            q = p["Q" if k == 2 else f"Q{k}"]
            there, back = q / volume(p) * central, q / p[f"V{k}"] * symbol(name)
        out = out + there - back
        peripheral.append(SystemState(name, "mg", there - back, atol=ATOL_MG))
    return [SystemState("central", "mg", flow.absorbed - out, atol=ATOL_MG), *peripheral]


def _absorption(record: PopPkRecord, s: StructureTable, p: Mapping[str, Any]) -> Absorbed:
    """Depot states, the extravascular input and the rate at which drug reaches the central compartment."""
    absorb = ABSORPTIONS[s.absorption]
    if absorb is _no_depot:
        return Absorbed([], [], ZERO)
    duration = expression(p["D1"]) if "D1" in p else None
    F, lag = expression(p.get("F", ONE)), expression(p.get("LAG", ZERO))
    return absorb(record, p, Input(s.route, "mg", "depot", F, lag, duration))


def _no_depot(record: PopPkRecord, p: Mapping[str, Any], entry: Input) -> Absorbed:
    return Absorbed([], [], ZERO)


def _zero_order(record: PopPkRecord, p: Mapping[str, Any], entry: Input) -> Absorbed:
    need(record, p, ["D1"])
    return Absorbed([], [replace(entry, state="central")], ZERO)


def _first_order(record: PopPkRecord, p: Mapping[str, Any], entry: Input) -> Absorbed:
    need(record, p, ["KA"])
    depot = SystemState("depot", "mg", -p["KA"] * symbol("depot"), atol=ATOL_MG)
    return Absorbed([depot], [entry], p["KA"] * symbol("depot"))


def _transit(record: PopPkRecord, p: Mapping[str, Any], entry: Input) -> Absorbed:
    """depot -> n transit compartments, each emptied at KTR = (n + 1)/MTT; at last KA where KA is given.

    Savic 2007, doi:10.1007/s10928-007-9066-0.
    """
    need(record, p, ["KTR"] if "KTR" in p else ["MTT"])
    n = record.structure.transit_compartments
    if n is None:
        raise refuse(record.where, "structure.transit_compartments is missing; say how many (R8)")
    ktr = p["KTR"] if "KTR" in p else (n + 1) / p["MTT"]
    names = ["depot", *(f"transit{k}" for k in range(1, n + 1))]
    rates = [ktr] * len(names)
    if "KA" in p:
        names, rates = [*names, "gut"], [*rates, p["KA"]]
    states, inflow = [], ZERO
    for name, rate in zip(names, rates, strict=True):
        outflow = rate * symbol(name)
        states.append(SystemState(name, "mg", inflow - outflow, atol=ATOL_MG))
        inflow = outflow
    return Absorbed(states, [entry], inflow)


ABSORPTIONS: Final[Mapping[str, Callable[[PopPkRecord, Mapping[str, Any], Input], Absorbed]]] = {
    "none": _no_depot,
    "first_order": _first_order,
    "zero_order": _zero_order,
    "transit": _transit,
}


def _metabolite(
    s: StructureTable, p: Mapping[str, Any], flow: _Flow
) -> tuple[list[SystemState], dict[str, Expression]]:
    """A metabolite formed from the fraction FM of what is eliminated (mg of parent), cleared by CLM from VM."""
    if not s.metabolite:
        return [], {}
    amount = symbol("metabolite")
    formed, cleared = p["FM"] * flow.eliminated, p["CLM"] / p["VM"] * amount
    states = []
    if "QM" in p:
        there, back = p["QM"] / p["VM"] * amount, p["QM"] / p["VPM"] * symbol("metabolite_peripheral")
        states.append(SystemState("metabolite_peripheral", "mg", there - back, atol=ATOL_MG))
        cleared = cleared + there - back
    return [SystemState("metabolite", "mg", formed - cleared, atol=ATOL_MG), *states], {"metabolite": amount / p["VM"]}
