"""The fluid in the gut: its pH, its bile salts, and how much of a drug it can hold.

Segments: stomach, seven equal stretches of small intestine, colon.
pH: Dressman 1990, doi:10.1023/A:1015827908309 (stomach, duodenum, fasted and fed); Evans 1988,
doi:10.1136/gut.29.8.1035 (jejunum 6.6, ileum 7.5, cecum 6.4). Bile salts: Bergstrom 2014,
doi:10.1016/j.ejps.2013.10.013 (duodenum and jejunum; further down reabsorbed, assumption). Fluid: half a
liter of small intestine, as compartmental models take it (Agoram 2001, doi:10.1016/S0169-409X(01)00179-X); free water
is a fifth of that (Schiller 2005, doi:10.1111/j.1365-2036.2005.02683.x), but the film on the wall dissolves drug too.
"""

from __future__ import annotations

from twin_service.model.pbpk.dosage import Absorption
from twin_service.model.pbpk.record import DrugRecord

SEGMENTS = 7
STOMACH_L, INTESTINE_L, COLON_L = 0.25, 0.50, 0.05
WATER_MM = 55500.0
PH_FASTED = (1.7, 6.1, 6.4, 6.6, 6.8, 7.0, 7.3, 7.5, 6.5)
PH_FED = (5.0, 5.6, 6.1, 6.6, 6.8, 7.0, 7.3, 7.5, 6.5)
BILE_FASTED_MM = (0.2, 3.0, 2.8, 2.5, 2.0, 1.5, 1.0, 0.6, 0.2)
BILE_FED_MM = (0.5, 11.0, 9.0, 8.0, 6.0, 4.0, 2.5, 1.5, 0.2)
DIFFUSION_CM2_H, DENSITY_G_CM3, LAYER_UM = 7e-6 * 3600.0, 1.2, 30.0


def places(drug: str, kind: str = "lumen") -> list[str]:
    """Names of a chain of states from stomach to colon: `lumen` dissolved, `solid` not yet, `fallen` out again."""
    return [f"{drug}_stomach_{kind}", *(f"{drug}_{kind}_{i}" for i in range(1, SEGMENTS + 1)), f"{drug}_colon_{kind}"]


def volumes() -> tuple[float, ...]:
    """Fluid of each place, L."""
    return (STOMACH_L, *([INTESTINE_L / SEGMENTS] * SEGMENTS), COLON_L)


def solubility(drug: DrugRecord, ph: float, bile_mm: float, *, fed: bool) -> float:
    """What a liter holds, umol/L.

    C(pH) = C0 min(X(pH), salt limit),  C0 = C_stated/X(pH_stated),  X = 1 + ionized/neutral
    C     = C(pH) + C0 SR [bile salt]/[water]                    (SR: solubilization ratio)

    Without a stated pH the solubility is taken as it is at every pH. Without SR `bile_factor` holds in the fed state.
    Mithani 1996, doi:10.1023/A:1016062224568
    """
    a = drug.absorption
    assert a.solubility is not None
    if a.solubility_ph is None:
        neutral = water = a.solubility
    else:
        neutral = a.solubility / min(ionized(drug, a.solubility_ph), a.salt_limit)
        water = neutral * min(ionized(drug, ph), a.salt_limit)
    if a.solubilization > 0.0:
        return water + neutral * a.solubilization * bile_mm / WATER_MM
    return water * (a.bile_factor if fed else 1.0)


def ionized(drug: DrugRecord, ph: float) -> float:
    """X = 1 + ionized/neutral, the product over sites."""
    factor = 1.0
    for site in drug.pka:
        factor *= 1.0 + 10.0 ** (site.value - ph if site.charge == "base" else ph - site.value)
    return factor


def holds(drug: DrugRecord, *, fed: bool, size: float, gastric_ph: float = 0.0) -> dict[str, float]:
    """umol that each place can dissolve, by the name of its parameter; a `gastric_ph` above 0 is the stomach's own
    (acid reducers: 4 to 6)."""
    ph, bile = (PH_FED, BILE_FED_MM) if fed else (PH_FASTED, BILE_FASTED_MM)
    if gastric_ph > 0.0:
        ph = (gastric_ph, *ph[1:])
    return {
        full_name(place): solubility(drug, p, b, fed=fed) * v * size
        for place, p, b, v in zip(places(drug.id), ph, bile, volumes(), strict=True)
    }


def full_name(place: str) -> str:
    """The parameter that says how much (umol) a place of dissolved drug can hold."""
    return f"{place}_full"


def noyes_whitney(drug: DrugRecord, radius_um: float, concentration: float) -> float:
    """Dissolution of spheres into sink, 1/h: 3 D C/(rho r min(r, 30 um)), C solubility (umol/L).

    Wang & Flanagan 1999, doi:10.1021/js980236p (diffusion layer); D 7e-6 cm2/s, rho 1.2 g/cm3
    """
    radius, layer = radius_um * 1e-4, min(radius_um, LAYER_UM) * 1e-4
    return 3.0 * DIFFUSION_CM2_H * concentration * drug.molar_mass * 1e-9 / (DENSITY_G_CM3 * radius * layer)


def sink(absorption: Absorption) -> float:
    """Solubility that a particle without one dissolves by, umol/L: so high that it does not matter."""
    return absorption.solubility if absorption.solubility is not None else 1e6
