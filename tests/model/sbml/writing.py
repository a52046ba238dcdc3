"""Small SBML files for tests, written from infix formulas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def write(path: Path, fill: Callable[[Any], None], *, level: int = 3, version: int = 2) -> Path:
    """A file whose model `fill` has filled in."""
    import libsbml

    document = libsbml.SBMLDocument(level, version)
    model = document.createModel()
    model.setId("small")
    fill(model)
    path.write_text(libsbml.writeSBMLToString(document))
    return path


def math(formula: str) -> Any:
    import libsbml

    node = libsbml.parseL3Formula(formula)
    assert node is not None, libsbml.getLastParseL3Error()
    return node


def compartment(model: Any, name: str, size: float, *, constant: bool = True) -> Any:
    c = model.createCompartment()
    c.setId(name)
    c.setSize(size)
    c.setSpatialDimensions(3)
    c.setConstant(constant)
    return c


def species(model: Any, name: str, concentration: float, *, where: str = "V", only_amount: bool = False) -> Any:
    s = model.createSpecies()
    s.setId(name)
    s.setCompartment(where)
    s.setInitialConcentration(concentration)
    s.setHasOnlySubstanceUnits(only_amount)
    s.setBoundaryCondition(False)
    s.setConstant(False)
    return s


def parameter(model: Any, name: str, value: float | None = None, *, constant: bool = False) -> Any:
    p = model.createParameter()
    p.setId(name)
    p.setConstant(constant)
    if value is not None:
        p.setValue(value)
    return p


def rate(model: Any, name: str, formula: str) -> None:
    rule = model.createRateRule()
    rule.setVariable(name)
    rule.setMath(math(formula))


def assign(model: Any, name: str, formula: str) -> None:
    rule = model.createAssignmentRule()
    rule.setVariable(name)
    rule.setMath(math(formula))


def start(model: Any, name: str, formula: str) -> None:
    a = model.createInitialAssignment()
    a.setSymbol(name)
    a.setMath(math(formula))


def algebraic(model: Any, formula: str) -> None:
    model.createAlgebraicRule().setMath(math(formula))


def reaction(model: Any, name: str, formula: str, reactants: dict[str, float], products: dict[str, float]) -> Any:
    r = model.createReaction()
    r.setId(name)
    r.setReversible(False)
    if model.getLevel() < 3 or model.getVersion() < 2:
        r.setFast(False)
    for make, parts in ((r.createReactant, reactants), (r.createProduct, products)):
        for own, amount in parts.items():
            reference = make()
            reference.setSpecies(own)
            reference.setStoichiometry(amount)
            reference.setConstant(True)
    r.createKineticLaw().setMath(math(formula))
    return r


def event(
    model: Any,
    trigger: str,
    assignments: dict[str, str],
    *,
    delay: str = "",
    priority: str = "",
    persistent: bool = True,
    initial: bool = True,
    at_trigger: bool = True,
) -> None:
    e = model.createEvent()
    e.setUseValuesFromTriggerTime(at_trigger)
    t = e.createTrigger()
    t.setMath(math(trigger))
    t.setPersistent(persistent)
    t.setInitialValue(initial)
    if delay:
        e.createDelay().setMath(math(delay))
    if priority:
        e.createPriority().setMath(math(priority))
    for name, formula in assignments.items():
        a = e.createEventAssignment()
        a.setVariable(name)
        a.setMath(math(formula))
