"""From the mouth to the portal vein: a transit chain with release, permeation and a gut wall that metabolizes.

    stomach -> 7 segments of small intestine -> colon -> feces      transit; solid drug travels the same way
    dD_i/dt = kt (D_{i-1} - D_i) + release_i - fall_i - ka D_i      dissolved drug, ka = 2 Peff / R           [umol/h]
    fall_i  = kp max(D_i - s F_i, 0)                                precipitation beyond s times what the fluid holds
    dE/dt   = sum ka D_i - Qgut (C_E fu_gut - Cu_art) - metabolism  enterocytes, Qgut = Qv CLp/(Qv + CLp)

Yu & Amidon 1999, doi:10.1016/S0378-5173(99)00147-7; Yang 2007, doi:10.2174/138920007782109805 (Qgut)
"""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.model.pbpk.dosage import Absorption, Formulation
from twin_service.model.pbpk.lumen import SEGMENTS, holds, places
from twin_service.model.pbpk.physiology import Body
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.pbpk.release import release_values, write_precipitation, write_release
from twin_service.model.pbpk.sheet import Sheet
from twin_service.solver.expression import Expression

SMALL_INTESTINE_H = 3.32
COLON_H = 24.0
EMPTYING_FASTED, EMPTYING_FED = 4.0, 1.2
RADIUS_CM, SURFACE_CM2 = 1.75, 6600.0
VILLOUS_SHARE = 0.46
ENTEROCYTES_L = 0.122
# Gallbladder: a meal empties 78 % (1 - exp(-1.8/1.2)) within two hours, Everson 1980, Gastroenterology 79:40;
# between meals it leaks with the migrating complex, Ghibellini 2006, doi:10.1208/aapsj080223
# (30 % an hour, assumption).
MEAL_FADES, MEAL_EMPTIES, LEAKS = 1.2, 1.8, 0.3


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
    lumen = places(d)
    for place in (*lumen, f"{d}_feces"):
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
    chains = ["lumen"] + ["solid"] * formulation.is_solid + ["fallen"] * drug.absorption.precipitates
    for kind in chains:
        for place in places(d, kind):
            sheet.state(place)
        _transit(sheet, places(d, kind), f"{d}_feces", emptying)
    if formulation.is_solid:
        write_release(sheet, drug, formulation)
    if drug.absorption.precipitates:
        write_precipitation(sheet, drug)
    ka = sheet.parameter(f"{d}_ka", "1/h") * permeation
    for place in lumen[1:-1]:
        sheet.move(ka * sheet.state(place), place, portal)
    colon = sheet.parameter(f"{d}_ka_colon", "1/h") * permeation
    sheet.move(colon * sheet.state(lumen[-1]), lumen[-1], portal)
    return Gut(
        lumen[0],
        places(d, "solid" if formulation.is_solid else "lumen")[0],
        formulation,
        portal if wall else "",
        unbound,
    )


def _transit(sheet: Sheet, chain: list[str], end: str, emptying: Expression) -> None:
    first = sheet.parameter("k_stomach_empties", "1/h") * emptying
    step = sheet.parameter("k_transit", "1/h")
    out = sheet.parameter("k_colon", "1/h")
    rates = [first, *([step] * SEGMENTS), out]
    for place, target, rate in zip(chain, [*chain[1:], end], rates, strict=True):
        sheet.move(rate * sheet.state(place), place, target)


def write_gallbladder(sheet: Sheet, drug: DrugRecord, rate: Expression, source: str) -> None:
    """Bile made at `rate` from `source`: part runs into the duodenum, the rest waits for a meal.

    dG/dt = s rate - (leak + k_meal M) G,   dM/dt = -k_fade M,   a meal adds 1 to M                       [umol/h]
    """
    d, stored = drug.id, drug.absorption.bile_stored
    sheet.move(rate * (1.0 - stored), source, f"{d}_lumen_1")
    if stored > 0.0:
        meal = sheet.state("meal", "meal", atol=1e-6)
        if not sheet.rates["meal"]:
            sheet.add("meal", -MEAL_FADES * meal)
        held = sheet.state(f"{d}_gallbladder")
        sheet.move(rate * stored, source, f"{d}_gallbladder")
        sheet.move((LEAKS + MEAL_EMPTIES * meal) * held, f"{d}_gallbladder", f"{d}_lumen_1")


def gut_values(
    drug: DrugRecord, bodies: tuple[Body, Body], *, formulation: Formulation, fed: bool, gastric_ph: float = 0.0
) -> dict[str, float]:
    """Rates of the chain and the wall in bodies[0] (bodies[1] is the reference) for one dosage form."""
    body, reference = bodies
    a = drug.absorption
    size = body.volume["small_intestine"] / reference.volume["small_intestine"]
    ka = a.ka if a.ka is not None else 2.0 * permeability(a) / RADIUS_CM
    d = drug.id
    full = holds(drug, fed=fed, size=size, gastric_ph=gastric_ph) if a.solubility is not None else {}
    return {
        f"{d}_ka": ka,
        f"{d}_ka_colon": a.colon_factor * ka,
        f"{d}_q_gut": gut_flow(a, body, reference),
        f"{d}_cu_gut": a.fu_gut / (ENTEROCYTES_L * size),
        **release_values(drug, formulation, full, size),
        **full,
    }


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
