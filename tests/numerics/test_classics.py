"""Stiff classics at their published end points, and closed forms at tight tolerance."""

from __future__ import annotations

import numpy as np
import pytest

from tests.solver.systems import parameters, scalar
from twin_service.solver.expression import Expression, constant, symbol
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Tolerances, simulate, simulate_reference
from twin_service.solver.system import Input, Output, System, SystemState

Y = [symbol(f"y{i}") for i in range(1, 9)]


def system(name: str, rates: list[Expression], atol: float = 1e-12) -> System:
    return System.create(
        name,
        states=tuple(SystemState(f"y{i}", "1", r, atol=atol) for i, r in enumerate(rates, start=1)),
        parameters=parameters(unused=1.0),
    )


def robertson() -> System:
    a, b, c = Y[:3]
    return system("robertson", [-0.04 * a + 1e4 * b * c, 0.04 * a - 1e4 * b * c - 3e7 * b * b, 3e7 * b * b], 1e-14)


def van_der_pol() -> System:
    a, b = Y[:2]
    return system("van_der_pol", [b, 1e6 * ((1.0 - a * a) * b - a)])


def oregonator() -> System:
    a, b, c = Y[:3]
    rates = [77.27 * (b + a * (1.0 - 8.375e-6 * a - b)), (c - (1.0 + a) * b) / 77.27, 0.161 * (a - c)]
    return system("oregonator", rates)


def hires() -> System:
    a, b, c, d, e, f, g, h = Y
    return system(
        "hires",
        [
            -1.71 * a + 0.43 * b + 8.32 * c + 0.0007,
            1.71 * a - 8.75 * b,
            -10.03 * c + 0.43 * d + 0.035 * e,
            8.32 * b + 1.71 * c - 1.12 * d,
            -1.745 * e + 0.43 * f + 0.43 * g,
            -280.0 * f * h + 0.69 * d + 1.71 * e - 0.43 * f + 0.69 * g,
            280.0 * f * h - 1.81 * g,
            -280.0 * f * h + 1.81 * g,
        ],
    )


# End points: Mazzia & Magherini, Test Set for IVP Solvers 2.4 (2008); Hairer & Wanner 1996,
# doi:10.1007/978-3-642-05221-7.
CASES = {
    "robertson": (
        robertson,
        [1.0, 0.0, 0.0],
        1e11,
        [0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050],
    ),
    "van_der_pol": (van_der_pol, [2.0, 0.0], 2.0, [1.706167732170483, -0.8928097010247975]),
    "oregonator": (oregonator, [1.0, 2.0, 3.0], 360.0, [1.000814870318523, 1228.178521549917, 132.0554942846706]),
    "hires": (
        hires,
        [1.0, 0, 0, 0, 0, 0, 0, 0.0057],
        321.8122,
        [
            0.7371312573325668e-3,
            0.1442485726316185e-3,
            0.5888729740967575e-4,
            0.1175651343283149e-2,
            0.2386356198831331e-2,
            0.6238968252742796e-2,
            0.2849998395185769e-2,
            0.2850001604814231e-2,
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("rtol", "allowed"), [(1e-6, 2e-5), (1e-10, 2e-8)])
def test_stiff_classics_end_where_they_should(name: str, rtol: float, allowed: float) -> None:
    make, start, end, expected = CASES[name]
    # Robertson's second state reaches 1e-13: a state's tolerance has to lie below what is asked of it.
    scale = rtol if name != "robertson" else 1e-6 * rtol
    found = simulate(make(), [[1.0]], times_h=[end], state=[start], tolerances=Tolerances(rtol, scale / 1e-6))
    assert found.ok
    assert np.max(np.abs(found.final[0] / np.array(expected) - 1.0)) < allowed


def test_fast_binding_to_a_target() -> None:
    """Target-mediated disposition with binding a thousand times faster than anything else; mass balance of the drug."""
    L, R, C, out = (symbol(n) for n in ("L", "R", "C", "out"))
    bind = 1e3 * L * R - C
    tmdd = System.create(
        "tmdd",
        states=(
            SystemState("L", "1", -0.3 * L - bind),
            SystemState("R", "1", 0.5 - 0.05 * R - bind),
            SystemState("C", "1", bind - 0.02 * C),
            SystemState("out", "1", 0.3 * L + 0.02 * C),
        ),
        parameters=parameters(unused=1.0),
        outputs=(Output("total", "1", L + C + out),),
        inputs=(Input("iv", "1", "L"),),
    )
    schedule = Schedule((Dose(0.0, "iv", 100.0), Dose(200.0, "iv", 100.0)))
    times = np.linspace(1.0, 500.0, 60)
    state = [[0.0, 10.0, 0.0, 0.0]]
    found = simulate(tmdd, [[1.0]], schedule, times, state=state, keep_states=True, tolerances=Tolerances(1e-7, 1e-2))
    oracle = simulate_reference(
        tmdd, [[1.0]], schedule, times, state=state, keep_states=True, tolerances=Tolerances(1e-11, 1e-5)
    )
    assert found.states is not None and oracle.states is not None
    assert np.allclose(found.outputs[0, :, 0], np.where(times <= 200.0, 100.0, 200.0), rtol=1e-9)
    assert np.allclose(found.states, oracle.states, rtol=1e-5, atol=1e-8)


def test_logistic_growth_has_its_closed_form() -> None:
    g, K, y = symbol("g"), symbol("K"), symbol("y")
    times = np.linspace(0.0, 30.0, 31)
    found = simulate(
        scalar(g * y * (1.0 - y / K), constant(1.0), g=0.5, K=80.0),
        [[0.5, 80.0]],
        times_h=times,
        tolerances=Tolerances(1e-11),
    ).outputs[0, :, 0]
    assert np.allclose(found, 80.0 / (1.0 + 79.0 * np.exp(-0.5 * times)), rtol=1e-8)


def test_michaelis_menten_meets_its_implicit_form() -> None:
    """Km ln(y0/y) + y0 - y = Vm t."""
    Vm, Km, y = symbol("Vm"), symbol("Km"), symbol("y")
    times = np.linspace(0.0, 12.0, 13)
    found = simulate(
        scalar(-Vm * y / (Km + y), constant(10.0), Vm=1.5, Km=2.0),
        [[1.5, 2.0]],
        times_h=times,
        tolerances=Tolerances(1e-11),
    ).outputs[0, :, 0]
    assert np.allclose(2.0 * np.log(10.0 / found) + 10.0 - found, 1.5 * times, atol=1e-8)


def test_second_order_decay_under_infusion_has_its_closed_form() -> None:
    """y' = r - k y^2 from 0: y = sqrt(r/k) tanh(sqrt(r k) t)."""
    k, y = symbol("k"), symbol("y")
    system_ = System.create(
        "riccati",
        states=(SystemState("y", "1", -k * y * y, atol=1e-12),),
        parameters=parameters(k=0.3),
        outputs=(Output("y", "1", y),),
        inputs=(Input("in", "1", "y"),),
    )
    times = np.linspace(0.1, 5.0, 20)
    found = simulate(system_, [[0.3]], Schedule((Dose(0.0, "in", 20.0, 10.0),)), times, tolerances=Tolerances(1e-11))
    assert np.allclose(found.outputs[0, :, 0], np.sqrt(2 / 0.3) * np.tanh(np.sqrt(0.6) * times), rtol=1e-8)


def test_tighter_tolerances_give_smaller_errors() -> None:
    make, start, end, expected = CASES["hires"]
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        found = simulate(make(), [[1.0]], times_h=[end], state=[start], tolerances=Tolerances(rtol, rtol / 1e-6))
        errors.append(float(np.max(np.abs(found.final[0] / np.array(expected) - 1.0))))
    assert all(later < 0.2 * earlier for earlier, later in zip(errors, errors[1:], strict=False))
