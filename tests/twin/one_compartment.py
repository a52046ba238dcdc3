"""The smallest honest patient: one compartment, one effect on clearance, closed-form answers."""

from __future__ import annotations

from twin_service.model.compose import compose
from twin_service.model.structure import (
    Block,
    Covariate,
    DoseRoute,
    Effect,
    Endpoint,
    ErrorLaw,
    Observable,
    PatientModel,
)
from twin_service.record.events import MICROSECONDS_PER_HOUR, CovariateMeasured, DoseGiven, Event, LabMeasured
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.solver.expression import symbol
from twin_service.solver.functions import exp
from twin_service.solver.system import Input, Output, Parameter, SystemState

CL, V, OMEGA2, PROPORTIONAL = 2.0, 20.0, 0.09, 0.1


def one_compartment() -> PatientModel:
    """dA/dt = -CL/V A with CL = 2 (weight/70)^0.75 exp(eta); levels in mg/L with 10 % error."""
    a, cl, v, eta, wt = map(symbol, ("A", "cl", "v", "eta_cl", "weight_kg"))
    clearance = cl * exp(eta) * (wt / 70.0) ** 0.75
    block = Block(
        id="one",
        version="1",
        states=(SystemState("A", "mg", -clearance / v * a),),
        parameters=(Parameter("cl", "L/h", CL), Parameter("v", "L", V), Parameter("eta_cl", "1", 0.0)),
        outputs=(Output("plasma", "mg/L", a / v),),
        inputs=(Input("iv", "mg", "A"),),
        effects=(Effect("eta_cl", OMEGA2),),
        observables=(Observable("drugx", "plasma", "mg/L", ErrorLaw(proportional=PROPORTIONAL)),),
        routes=(DoseRoute("drugx", "iv", "iv", 1.0),),
        covariates=(Covariate("weight_kg", "kg", None, 1.0, 300.0, 40.0, 120.0),),
        endpoints=(Endpoint("toxic_level", "plasma", "mg/L", "above", 12.0, "level above 12 mg/L"),),
    )
    return compose("one", {"x": block})


def person(name: str = "tenants/t/patients/p1/twin") -> Person:
    return Person(TwinName.parse(name), ModelChoice(poppk="one"), 0)


def at(hours: float) -> int:
    return round(hours * MICROSECONDS_PER_HOUR)


def weight(kg: float = 70.0, hours: float = 0.0, id_: str = "w") -> Event:
    return Event(id_, at(hours), CovariateMeasured("weight_kg", kg, "kg", kg, "kg"))


def dose(mg: float, hours: float, id_: str, drug: str = "drugx", route: str = "iv") -> Event:
    return Event(id_, at(hours), DoseGiven(drug, mg, route))


def level(value: float, hours: float, id_: str, analyte: str = "drugx") -> Event:
    return Event(id_, at(hours), LabMeasured(analyte, value, "mg/L", value, "mg/L"))
