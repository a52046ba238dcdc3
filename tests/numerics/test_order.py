"""The method has the order it claims, and so has its dense output; measured with steps of fixed size."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.solver.systems import parameters
from twin_service.solver.engine import Model, model_of, workspace
from twin_service.solver.expression import TIME, constant, symbol
from twin_service.solver.functions import cos, exp, sin
from twin_service.solver.system import Output, System, SystemState
from twin_service.solver.tableau import RODAS5P

u, v = symbol("u"), symbol("v")
AUTONOMOUS = System.create(
    "pendulum_like",
    states=(SystemState("u", "1", v), SystemState("v", "1", -sin(u) - 0.2 * v * u)),
    parameters=parameters(unused=1.0),
    outputs=(Output("u", "1", u),),
)
# u = sin t solves this exactly: a stiff problem with a forced, non-autonomous right-hand side (Prothero & Robinson).
FORCED = System.create(
    "prothero_robinson",
    states=(
        SystemState("u", "1", -2.0 * (u - sin(TIME)) + cos(TIME) + 0.1 * (u * u - sin(TIME) ** 2)),
        SystemState("v", "1", v * exp(-TIME) * constant(0.3)),
    ),
    parameters=parameters(unused=1.0),
    outputs=(Output("u", "1", u),),
)


def fixed_steps(model: Model, start: list[float], end: float, steps: int) -> tuple[NDArray[np.float64], float]:
    """The end state, and the output in the middle of the last step."""
    at, ws = model.layout, workspace(model.layout.size, 1)
    tol = np.array([1e-6, *[1e-6] * len(start)])
    call: dict[str, Any] = {
        name: ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (2 if name == "attempt" else 1))(address)
        for name, address in model.machine.address.items()
    }
    base = ws.ctypes.data
    ws[at.p] = 1.0
    call["prepare"](base)
    ws[at.y : at.y + len(start)] = start
    ws[at.h], ws[at.accept] = end / steps, 1.0
    for k in range(steps):
        ws[at.t] = k * end / steps
        call["attempt"](base, tol.ctypes.data)
        if k == steps - 1:
            ws[at.theta] = 0.5
            call["observe"](base)
        call["commit"](base)
    return ws[at.y : at.y + len(start)].copy(), float(ws[at.seen])


def slope(errors: list[float]) -> float:
    return float(np.log2(errors[0] / errors[-1]) / (len(errors) - 1))


def test_the_global_error_falls_with_the_fifth_power_of_the_step() -> None:
    model = model_of(AUTONOMOUS, 1)
    exact, _ = fixed_steps(model, [1.0, 0.5], 2.0, 1024)
    errors = [float(np.abs(fixed_steps(model, [1.0, 0.5], 2.0, n)[0] - exact).max()) for n in (32, 64, 128)]
    assert slope(errors) == pytest.approx(5.0, abs=0.15)


def test_explicit_time_keeps_the_order() -> None:
    """Without the term in df/dt the order would fall to two."""
    model = model_of(FORCED, 1)
    errors = [abs(fixed_steps(model, [0.0, 1.0], 2.0, n)[0][0] - np.sin(2.0)) for n in (8, 16, 32)]
    assert slope(errors) == pytest.approx(5.0, abs=0.6)
    other = [abs(fixed_steps(model, [0.0, 1.0], 2.0, n)[0][1] - np.exp(0.3 * (1 - np.exp(-2.0)))) for n in (8, 16, 32)]
    assert slope(other) > 4.4


def test_dense_output_is_of_fourth_order_at_least() -> None:
    """Its local error inside a step falls with the fifth power, as the global error does at the steps."""
    model = model_of(FORCED, 1)
    errors = [abs(fixed_steps(model, [0.0, 1.0], 2.0, n)[1] - np.sin(2.0 - 1.0 / n)) for n in (8, 16, 32)]
    assert slope(errors) > 3.8


def test_the_coefficients_meet_the_conditions_of_consistency() -> None:
    """For y' = 1 the stages must lie at t + alpha_i h and the step end at 1; for y' = t it must end at 1/2."""
    m = RODAS5P
    increments = np.zeros(m.stages)
    for i in range(m.stages):
        increments[i] = m.gamma * (1.0 + sum(c * increments[j] for j, c in enumerate(m.c[i])))
        place = sum(a * increments[j] for j, a in enumerate(m.a[i]))
        assert place == pytest.approx(m.alpha[i], abs=2e-13), i
    assert place + increments[-1] == pytest.approx(1.0, abs=1e-13)
    increments = np.zeros(m.stages)
    for i in range(m.stages):
        slope_here = m.alpha[i] + sum(c * increments[j] for j, c in enumerate(m.c[i])) + m.gamma_t[i]
        increments[i] = m.gamma * slope_here
    assert sum(a * increments[j] for j, a in enumerate(m.a[-1])) + increments[-1] == pytest.approx(0.5, abs=1e-12)
