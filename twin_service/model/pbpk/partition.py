"""Tissue:plasma partition coefficients from lipophilicity, ionization, protein binding and tissue composition.

Each method is one function (drug chemistry, tissue, plasma) -> Kp; `partition` chooses, scales and overrides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twin_service.model.pbpk.physiology import Body
from twin_service.model.pbpk.record import Composition, DrugRecord, SpeciesRecord

PH_PLASMA, PH_CELL, PH_RED_CELL = 7.4, 7.0, 7.22
LEAST_KP, LEAST_BP, MOST_BP = 0.01, 0.55, 20.0


@dataclass(frozen=True)
class Chemistry:
    """What the methods need of a drug in one person: P, logP, pKa's, unbound fraction, blood:plasma ratio."""

    drug: DrugRecord
    fup: float
    bp: float
    hematocrit: float

    @property
    def p(self) -> float:
        return float(10.0**self.drug.logp)

    @property
    def oil(self) -> float:
        """Olive oil:buffer ratio of the neutral form, logP_vo:w = 1.115 logP - 1.35; Leo 1971, Chem Rev 71:525."""
        return float(10.0 ** (1.115 * self.drug.logp - 1.35))


def ionization(drug: DrugRecord, ph: float) -> float:
    """1 + ionized/neutral at `ph`: product over sites of 1 + 10^(pKa-pH) (base), 1 + 10^(pH-pKa) (acid)."""
    factor = 1.0
    for site in drug.pka:
        factor *= 1.0 + 10.0 ** (site.value - ph if site.charge == "base" else ph - site.value)
    return factor


def log_d(drug: DrugRecord, ph: float) -> float:
    """log10 of the octanol:buffer distribution ratio when only the neutral form enters octanol."""
    from math import log10

    return drug.logp - log10(ionization(drug, ph))


def rodgers_rowland(
    chemistry: Chemistry, tissue: Composition, plasma: Composition, red: Composition, *, fat: bool
) -> float:
    """Tissue water, neutral lipid, acidic phospholipid (bases) or extracellular protein (others).

    Kpu = fEW + (X/Y) fIW + [P fNL + (0.3 P + 0.7) fNP]/Y + Ka_AP [AP] (X - 1)/Y     strong base or zwitterion
    Kpu = fEW + (X/Y) fIW + [P fNL + (0.3 P + 0.7) fNP]/Y + Ka_PR [PR]t              acid, neutral, weak base
    X, Y: ionization in cells (pH 7.0) and plasma (7.4). Fat takes the oil:water ratio for P.

    Rodgers 2005, doi:10.1002/jps.20322; Rodgers & Rowland 2006, doi:10.1002/jps.20502
    """
    drug = chemistry.drug
    x, y = ionization(drug, PH_CELL), ionization(drug, PH_PLASMA)
    lipid = _lipid(chemistry.oil if fat else chemistry.p, tissue)
    kpu = tissue.extracellular_water + x / y * tissue.intracellular_water + lipid / y
    if _binds_phospholipid(drug):
        bases = _bases_only(drug, PH_CELL)
        ka = phospholipid_affinity(chemistry, red)
        kpu += ka * tissue.acidic_phospholipid_mg_g * (bases - 1.0) / _bases_only(drug, PH_PLASMA)
    else:
        bound = max(1.0 / chemistry.fup - 1.0 - _lipid(chemistry.p, plasma) / y, 0.0)
        kpu += bound * (tissue.lipoprotein_ratio if drug.charge == "neutral" and not drug.pka else tissue.albumin_ratio)
    return kpu * chemistry.fup


def _lipid(p: float, tissue: Composition) -> float:
    return p * tissue.neutral_lipid + (0.3 * p + 0.7) * tissue.neutral_phospholipid


def _binds_phospholipid(drug: DrugRecord) -> bool:
    return drug.charge in ("base", "zwitterion")


def _bases_only(drug: DrugRecord, ph: float) -> float:
    factor = 1.0
    for site in drug.pka:
        if site.charge == "base":
            factor *= 1.0 + 10.0 ** (site.value - ph)
    return factor


def phospholipid_affinity(chemistry: Chemistry, red: Composition) -> float:
    """Ka_AP (g/mg) from the blood:plasma ratio through what red cells hold; never negative. Rodgers 2005."""
    drug = chemistry.drug
    x, y = ionization(drug, PH_RED_CELL), ionization(drug, PH_PLASMA)
    kpu_red = (chemistry.hematocrit - 1.0 + chemistry.bp) / (chemistry.hematocrit * chemistry.fup)
    water_lipid = x / y * red.intracellular_water + _lipid(chemistry.p, red) / y
    charged = _bases_only(drug, PH_RED_CELL) - 1.0
    return max((kpu_red - water_lipid) * _bases_only(drug, PH_PLASMA) / (red.acidic_phospholipid_mg_g * charged), 0.0)


def poulin_theil(
    chemistry: Chemistry, tissue: Composition, plasma: Composition, red: Composition, *, fat: bool
) -> float:
    """Kp = [P (NL + 0.3 PL) + (W + 0.7 PL)]_t / [...]_p * fup/fut, fut = 1/(1 + 0.5 (1-fup)/fup); fat: D_oil, fut 1.

    Poulin & Theil 2002, doi:10.1002/jps.10005
    """
    p, fut = _fat_or_not(chemistry, fat)
    top = p * (tissue.neutral_lipid_pt + 0.3 * tissue.phospholipid_pt) + tissue.water_pt + 0.7 * tissue.phospholipid_pt
    bottom = p * (plasma.neutral_lipid_pt + 0.3 * plasma.phospholipid_pt) + plasma.water + 0.7 * plasma.phospholipid_pt
    return top / bottom * chemistry.fup / fut


def berezhkovskiy(
    chemistry: Chemistry, tissue: Composition, plasma: Composition, red: Composition, *, fat: bool
) -> float:
    """Kp = [P (NL + 0.3 PL) + W/fut + 0.7 PL]_t / [P (NL + 0.3 PL) + W/fup + 0.7 PL]_p.

    Berezhkovskiy 2004, doi:10.1002/jps.20073
    """
    p, fut = _fat_or_not(chemistry, fat)
    top = (
        p * (tissue.neutral_lipid_pt + 0.3 * tissue.phospholipid_pt)
        + tissue.water_pt / fut
        + 0.7 * tissue.phospholipid_pt
    )
    bottom = (
        p * (plasma.neutral_lipid_pt + 0.3 * plasma.phospholipid_pt)
        + plasma.water / chemistry.fup
        + 0.7 * plasma.phospholipid_pt
    )
    return top / bottom


def _fat_or_not(chemistry: Chemistry, fat: bool) -> tuple[float, float]:
    """(partition ratio, unbound fraction in tissue): fat takes oil at pH 7.4 and binds nothing."""
    if fat:
        return chemistry.oil / ionization(chemistry.drug, PH_PLASMA), 1.0
    return chemistry.p, 1.0 / (1.0 + 0.5 * (1.0 - chemistry.fup) / chemistry.fup)


def schmitt(chemistry: Chemistry, tissue: Composition, plasma: Composition, red: Composition, *, fat: bool) -> float:
    """Kp = fup [fW_int + (fW_cell + K_nPL f_nPL + K_aPL f_aPL + K_prot f_prot_cell) (X/Y) ...].

    K_nPL = P (no affinity for membranes given), lipid D = P/X, K_prot = 0.163 + 0.0221 K_nPL,
    K_aPL = K_nPL [1/X + 20 (X-1)/X] for cations, [1/X + 0.05 (X-1)/X] for anions.
    Schmitt 2008, doi:10.1016/j.tiv.2007.09.010
    """
    drug = chemistry.drug
    x, y = ionization(drug, PH_CELL), ionization(drug, PH_PLASMA)
    neutral = 1.0 / x
    charged = 20.0 if _bases_only(drug, PH_CELL) > 1.0 else 0.05
    k_npl = chemistry.p
    k_apl = k_npl * (neutral + charged * (1.0 - neutral))
    k_lipid = chemistry.p * (neutral + 1e-3 * (1.0 - neutral))
    k_protein = 0.163 + 0.0221 * k_npl
    acidic = tissue.acidic_phospholipid_mg_g * 1e-3
    cell = (
        tissue.intracellular_water
        + k_npl * tissue.neutral_phospholipid
        + k_apl * acidic
        + k_lipid * tissue.neutral_lipid
        + k_protein * tissue.protein
    )
    interstitial = tissue.extracellular_water * (0.935 / 1.0 + 0.37 * (1.0 / chemistry.fup - 1.0) * 0.945)
    return chemistry.fup * (interstitial + cell * x / y)


def pksim_standard(
    chemistry: Chemistry, tissue: Composition, plasma: Composition, red: Composition, *, fat: bool
) -> float:
    """Kp = fup (f_water + f_lipid P + f_protein (0.163 + 0.0221 P)). Willmann 2005; Schmitt 2008."""
    water = max(1.0 - tissue.lipid - tissue.protein, 0.0)
    return chemistry.fup * (water + tissue.lipid * chemistry.p + tissue.protein * (0.163 + 0.0221 * chemistry.p))


METHODS: dict[str, Callable[..., float]] = {
    "rodgers_rowland": rodgers_rowland,
    "poulin_theil": poulin_theil,
    "berezhkovskiy": berezhkovskiy,
    "schmitt": schmitt,
    "pksim_standard": pksim_standard,
}


def unbound_fraction(drug: DrugRecord, body: Body, reference: Body) -> float:
    """fup at this protein level: 1/(1 + (P/P_ref) (1 - fup)/fup). McNamara & Alcorn 2002, AAPS PharmSci 4:E4."""
    ratio = body.aag_g_l / reference.aag_g_l if drug.binding == "aag" else body.albumin_g_l / reference.albumin_g_l
    return 1.0 / (1.0 + ratio * (1.0 - drug.fup) / drug.fup)


def blood_plasma_ratio(drug: DrugRecord, fup: float, body: Body, red: Composition) -> float:
    """Measured ratio, carried to this hematocrit through the red-cell ratio; or from red-cell water and lipid.

    bp = 1 + Hct (fup Kpu_red - 1); a measured bp gives Kpu_red at the hematocrit 0.45.
    """
    if drug.bp is not None:
        kpu_red = (0.45 - 1.0 + drug.bp) / (0.45 * drug.fup)
    else:
        x, y = ionization(drug, PH_RED_CELL), ionization(drug, PH_PLASMA)
        kpu_red = x / y * red.intracellular_water + _lipid(10.0**drug.logp, red) / y
        # Strong bases are seldom below a ratio of 1: phospholipid of the red cell holds them.
        if drug.charge == "base":
            kpu_red = max(kpu_red, 1.0 / fup)
    ratio = 1.0 + body.hematocrit * (max(kpu_red, 0.0) * fup - 1.0)
    return min(max(ratio, 1.0 - body.hematocrit), MOST_BP)


def partition(drug: DrugRecord, species: SpeciesRecord, body: Body, chemistry: Chemistry) -> dict[str, float]:
    """Kp (tissue:plasma) of every organ, before the scalar that reaches a wanted Vss; overrides are final."""
    method, plasma, red = METHODS[drug.method], species.composition["plasma"], species.composition["red_cell"]
    found = {}
    for organ in species.organs:
        tissue = species.composition[organ.composition]
        fat = organ.composition == "adipose"
        kp = drug.kp_scalar * method(chemistry, tissue, plasma, red, fat=fat)
        found[organ.id] = max(drug.kp.get(organ.id, kp), LEAST_KP)
    return found


def steady_volume(kp: Mapping[str, float], body: Body, bp: float) -> float:
    """Vss (L) in terms of plasma: sum Kp V + bp V_blood; organs hold their blood at the tissue ratio."""
    return sum(kp[o] * v for o, v in body.volume.items()) + bp * (body.arterial_l + body.venous_l)


def scale_to_vss(kp: Mapping[str, float], body: Body, *, bp: float, vss_l: float, fixed: Mapping[str, float]) -> float:
    """The scalar of all ratios but the fixed ones that gives Vss = `vss_l` (at least 1 % of what is asked stays)."""
    held = bp * (body.arterial_l + body.venous_l) + sum(kp[o] * body.volume[o] for o in fixed)
    free = sum(kp[o] * v for o, v in body.volume.items() if o not in fixed)
    return max(vss_l - held, 0.01 * vss_l) / free
