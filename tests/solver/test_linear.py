from __future__ import annotations

import numpy as np
import pytest

from tests.solver.systems import S, one_compartment, parameters, saturable, scalar
from twin_service.outcome import Verdict
from twin_service.solver.expression import TIME, constant, symbol
from twin_service.solver.functions import where
from twin_service.solver.linear import LARGEST, linear_form
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate, simulate_reference
from twin_service.solver.system import Input, Output, System, SystemState


def transit(n: int, k: float = 2.0) -> System:
    """A chain of equal rates: one eigenvalue n times over, with no basis of eigenvectors."""
    states = [SystemState("y0", "mg", -S("k") * S("y0"))]
    states += [SystemState(f"y{i}", "mg", S("k") * (S(f"y{i - 1}") - S(f"y{i}"))) for i in range(1, n)]
    outputs, inputs = (Output("last", "mg", S(f"y{n - 1}")),), (Input("dose", "mg", "y0"),)
    return System.create("transit", states=tuple(states), parameters=parameters(k=k), outputs=outputs, inputs=inputs)


def test_what_is_linear() -> None:
    assert linear_form(one_compartment()) is not None
    assert linear_form(scalar(where(symbol("p") > 0, symbol("p"), 1.0) * symbol("y") + 3.0, p=1.0)) is not None
    assert linear_form(saturable()) is None
    assert linear_form(scalar(symbol("y") * TIME)) is None
    assert linear_form(scalar(symbol("y") + TIME)) is None
    assert linear_form(transit(LARGEST)) is not None
    assert linear_form(transit(LARGEST + 1)) is None


def test_a_defective_matrix_gives_the_erlang_density() -> None:
    """y_n = dose (k t)^(n-1)/(n-1)! exp(-k t)."""
    times = np.linspace(0.1, 12.0, 25)
    found = simulate(transit(6), [[2.0]], Schedule((Dose(0.0, "dose", 3.0),)), times).outputs[0, :, 0]
    assert np.allclose(found, 3.0 * (2 * times) ** 5 / 120 * np.exp(-2 * times), rtol=1e-12)


def test_widely_different_rates_keep_their_digits() -> None:
    """Absorption of 200/h beside elimination of 1e-3/h over a week: a bolus in all but name."""
    system = one_compartment()
    p = [[200.0, 0.05, 50.0, 1.0, 0.0, 1.0]]
    times = np.array([24.0, 168.0])
    found = simulate(system, p, Schedule((Dose(0.0, "oral", 100.0),)), times).outputs[0, :, 0]
    ka, k = 200.0, 1e-3
    exact = 100.0 / 50.0 * ka / (ka - k) * (np.exp(-k * times) - np.exp(-ka * times))
    assert np.allclose(found, exact, rtol=1e-11)


def test_superposition_and_proportion() -> None:
    system, times = one_compartment(), np.linspace(0, 48, 13)
    p = [[1.2, 5.0, 50.0, 0.7, 0.25, 2.0]]
    first, second = Dose(0.0, "oral", 100.0), Dose(10.0, "iv", 30.0, 3.0)
    one, two, both = (simulate(system, p, Schedule(d), times).outputs for d in ((first,), (second,), (first, second)))
    assert np.allclose(one + two, both, rtol=1e-12, atol=1e-14)
    doubled = simulate(system, p, Schedule((first._replace(amount=200.0),)), times).outputs
    assert np.allclose(doubled, 2 * one, rtol=1e-14)


def test_constant_rates_and_initial_values() -> None:
    """Turnover kin - kout y from its baseline kin/kout stays there."""
    kin, kout = symbol("kin"), symbol("kout")
    system = scalar(kin - kout * symbol("y"), kin / kout, kin=3.0, kout=0.2)
    found = simulate(system, [[3.0, 0.2], [8.0, 0.4]], times_h=[0.0, 5.0, 100.0])
    assert np.allclose(found.outputs[:, :, 0], [[15.0] * 3, [20.0] * 3], rtol=1e-13)
    moved = simulate(system, [[3.0, 0.2]], times_h=[5.0], state=[[0.0]]).outputs[0, 0, 0]
    assert moved == pytest.approx(15.0 * (1 - np.exp(-1.0)), rel=1e-13)


def test_overflow_is_told() -> None:
    found = simulate(scalar(symbol("g") * symbol("y"), g=1.0), [[1.0], [1000.0]], times_h=[1.0, 2.0])
    assert found.outcomes[0].ok
    assert found.outcomes[1].verdict is Verdict.NOT_FINITE
    assert "output y" in found.outcomes[1].detail
    assert np.isnan(found.outputs[1]).all()


def test_agrees_with_the_oracle_beside_a_nonlinear_twin() -> None:
    """The same system with a term that is zero takes the compiled path; both agree."""
    k = symbol("k")
    exact = scalar(-k * symbol("y") + 1.0, constant(2.0), k=0.3)
    stepped = scalar(-k * symbol("y") + 1.0 + where(symbol("y") < -1e9, symbol("y") ** 2, 0.0), constant(2.0), k=0.3)
    times = np.linspace(0, 20, 11)
    a, b = (simulate(s, [[0.3]], times_h=times).outputs for s in (exact, stepped))
    c = simulate_reference(exact, [[0.3]], times_h=times).outputs
    assert np.allclose(a, b, rtol=1e-5)
    assert np.allclose(a, c, rtol=1e-5)
