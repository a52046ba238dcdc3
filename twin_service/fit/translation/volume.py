"""Human volume of distribution at steady state, L/kg, from animals and from tissue composition.

proportional   Vss; unbound: Vss fu_man/fu_animal
Oie-Tozer      Vss = Vp (1 + RE/I) + fup Vp (VE/Vp - RE/I) + VR fup/fut, Oie & Tozer 1979,
               doi:10.1002/jps.2600680948; fut of each animal, their mean put into man
composition    five methods of the PBPK library; with the scalar that the animal's own Vss asks for
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from twin_service.fit.translation.allometry import ScalingMethod, power_law
from twin_service.fit.translation.compound import HUMAN_KG, AnimalStudy, Compound
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.physiology import create_body
from twin_service.model.pbpk.record import PARTITION_METHODS, DrugRecord

EXTRAVASCULAR_ALBUMIN: Final = 1.4


class Waters(NamedTuple):
    """Plasma, extracellular and remaining water, L/kg. Obach 1997, J Pharmacol Exp Ther 283:46, table 1."""

    plasma: float
    extracellular: float
    remaining: float


WATERS: Final = {
    "rat": Waters(0.0313, 0.265, 0.364),
    "dog": Waters(0.0515, 0.216, 0.450),
    "monkey": Waters(0.0448, 0.208, 0.485),
    "human": Waters(0.0436, 0.151, 0.380),
}


def unbound_in_tissue(water: Waters, fup: float, vss: float) -> float | None:
    """fut by Oie-Tozer; None where the volume is that of extracellular water or less and the equation has no answer."""
    vp, ve, vr = water
    rest = vss - vp - fup * ve - (1.0 - fup) * EXTRAVASCULAR_ALBUMIN * vp
    return vr * fup / rest if rest > 0.0 else None


def oie_tozer(water: Waters, fup: float, fut: float) -> float:
    """Vss (L/kg)."""
    vp, ve, vr = water
    ratio = EXTRAVASCULAR_ALBUMIN
    return vp * (1.0 + ratio) + fup * vp * (ve / vp - ratio) + vr * fup / fut


def volume_methods(compound: Compound, library: Library) -> list[ScalingMethod]:
    """Every method the animals and the chemistry allow."""
    studies = [a for a in compound.animals if a.vss_l_kg]
    found = [m for a in studies for m in _single(a, compound)]
    if len({a.species for a in studies}) >= 2:
        law = power_law([a.weight_kg for a in studies], [_vss(a) * a.weight_kg for a in studies])
        found.append(ScalingMethod("simple allometry", law.at(HUMAN_KG) / HUMAN_KG, f"exponent {law.exponent:.2f}"))
    found += _oie_tozer(studies, compound)
    plain = replace(compound.chemistry, vss_l_kg=None, kp_scalar=1.0, kp={})
    found += [
        ScalingMethod(f"composition, {m}", _composed(replace(plain, method=m), library)) for m in PARTITION_METHODS
    ]
    return found + _calibrated(studies, plain, library)


def _vss(study: AnimalStudy) -> float:
    assert study.vss_l_kg is not None
    return study.vss_l_kg


def _single(study: AnimalStudy, compound: Compound) -> list[ScalingMethod]:
    found = [ScalingMethod(f"{study.species}, proportional", _vss(study))]
    if study.fup is not None:
        found.append(ScalingMethod(f"{study.species}, proportional, unbound", _vss(study) * compound.fup / study.fup))
    return found


def _oie_tozer(studies: Sequence[AnimalStudy], compound: Compound) -> list[ScalingMethod]:
    free = {
        a.species: unbound_in_tissue(WATERS[a.species], a.fup, _vss(a))
        for a in studies
        if a.fup and a.species in WATERS
    }
    usable = {s: f for s, f in free.items() if f is not None}
    if not usable:
        return []
    mean = float(np.mean(list(usable.values())))
    left_out = sorted(set(free) - set(usable))
    note = f"fut {mean:.2g} of {', '.join(usable)}" + (
        f"; without {', '.join(left_out)}: no more than extracellular" if left_out else ""
    )
    return [ScalingMethod("Oie-Tozer", oie_tozer(WATERS["human"], compound.fup, mean), note)]


def _composed(drug: DrugRecord, library: Library, species: str = "human") -> float:
    found = library.species[species]
    body = reference_body(found)
    return disposition(drug, found, body, body).vss_l / body.weight_kg


def _calibrated(studies: Sequence[AnimalStudy], plain: DrugRecord, library: Library) -> list[ScalingMethod]:
    """The PBPK body with one scalar on every Kp, the geometric mean of what the animals' own volumes ask for."""
    scalars = [s for s in (kp_scalar(a, plain, library) for a in studies) if s > 0.0]
    if not scalars:
        return []
    scalar = float(np.exp(np.mean(np.log(scalars))))
    value = _composed(replace(plain, kp_scalar=scalar), library)
    spread = f", {min(scalars):.2g} to {max(scalars):.2g}" if len(scalars) > 1 else ""
    return [ScalingMethod("PBPK, Kp scalar of animals", value, f"scalar {scalar:.2g}{spread}")]


def kp_scalar(study: AnimalStudy, plain: DrugRecord, library: Library) -> float:
    """The scalar on every Kp with which the animal's body has the measured Vss; 0 where blood alone is more."""
    species = library.species[study.species]
    drug = replace(plain, fup=study.fup) if study.fup is not None else plain
    body, reference = create_body(species, {"weight_kg": study.weight_kg}), reference_body(species)
    # Above the least Kp the volume is a straight line in the scalar: two points give it.
    one, two = (
        disposition(replace(drug, kp_scalar=k), species, body, reference).vss_l / body.weight_kg for k in (1.0, 2.0)
    )
    return max(1.0 + (_vss(study) - one) / (two - one), 0.0)
