"""What a drug file leaves to the body: its blood:plasma ratio, and the kidney's part of a total clearance.

A total plasma clearance is split before a body is built, so that what the file states comes back:
    CL_kidney = fe CL                                 fe, the fraction excreted unchanged, where it is stated
              = min(GFR fup (1 - r), CL)              else filtration less what the tubule takes back
    r         = 1/(1 + 10^-(logD7.4 + 0.5))           lipophilic drug returns as water is reabsorbed; 0 above 500 g/mol
    CL_liver  = CL - CL_kidney
Reabsorption by lipophilicity: Varma 2009, doi:10.1021/jm900403j (net reabsorption
where logD7.4 is above 0; the curve is an assumption: half at -0.5).
"""

from __future__ import annotations

from dataclasses import replace

from twin_service.model.pbpk.clearance import Clearance, FromLiver, InVivo, plasma_clearance_of
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.partition import PH_PLASMA, log_d
from twin_service.model.pbpk.physiology import Body
from twin_service.model.pbpk.record import DrugRecord, SpeciesRecord

LARGE_G_MOL, HALF_REABSORBED_LOG_D = 500.0, -0.5


def settle(drug: DrugRecord, species: SpeciesRecord) -> DrugRecord:
    """`drug` with its blood:plasma ratio filled in and every total clearance split between liver and kidney."""
    body = reference_body(species)
    bp = drug.bp if drug.bp is not None else disposition(drug, species, body, body).bp
    ways: list[Clearance] = []
    first = []
    for way in drug.clearances:
        first.append(len(ways))
        ways += _split(drug, way, way.law, body) if way.organ == "total" and isinstance(way.law, InVivo) else [way]
    # A gut wall that does what a liver row does keeps pointing at that row, of its own enzyme.
    ways = [
        replace(w, law=replace(w.law, source=_liver_row(ways, first[w.law.source], w.enzyme)))
        if isinstance(w.law, FromLiver)
        else w
        for w in ways
    ]
    return replace(drug, bp=bp, clearances=tuple(ways))


def _split(drug: DrugRecord, way: Clearance, law: InVivo, body: Body) -> list[Clearance]:
    total = plasma_clearance_of(law, body.weight_kg)
    renal = total * law.unchanged if law.unchanged is not None else min(renal_share(drug) * body.gfr_l_h, total)
    shares = law.shares or ((way.enzyme, 1.0),)
    rest = 1.0 - sum(share for _, share in shares)
    shares += (("OTHER", rest),) if rest > 1e-9 else ()
    rows = [("liver", enzyme, share * (total - renal)) for enzyme, share in shares] + [("kidney", "", renal)]
    found = []
    for organ, enzyme, value in rows:
        own = InVivo(replace(law.clearance, value=value, unit="L/h"), km=law.km)
        row = replace(way, organ=organ, enzyme=enzyme, name=enzyme or organ, law=own)
        found.append(row if organ == "liver" else replace(row, forms="", law=replace(own, km=None)))
    return found


def _liver_row(ways: list[Clearance], first: int, enzyme: str) -> int:
    return next(k for k, w in enumerate(ways) if k >= first and w.organ == "liver" and w.enzyme == enzyme)


def renal_share(drug: DrugRecord) -> float:
    """Clearance of filtered drug over GFR, 1: fup times what the tubule does not take back."""
    return drug.gfr_fraction * drug.fup * (1.0 - reabsorbed(drug))


def reabsorbed(drug: DrugRecord) -> float:
    """The share of filtered drug that diffuses back, 1; see the module."""
    if drug.molar_mass > LARGE_G_MOL:
        return 0.0
    return float(1.0 / (1.0 + 10.0 ** -(log_d(drug, PH_PLASMA) - HALF_REABSORBED_LOG_D)))
