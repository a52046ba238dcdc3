"""Small systems that the tests of the solver share."""

from __future__ import annotations

from twin_service.solver.expression import Expression, constant, symbol
from twin_service.solver.functions import where
from twin_service.solver.system import Input, Output, Parameter, System, SystemState

S = symbol


def parameters(**values: float) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, "1", value) for name, value in values.items())


def one_compartment() -> System:
    """Oral and intravenous input, first-order elimination, bioavailability F and lag."""
    ka, CL, V = S("ka"), S("CL"), S("V")
    return System.create(
        "one_compartment",
        states=(SystemState("D", "mg", -ka * S("D")), SystemState("A", "mg", ka * S("D") - CL / V * S("A"))),
        parameters=parameters(ka=1.2, CL=5.0, V=50.0, F=0.7, lag=0.25, D1=2.0),
        outputs=(Output("C", "mg/L", S("A") / V),),
        inputs=(
            Input("oral", "mg", "D", S("F"), S("lag")),
            Input("iv", "mg", "A"),
            Input("zero_order", "mg", "A", S("F"), S("lag"), S("D1")),
        ),
    )


def saturable(area: bool = True) -> System:
    """Michaelis-Menten elimination, which no exact path solves; `area` adds the area under the curve."""
    ka, V, Vm, Km = S("ka"), S("V"), S("Vm"), S("Km")
    C = S("A") / V
    states = [SystemState("D", "mg", -ka * S("D")), SystemState("A", "mg", ka * S("D") - Vm * C / (Km + C))]
    if area:
        states.append(SystemState("AUC", "mg*h/L", C))
    return System.create(
        "saturable",
        states=tuple(states),
        parameters=parameters(ka=1.0, V=50.0, Vm=12.0, Km=2.0, F=1.0, lag=0.0, D1=3.0, base=0.0),
        outputs=(Output("C", "mg/L", C + S("base")),),
        inputs=(
            Input("oral", "mg", "D", S("F"), S("lag")),
            Input("iv", "mg", "A", S("F"), S("lag")),
            Input("zero_order", "mg", "A", S("F"), S("lag"), S("D1")),
        ),
    )


def scalar(rate: Expression, initial: Expression | None = None, **values: float) -> System:
    """y' = rate with output y."""
    state = SystemState("y", "1", rate, initial if initial is not None else constant(1.0), atol=1e-12)
    return System.create(
        "scalar",
        states=(state,),
        parameters=parameters(**(values or {"unused": 1.0})),
        outputs=(Output("y", "1", S("y")),),
    )


def with_outputs(outputs: dict[str, Expression], **values: float) -> System:
    """Expressions of parameters x, z and a state that stays as it is, evaluated by generated code."""
    return System.create(
        "with_outputs",
        # The branch is never taken; it makes the system nonlinear, so that the compiled engine evaluates it.
        states=(SystemState("y", "1", where(S("y") * S("y") < -1.0, S("y") * S("y"), 0.0), S("x")),),
        parameters=parameters(**(values or {"x": 1.0, "z": 1.0})),
        outputs=tuple(Output(name, "1", e) for name, e in outputs.items()),
    )
