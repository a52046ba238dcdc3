from __future__ import annotations

import numpy as np

from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import symbol, symbols_of, walk
from twin_service.solver.hoist import hoist

y, t, p, q, r = (symbol(n) for n in ("y", "time", "p", "q", "r"))
MOVING = frozenset({"y", "time"})
ROOTS = [
    p * y * q / r,
    (p + y) - (q - t) + r,
    y / (p * y + q),
    -(p * q) * y * y,
    p * q + r,
    y * y / p / q,
    (p / y) ** q,
    p * (y + q) * (y + q),
    3.0 * p - 2.0 * y + p,
]


def test_the_meaning_is_kept() -> None:
    split = hoist(ROOTS, MOVING)
    values = {"y": 1.3, "time": 0.4, "p": 2.1, "q": 0.7, "r": 1.9}
    constants = array_function(split.constants, ["p", "q", "r"])(2.1, 0.7, 1.9)
    hidden = dict(zip(split.names, constants, strict=True))
    names = ["y", "time", *split.names]
    found = array_function(split.roots, names)(*(values.get(n, hidden.get(n)) for n in names))
    expected = array_function(ROOTS, list(values))(*values.values())
    assert np.allclose(found, expected, rtol=1e-14)


def test_nothing_of_parameters_only_is_left_inside() -> None:
    split = hoist(ROOTS, MOVING)
    assert symbols_of(split.constants) <= {"p", "q", "r"}
    assert symbols_of(split.roots) <= MOVING | set(split.names)
    fixed = set(split.names)
    for node in walk(split.roots):
        if len(node.args) > 1:
            assert not symbols_of([node]) <= fixed, node


def test_factors_meet_across_a_product() -> None:
    (root,), names, constants = hoist([p * y * q / r], MOVING)
    assert len(names) == 1
    assert root.op == "mul"
    assert constants[0] is p * q / r


def test_division_by_a_moving_part_is_shared() -> None:
    split = hoist([p / (1 + y), y / (1 + y), t / (1 + y)], MOVING)
    assert sum(n.op == "div" for n in walk(split.roots)) == 1
