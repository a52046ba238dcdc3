"""From libSBML's objects to a draft: quantities, rules, reactions and events with ids as symbols."""

from __future__ import annotations

import math
from typing import Any

from twin_service.model.sbml.document import OpenedDocument
from twin_service.model.sbml.mathml import FormulaScope, convert, name_of, number, truth
from twin_service.model.sbml.record import Draft, Happening, Reaction, SbmlQuantity, SpeciesPart
from twin_service.model.sbml.refusal import refuse, unsupported
from twin_service.solver.expression import Expression, constant, symbol

_ONE, _ZERO = constant(1.0), constant(0.0)
_NAN = float("nan")


def collect(opened: OpenedDocument) -> Draft:
    """The draft of an opened model. Raises Refusal for delay(), fast reactions and formulas without meaning."""
    model = opened.model
    draft = Draft(opened.file, model.getId() or "model")
    functions = {f.getId(): f for f in _each(model.getListOfFunctionDefinitions())}
    scope = FormulaScope(opened.file, "", functions)
    _compartments(model, draft)
    _species(model, draft)
    for p in _each(model.getListOfParameters()):
        value = p.getValue() if p.isSetValue() else _NAN
        _add(draft, SbmlQuantity(name_of(p.getId()), p.getName(), "parameter", p.getUnits(), value, p.getConstant()))
    for r in _each(model.getListOfReactions()):
        _reaction(r, draft, scope)
    _assignments(model, draft, scope)
    for i, e in enumerate(_each(model.getListOfEvents())):
        _event(e, i, draft, scope)
    return draft


def _each(items: Any) -> list[Any]:
    return [items.get(i) for i in range(items.size())]


def _add(draft: Draft, quantity: SbmlQuantity) -> None:
    if quantity.id in draft.quantities:
        raise refuse(draft.file, f"{quantity.kind} {quantity.id}", "has the id of another element", "rename one")
    draft.quantities[quantity.id] = quantity


def _compartments(model: Any, draft: Draft) -> None:
    for c in _each(model.getListOfCompartments()):
        size = c.getSize() if c.isSetSize() else _NAN
        if c.getSpatialDimensions() == 0 and not c.isSetSize():
            size = 1.0
        _add(draft, SbmlQuantity(name_of(c.getId()), c.getName(), "compartment", c.getUnits(), size, c.getConstant()))


def _species(model: Any, draft: Draft) -> None:
    dimensions = {c.getId(): c.getSpatialDimensionsAsDouble() for c in _each(model.getListOfCompartments())}
    for s in _each(model.getListOfSpecies()):
        is_amount = not s.isSetInitialConcentration()
        value = s.getInitialAmount() if s.isSetInitialAmount() else _NAN
        value = value if is_amount else s.getInitialConcentration()
        point = dimensions.get(s.getCompartment()) == 0 and model.getLevel() < 3
        quantity = SbmlQuantity(
            name_of(s.getId()),
            s.getName(),
            "species",
            s.getSubstanceUnits(),
            value,
            s.getConstant(),
            name_of(s.getCompartment()),
            is_amount,
            s.getHasOnlySubstanceUnits() or point,
            s.getBoundaryCondition(),
        )
        _add(draft, quantity)
        if s.isSetConversionFactor() or model.isSetConversionFactor():
            factor = s.getConversionFactor() if s.isSetConversionFactor() else model.getConversionFactor()
            draft.factors[quantity.id] = symbol(name_of(factor))


def _formula(owner: Any, scope: FormulaScope, element: str) -> Expression | None:
    """The number an element's math gives; None where the file has none."""
    if owner is None or not owner.isSetMath():
        return None
    return number(convert(owner.getMath(), FormulaScope(scope.file, element, scope.functions, scope.local)))


def _reaction(r: Any, draft: Draft, scope: FormulaScope) -> None:
    name = name_of(r.getId())
    element = f"reaction {r.getId()}"
    if r.isSetFast() and r.getFast():
        raise unsupported(draft.file, element, "is fast (in instant equilibrium)", "write it as an algebraic rule")
    law = r.getKineticLaw()
    parameters = [] if law is None else [*_each(law.getListOfParameters()), *_each(law.getListOfLocalParameters())]
    local: dict[str, Expression] = {}
    for p in parameters:
        own = f"{name}_{p.getId()}"
        while own in draft.local or own in draft.quantities:
            own += "_"
        draft.local[own] = p.getValue() if p.isSetValue() else _NAN
        local[name_of(p.getId())] = symbol(own)
    rate = _formula(law, FormulaScope(scope.file, element, scope.functions, local), element)
    parts = [_part(x, -1.0, draft, scope, element) for x in _each(r.getListOfReactants())]
    parts += [_part(x, 1.0, draft, scope, element) for x in _each(r.getListOfProducts())]
    if name in draft.quantities:
        raise refuse(draft.file, element, "has the id of another element", "rename one")
    draft.reactions.append(Reaction(name, rate, tuple(parts)))


def _part(x: Any, sign: float, draft: Draft, scope: FormulaScope, element: str) -> SpeciesPart:
    species = name_of(x.getSpecies())
    if species not in draft.quantities:
        raise refuse(draft.file, element, f"uses the species {x.getSpecies()!r}, which is not defined", "define it")
    level = x.getLevel()
    value = x.getStoichiometry() if level < 3 or x.isSetStoichiometry() else _NAN
    math_ = x.getStoichiometryMath() if level == 2 and x.isSetStoichiometryMath() else None
    if math_ is not None:
        formula = _formula(math_, scope, element)
        stoichiometry = _ONE if formula is None else formula
    else:
        stoichiometry = constant(value)
    if not x.isSetId():
        return SpeciesPart(species, sign, stoichiometry)
    own = name_of(x.getId())
    _add(draft, SbmlQuantity(own, x.getName(), "stoichiometry", "dimensionless", value, level < 3 or x.getConstant()))
    if math_ is not None:
        draft.assigned[own] = stoichiometry
    return SpeciesPart(species, sign, symbol(own))


def _assignments(model: Any, draft: Draft, scope: FormulaScope) -> None:
    for a in _each(model.getListOfInitialAssignments()):
        formula = _formula(a, scope, f"initial assignment of {a.getSymbol()}")
        if formula is not None:
            draft.starts[_known(draft, a.getSymbol(), "initial assignment")] = formula
    for i, rule in enumerate(_each(model.getListOfRules())):
        element = f"algebraic rule {i + 1}" if rule.isAlgebraic() else f"rule of {rule.getVariable()}"
        formula = _formula(rule, scope, element)
        if formula is None:
            continue
        if rule.isAlgebraic():
            draft.residuals.append((element, formula))
        elif rule.isRate():
            draft.rates[_known(draft, rule.getVariable(), "rate rule")] = formula
        else:
            draft.assigned[_known(draft, rule.getVariable(), "assignment rule")] = formula


def _known(draft: Draft, sbml_id: str, what: str) -> str:
    name = name_of(sbml_id)
    if name not in draft.quantities:
        raise refuse(
            draft.file,
            f"{what} of {sbml_id}",
            f"{sbml_id!r} is not a species, compartment, parameter or stoichiometry of the model",
            "define it or correct the id",
        )
    return name


def _event(e: Any, index: int, draft: Draft, scope: FormulaScope) -> None:
    element = f"event {e.getId() or index + 1}"
    trigger = e.getTrigger()
    condition = None if trigger is None else _formula(trigger, scope, element)
    if condition is None:
        return
    assignments = []
    for a in _each(e.getListOfEventAssignments()):
        formula = _formula(a, scope, element)
        if formula is not None:
            assignments.append((_known(draft, a.getVariable(), element), formula))
    third = e.getLevel() >= 3
    delay = _formula(e.getDelay(), scope, element)
    draft.happenings.append(
        Happening(
            e.getId() or f"event_{index + 1}",
            truth(condition),
            tuple(assignments),
            _ZERO if delay is None else delay,
            _formula(e.getPriority(), scope, element) if third else None,
            trigger.getPersistent() if third else True,
            trigger.getInitialValue() if third else True,
            e.getUseValuesFromTriggerTime(),
        )
    )


def has_literal_nonfinite(draft: Draft) -> bool:
    """Whether the file itself writes an infinite or undefined number, or leaves a value out."""
    from twin_service.solver.expression import walk

    roots = [*draft.starts.values(), *draft.assigned.values(), *draft.rates.values()]
    roots += [r for _, r in draft.residuals] + [r.rate for r in draft.reactions if r.rate is not None]
    roots += [a for h in draft.happenings for _, a in h.assignments]
    values = [q.value for q in draft.quantities.values()] + [n.value for n in walk(roots) if n.op == "const"]
    return not all(math.isfinite(v) for v in values)
