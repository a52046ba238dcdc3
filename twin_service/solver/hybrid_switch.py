"""Where a system's right-hand side or an event's trigger switches: every comparison and every whole-number function.

Between two switches the system is smooth; a run stops at the first floating-point number at which one has switched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from twin_service.solver.expression import Expression, apply, walk

Floats = NDArray[np.float64]
Pattern = tuple[float, ...]
_SAMPLES = np.linspace(0.0, 1.0, 7)[1:]


def switches(roots: Sequence[Expression]) -> list[Expression]:
    """The comparisons and whole-number functions below `roots`; `eq` is its two strict sides."""
    found: list[Expression] = []
    for node in walk(roots):
        if node.op in ("lt", "le", "gt", "ge"):
            found.append(node)
        elif node.op in ("eq", "ne"):
            found += [apply("lt", *node.args), apply("gt", *node.args)]
        elif node.op in ("floor", "ceil"):
            found.append(node)
        elif node.op == "mod":
            found.append(apply("floor", apply("div", *node.args)))
    return [f for f in dict.fromkeys(found) if f.op != "const"]


def first_switch(
    pattern: Callable[[float, Floats], Pattern], dense: Callable[[float], Floats], span: tuple[float, float]
) -> float | None:
    """The first number in (span[0], span[1]] seen to have another pattern than span[0]; None if there is none."""
    low, end = span
    before = pattern(low, dense(low))
    for fraction in _SAMPLES:
        high = end if fraction == 1.0 else span[0] + (end - span[0]) * fraction
        if pattern(high, dense(high)) != before:
            return _bisect(lambda t: pattern(t, dense(t)) != before, low, high)
        low = high
    return None


def _bisect(changed: Callable[[float], bool], low: float, high: float) -> float:
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            return high
        if changed(middle):
            high = middle
        else:
            low = middle
