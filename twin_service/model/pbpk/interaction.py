"""One turnover equation for any number of perpetrators, and the inhibition of what an enzyme does.

    dE/dt = kdeg (1 + sum_i Emax_i I_i/(EC50_i + I_i) - sum_s ...) - (kdeg + sum_m kinact_m I_m/(K_m + I_m)) E     [1/h]
    v     = E Vmax Cu / (Km (1 + sum_c I_c/Ki_c) + Cu) / (1 + sum_n I_n/Ki_n)                    [umol/h]

E relative amount (1 untouched), I unbound concentrations where the enzyme is (umol/L). A drug does not inhibit itself
reversibly: that is what its Km says. Mechanism-based inactivation and induction act on the drug itself too.
Fahmi 2008, doi:10.1124/dmd.108.020602; Rowland Yeo 2010
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twin_service.model.pbpk import enzyme_action as action
from twin_service.model.pbpk.record import DrugRecord, Enzyme
from twin_service.model.pbpk.sheet import Sheet
from twin_service.solver import functions as fn

Site = tuple[str, str]


def saturable(enzyme: Any, vmax: Any, km: Any, *, cu: Any, competing: Any = 0.0, blocking: Any = 0.0) -> Any:
    """Michaelis-Menten rate (umol/h) with competitive (sum I/Ki) and non-competitive (sum I/Ki) inhibition."""
    return enzyme * vmax * cu / ((km * (1.0 + competing) + cu) * (1.0 + blocking))


def linear(enzyme: Any, clint: Any, *, cu: Any, competing: Any = 0.0, blocking: Any = 0.0) -> Any:
    """First-order rate (umol/h): Michaelis-Menten far below Km."""
    return enzyme * clint * cu / ((1.0 + competing) * (1.0 + blocking))


def turnover(enzyme: Any, kdeg: Any, *, synthesis: Any = 0.0, loss: Any = 0.0) -> Any:
    """dE/dt: relative synthesis (1 + synthesis), never below 0, and loss (1/h) beyond the natural kdeg."""
    return kdeg * fn.maximum(1.0 + synthesis, 0.0) - (kdeg + loss) * enzyme


def acts(drugs: Iterable[DrugRecord], target: str, organ: str) -> list[tuple[DrugRecord, action.EnzymeAction]]:
    """Every (drug, action) that hits `target` in `organ`."""
    return [(d, i.act) for d in drugs for i in d.interactions if i.target == target and organ in i.organs]


def inhibition(
    victim: DrugRecord, drugs: Sequence[DrugRecord], site: Site, unbound: Mapping[tuple[str, str], Any]
) -> tuple[Any, Any]:
    """(competing, blocking): sums of I/Ki by the other drugs at `site` = (target, organ)."""
    target, organ = site
    competing: Any = 0.0
    blocking: Any = 0.0
    for drug, act in acts(drugs, target, organ):
        concentration = unbound.get((drug.id, organ))
        if drug.id == victim.id or concentration is None:
            continue
        rivals, blockers = action.competing(act, concentration), action.blocking(act, concentration)
        competing = competing if rivals is None else competing + rivals
        blocking = blocking if blockers is None else blocking + blockers
    return competing, blocking


def write_turnover(
    sheet: Sheet,
    drugs: Sequence[DrugRecord],
    used: Iterable[Site],
    *,
    enzymes: Mapping[str, Enzyme],
    unbound: Mapping[tuple[str, str], Any],
) -> dict[Site, Any]:
    """The relative amount of every enzyme that is `used`; a state where any drug turns it over, else 1."""
    found: dict[Site, Any] = {}
    for target, organ in used:
        moving = [
            (d, a) for d, a in acts(drugs, target, organ) if isinstance(a, action.Turnover) and (d.id, organ) in unbound
        ]
        if not moving:
            found[target, organ] = 1.0
            continue
        name = f"{target.lower().replace('-', '')}_{organ}"
        amount = sheet.state(name, "1", initial=1.0, atol=1e-7)
        kdeg = enzymes[target].kdeg_gut if organ == "gut" else enzymes[target].kdeg_liver
        synthesis: Any = 0.0
        loss: Any = 0.0
        for drug, act in moving:
            i = unbound[drug.id, organ]
            match act:
                case action.MechanismBased():
                    loss = loss + action.loss(act, i)
                case action.Induction():
                    synthesis = synthesis + action.fold(act, i)
                case action.Suppression():
                    synthesis = synthesis - action.fold(act, i)
        sheet.add(name, turnover(amount, kdeg, synthesis=synthesis, loss=loss))
        found[target, organ] = amount
    return found
