"""A model with its problem written into it, so that a symbol of a table means what SBML says it means.

Formulas of observables and of their noise become assignment rules; ids that only the tables know become parameters; an
initial value that a condition sets becomes an initial assignment from a new parameter. libSBML parses the formulas and
the importer resolves them: a species' id is a concentration or an amount as its file declares it, a compartment's size
acts where it should, an initial assignment that depends on another follows it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin_service.fit.petab.tables import MeasurementRow, Tables
from twin_service.model.sbml import load
from twin_service.model.sbml.record import SbmlModel
from twin_service.outcome import Refusal, RefusalCode

_PLACEHOLDER: Final = re.compile(r"\b(observable|noise)Parameter(\d+)_(\w+)\b")


@dataclass(frozen=True)
class ConditionStart:
    """Where a condition writes the value of an entity.

    flag          parameter that says that it is written; empty where the entity has no other start
    compartment   the value is a concentration in it, the parameter an amount
    """

    parameter: str
    flag: str = ""
    compartment: str = ""


@dataclass(frozen=True)
class Extended:
    """The loaded model, and by what name it predicts; `starts` by the id that a condition sets."""

    model: SbmlModel
    starts: Mapping[str, ConditionStart]
    observables: Mapping[tuple[str, tuple[str, ...]], str]
    noises: Mapping[tuple[str, tuple[str, ...]], str]

    def observable_of(self, m: MeasurementRow) -> str:
        return self.observables[m.observable, m.observable_values]

    def noise_of(self, m: MeasurementRow) -> str:
        return self.noises[m.observable, (*m.observable_values, "|", *m.noise_values)]


def extend(tables: Tables) -> Extended:
    """The model of `tables` with outputs for every observable and noise formula.

    Raises Refusal for a formula that cannot be read, a placeholder without its value, a condition column that is no
    entity of the model.
    """
    libsbml = _library()
    document = libsbml.readSBMLFromFile(str(tables.sbml))
    if not tables.sbml.is_file() or document.getModel() is None:
        load(tables.sbml)  # its refusal names what is wrong
    if not document.setLevelAndVersion(3, 2, False):
        raise _refuse(tables, f"{tables.sbml.name} cannot be read as SBML Level 3 Version 2")
    writer = _Writer(libsbml, document.getModel(), tables)
    writer.declare(_named(tables))
    columns = sorted({c for cells in tables.conditions.values() for c in cells})
    starts = {c: writer.start(c) for c in columns}
    writer.follow()
    observables, noises = _formulas(writer, tables)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / tables.sbml.name
        libsbml.writeSBMLToFile(document, str(path))
        return Extended(load(path), starts, observables, noises)


def _named(tables: Tables) -> Iterable[str]:
    """Ids that tables may use as parameters of the model: those of the parameter table and of overrides."""
    yield from (p.id for p in tables.parameters)


Keys = dict[tuple[str, tuple[str, ...]], str]


def _formulas(writer: _Writer, tables: Tables) -> tuple[Keys, Keys]:
    observables: Keys = {}
    noises: Keys = {}
    for m in tables.measurements:
        o = tables.observables[m.observable]
        key = (m.observable, m.observable_values)
        if key not in observables:
            formula = _filled(tables, o.formula, m)
            observables[key] = writer.output(f"petab_observable_{len(observables)}", formula, f"observable {o.id}")
        spread = (m.observable, (*m.observable_values, "|", *m.noise_values))
        if spread not in noises:
            formula = re.sub(rf"\b{re.escape(o.id)}\b", observables[key], _filled(tables, o.noise, m))
            noises[spread] = writer.output(f"petab_noise_{len(noises)}", formula, f"noise of {o.id}")
    return observables, noises


def _filled(tables: Tables, formula: str, m: MeasurementRow) -> str:
    """`formula` with the measurement's own values in place of observableParameterN_... and noiseParameterN_..."""

    def value(match: re.Match[str]) -> str:
        given = m.observable_values if match[1] == "observable" else m.noise_values
        if match[3] != m.observable:
            raise _refuse(tables, f"{match[0]} stands in a formula of {m.observable}")
        if int(match[2]) > len(given):
            raise _refuse(
                tables,
                f"a measurement of {m.observable} at {m.time:g} under {m.condition} gives {len(given)} "
                f"{match[1]}Parameters; its formula needs {match[0]}",
            )
        return f"({given[int(match[2]) - 1]})"

    return _PLACEHOLDER.sub(value, formula)


class _Writer:
    """Adds parameters, rules and initial assignments to an SBML model."""

    def __init__(self, libsbml: Any, model: Any, tables: Tables) -> None:
        self.libsbml, self.model, self.tables = libsbml, model, tables
        self.moving = _moving(libsbml, model)
        self.settings = libsbml.L3ParserSettings()
        self.settings.setParseLog(libsbml.L3P_PARSE_LOG_AS_LN)  # PEtab's log is natural, the parser's default is not

    def declare(self, names: Iterable[str]) -> None:
        for name in names:
            if self.model.getElementBySId(name) is None:
                self._parameter(name)

    def start(self, name: str) -> ConditionStart:
        """How a condition sets `name`: directly where nothing moves it, else through a switch in its initial value."""
        element = self.model.getElementBySId(name)
        if element is None:
            raise _refuse(
                self.tables,
                f"condition column {name!r} is neither parameter, species nor compartment of {self.tables.sbml.name}",
            )
        if self.model.getAssignmentRuleByVariable(name) is not None:
            raise _refuse(self.tables, f"condition column {name!r} is determined by a rule of the model")
        species = element.getTypeCode() == self.libsbml.SBML_SPECIES
        assigned = self.model.getInitialAssignmentBySymbol(name)
        if name not in self.moving and assigned is None:
            size = element.getCompartment() if species and not element.getHasOnlySubstanceUnits() else ""
            return ConditionStart(name, compartment=size)
        given, flag = self._parameter(f"petab_start_{name}"), self._parameter(f"petab_given_{name}")
        own = self.libsbml.formulaToL3String(assigned.getMath()) if assigned is not None else _own_start(element)
        if assigned is not None:
            assigned.removeFromParentAndDelete()
        made = self.model.createInitialAssignment()
        made.setSymbol(name)
        made.setMath(self._math(f"piecewise({given}, {flag} > 0.5, {own})", f"condition column {name}"))
        return ConditionStart(given, flag=flag)

    def follow(self) -> None:
        """Let a constant that is computed from constants follow them when a fit or a condition changes them."""
        assignments = [self.model.getInitialAssignment(k) for k in range(self.model.getNumInitialAssignments())]
        for assignment in assignments:
            name = assignment.getSymbol()
            element = self.model.getElementBySId(name)
            if name in self.moving or element.getTypeCode() == self.libsbml.SBML_SPECIES:
                continue
            moved = sorted(_symbols(assignment.getMath()) & self.moving)
            if moved:
                raise _refuse(
                    self.tables, f"{name} is computed from the start of {moved[0]}, which a fit cannot follow"
                )
            rule = self.model.createAssignmentRule()
            rule.setVariable(name)
            rule.setMath(assignment.getMath().deepCopy())
            element.setConstant(False)
            assignment.removeFromParentAndDelete()

    def output(self, name: str, formula: str, where: str) -> str:
        math = self._math(formula, where)
        for used in _symbols(math):
            if self.model.getElementBySId(used) is None:
                raise _refuse(
                    self.tables, f"{where}: {used!r} in {formula!r} is neither of the model nor of the parameter table"
                )
        self._parameter(name)
        self.model.getParameter(name).setConstant(False)
        rule = self.model.createAssignmentRule()
        rule.setVariable(name)
        rule.setMath(math)
        return name

    def _math(self, formula: str, where: str) -> Any:
        math = self.libsbml.parseL3FormulaWithSettings(formula, self.settings)
        if math is None:
            why = self.libsbml.getLastParseL3Error().strip().splitlines()
            raise _refuse(self.tables, f"{where}: cannot read {formula!r} ({why[-1] if why else 'syntax'})")
        return math

    def _parameter(self, name: str) -> str:
        made = self.model.createParameter()
        made.setId(name)
        made.setConstant(True)
        made.setValue(0.0)
        return name


def _moving(libsbml: Any, model: Any) -> set[str]:
    """Ids that reactions, rate rules or events change."""
    reactions = [model.getReaction(k) for k in range(model.getNumReactions())]
    parts = [p for r in reactions for p in (*r.getListOfReactants(), *r.getListOfProducts())]
    touched = {p.getSpecies() for p in parts}
    fixed = {s.getId() for s in model.getListOfSpecies() if s.getBoundaryCondition() or s.getConstant()}
    rates = {r.getVariable() for r in model.getListOfRules() if r.isRate()}
    assigned = {a.getVariable() for e in model.getListOfEvents() for a in e.getListOfEventAssignments()}
    return (touched - fixed) | rates | assigned


def _own_start(element: Any) -> str:
    """The start that the file gives an entity, as a formula in the meaning of its id."""
    if not hasattr(element, "getHasOnlySubstanceUnits"):
        return repr(float(element.getValue() if hasattr(element, "getValue") else element.getSize()))
    by_amount = element.getHasOnlySubstanceUnits()
    if element.isSetInitialAmount():
        number = repr(float(element.getInitialAmount()))
        return number if by_amount else f"{number} / {element.getCompartment()}"
    number = repr(float(element.getInitialConcentration()) if element.isSetInitialConcentration() else 0.0)
    return f"{number} * {element.getCompartment()}" if by_amount else number


def _symbols(math: Any) -> set[str]:
    found = {math.getName()} if math.isName() and not math.isFunction() and math.getName() != "time" else set()
    for k in range(math.getNumChildren()):
        found |= _symbols(math.getChild(k))
    return found


def _library() -> Any:
    try:
        import libsbml
    except ImportError:
        raise Refusal(
            RefusalCode.PRECONDITION,
            "reading PEtab needs python-libsbml; install the extra `sbml`",
            reason="EXTRA_MISSING",
        ) from None
    return libsbml


def _refuse(tables: Tables, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{tables.name}: {message}", field=tables.name, reason="BAD_PETAB")
