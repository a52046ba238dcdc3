"""Every operation, through the compiler, against NumPy; one patient alone (scalar code) and eight (vector code)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.solver.systems import with_outputs
from twin_service.solver import functions as fn
from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import Expression, apply, symbol
from twin_service.solver.simulate import simulate

y, x, z = symbol("y"), symbol("x"), symbol("z")
POINTS = np.array(
    [
        [0.3, 0.8],
        [0.9, -1.7],
        [0.05, 2.5],
        [0.61, 0.61],
        [0.77, -0.2],
        [0.2, 3.0],
        [0.5, -4.0],
        [0.99, 0.0],
        [0.41, 7.3],
    ]
)
OPERATIONS: dict[str, Expression] = {
    **{
        op: apply(op, y)
        for op in (
            "neg",
            "exp",
            "log",
            "sqrt",
            "abs",
            "tanh",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "asinh",
            "atanh",
            "floor",
            "ceil",
        )
    },
    "acosh": apply("acosh", y + 1.0),
    **{op: apply(op, y, z) for op in ("add", "sub", "mul", "pow", "min", "max", "lt", "le", "gt", "ge", "eq", "ne")},
    "div": y / (z * z + 1.0),
    "mod": apply("mod", z, y + 0.1),
    "and": fn.logical_and(y > 0.4, z > 0),
    "or": fn.logical_or(y > 0.4, z > 0),
    "not": apply("not", y > z),
    "number as flag": fn.where(z, y, -y),
    "flag as number": (y > 0.4) * 3.0 + 1.0,
    "where": fn.where(y < z, fn.exp(y), fn.log(y)),
    "cube": y**3,
    "inverse square": y**-2.0,
    "inverse root": y**-0.5,
    "seventh": z**7,
    "multiply-subtract": y * z - x,
    "subtract-multiply": x - y * z,
    "multiply-add": y * z + x * y,
    "time": symbol("time") + y,
}


def evaluated(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return simulate(with_outputs(OPERATIONS), points, times_h=[0.5]).outputs[:, 0, :]


def test_operations_agree_with_numpy() -> None:
    found = evaluated(POINTS)
    f = array_function(list(OPERATIONS.values()), ["y", "x", "z", "time"])
    expected = np.array([np.broadcast_to(v, len(POINTS)) for v in f(POINTS[:, 0], POINTS[:, 0], POINTS[:, 1], 0.5)]).T
    for k, name in enumerate(OPERATIONS):
        # Our exp, log and pow may differ from the library's by a unit or two in the last place.
        assert np.allclose(found[:, k], expected[:, k], rtol=4e-15, atol=1e-300), name


def test_one_patient_is_bit_for_bit_the_same_patient_among_eight() -> None:
    together = evaluated(POINTS)
    for i, point in enumerate(POINTS):
        assert np.array_equal(evaluated(point[None, :])[0], together[i]), i


@pytest.mark.parametrize("low, high", [(-5.0, 5.0), (-700.0, 700.0), (-1e-8, 1e-8)])
def test_exp_is_accurate_to_the_last_places(low: float, high: float) -> None:
    points = np.random.default_rng(0).uniform(low, high, (400, 1))
    found = simulate(with_outputs({"f": fn.exp(y)}, x=1.0), points, times_h=[0.0]).outputs[:, 0, 0]
    exact = np.exp(points[:, 0].astype(np.longdouble))
    assert np.max(np.abs(found / exact - 1)) < 3.5e-16


@pytest.mark.parametrize("exponent", [-300, -3, 0, 3, 300])
def test_log_is_accurate_to_the_last_places(exponent: int) -> None:
    points = 10.0**exponent * np.random.default_rng(0).uniform(0.5, 2.0, (400, 1))
    found = simulate(with_outputs({"f": fn.log(y)}, x=1.0), points, times_h=[0.0]).outputs[:, 0, 0]
    exact = np.log(points[:, 0].astype(np.longdouble))
    assert np.max(np.abs(found - exact) / np.abs(exact)) < 3.5e-16


def test_pow_is_accurate_to_the_last_places() -> None:
    rng = np.random.default_rng(0)
    points = np.column_stack([10.0 ** rng.uniform(-8, 8, 600), rng.uniform(-12, 12, 600)])
    found = simulate(with_outputs({"f": y**z}), points, times_h=[0.0]).outputs[:, 0, 0]
    exact = points[:, 0].astype(np.longdouble) ** points[:, 1].astype(np.longdouble)
    assert np.max(np.abs(found / exact - 1)) < 6e-16


def test_special_values() -> None:
    inf = float("inf")
    cases = {
        (0.0, 2.0): 0.0,
        (0.0, 0.0): 1.0,
        (-2.0, 3.0): -8.0,
        (-2.0, 2.0): 4.0,
        (1.0, 5.5): 1.0,
        (5.0, 0.0): 1.0,
        (2.0, 0.5): 2**0.5,
        (1e-310, 0.5): 1e-310**0.5,
        (1e300, 1.0): 1e300,
    }
    roots = {"pow": fn.where(y > -inf, y**z, 0.0)}
    found = simulate(with_outputs(roots), np.array(list(cases)), times_h=[0.0]).outputs[:, 0, 0]
    assert np.allclose(found, list(cases.values()), rtol=1e-15)
    # Undefined values must show: -2 ** 0.5 and log(-1) are not numbers, exp(1e4) is not finite.
    for expression in (y**0.3, fn.log(y), fn.exp(y * -1e4), 1.0 / (y + 2.0)):
        solution = simulate(with_outputs({"f": expression}, x=1.0), [[-2.0]], times_h=[0.0])
        assert not solution.ok, expression
        assert "output f" in solution.outcomes[0].detail
