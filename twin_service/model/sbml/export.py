"""A System as SBML Level 3 Version 2: states and parameters are parameters, rates are rate rules, doses are events.

Ids are the names made plain; each element keeps its own name and its unit (in its notes). Time is in the model's unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from twin_service.model.sbml.dosing import SbmlDosing, dose_course
from twin_service.model.sbml.formula import FormulaWriter, Names
from twin_service.model.sbml.refusal import unsupported
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.expression import Expression, symbol
from twin_service.solver.schedule import NOTHING, Schedule
from twin_service.solver.system import StateEvent, System


def export(system: System, *, schedule: Schedule = NOTHING, parameters: Mapping[str, float] | None = None) -> str:
    """SBML text of `system` with its doses, and with `parameters` in place of defaults.

    Raises Refusal for steady-state doses, resets and changes of parameters, which SBML has no word for, and for
    parameters the system does not have.
    """
    import libsbml

    unknown = sorted(set(parameters or {}) - set(system.parameter_index))
    if unknown:
        raise Refusal(
            RefusalCode.INVALID,
            f"system {system.name!r} has no parameter {unknown[0]!r}; correct the name",
            field="parameters",
        )
    course = dose_course(system, schedule)
    names = Names()
    for name in (*(s.name for s in system.states), *(p.name for p in system.parameters), *course.rates):
        names.add(name)
    outputs = [(names.add(o.name), o) for o in system.outputs if o.expression is not symbol(o.name)]
    events = (*system.events, *course.events)
    writer = FormulaWriter(names, _roots(system, course, events))
    document = libsbml.SBMLDocument(3, 2)
    sheet = _Sheet(document.createModel(), names, writer)
    sheet.model.setId(Names().add(system.name))
    sheet.model.setName(system.name)
    _equations(system, course, sheet, dict(parameters or {}))
    for own, output in outputs:
        sheet.assigned(own, output.name, output.unit, writer.formula(output.expression))
    for own, text in writer.shared:
        sheet.assigned(own, own, "", text)
    for event in events:
        _event(event, sheet)
    return str(libsbml.writeSBMLToString(document))


def _roots(system: System, course: SbmlDosing, events: tuple[StateEvent, ...]) -> list[Expression]:
    roots = [s.rate for s in system.states] + [s.initial for s in system.states]
    roots += [o.expression for o in system.outputs]
    roots += [symbol(n) for n in course.rates]
    for e in events:
        roots += [e.trigger, e.delay, *(_value(e, n) for n in e.assignments)]
        roots += [] if e.priority is None else [e.priority]
    return roots


def _value(event: StateEvent, name: str) -> Expression:
    value = event.assignments[name]
    return value * event.factors[name] if name in event.factors else value


def _equations(system: System, course: SbmlDosing, sheet: _Sheet, values: dict[str, float]) -> None:
    changed = {n for e in system.events for n in e.assignments}
    for p in system.parameters:
        value = values.get(p.name, p.value)
        sheet.parameter(sheet.names.ids[p.name], p.name, p.unit, value, constant=p.name not in changed)
    for name in course.rates:
        sheet.parameter(sheet.names.ids[name], name, "", 0.0, constant=False)
    for s in system.states:
        own = sheet.names.ids[s.name]
        sheet.parameter(own, s.name, s.unit, None, constant=False)
        start = sheet.model.createInitialAssignment()
        start.setSymbol(own)
        start.setMath(_math(sheet.writer.formula(s.initial)))
        rule = sheet.model.createRateRule()
        rule.setVariable(own)
        infused = [sheet.names.ids[n] for n, state in course.rates.items() if state == s.name]
        rule.setMath(_math(" + ".join([sheet.writer.formula(s.rate), *infused])))


class _Sheet:
    """The model being written."""

    def __init__(self, model: Any, names: Names, writer: FormulaWriter) -> None:
        self.model, self.names, self.writer = model, names, writer

    def parameter(self, own: str, name: str, unit: str, value: float | None, *, constant: bool) -> None:
        p = self.model.createParameter()
        p.setId(own)
        p.setName(name)
        p.setConstant(constant)
        if value is not None:
            p.setValue(value)
        if unit:
            p.setNotes(f'<p xmlns="http://www.w3.org/1999/xhtml">unit: {escape(unit)}</p>')

    def assigned(self, own: str, name: str, unit: str, formula: str) -> None:
        self.parameter(own, name, unit, None, constant=False)
        rule = self.model.createAssignmentRule()
        rule.setVariable(own)
        rule.setMath(_math(formula))


def _math(formula: str) -> Any:
    import libsbml

    node = libsbml.parseL3Formula(formula)
    assert node is not None, f"{libsbml.getLastParseL3Error()}: {formula[:200]}"
    return node


def _event(event: StateEvent, sheet: _Sheet) -> None:
    delayed = not (event.delay.op == "const" and event.delay.value == 0.0)
    if event.factors and delayed and event.values_at_trigger:
        raise unsupported(
            "export",
            f"event {event.name}",
            "assigns a concentration of the past by a volume of the present",
            "give the event no delay",
        )
    e = sheet.model.createEvent()
    e.setId(sheet.names.add(event.name))
    e.setName(event.name)
    e.setUseValuesFromTriggerTime(event.values_at_trigger)
    trigger = e.createTrigger()
    trigger.setInitialValue(event.initially_true)
    trigger.setPersistent(event.persistent)
    trigger.setMath(_math(sheet.writer.condition(event.trigger)))
    if delayed:
        e.createDelay().setMath(_math(sheet.writer.formula(event.delay)))
    if event.priority is not None:
        e.createPriority().setMath(_math(sheet.writer.formula(event.priority)))
    for name in event.assignments:
        a = e.createEventAssignment()
        a.setVariable(sheet.names.ids[name])
        a.setMath(_math(sheet.writer.formula(_value(event, name))))
