"""A whole body with any number of drugs that compete for, block, destroy and induce the same enzymes: one open block.

Every drug circulates through every organ; enzymes, transporters, blood flows and the person are shared. Inside h, L,
umol. Outputs `<drug>_plasma`, `<drug>_plasma_unbound`, `<drug>_<organ>` ... and, for the first drug, `plasma` and
`plasma_unbound`, which diseases and toxicities are wired to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from twin_service.model.pbpk.absorption import write_gallbladder, write_gut
from twin_service.model.pbpk.circulation import circulate
from twin_service.model.pbpk.clearance import Clearance, unbound_km
from twin_service.model.pbpk.covariates import body_warnings, covariates_of
from twin_service.model.pbpk.dosage import Formulation
from twin_service.model.pbpk.individual import BodyPlan, individual_values
from twin_service.model.pbpk.interaction import inhibition, linear, saturable, write_turnover
from twin_service.model.pbpk.library import Library, load_library
from twin_service.model.pbpk.outputs import endpoints_of, inputs_of, observables_of, outputs_of, route_of
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.pbpk.sheet import Sheet
from twin_service.model.pbpk.site import DrugSite
from twin_service.model.pbpk.variability import effects_of, factor
from twin_service.model.structure import Block
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.expression import Expression, constant
from twin_service.solver.system import Input, Parameter

# A meal empties the gallbladder; given as 1 at its time.
MEAL = Input("meal", "meal", "meal")


def build_pbpk(drug: str | DrugRecord, library: Library | None = None, **settings: object) -> Block:
    """The block of one drug and the metabolites its file names; see `build_body`."""
    return build_body([drug], library, **settings)  # type: ignore[arg-type]


def build_body(
    drugs: Sequence[str | DrugRecord],
    library: Library | None = None,
    *,
    species: str = "human",
    formulations: Mapping[str, str] | None = None,
    routes: Sequence[str] = ("iv", "oral", "sc", "im"),
    metabolites: bool = True,
    name: str = "",
) -> Block:
    """The open block of `drugs` in one body of `species`.

    formulations  drug id -> dosage form for the route "oral" (default: the first in the drug's file)
    routes        routes that doses may take; leaving "oral" out saves the gut's states
    metabolites   whether drugs that a clearance forms come along

    Raises Refusal for an unknown drug, species or formulation.
    """
    library = library or load_library()
    if species not in library.species:
        raise _refuse("species", f"{species!r} is unknown; known: {', '.join(library.species)}")
    records = _with_metabolites([library.drug(d) if isinstance(d, str) else d for d in drugs], library, metabolites)
    plan = BodyPlan(library, species, tuple(records), _chosen(records, formulations or {}), frozenset(routes))
    sheet = Sheet()
    sites = [_write_drug(sheet, r, plan) for r in records]
    _write_elimination(sheet, sites, plan)
    values = individual_values(plan, {})
    effects = tuple(e for r in records for e in effects_of(r))
    inputs = [(s, u) for s in sites for u in inputs_of(sheet, s)]
    outputs = outputs_of(sheet, sites, library.species[species])
    return Block(
        id=name or "pbpk_" + "_".join(r.id for r in records),
        version="+".join([library.species[species].version, *(r.version for r in records)]),
        states=sheet.states(),
        parameters=(*sheet.filled(values), *(Parameter(e.name, "1", 0.0) for e in effects)),
        outputs=outputs,
        inputs=tuple(u for _, u in inputs) + ((MEAL,) if "meal" in sheet.rates else ()),
        effects=effects,
        observables=tuple(o for s in sites for o in observables_of(s.drug)),
        routes=tuple(route_of(s.drug, u) for s, u in inputs),
        covariates=covariates_of(plan),
        endpoints=tuple(e for s in sites for e in endpoints_of(s.drug)),
        individualize=partial(individual_values, plan),
        warnings=partial(body_warnings, plan),
    )


def _with_metabolites(records: list[DrugRecord], library: Library, follow: bool) -> list[DrugRecord]:
    """`records` and, breadth first, every drug their clearances form."""
    found = {r.id: r for r in records}
    queue = list(records) if follow else []
    while queue:
        for way in queue.pop(0).clearances:
            if way.forms and way.forms not in found and way.forms in library.drug_paths:
                found[way.forms] = library.drug(way.forms)
                queue.append(found[way.forms])
    if not found:
        raise _refuse("drugs", "is empty; name at least one drug")
    return list(found.values())


def _chosen(records: Sequence[DrugRecord], wanted: Mapping[str, str]) -> dict[str, Formulation]:
    for drug in wanted:
        if drug not in {r.id for r in records}:
            raise _refuse("formulations", f"{drug!r} is not among the drugs: {', '.join(r.id for r in records)}")
    found = {}
    for record in records:
        forms = {f.id: f for f in record.formulations} | {"solution": Formulation("solution", "solution")}
        form = wanted.get(record.id, record.formulations[0].id)
        if form not in forms:
            raise _refuse(f"formulations.{record.id}", f"{form!r} is unknown; known: {', '.join(forms)}")
        found[record.id] = forms[form]
    return found


def _write_drug(sheet: Sheet, drug: DrugRecord, plan: BodyPlan) -> DrugSite:
    species = plan.library.species[plan.species]
    spread = factor(drug, "distribution", inverse=True)
    blood = circulate(sheet, drug, species, spread)
    for sink in ("urine", "metabolized"):
        sheet.state(f"{drug.id}_{sink}")
    if "oral" not in plan.routes or not _is_dosed(drug, plan):
        return DrugSite(drug, blood, None)
    arterial_unbound = blood.arterial * sheet.parameter(f"{drug.id}_cu_arterial", "1/L")
    gut = write_gut(
        sheet,
        drug,
        plan.formulations[drug.id],
        wall=_has_wall(drug, plan.drugs),
        arterial_unbound=arterial_unbound,
        effects=(factor(drug, "permeability"), factor(drug, "gastric_emptying")),
    )
    return DrugSite(drug, blood, gut)


def _is_dosed(drug: DrugRecord, plan: BodyPlan) -> bool:
    """A metabolite that only forms inside the body needs no gut, unless another drug's gut wall forms it."""
    return not any(w.forms == drug.id for d in plan.drugs for w in d.clearances) or bool(drug.absorption.ka)


def _has_wall(drug: DrugRecord, drugs: Sequence[DrugRecord]) -> bool:
    """Enterocytes are needed for metabolism and transport there, and for acting there on what another drug uses."""
    used = {w.enzyme or w.transporter for d in drugs for w in d.clearances if w.organ == "gut"}
    return any(w.organ == "gut" for w in drug.clearances) or any(
        i.target in used and "gut" in i.organs for i in drug.interactions
    )


def _write_elimination(sheet: Sheet, sites: Sequence[DrugSite], plan: BodyPlan) -> None:
    unbound: dict[tuple[str, str], Expression] = {}
    for site in sites:
        for organ in ("liver", "kidney"):
            unbound[site.drug.id, organ] = site.blood.unbound[organ]
        if site.gut is not None and site.gut.unbound is not None:
            unbound[site.drug.id, "gut"] = site.gut.unbound
    ways = [(s, i, w) for s in sites for i, w in enumerate(s.drug.clearances) if _is_possible(s, w)]
    used = dict.fromkeys((w.enzyme or w.transporter, _place(w.organ)) for _, _, w in ways if w.enzyme or w.transporter)
    amounts = write_turnover(sheet, plan.drugs, used, enzymes=plan.library.enzymes, unbound=unbound)
    for site, i, way in ways:
        rate = _rate(sheet, (site, i, way), plan, amounts, unbound)
        _send(sheet, site, way, rate)
    for site in sites:
        if site.drug.gfr_fraction > 0:
            filtered = site.blood.arterial * (
                sheet.parameter(f"{site.drug.id}_filtration", "1/h") * factor(site.drug, "renal")
            )
            sheet.move(filtered, f"{site.drug.id}_kidney", f"{site.drug.id}_urine")


def _is_possible(site: DrugSite, way: Clearance) -> bool:
    return way.organ != "gut" or (site.gut is not None and site.gut.unbound is not None)


def _place(organ: str) -> str:
    """Bile is made by the liver: its transporters sit there."""
    return "liver" if organ == "bile" else organ


def _rate(
    sheet: Sheet,
    way: tuple[DrugSite, int, Clearance],
    plan: BodyPlan,
    amounts: Mapping[tuple[str, str], Expression],
    unbound: Mapping[tuple[str, str], Expression],
) -> Expression:
    site, i, c = way
    d = site.drug
    if c.organ == "plasma":
        return site.blood.arterial * sheet.parameter(f"{d.id}_cl{i}", "1/h") * factor(d, "clint")
    place, target = _place(c.organ), c.enzyme or c.transporter
    cu = unbound[d.id, place]
    competing, blocking = inhibition(d, plan.drugs, (target, place), unbound)
    km = unbound_km(c.law)
    spread = factor(d, {"kidney": "renal", "gut": "gut"}.get(c.organ, "clint"))
    if c.organ == "gut":
        spread = spread * factor(d, "clint")
    size = sheet.parameter(f"{d.id}_cl{i}", "L/h" if km is None else "umol/h") * spread
    enzyme = amounts.get((target, place), constant(1.0))
    if km is not None:
        return saturable(enzyme, size, km, cu=cu, competing=competing, blocking=blocking)  # type: ignore[no-any-return]
    return linear(enzyme, size, cu=cu, competing=competing, blocking=blocking)  # type: ignore[no-any-return]


def _send(sheet: Sheet, site: DrugSite, way: Clearance, rate: Expression) -> None:
    """Take `rate` from where it happens to where it goes: a metabolite, a sink or back to the lumen."""
    d = site.drug.id
    source = {
        "liver": f"{d}_liver",
        "bile": f"{d}_liver",
        "kidney": f"{d}_kidney",
        "gut": f"{d}_enterocyte",
        "plasma": f"{d}_arterial",
    }[way.organ]
    if source == f"{d}_liver" and "liver" in site.drug.permeability:
        source = f"{d}_liver_cell"
    if way.organ == "kidney":
        sheet.move(rate, source, f"{d}_urine")
    elif way.organ == "bile":
        sheet.state(f"{d}_feces")
        if site.gut is not None:
            write_gallbladder(sheet, site.drug, rate, source)
        else:
            sheet.move(rate, source, f"{d}_feces")
    elif way.organ == "gut" and way.transporter:
        sheet.move(rate, source, f"{d}_lumen_3")
    elif way.forms and f"{way.forms}_liver" in sheet.rates:
        target = (
            f"{way.forms}_enterocyte"
            if f"{way.forms}_enterocyte" in sheet.rates and way.organ == "gut"
            else f"{way.forms}_liver"
        )
        formed = rate * way.share
        sheet.move(formed, source, target)
        if way.share < 1.0:
            sheet.move(rate * (1.0 - way.share), source, f"{d}_metabolized")
    else:
        sheet.move(rate, source, f"{d}_metabolized")


def with_values(record: DrugRecord, **values: object) -> DrugRecord:
    """`record` with other values, e.g. kp_scalar or vss_l_kg, for sensitivity and fitting."""
    return replace(record, **values)  # type: ignore[arg-type]


def _refuse(field: str, message: str) -> Refusal:
    return Refusal(
        RefusalCode.NOT_FOUND if "unknown" in message else RefusalCode.INVALID,
        f"{field}: {message}",
        field=field,
        reason="BAD_BODY",
    )
