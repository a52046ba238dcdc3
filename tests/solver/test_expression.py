from __future__ import annotations

import math
import pickle

import pytest

from twin_service.solver import functions as fn
from twin_service.solver.expression import apply, constant, fold, substitute, symbol, symbols_of, walk

x, y = symbol("x"), symbol("y")


def test_equal_expressions_are_one_object() -> None:
    assert x * y + 1.0 is symbol("x") * symbol("y") + 1.0
    assert x * y is not y * x


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (x + 0, x),
        (0 + x, x),
        (x - 0, x),
        (0 - x, -x),
        (x - x, constant(0)),
        (x * 1, x),
        (1 * x, x),
        (x * 0, constant(0)),
        (x / 1, x),
        (0 / x, constant(0)),
        (x**1, x),
        (x**0, constant(1)),
        (apply("neg", -x), x),
        (+x, x),
        (fn.where(constant(1), x, y), x),
        (fn.where(constant(0), x, y), y),
        (fn.exp(constant(0)), constant(1)),
    ],
)
def test_neutral_elements_vanish(made: object, expected: object) -> None:
    assert made is expected


def test_a_fault_in_numbers_stays_visible() -> None:
    assert fold("div", 1.0, 0.0) is None
    assert fold("log", -1.0) is None
    assert fold("exp", 1e4) is None
    assert apply("div", constant(1), constant(0)).op == "div"


def test_a_condition_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="where"):
        bool(x < y)


def test_pickle_gives_the_same_object_back() -> None:
    made = fn.where(x > 1, fn.exp(-x * y), y**2)
    assert pickle.loads(pickle.dumps(made)) is made


def test_walk_meets_arguments_first_and_each_node_once() -> None:
    root = (x + y) * (x + y) + fn.log(x + y)
    nodes = list(walk([root]))
    assert len(nodes) == len({id(n) for n in nodes}) == 6
    for i, n in enumerate(nodes):
        assert all(a in nodes[:i] for a in n.args)


def test_substitute_replaces_everywhere() -> None:
    (made,) = substitute([x * y + x], {"x": constant(2), "y": symbol("z")})
    assert symbols_of([made]) == {"z"}
    assert made is constant(2) * symbol("z") + 2.0


def test_deep_sums_do_not_exhaust_the_stack() -> None:
    total = x
    for i in range(20000):
        total = total + symbol(f"s{i % 7}") * float(i)
    assert len(symbols_of([total])) == 8


def test_functions_work_on_numbers_too() -> None:
    assert fn.exp(0.0) == 1.0
    assert fn.maximum(1.0, 2.0) == 2.0
    assert math.isclose(fn.tanh(0.3), math.tanh(0.3))
    assert fn.minimum(x, 2.0).op == "min"
    assert fn.logical_and(x > 0, y > 0).op == "and"
