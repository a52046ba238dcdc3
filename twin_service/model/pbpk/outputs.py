"""What a body shows and takes: outputs, dose inputs, routes, drug levels and therapeutic windows.

Plasma is read from arterial blood: an infusion into the central vein shows once it has circulated, and an arm vein
follows the arteries within minutes.
"""

from __future__ import annotations

from twin_service.model.domain import with_dose_domain
from twin_service.model.pbpk.record import DrugRecord, SpeciesRecord
from twin_service.model.pbpk.sheet import Sheet
from twin_service.model.pbpk.site import DrugSite
from twin_service.model.structure import DoseRoute, Endpoint, ErrorLaw, Observable
from twin_service.solver.expression import Expression, constant, symbol
from twin_service.solver.system import Input, Output

SINKS = ("urine", "metabolized", "feces")


def outputs_of(sheet: Sheet, sites: list[DrugSite], species: SpeciesRecord) -> tuple[Output, ...]:
    """Plasma (total, unbound, mg/L), every organ (umol/L), amounts eliminated and in the body (umol), enzymes (1)."""
    found: list[Output] = []
    for k, site in enumerate(sites):
        d = site.drug.id
        plasma = plasma_of(sheet, site, species)
        unbound = plasma * sheet.parameter(f"{d}_fup", "1")
        if k == 0:
            found += [Output("plasma", "umol/L", plasma), Output("plasma_unbound", "umol/L", unbound)]
        found += [
            Output(f"{d}_plasma", "umol/L", plasma),
            Output(f"{d}_plasma_unbound", "umol/L", unbound),
            Output(f"{d}_level", "mg/L", plasma * (site.drug.molar_mass / 1000.0)),
            Output(
                f"{d}_arterial_plasma",
                "umol/L",
                symbol(f"{d}_arterial") * sheet.parameter(f"{d}_plasma_arterial", "1/L"),
            ),
            Output(
                f"{d}_venous_plasma", "umol/L", symbol(f"{d}_venous") * sheet.parameter(f"{d}_plasma_venous", "1/L")
            ),
        ]
        for organ in species.organ_ids:
            amount = symbol(f"{d}_{organ}")
            if f"{d}_{organ}_cell" in sheet.rates:
                amount = amount + symbol(f"{d}_{organ}_cell")
            found.append(Output(f"{d}_{organ}", "umol/L", amount * sheet.parameter(f"{d}_vol_{organ}", "1/L")))
            found.append(Output(f"{d}_{organ}_unbound", "umol/L", site.blood.unbound[organ]))
        found += [Output(f"{d}_{s}", "umol", symbol(f"{d}_{s}")) for s in SINKS if f"{d}_{s}" in sheet.rates]
        gone = {f"{d}_{s}" for s in SINKS}
        held = [n for n in sheet.rates if n.startswith(f"{d}_") and n not in gone and sheet.units[n][0] == "umol"]
        found.append(Output(f"{d}_in_body", "umol", _sum([symbol(n) for n in held])))
    enzymes = [n for n, (unit, _, _) in sheet.units.items() if unit == "1"]
    return tuple(found) + tuple(Output(n, "1", symbol(n)) for n in enzymes)


def plasma_of(sheet: Sheet, site: DrugSite, species: SpeciesRecord) -> Expression:
    """Plasma concentration, umol/L."""
    d = site.drug.id
    arterial = symbol(f"{d}_arterial") * sheet.parameter(f"{d}_plasma_arterial", "1/L")
    return arterial


def inputs_of(sheet: Sheet, site: DrugSite) -> tuple[Input, ...]:
    """Dose inputs: iv always; oral (the chosen form) and oral_solution; sc and im where their rates are known."""
    drug, gut = site.drug, site.gut
    d, a = drug.id, site.drug.absorption
    found = [Input(f"{d}_iv", "umol", f"{d}_venous")]
    if gut is not None:
        fraction, form = constant(a.fraction_absorbed), gut.formulation
        found.append(Input(f"{d}_oral", "umol", gut.solid, fraction * form.available, constant(form.lag_h)))
        if form.law != "solution":
            found.append(Input(f"{d}_oral_solution", "umol", gut.dissolved, fraction))
    for depot, rate, available in (("sc", a.sc_ka, a.sc_available), ("im", a.im_ka, a.im_available)):
        if rate is not None:
            amount = sheet.state(f"{d}_{depot}_depot")
            sheet.move(amount * sheet.parameter(f"{d}_{depot}_ka", "1/h"), f"{d}_{depot}_depot", f"{d}_venous")
            found.append(Input(f"{d}_{depot}", "umol", f"{d}_{depot}_depot", constant(available)))
    return tuple(found)


def route_of(drug: DrugRecord, entry: Input) -> DoseRoute:
    route = DoseRoute(drug.id, entry.name.removeprefix(f"{drug.id}_"), entry.name, drug.umol_per_mg)
    return with_dose_domain(route, drug.domain)


def observables_of(drug: DrugRecord) -> tuple[Observable, ...]:
    """The drug's level in mg/L under its own id."""
    law = ErrorLaw(additive=drug.error_additive, proportional=drug.error_proportional)
    return (Observable(drug.id, f"{drug.id}_level", "mg/L", law, f"{drug.title}, plasma"),)


def endpoints_of(drug: DrugRecord) -> tuple[Endpoint, ...]:
    """Levels above (toxic) and below (without effect) each therapeutic window."""
    found = []
    for k, w in enumerate(drug.windows):
        number = "" if k == 0 else f"_{k + 1}"
        if w.high is not None:
            found.append(
                Endpoint(
                    f"{drug.id}_high{number}",
                    f"{drug.id}_level",
                    "mg/L",
                    "above",
                    w.high,
                    f"{drug.title} above {w.high:g} mg/L",
                )
            )
        if w.low is not None:
            found.append(
                Endpoint(
                    f"{drug.id}_low{number}",
                    f"{drug.id}_level",
                    "mg/L",
                    "below",
                    w.low,
                    f"{drug.title} below {w.low:g} mg/L",
                    harmful=False,
                )
            )
    return tuple(found)


def _sum(terms: list[Expression]) -> Expression:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
