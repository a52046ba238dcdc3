"""From in vitro numbers to what a person's liver and gut wall can do: Vmax (umol/h) or CLint (L/h), unbound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

from twin_service.model.pbpk.absorption import gut_flow
from twin_service.model.pbpk.conditions import (
    CHILD_PUGH,
    TERM_W,
    WEEKS_A_YEAR,
    enzyme_disease,
    filtration_maturity,
    gestation,
    liver_class,
)
from twin_service.model.pbpk.physiology import Body
from twin_service.model.pbpk.record import Clearance, DrugRecord, Enzyme, Maturation
from twin_service.outcome import Refusal, RefusalCode

PMOL_MIN_TO_UMOL_H = 60e-6
UL_MIN_TO_L_H = 60e-6
HPGL = 117.5
MOST_EXTRACTION = 0.97
PROTEIN_LIVER_RATIO = 13.3
ADULT_Y = 18.0
FADED = 3.0


@dataclass(frozen=True)
class Capacities:
    """What scaling needs: the person, the reference person the file's whole-organ values belong to, the covariates."""

    body: Body
    reference: Body
    enzymes: Mapping[str, Enzyme]
    values: Mapping[str, float]


def microsomal_protein(age_y: float) -> float:
    """mg microsomal protein per g liver, log10 = 1.407 + 0.0158 a - 0.000382 a^2 + 2.4e-6 a^3, a up to 85 years.

    Barter 2008, doi:10.1124/dmd.108.021311
    """
    a = min(max(age_y, 0.0), 85.0)
    return float(10.0 ** (1.407 + 0.0158 * a - 0.000382 * a**2 + 2.4e-6 * a**3))


def maturation(curve: Maturation, age_y: float, gestational_age_wk: float = TERM_W) -> float:
    """Activity per protein relative to 30 years: birth + (p(a) - birth) a^n/(a50^n + a^n), normalized.

    a counts from birth or, where the curve says so, since the mother's last period (with gestational_age_wk at birth).
    A peak above 1 is the childhood's: p(a) = 1 + (peak - 1) exp(-3 (a - cap)/(18 - cap)) from the cap on, so that a
    twentieth of the excess is left at 18 years (that the decline is exponential: Upreti & Wahlstrom 2016, J Clin
    Pharmacol 56:266; its end: assumption).
    """

    def at(a: float) -> float:
        power = max(a, 0.0) ** curve.hill
        fading = FADED * max(a - curve.cap_y, 0.0) / (ADULT_Y - curve.cap_y)
        peak = 1.0 + (curve.peak - 1.0) * exp(-fading)
        return float(curve.birth + (peak - curve.birth) * power / (curve.half_y**curve.hill + power))

    before, usual = (w / WEEKS_A_YEAR if curve.postmenstrual else 0.0 for w in (gestational_age_wk, TERM_W))
    return at(age_y + before) / at(30.0 + usual)


def activity(enzyme_id: str, organ: str, c: Capacities) -> float:
    """Relative activity per protein: maturation x genotype x disease x smoking (covariate `<enzyme>_activity`)."""
    enzyme = c.enzymes.get(enzyme_id)
    if enzyme is None:
        return 1.0
    curve = enzyme.gut_maturation if organ == "gut" else enzyme.maturation
    age = maturation(curve, c.body.age_y, gestation(c.values)) if c.body.species == "human" else 1.0
    return (
        age
        * c.values.get(activity_covariate(enzyme_id), 1.0)
        * enzyme_disease(enzyme_id, c.values, organ)
        * _smoking(enzyme_id, c)
    )


def activity_covariate(enzyme_id: str) -> str:
    """Name of the covariate that scales an enzyme: `cyp2d6_activity`."""
    return enzyme_id.lower().replace("-", "") + "_activity"


def _smoking(enzyme_id: str, c: Capacities) -> float:
    """Smokers have 1.6 times the CYP1A2 activity. Faber & Fuhr 2004; Plowchalk 2012"""
    return 1.6 if enzyme_id == "CYP1A2" and c.values.get("smoker", 0.0) >= 0.5 else 1.0


def capacity(way: Clearance, drug: DrugRecord, c: Capacities) -> float:
    """Vmax (umol/h) of a saturable or CLint,u (L/h) of a linear way out, in this person."""
    enzyme = way.enzyme or way.transporter
    if way.organ == "gut":
        return _gut(way, drug, c) * drug.absorption.gut_scalar * way.scalar
    if way.organ == "kidney":
        size = c.body.volume["kidney"] / c.reference.volume["kidney"]
        return _whole(way, drug, c) * size * _tubule(enzyme, c) * way.scalar
    if way.organ == "plasma":
        return (
            _number(way)
            * c.body.weight_kg
            / (1.0 if way.basis == "body_weight" else c.reference.weight_kg)
            * way.scalar
        )
    liver = CHILD_PUGH[liver_class(c.values)][0]
    return _liver(way, drug, c) * liver * activity(enzyme or "OTHER", "liver", c) * way.scalar


def _number(way: Clearance) -> float:
    quantity = way.maximum or way.constant
    assert quantity is not None
    return quantity.value / (way.fu_inc if way.law == "linear" else 1.0)


def _liver(way: Clearance, drug: DrugRecord, c: Capacities) -> float:
    grams, protein = c.body.liver_kg * 1000.0, microsomal_protein(c.body.age_y)
    per = PMOL_MIN_TO_UMOL_H if way.law == "michaelis_menten" else UL_MIN_TO_L_H
    per /= _facilitated(drug.fup) if way.facilitated else 1.0
    if way.basis == "recombinant":
        abundance = c.enzymes[way.enzyme or way.transporter].liver_pmol_mg
        return _number(way) * abundance * protein * grams * per
    if way.basis == "microsomes":
        return _number(way) * protein * grams * per
    if way.basis == "hepatocytes":
        return _number(way) * HPGL * protein / microsomal_protein(30.0) * grams * per
    size = grams * protein / (c.reference.liver_kg * 1000.0 * microsomal_protein(30.0))
    return _whole(way, drug, c) * size


def _whole(way: Clearance, drug: DrugRecord, c: Capacities) -> float:
    """A whole-organ value; an in vivo plasma clearance of the reference person goes back through the organ's flow."""
    if way.law != "in_vivo":
        return _number(way)
    saturation = way.km.value if way.km is not None else 1.0
    return _back_calculated(way, drug, c) * saturation


def _back_calculated(way: Clearance, drug: DrugRecord, c: Capacities) -> float:
    """CLint,u (L/h) of the reference person: CLb Q/(Q - CLb) bp/fup for the liver (well stirred)."""
    plasma = _number(way) * (c.reference.weight_kg if way.basis == "body_weight" else 1.0)
    if way.organ == "kidney":
        filtered = filtered_fraction(drug, c.reference) * c.reference.gfr_l_h * drug.fup
        return secretion(plasma, filtered, c.reference.flow["kidney"], drug)
    bp = drug.bp or 1.0
    share = plasma / max(_in_vivo_total(drug, c), 1e-300)
    flow = hepatic_flow(c.reference)
    blood = _in_vivo_total(drug, c) / bp
    if blood >= MOST_EXTRACTION * flow:
        raise Refusal(
            RefusalCode.INVALID,
            f"drugs/{drug.id}.toml clearance: hepatic clearance in blood, {blood:.3g} L/h, "
            f"is not below liver blood flow, {flow:.3g} L/h; part of it is not hepatic, or bp is wrong",
            field="clearance",
            reason="CLEARANCE_ABOVE_FLOW",
        )
    return share * _through_flow(blood * bp, flow, drug)


def secretion(plasma: float, filtered: float, flow: float, drug: DrugRecord) -> float:
    """CLint,u (L/h) of the tubule so that filtration and secretion together clear `plasma` (L/h of plasma).

    Secretion acts on what filtration leaves: with T, F total and filtered clearance of blood and S = CLint fup/bp,
        T = F + S (Q - F)/(Q + S)   =>   S = (T - F) Q/(Q - T)
    """
    bp = drug.bp or 1.0
    total = min(plasma / bp, MOST_EXTRACTION * flow)
    return max(total - filtered / bp, 0.0) * flow / (flow - total) * bp / drug.fup


def renal_clearance(secreting: float, filtered: float, flow: float, bp: float) -> float:
    """Plasma clearance (L/h) of a kidney with S = `secreting` (L/h of blood) and `filtered` (L/h of plasma)."""
    f = filtered / bp
    return bp * (f + secreting * (flow - f) / (flow + secreting))


def _through_flow(plasma: float, flow: float, drug: DrugRecord) -> float:
    """CLint,u (L/h) behind a plasma clearance of a well-stirred organ, at most MOST_EXTRACTION of its flow."""
    bp = drug.bp or 1.0
    blood = min(plasma / bp, MOST_EXTRACTION * flow)
    return blood * flow / (flow - blood) * bp / drug.fup


def filtered_fraction(drug: DrugRecord, reference: Body) -> float:
    """Share of the filtered drug that stays in urine: less than the file says where a measured renal clearance is
    below filtration (net reabsorption)."""
    measured = sum(
        _number(w) * (reference.weight_kg if w.basis == "body_weight" else 1.0)
        for w in drug.clearances
        if w.organ == "kidney" and w.law == "in_vivo"
    )
    if not any(w.organ == "kidney" and w.law == "in_vivo" for w in drug.clearances):
        return drug.gfr_fraction
    return min(drug.gfr_fraction, measured / (reference.gfr_l_h * drug.fup))


def _in_vivo_total(drug: DrugRecord, c: Capacities) -> float:
    return sum(
        _number(w) * (c.reference.weight_kg if w.basis == "body_weight" else 1.0)
        for w in drug.clearances
        if w.law == "in_vivo" and w.organ in ("liver", "bile")
    )


def hepatic_flow(body: Body) -> float:
    """Blood flow through the liver, L/h: hepatic artery plus everything that drains through the portal vein."""
    return sum(
        body.flow[o]
        for o in ("liver", "stomach", "small_intestine", "large_intestine", "pancreas", "spleen")
        if o in body.flow
    )


def _gut(way: Clearance, drug: DrugRecord, c: Capacities) -> float:
    """Of the whole small intestine; numbers per microsomal protein go by the enzyme's content relative to the liver."""
    enzyme = c.enzymes.get(way.enzyme or way.transporter)
    size = c.body.volume["small_intestine"] / c.reference.volume["small_intestine"]
    size *= activity(way.enzyme or way.transporter or "OTHER", "gut", c)
    per = PMOL_MIN_TO_UMOL_H if way.law == "michaelis_menten" else UL_MIN_TO_L_H
    if way.law == "availability":
        flow = gut_flow(drug.absorption, c.reference, c.reference)
        return flow * (1.0 / _number(way) - 1.0) / drug.absorption.fu_gut * (way.km.value if way.km else 1.0) * size
    if way.basis == "from_liver":
        assert enzyme is not None
        healthy = Capacities(c.reference, c.reference, c.enzymes, {})
        nmol = enzyme.liver_pmol_mg * microsomal_protein(30.0) * c.reference.liver_kg
        like = drug.clearances[way.source]
        facilitated = _facilitated(drug.fup) if like.law == "in_vivo" or like.facilitated else 1.0
        return _liver(like, drug, healthy) * like.scalar * facilitated * enzyme.gut_nmol / max(nmol, 1e-300) * size
    if way.basis in ("recombinant", "microsomes"):
        assert enzyme is not None
        per_pmol = _number(way) / (1.0 if way.basis == "recombinant" else max(enzyme.liver_pmol_mg, 1e-300))
        return per_pmol * enzyme.gut_nmol * 1000.0 * per * size
    return _number(way) * size


def _facilitated(fup: float) -> float:
    """fup/fup_liver: what the liver's CLint,u owes to protein-facilitated uptake, which gut and assay lack.

    fup_liver = PLR fup / (1 + (PLR - 1) fup), PLR = 13.3. Poulin 2012, doi:10.1002/jps.23288
    """
    return (1.0 + (PROTEIN_LIVER_RATIO - 1.0) * fup) / PROTEIN_LIVER_RATIO


def _tubule(enzyme_id: str, c: Capacities) -> float:
    """Activity of the tubule per kidney mass, relative to the adult: maturation x genotype x working nephrons.

    Secretion falls with filtration in disease and old age (intact nephrons), Bricker 1960. Where the maturation of the
    transporter is not known it is taken to be filtration's; an enzyme of the tubule matures as in the liver.
    """
    enzyme = c.enzymes.get(enzyme_id)
    mature = filtration_maturity(c.body.age_y, c.values) / filtration_maturity(30.0, {})
    if enzyme is not None and (enzyme.kidney_maturation or enzyme.kind == "enzyme"):
        mature = maturation(enzyme.kidney_maturation or enzyme.maturation, c.body.age_y, gestation(c.values))
    own = c.values.get(activity_covariate(enzyme_id), 1.0) if enzyme is not None else 1.0
    if c.body.species != "human":
        size = c.body.volume["kidney"] / c.reference.volume["kidney"]
        return min(c.body.gfr_l_h / (c.reference.gfr_l_h * size), 1.5)
    return mature * own * min(c.body.nephrons, 1.5)
