"""How a dosage form lets the drug go on its way down the gut, and how drug falls out of solution again.

    dS_i/dt = transit - h(a) S_i max(1 - D_i/F_i, 0)          solid drug S, dissolved D, F what the fluid holds [umol/h]
    h(a)    = k                                               first order
            = 1/(T - a), at most 50/T                         zero order over T = 2 t50: a steady rate until 98 %
            = shape k (k a)^(shape - 1)                       Weibull
            = Noyes-Whitney at the segment's solubility       particles
    a       = M / sum S,   dM/dt = sum S - a (what leaves S)  age of the solid since its dose, h

The age is a state, not the clock, so that repeated doses need no history: of several doses it is the mean weighted by
what is left of each, exact where one form has let go before the next arrives.
Weibull: Langenbucher 1972, doi:10.1111/j.2042-7158.1972.tb08930.x
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log

from twin_service.model.pbpk.dosage import Formulation
from twin_service.model.pbpk.lumen import full_name, noyes_whitney, places, sink, volumes
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.pbpk.sheet import Sheet
from twin_service.solver import functions as fn
from twin_service.solver.expression import Expression, constant

LN2 = log(2.0)
# Below this the age of what is left is noise; 1e-6 umol is a nanogram.
LEAST_UMOL = 1e-6
FASTEST_END, YOUNGEST = 50.0, 0.01


def write_release(sheet: Sheet, drug: DrugRecord, formulation: Formulation) -> None:
    """Move solid drug into solution in every place; where a solubility is known it slows as the fluid saturates."""
    d = drug.id
    solids, lumen = places(d, "solid"), places(d)
    age = constant(0.0)
    held = sum_of(sheet, solids)
    if formulation.ages:
        held = fn.maximum(held, 0.0)
        age = sheet.state(f"{d}_solid_age", "umol.h") / (held + LEAST_UMOL)
    lost = constant(0.0)
    for solid, place in zip(solids, lumen, strict=True):
        rate = _hazard(sheet, drug, formulation, age, place=place) * sheet.state(solid)
        moved = rate * _room(sheet, drug, place)
        sheet.move(moved, solid, place)
        lost = lost + moved
    if formulation.ages:
        lost = lost + sheet.parameter("k_colon", "1/h") * sheet.state(solids[-1])
        sheet.add(f"{d}_solid_age", held - age * lost)


def write_precipitation(sheet: Sheet, drug: DrugRecord) -> None:
    """Drug beyond `supersaturation` times what the fluid holds falls out, in the intestine; it dissolves again."""
    d, a = drug.id, drug.absorption
    for k, (place, fallen) in enumerate(zip(places(d), places(d, "fallen"), strict=True)):
        amount, full = sheet.state(place), sheet.parameter(full_name(place), "umol")
        if k > 0:
            beyond = fn.maximum(amount - a.supersaturation * full, 0.0)
            sheet.move(a.precipitation_per_h * beyond, place, fallen)
        again = sheet.parameter(f"{fallen}_dissolves", "1/h") * sheet.state(fallen)
        sheet.move(again * _room(sheet, drug, place), fallen, place)


def release_values(
    drug: DrugRecord, formulation: Formulation, full: Mapping[str, float], size: float
) -> dict[str, float]:
    """Rates of release (1/h) for this dosage form, and of dissolving again where drug falls out."""
    d, values = drug.id, {f"{drug.id}_k_release": release_rate(formulation)}
    for place, fallen, volume in zip(places(d), places(d, "fallen"), volumes(), strict=True):
        known = full.get(full_name(place))
        concentration = sink(drug.absorption) if known is None else known / (volume * size)
        if formulation.law == "particle":
            values[f"{place}_dissolves"] = noyes_whitney(drug, formulation.radius_um, concentration)
        if drug.absorption.precipitates:
            values[f"{fallen}_dissolves"] = noyes_whitney(drug, drug.absorption.precipitate_um, concentration)
    return values


def release_rate(formulation: Formulation) -> float:
    """k of the release law, 1/h: half is out at t50."""
    if formulation.t50_h <= 0.0:
        return 0.0
    if formulation.law == "zero_order":
        return 0.5 / formulation.t50_h
    if formulation.law == "weibull":
        return float(LN2 ** (1.0 / formulation.shape) / formulation.t50_h)
    return LN2 / formulation.t50_h


def sum_of(sheet: Sheet, names: list[str]) -> Expression:
    total = sheet.state(names[0])
    for name in names[1:]:
        total = total + sheet.state(name)
    return total


def _hazard(sheet: Sheet, drug: DrugRecord, formulation: Formulation, age: Expression, *, place: str) -> Expression:
    if formulation.law == "particle":
        return sheet.parameter(f"{place}_dissolves", "1/h")
    k = sheet.parameter(f"{drug.id}_k_release", "1/h")
    if formulation.law == "zero_order":
        return k / fn.maximum(1.0 - k * age, 1.0 / FASTEST_END)  # type: ignore[no-any-return]
    if formulation.ages:
        young = fn.maximum(k * age, YOUNGEST)
        return formulation.shape * k * young ** (formulation.shape - 1.0)  # type: ignore[no-any-return]
    return k


def _room(sheet: Sheet, drug: DrugRecord, place: str) -> Expression:
    """1 - D/F, never negative; 1 where no solubility limits."""
    if drug.absorption.solubility is None:
        return constant(1.0)
    used = sheet.state(place) / sheet.parameter(full_name(place), "umol")
    return fn.maximum(1.0 - used, 0.0)  # type: ignore[no-any-return]
