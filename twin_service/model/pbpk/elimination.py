"""From in vitro numbers to what a person's liver and gut wall can do: Vmax (umol/h) or CLint (L/h), unbound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

from twin_service.model.pbpk.absorption import gut_flow
from twin_service.model.pbpk.clearance import (
    Assay,
    Availability,
    Clearance,
    FromLiver,
    InVitro,
    InVivo,
    plasma_clearance_of,
    stated,
    takes_up,
    to_organ,
    unbound_km,
)
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
from twin_service.model.pbpk.record import DrugRecord, Enzyme, Maturation
from twin_service.outcome import Refusal, RefusalCode

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
    if way.organ == "gut":
        return _gut(way, drug, c) * drug.absorption.gut_scalar * way.scalar
    if way.organ == "kidney":
        size = c.body.volume["kidney"] / c.reference.volume["kidney"]
        return _whole(way, drug, c) * size * _tubule(way.actor, c) * way.scalar
    if way.organ == "plasma":
        per_weight = isinstance(way.law, InVivo) and way.law.per_weight
        return stated(way.law) * c.body.weight_kg / (1.0 if per_weight else c.reference.weight_kg) * way.scalar
    liver = CHILD_PUGH[liver_class(c.values)][0]
    return _liver(way, drug, c) * liver * activity(way.actor or "OTHER", "liver", c) * way.scalar


def _liver(way: Clearance, drug: DrugRecord, c: Capacities) -> float:
    law, grams, protein = way.law, c.body.liver_kg * 1000.0, microsomal_protein(c.body.age_y)
    if not isinstance(law, InVitro) or law.assay is Assay.ORGAN:
        size = grams * protein / (c.reference.liver_kg * 1000.0 * microsomal_protein(30.0))
        return _whole(way, drug, c) * size
    per = to_organ(law) / (_facilitated(drug.fup) if law.facilitated else 1.0)
    if law.assay is Assay.RECOMBINANT:
        return stated(law) * c.enzymes[way.actor].liver_pmol_mg * protein * grams * per
    if law.assay is Assay.MICROSOMES:
        return stated(law) * protein * grams * per
    return stated(law) * HPGL * protein / microsomal_protein(30.0) * grams * per


def _whole(way: Clearance, drug: DrugRecord, c: Capacities) -> float:
    """A whole-organ value; an in vivo plasma clearance of the reference person goes back through the organ's flow."""
    if not isinstance(way.law, InVivo):
        return stated(way.law)
    saturation = unbound_km(way.law)
    return _back_calculated(way.organ, way.law, drug, c) * (1.0 if saturation is None else saturation)


def _back_calculated(organ: str, law: InVivo, drug: DrugRecord, c: Capacities) -> float:
    """CLint,u (L/h) of the reference person: CLb Q/(Q - CLb) bp/fup for the liver (well stirred)."""
    plasma = plasma_clearance_of(law, c.reference.weight_kg)
    if organ == "kidney":
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
    measured = [w.law for w in drug.clearances if w.organ == "kidney" and isinstance(w.law, InVivo)]
    if not measured:
        return drug.gfr_fraction
    total = sum(plasma_clearance_of(law, reference.weight_kg) for law in measured)
    return min(drug.gfr_fraction, total / (reference.gfr_l_h * drug.fup))


def _in_vivo_total(drug: DrugRecord, c: Capacities) -> float:
    return sum(
        plasma_clearance_of(w.law, c.reference.weight_kg)
        for w in drug.clearances
        if isinstance(w.law, InVivo) and w.organ in ("liver", "bile")
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
    law = way.law
    size = c.body.volume["small_intestine"] / c.reference.volume["small_intestine"]
    size *= activity(way.actor or "OTHER", "gut", c)
    if isinstance(law, Availability):
        flow, km = gut_flow(drug.absorption, c.reference, c.reference), unbound_km(law)
        return flow * (1.0 / stated(law) - 1.0) / drug.absorption.fu_gut * (1.0 if km is None else km) * size
    if isinstance(law, FromLiver):
        enzyme, like = c.enzymes[way.actor], drug.clearances[law.source]
        healthy = Capacities(c.reference, c.reference, c.enzymes, {})
        nmol = enzyme.liver_pmol_mg * microsomal_protein(30.0) * c.reference.liver_kg
        facilitated = _facilitated(drug.fup) if takes_up(like.law) else 1.0
        return _liver(like, drug, healthy) * like.scalar * facilitated * enzyme.gut_nmol / max(nmol, 1e-300) * size
    if isinstance(law, InVitro) and law.assay is not Assay.ORGAN:
        enzyme = c.enzymes[way.actor]
        per_pmol = stated(law) / (1.0 if law.assay is Assay.RECOMBINANT else max(enzyme.liver_pmol_mg, 1e-300))
        return per_pmol * enzyme.gut_nmol * 1000.0 * to_organ(law) * size
    return stated(law) * size


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
