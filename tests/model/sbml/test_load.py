"""What a file says becomes the right equations: closed forms at tight tolerance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin_service.model.sbml import SbmlModel, SbmlTable, load, simulate_sbml

pytest.importorskip("libsbml", reason="python-libsbml is the extra `sbml`")

from tests.model.sbml import writing as w

FILES = Path(__file__).parent / "files"


def loaded(tmp_path: Path, fill: Callable[[Any], None]) -> SbmlModel:
    return load(w.write(tmp_path / "small.xml", fill))


def ran(tmp_path: Path, fill: Callable[[Any], None], end: float = 4.0, **how: Any) -> SbmlTable:
    return simulate_sbml(loaded(tmp_path, fill), 0.0, end, 8, **how)


def close(ours: Any, exact: Any) -> None:
    np.testing.assert_allclose(ours, exact, rtol=1e-7, atol=1e-10)


def test_a_reaction_moves_amounts_and_reports_what_was_asked() -> None:
    model = load(FILES / "decay.xml")
    assert model.species == ("A", "B") and set(model.varying) == {"A", "B"}
    table = simulate_sbml(model, 0.0, 4.0, 8, amounts=["B"], concentrations=["A"])
    decay = np.exp(-0.5 * table["time"])
    close(table["A"], 3.0 * decay)
    close(table["B"], 1.0 + 12.0 * (1.0 - decay))


def test_the_report_may_begin_after_the_start() -> None:
    table = simulate_sbml(load(FILES / "decay.xml"), 2.0, 4.0, 4)
    close(table["A"], 3.0 * np.exp(-0.5 * np.linspace(2.0, 4.0, 5)))


def test_an_amount_stays_while_its_compartment_grows(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.compartment(m, "V", 1.0, constant=False)
        w.species(m, "S", 2.0)
        w.rate(m, "V", "0.5")

    table = ran(tmp_path, fill)
    close(table["S"], 2.0 / (1.0 + 0.5 * table["time"]))


def test_a_rate_rule_of_a_concentration_holds_in_a_growing_compartment(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.compartment(m, "V", 1.0, constant=False)
        w.species(m, "S", 2.0)
        w.rate(m, "V", "0.5 * V")
        w.rate(m, "S", "-0.3 * S")

    table = ran(tmp_path, fill, amounts=["S"])
    close(table["S"], 2.0 * np.exp(0.2 * table["time"]))


def test_initial_assignments_and_rules_may_follow_each_other(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "a", 1.0, constant=True)
        w.parameter(m, "b")
        w.parameter(m, "c")
        w.parameter(m, "x")
        w.start(m, "a", "c * 2")
        w.assign(m, "c", "b + 1")
        w.start(m, "b", "3")
        w.rate(m, "x", "a")
        w.start(m, "x", "a + c")

    table = ran(tmp_path, fill)
    close(table["x"], 12.0 + 8.0 * table["time"])


def test_an_assignment_rule_and_rate_of_it(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "x", 1.0)
        w.parameter(m, "y")
        w.parameter(m, "v")
        w.rate(m, "x", "-2 * x")
        w.assign(m, "y", "x^2")
        w.assign(m, "v", "rateOf(x) + time")

    table = ran(tmp_path, fill)
    close(table["y"], np.exp(-4.0 * table["time"]))
    close(table["v"], -2.0 * np.exp(-2.0 * table["time"]) + table["time"])


def test_linear_algebraic_rules_are_solved_together(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "x", 0.0)
        w.parameter(m, "u")
        w.parameter(m, "v")
        w.rate(m, "x", "1")
        w.algebraic(m, "u + v - 3 * x")
        w.algebraic(m, "u - v - x")

    table = ran(tmp_path, fill)
    close(table["u"], 2.0 * table["time"])
    close(table["v"], table["time"])


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("implies(true, false) + 1", 1.0),
        ("xor(true, true, true) + 0", 1.0),
        ("quotient(-7, 2)", -3.0),
        ("rem(-7, 2)", -1.0),
        ("max(1, 5, 3)", 5.0),
        ("min(4, 2)", 2.0),
        ("factorial(5)", 120.0),
        ("root(3, 27)", 3.0),
        ("log(2, 8)", 3.0),
        ("log10(100)", 2.0),
        ("arccot(1)", np.pi / 4),
        ("sec(0)", 1.0),
        ("arccsch(1)", np.arcsinh(1)),
        ("piecewise(1, 2 < 1, 7)", 7.0),
        ("ceil(1.2) + floor(-1.2)", 0.0),
        ("avogadro / 6.02214179e23", 1.0),
        ("tanh(0.3) + coth(2)", np.tanh(0.3) + 1 / np.tanh(2)),
        ("arcsech(0.5)", np.arccosh(2)),
    ],
)
def test_the_functions_of_mathml(tmp_path: Path, formula: str, value: float) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "x", 0.0)
        w.start(m, "x", formula)

    assert loaded(tmp_path, fill).system.parameters[0].value == pytest.approx(value, rel=1e-13)


def test_functions_local_parameters_conversion_and_variable_stoichiometry(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.compartment(m, "V", 1.0)
        w.species(m, "S", 4.0)
        w.species(m, "P", 0.0)
        w.parameter(m, "k", 100.0, constant=True)
        w.parameter(m, "two", 2.0, constant=True)
        m.setConversionFactor("two")
        f = m.createFunctionDefinition()
        f.setId("law")
        f.setMath(w.math("lambda(a, b, a * b)"))
        r = w.reaction(m, "R", "law(k, S)", {"S": 1.0}, {"P": 1.0})
        local = r.getKineticLaw().createLocalParameter()
        local.setId("k")
        local.setValue(0.25)
        product = r.getProduct(0)
        product.setId("n")
        product.setConstant(False)
        w.assign(m, "n", "time")

    table = ran(tmp_path, fill, variables=["S", "P"])
    t, decay = table["time"], np.exp(-0.5 * table["time"])
    close(table["S"], 4.0 * decay)
    close(table["P"], 2.0 * 4.0 * 0.25 * (1.0 / 0.25 - decay * (t / 0.5 + 1.0 / 0.25)))


def test_a_level_two_file(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.compartment(m, "V", 2.0)
        w.species(m, "S", 1.0, only_amount=True)
        w.reaction(m, "R", "0.1 * S", {"S": 1.0}, {})

    model = load(w.write(tmp_path / "two.xml", fill, level=2, version=4))
    close(simulate_sbml(model, 0, 10, 5)["S"], 2.0 * np.exp(-0.1 * np.linspace(0, 10, 6)))


def test_parameters_of_the_system_reach_the_initial_values(tmp_path: Path) -> None:
    def fill(m: Any) -> None:
        w.parameter(m, "dose", 5.0, constant=True)
        w.parameter(m, "x")
        w.start(m, "x", "2 * dose")
        w.rate(m, "x", "-x")

    from twin_service.solver.simulate import simulate

    solution = simulate(loaded(tmp_path, fill).system, [[5.0], [10.0]], times_h=[0.0])
    np.testing.assert_allclose(solution.final[:, 0], [10.0, 20.0])
