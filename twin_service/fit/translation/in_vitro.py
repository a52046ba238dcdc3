"""Human clearance from in vitro intrinsic clearance.

    CLint (mL/min/kg) = clint / fu_inc x 40 mg/g or 120 10^6 cells/g x 25.7 g liver/kg / 1000
    well-stirred      CLh = Q f CLint / (Q + f CLint),  f = fup/bp in blood, Q = 20.7 mL/min/kg, plasma = blood x bp
    parallel tube     CLh = Q (1 - exp(-f CLint / Q))
    extended          CLint,all = PSin (CLint + bile) / (PSout + CLint + bile), Shitara 2006,
                      Eur J Pharm Sci 27:425
    fu_inc            microsomes 1/(1 + C 10^(0.56 L - 1.41)), Austin 2002, Drug Metab Dispos 30:1497
                      hepatocytes 1/(1 + 125 V 10^(0.072 D^2 + 0.067 D - 1.126)), V = 0.005 C, Kilford 2008,
                      Drug Metab Dispos 36:1194; L: logP of bases, logD of the others

Renal clearance, fup x GFR (1.78 mL/min/kg) where not measured, is added: what leaves by neither way is not seen.
Scaling: Barter 2007, Curr Drug Metab 8:33; Davies & Morris 1993.
"""

from __future__ import annotations

from math import exp, log10
from typing import Final

from twin_service.fit.translation.allometry import ScalingMethod
from twin_service.fit.translation.compound import Compound, InVitroClearance

LIVER_G_KG: Final = 25.7
PROTEIN_MG_G: Final = 40.0
CELLS_G: Final = 120.0
FLOW: Final = 20.7
FILTRATION: Final = 1.78
CELL_VOLUME: Final = 0.005  # of the incubation, at 10^6 cells/mL


def lipophilicity(compound: Compound) -> float:
    """logP of a base, logD at pH 7.4 of the others, as the binding equations want it."""
    drug = compound.chemistry
    if drug.charge == "base":
        return drug.logp
    ionized = sum(10.0 ** (7.4 - p.value) for p in drug.pka if p.charge == "acid")
    return drug.logp - log10(1.0 + ionized)


def unbound_in_incubation(vitro: InVitroClearance, compound: Compound) -> float:
    """Measured, or by Austin (microsomes) or Kilford (hepatocytes)."""
    if vitro.fu_inc is not None:
        return vitro.fu_inc
    assert vitro.concentration is not None
    level = lipophilicity(compound)
    if vitro.system == "microsomes":
        return float(1.0 / (1.0 + vitro.concentration * 10.0 ** (0.56 * level - 1.41)))
    share = CELL_VOLUME * vitro.concentration
    return float(1.0 / (1.0 + 125.0 * share * 10.0 ** (0.072 * level**2 + 0.067 * level - 1.126)))


def liver_clint(vitro: InVitroClearance, compound: Compound) -> float:
    """Unbound intrinsic clearance of the liver, mL/min/kg."""
    per_gram = PROTEIN_MG_G if vitro.system == "microsomes" else CELLS_G
    return vitro.clint / unbound_in_incubation(vitro, compound) * per_gram * LIVER_G_KG / 1000.0


def well_stirred(clint: float, fup: float, bp: float) -> float:
    """Plasma clearance, mL/min/kg."""
    out = fup / bp * clint
    return FLOW * out / (FLOW + out) * bp


def parallel_tube(clint: float, fup: float, bp: float) -> float:
    """Plasma clearance, mL/min/kg."""
    return FLOW * (1.0 - exp(-fup / bp * clint / FLOW)) * bp


def blood_plasma(compound: Compound) -> float:
    """The file's, else 1 for bases and neutrals and 0.55 for acids, which stay out of the red cell."""
    drug = compound.chemistry
    if drug.bp is not None:
        return drug.bp
    return 0.55 if drug.charge == "acid" else 1.0


def renal(compound: Compound) -> float:
    """Measured, else filtration of the unbound, mL/min/kg."""
    return compound.renal_ml_min_kg if compound.renal_ml_min_kg is not None else FILTRATION * compound.fup


def in_vitro_methods(compound: Compound, bias_log10: float) -> list[ScalingMethod]:
    """Every model of the liver for every incubation; `bias_log10` is the measured miss of the well-stirred model."""
    bp, fup, found = blood_plasma(compound), compound.fup, []
    for vitro in compound.in_vitro:
        clint, s = liver_clint(vitro, compound), vitro.system
        added = f"fu_inc {unbound_in_incubation(vitro, compound):.2g}, renal {renal(compound):.2g} mL/min/kg added"
        value = well_stirred(clint, fup, bp) + renal(compound)
        found.append(ScalingMethod(f"{s}, well-stirred", value, added))
        found.append(ScalingMethod(f"{s}, parallel tube", parallel_tube(clint, fup, bp) + renal(compound), added))
        corrected = well_stirred(clint * 10.0**bias_log10, fup, bp) + renal(compound)
        found.append(ScalingMethod(f"{s}, well-stirred, corrected", corrected, f"clint x {10.0**bias_log10:.2g}"))
        if vitro.uptake is not None:
            scale = CELLS_G * LIVER_G_KG / 1000.0
            out, bile = (vitro.efflux if vitro.efflux is not None else vitro.uptake) * scale, vitro.bile * scale
            every = vitro.uptake * scale * (clint + bile) / (out + clint + bile)
            found.append(ScalingMethod(f"{s}, extended", well_stirred(every, fup, bp) + renal(compound), added))
    return found
