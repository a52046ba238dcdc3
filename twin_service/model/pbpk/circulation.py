"""A drug carried by the blood through perfusion- or permeability-limited organs.

    dA_organ/dt = Q C_art - Q bp/(V Kp) A_organ                                                  [umol/h]

A amount (umol), C_art blood concentration (umol/L), Q flow (L/h), V volume (L), Kp tissue:plasma and bp blood:plasma
ratio. Portal organs empty into the liver, the lung lies between venous and arterial blood. A permeability-limited
organ has a cell space: unbound drug crosses at PS (L/h) between it and the well-stirred rest of the organ.
Jones & Rowland-Yeo 2013, doi:10.1038/psp.2013.41
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twin_service.model.pbpk.physiology import Body
from twin_service.model.pbpk.record import DrugRecord, SpeciesRecord
from twin_service.model.pbpk.sheet import Sheet
from twin_service.solver.expression import Expression

VASCULAR_SHARE = 0.15


@dataclass(frozen=True)
class Blood:
    """What the rest of the model needs of a drug's circulation: expressions of amounts and unbound concentrations."""

    arterial: Expression
    unbound: Mapping[str, Expression]


def shared_parameters(sheet: Sheet, species: SpeciesRecord) -> None:
    """Flow constants of the body that all drugs share: Q/V_art to each organ, cardiac output over V_ven."""
    for organ in species.organs:
        sheet.parameter(f"k_{organ.id}", "1/h")


def shared_values(species: SpeciesRecord, body: Body) -> dict[str, float]:
    lung = _lung(species)
    values = {f"k_{o.id}": body.flow[o.id] / body.arterial_l for o in species.organs if o.id != lung}
    return {**values, f"k_{lung}": body.cardiac_output / body.venous_l}


def circulate(sheet: Sheet, drug: DrugRecord, species: SpeciesRecord, spread: Expression) -> Blood:
    """Write the circulation of `drug`; `spread` divides every exchange (exp of minus the distribution effect)."""
    d, lung = drug.id, _lung(species)
    for pool in ("arterial", "venous"):
        sheet.state(f"{d}_{pool}")
    arterial, venous = sheet.state(f"{d}_arterial"), sheet.state(f"{d}_venous")
    for organ in species.organs:
        sheet.state(f"{d}_{organ.id}")
    unbound = {}
    for organ in species.organs:
        amount = sheet.state(f"{d}_{organ.id}")
        out = amount * (sheet.parameter(f"{d}_out_{organ.id}", "1/h") * spread)
        sheet.move(out, f"{d}_{organ.id}", f"{d}_{organ.drains_to}")
        inflow = sheet.parameter(f"k_{organ.id}", "1/h")
        if organ.id == lung:
            sheet.move(venous * inflow, f"{d}_venous", f"{d}_{organ.id}")
        else:
            sheet.move(arterial * inflow, f"{d}_arterial", f"{d}_{organ.id}")
        unbound[organ.id] = amount * (sheet.parameter(f"{d}_cu_{organ.id}", "1/L") * spread)
        if organ.id in drug.permeability:
            cell = sheet.state(f"{d}_{organ.id}_cell")
            passive = sheet.parameter(f"{d}_ps_{organ.id}", "L/h")
            inside = cell * (sheet.parameter(f"{d}_cu_{organ.id}_cell", "1/L") * spread)
            sheet.move(passive * (unbound[organ.id] - inside), f"{d}_{organ.id}", f"{d}_{organ.id}_cell")
            unbound[organ.id] = inside
    return Blood(arterial, unbound)


def exchange_values(
    drug: DrugRecord,
    species: SpeciesRecord,
    bodies: tuple[Body, Body],
    *,
    fup: float,
    bp: float,
    kp: Mapping[str, float],
) -> dict[str, float]:
    """Outflow constants and unbound concentrations per amount in `bodies[0]`; bodies[1] is the reference for PS."""
    body, reference = bodies
    values = {}
    for organ in species.organs:
        flow = sum(body.flow[o.id] for o in species.organs if o.id == organ.id or o.drains_to == organ.id)
        volume = body.volume[organ.id]
        if organ.id in drug.permeability:
            cell = volume * (1.0 - VASCULAR_SHARE)
            scale = volume / reference.volume[organ.id]
            values[f"{drug.id}_ps_{organ.id}"] = drug.permeability[organ.id] * scale
            values[f"{drug.id}_cu_{organ.id}_cell"] = fup / (kp[organ.id] * cell)
            # The well-stirred rest is interstitial fluid and capillary blood, with the plasma's binding.
            volume, ratio = volume * VASCULAR_SHARE, 1.0
        else:
            ratio = kp[organ.id]
        values[f"{drug.id}_out_{organ.id}"] = flow * bp / (volume * ratio)
        values[f"{drug.id}_cu_{organ.id}"] = fup / (volume * ratio)
    return values


def _lung(species: SpeciesRecord) -> str:
    return next(o.id for o in species.organs if o.drains_to == "arterial")
