"""The least SBML that carries a system of ours to another simulator: parameters, rate rules, initial values."""

from __future__ import annotations

from twin_service.solver.expression import Expression, walk
from twin_service.solver.system import System

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "^"}


def to_sbml(system: System) -> str:
    """SBML Level 3 text; states and parameters become parameters, rates become rate rules."""
    import libsbml

    document = libsbml.SBMLDocument(3, 1)
    model = document.createModel()
    model.setId(system.name)
    for p in system.parameters:
        _parameter(model, p.name, p.value, constant=True)
    for s in system.states:
        _parameter(model, s.name, 0.0, constant=False)
        rule = model.createRateRule()
        rule.setVariable(s.name)
        rule.setMath(libsbml.parseL3Formula(formula(s.rate)))
        start = model.createInitialAssignment()
        start.setSymbol(s.name)
        start.setMath(libsbml.parseL3Formula(formula(s.initial)))
    return str(libsbml.writeSBMLToString(document))


def formula(root: Expression) -> str:
    """Infix text; refuses what the reference problem does not need."""
    text: dict[int, str] = {}
    for node in walk([root]):
        if node.op == "const":
            text[id(node)] = repr(node.value)
        elif node.op == "symbol":
            text[id(node)] = node.name
        elif node.op == "neg":
            text[id(node)] = f"(-{text[id(node.args[0])]})"
        else:
            a, b = (text[id(x)] for x in node.args)
            text[id(node)] = f"({a} {_INFIX[node.op]} {b})"
    return text[id(root)]


def _parameter(model: object, name: str, value: float, *, constant: bool) -> None:
    p = model.createParameter()  # type: ignore[attr-defined]
    p.setId(name)
    p.setValue(value)
    p.setConstant(constant)
