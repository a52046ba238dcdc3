"""From the mouth to the portal vein: a transit chain with release, permeation and a gut wall that metabolizes.

    stomach -> 7 segments of small intestine -> colon -> feces      transit; solid drug travels the same way
    dD_i/dt = kt (D_{i-1} - D_i) + release_i - ka D_i               dissolved drug, ka = 2 Peff / R           [umol/h]
    dE/dt   = sum ka D_i - Qgut (C_E fu_gut - Cu_art) - metabolism  enterocytes, Qgut = Qv CLp/(Qv + CLp)

Yu & Amidon 1999)00147-7; Yang 2007 (Qgut)
"""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.model.pbpk.physiology import Body
from twin_service.model.pbpk.record import Absorption, DrugRecord, Formulation
from twin_service.model.pbpk.sheet import Sheet
from twin_service.solver import functions as fn
from twin_service.solver.expression import Expression

SEGMENTS = 7
SMALL_INTESTINE_H = 3.32
COLON_H = 24.0
EMPTYING_FASTED, EMPTYING_FED = 4.0, 1.2
RADIUS_CM, SURFACE_CM2 = 1.75, 6600.0
VILLOUS_SHARE = 0.46
ENTEROCYTES_L = 0.122
LUMEN_L, STOMACH_L = 0.13, 0.25
LN2 = 0.6931471805599453
DIFFUSION_CM2_H, DENSITY_G_CM3, LAYER_UM = 7e-6 * 3600.0, 1.2, 30.0


@dataclass(frozen=True)
class Gut:
    """Names of the states doses enter, and the unbound concentration in the enterocytes (None without them)."""

    dissolved: str
    solid: str
    formulation: Formulation
    wall: str
    unbound: Expression | None


def write_gut(
    sheet: Sheet,
    drug: DrugRecord,
    formulation: Formulation,
    *,
    wall: bool,
    arterial_unbound: Expression,
    effects: tuple[Expression, Expression],
) -> Gut:
    """Write the gut of `drug`; `effects` multiply permeation and gastric emptying."""
    d = drug.id
    permeation, emptying = effects
    places = [f"{d}_stomach_lumen", *(f"{d}_lumen_{i}" for i in range(1, SEGMENTS + 1)), f"{d}_colon_lumen"]
    for place in (*places, f"{d}_feces"):
        sheet.state(place)
    portal = f"{d}_liver"
    unbound = None
    if wall:
        inside = sheet.state(f"{d}_enterocyte")
        unbound = inside * sheet.parameter(f"{d}_cu_gut", "1/L")
        flow = sheet.parameter(f"{d}_q_gut", "L/h")
        sheet.move(flow * unbound, f"{d}_enterocyte", f"{d}_liver")
        sheet.move(flow * arterial_unbound, f"{d}_arterial", f"{d}_enterocyte")
        portal = f"{d}_enterocyte"
    solid = formulation.law != "solution" and formulation.law != "zero_order"
    stages = [places] + ([[p.replace("lumen", "solid") for p in places]] if solid else [])
    for chain in stages:
        for place in chain:
            sheet.state(place)
        _transit(sheet, chain, f"{d}_feces", emptying)
    if solid:
        _dissolve(sheet, drug, places)
    ka = sheet.parameter(f"{d}_ka", "1/h") * permeation
    for place in places[1:-1]:
        sheet.move(ka * sheet.state(place), place, portal)
    colon = sheet.parameter(f"{d}_ka_colon", "1/h") * permeation
    sheet.move(colon * sheet.state(places[-1]), places[-1], portal)
    return Gut(places[0], stages[-1][0], formulation, portal if wall else "", unbound)


def _transit(sheet: Sheet, chain: list[str], end: str, emptying: Expression) -> None:
    first = sheet.parameter("k_stomach_empties", "1/h") * emptying
    step = sheet.parameter("k_transit", "1/h")
    out = sheet.parameter("k_colon", "1/h")
    rates = [first, *([step] * SEGMENTS), out]
    for place, target, rate in zip(chain, [*chain[1:], end], rates, strict=True):
        sheet.move(rate * sheet.state(place), place, target)


def _dissolve(sheet: Sheet, drug: DrugRecord, places: list[str]) -> None:
    """First-order release; where a solubility is known it slows as the fluid saturates, and never turns negative."""
    rate = sheet.parameter(f"{drug.id}_k_release", "1/h")
    for place in places:
        solid = place.replace("lumen", "solid")
        driving = rate * sheet.state(solid)
        if drug.absorption.solubility is not None and place != places[-1]:
            full = sheet.parameter(f"{drug.id}_full_{'stomach' if place == places[0] else 'segment'}", "umol")
            driving = driving * fn.maximum(1.0 - sheet.state(place) / full, 0.0)
        sheet.move(driving, solid, place)


def gut_values(
    drug: DrugRecord, body: Body, reference: Body, *, fed: bool, formulation: Formulation
) -> dict[str, float]:
    """Rates of the chain and the wall for one person and dosage form."""
    a = drug.absorption
    size = body.volume["small_intestine"] / reference.volume["small_intestine"]
    ka = a.ka if a.ka is not None else 2.0 * permeability(a) / RADIUS_CM
    d = drug.id
    values = {
        f"{d}_ka": ka,
        f"{d}_ka_colon": a.colon_factor * ka,
        f"{d}_q_gut": gut_flow(a, body, reference),
        f"{d}_cu_gut": a.fu_gut / (ENTEROCYTES_L * size),
        f"{d}_k_release": release_rate(drug, formulation),
    }
    if a.solubility is not None:
        bile = a.bile_factor if fed else 1.0
        values |= {
            f"{d}_full_stomach": a.solubility * STOMACH_L * size,
            f"{d}_full_segment": a.solubility * bile * LUMEN_L / SEGMENTS * size,
        }
    return values


def permeability(absorption: Absorption) -> float:
    """Peff, cm/h; where only ka is known, the one that gives it."""
    return absorption.peff if absorption.peff is not None else (absorption.ka or 1.0) * RADIUS_CM / 2.0


def gut_flow(absorption: Absorption, body: Body, reference: Body) -> float:
    """Qgut = Qv CLp/(Qv + CLp), L/h: villous blood flow and permeation in series."""
    size = body.volume["small_intestine"] / reference.volume["small_intestine"]
    permeate = permeability(absorption) * SURFACE_CM2 * 1e-3 * size
    villi = VILLOUS_SHARE * body.flow["small_intestine"]
    return villi * permeate / (villi + permeate)


def transit_values(fed: bool) -> dict[str, float]:
    return {
        "k_stomach_empties": EMPTYING_FED if fed else EMPTYING_FASTED,
        "k_transit": SEGMENTS / SMALL_INTESTINE_H,
        "k_colon": 1.0 / COLON_H,
    }


def release_rate(drug: DrugRecord, formulation: Formulation) -> float:
    """1/h: ln 2 over the time to half released; of particles 3 D Cs/(rho r min(r, 30 um)) (Noyes-Whitney)."""
    if formulation.law == "particle":
        radius = formulation.radius_um * 1e-4
        layer = min(formulation.radius_um, LAYER_UM) * 1e-4
        solubility_g_cm3 = (drug.absorption.solubility or 1e6) * drug.molar_mass * 1e-9
        return 3.0 * DIFFUSION_CM2_H * solubility_g_cm3 / (DENSITY_G_CM3 * radius * layer)
    return LN2 / formulation.t50_h if formulation.t50_h > 0 else 0.0
