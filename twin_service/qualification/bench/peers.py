"""The reference problem run by other simulators, in this process, for comparison.

Both integrate with SUNDIALS CVODE(S); they come with the `bench` extra.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.qualification.bench.reference_problem import DOSE_MG, DOSES, SAMPLES_H, reference_system
from twin_service.qualification.bench.sbml_export import to_sbml
from twin_service.solver.expression import Expression, walk
from twin_service.solver.reference import as_python

Floats = NDArray[np.float64]
Peer = Callable[[Floats, float], Floats]
"""Outputs (N, nt, no) of parameters (N, np) at relative tolerance rtol; absolute tolerance 1e-3 * rtol."""


def missing(name: str) -> Refusal:
    """A simulator to compare with is not installed."""
    message = f"{name} is not installed; install the `bench` extra: pip install 'twin-service[bench]'"
    return Refusal(RefusalCode.PRECONDITION, message, reason="PEER_MISSING")


def roadrunner_peer() -> Peer:
    """libroadrunner on the exported SBML (Welsh et al. 2023, doi:10.1093/bioinformatics/btac770)."""
    try:
        import roadrunner
    except ImportError as error:
        raise missing("libroadrunner") from error
    system = reference_system()
    runner = roadrunner.RoadRunner(to_sbml(system))
    seen = [o.name.removeprefix("out_") for o in system.outputs]
    runner.timeCourseSelections = seen
    names = [p.name for p in system.parameters]
    offsets = [0.0, *SAMPLES_H]

    def run(parameters: Floats, rtol: float) -> Floats:
        integrator = runner.getIntegrator()
        integrator.setValue("relative_tolerance", rtol)
        integrator.setValue("absolute_tolerance", 1e-3 * rtol)
        outputs = np.empty((len(parameters), DOSES * len(SAMPLES_H), len(seen)))
        for i, p in enumerate(parameters):
            for name, value in zip(names, p, strict=True):
                runner.setValue(name, float(value))
            runner.reset(roadrunner.SelectionRecord.TIME | roadrunner.SelectionRecord.RATE)
            for name, value in zip(system.state_index, as_python(system).initial(0.0, p), strict=True):
                runner.setValue(name, float(value))
            for k in range(DOSES):
                runner.setValue("G0", runner.getValue("G0") + DOSE_MG)
                # The model knows no time: each interval may begin at zero, which spares CVODE a warning.
                part = np.asarray(runner.simulate(times=offsets))
                outputs[i, k * len(SAMPLES_H) : (k + 1) * len(SAMPLES_H)] = part[1:]
        return outputs

    return run


def casadi_peer() -> Peer:
    """CasADi's CVODES on the same expressions (Andersson et al. 2019, doi:10.1007/s12532-018-0139-4)."""
    try:
        import casadi
    except ImportError as error:
        raise missing("CasADi") from error
    system = reference_system()
    y = casadi.SX.sym("y", len(system.states))
    p = casadi.SX.sym("p", len(system.parameters))
    symbols = {n: y[i] for n, i in system.state_index.items()} | {n: p[i] for n, i in system.parameter_index.items()}
    rates = casadi.vertcat(*_translate([s.rate for s in system.states], symbols))
    seen = [system.state_index[o.name.removeprefix("out_")] for o in system.outputs]
    dose = np.zeros(len(system.states))
    dose[system.state_index["G0"]] = DOSE_MG
    made: dict[float, Any] = {}

    def run(parameters: Floats, rtol: float) -> Floats:
        if rtol not in made:
            options = {"reltol": rtol, "abstol": 1e-3 * rtol, "max_num_steps": 100000}
            made[rtol] = casadi.integrator("F", "cvodes", {"x": y, "p": p, "ode": rates}, 0.0, list(SAMPLES_H), options)
        outputs = np.empty((len(parameters), DOSES * len(SAMPLES_H), len(seen)))
        for i, values in enumerate(parameters):
            state = as_python(system).initial(0.0, values)
            for k in range(DOSES):
                course = np.asarray(made[rtol](x0=state + dose, p=values)["xf"])
                outputs[i, k * len(SAMPLES_H) : (k + 1) * len(SAMPLES_H)] = course[seen].T
                state = course[:, -1]
        return outputs

    return run


def _translate(roots: list[Expression], symbols: dict[str, Any]) -> list[Any]:
    value: dict[int, Any] = {}
    for node in walk(roots):
        args = [value[id(a)] for a in node.args]
        if node.op == "const":
            value[id(node)] = node.value
        elif node.op == "symbol":
            value[id(node)] = symbols[node.name]
        elif node.op == "neg":
            value[id(node)] = -args[0]
        else:
            forward = {"add": "__add__", "sub": "__sub__", "mul": "__mul__", "div": "__truediv__", "pow": "__pow__"}
            reflected = {
                "add": "__radd__",
                "sub": "__rsub__",
                "mul": "__rmul__",
                "div": "__rtruediv__",
                "pow": "__rpow__",
            }
            first, second = args
            numeric = isinstance(first, float)
            value[id(node)] = (
                getattr(second, reflected[node.op])(first) if numeric else getattr(first, forward[node.op])(second)
            )
    return [value[id(r)] for r in roots]
