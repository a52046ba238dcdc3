from __future__ import annotations

import numpy as np
import pytest

from twin_service.solver import functions as fn
from twin_service.solver.derivative import ZERO, directional, gradients
from twin_service.solver.evaluate import array_function, scalar_function
from twin_service.solver.expression import Expression, apply, constant, symbol

x, z = symbol("x"), symbol("z")

SMOOTH = {
    "sum": (x + z) * (x - z),
    "quotient": x / (1 + z * z),
    "power": x**z,
    "square": x**2,
    "root": x**0.5,
    "exp": fn.exp(-x * z),
    "log": fn.log(x * z + 1),
    "sqrt": fn.sqrt(x + z),
    "tanh": fn.tanh(x * z),
    "sin": fn.sin(x),
    "cos": fn.cos(x * z),
    "tan": apply("tan", x * 0.3),
    "asin": apply("asin", x * 0.3),
    "acos": apply("acos", x * 0.3),
    "atan": apply("atan", x),
    "sinh": apply("sinh", x),
    "cosh": apply("cosh", x),
    "asinh": apply("asinh", x),
    "acosh": apply("acosh", x + 1.5),
    "atanh": apply("atanh", x * 0.3),
    "abs": fn.absolute(x - 5),
    "where": fn.where(x > 1, x**3, z),
    "min": fn.minimum(x * z, z),
    "max": fn.maximum(x * z, z),
    "mod": apply("mod", x * 7, z),
    "neg": -x * z,
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("at", [(0.7, 1.9), (2.3, 0.6)])
def test_derivatives_match_central_differences(name: str, at: tuple[float, float]) -> None:
    root = SMOOTH[name]
    f = array_function([root], ["x", "z"])
    (gradient,) = gradients([root], ["x", "z"])
    h = 1e-5
    for k, symbol_name in enumerate(("x", "z")):
        up, down = list(at), list(at)
        up[k] += h
        down[k] -= h
        difference = (f(*up)[0] - f(*down)[0]) / (2 * h)
        exact = array_function([gradient.get(symbol_name, ZERO)], ["x", "z"])(*at)[0]
        # Truncation of order h^2 and cancellation of order eps/h are both near 1e-10.
        assert np.isclose(exact, difference, rtol=2e-8, atol=2e-8), symbol_name


def test_flat_functions_have_no_derivative() -> None:
    roots = [apply("floor", x), apply("ceil", x), x > z, fn.logical_or(x > 0, z > 0)]
    assert gradients(roots, ["x", "z"]) == [{}, {}, {}, {}]


def test_an_undefined_branch_does_not_leak() -> None:
    """log is undefined at 0, but its piece is not in force there."""
    (gradient,) = gradients([fn.where(x > 0, fn.log(x), 2 * x)], ["x"])
    assert array_function([gradient["x"]], ["x"])(0.0)[0] == 2.0
    (slope,) = gradients([x**z], ["z"])
    assert array_function([slope["z"]], ["x", "z"])(0.0, 2.0)[0] == 0.0


def test_directional_is_the_gradient_times_the_direction() -> None:
    roots: list[Expression] = [x * z, fn.exp(x)]
    found = directional(roots, {"x": symbol("dx"), "z": constant(2.0)})
    values = array_function(found, ["x", "z", "dx"])(1.5, 0.5, 3.0)
    assert np.allclose(values, [3.0 * 0.5 + 1.5 * 2.0, 3.0 * np.exp(1.5)])


def test_scalar_functions_give_nan_where_math_raises() -> None:
    f = scalar_function([fn.log(x), 1 / x, fn.exp(x)], ["x"])
    assert np.allclose(f(1.0), [0.0, 1.0, np.e])
    assert np.isnan(f(-1.0)[0])
    assert np.isinf(f(0.0)[1])
    assert np.isinf(f(1e4)[2])
