"""Where everything lies in the workspace that generated code and its driver share: vectors of `width` numbers."""

from __future__ import annotations

from typing import NamedTuple

from twin_service.solver.form import Form

MAX_STAGES = 8


class Layout(NamedTuple):
    """Offsets in vectors; `size` is the number of vectors.

    t, h, error, growth, theta, accept   one vector each: time and step (h), squared error, step factor, place in step
    y, new, stage   states now, after the step, and inside it
    rate            infusions (amount/h)
    p, q            parameters and hoisted constants
    lu, drift, k    factors, d rate/d time, stage increments (stages * n)
    seen, full      outputs; all states at theta
    """

    t: int
    h: int
    error: int
    growth: int
    theta: int
    accept: int
    y: int
    new: int
    stage: int
    rate: int
    p: int
    q: int
    lu: int
    drift: int
    k: int
    seen: int
    full: int
    boundary: int
    ahead: int
    kick: int
    fresh: int
    lands: int
    rejected: int
    steps: int
    coming: int
    due: int
    active: int
    limit: int
    rare: int
    pending: int
    arrived: int
    size: int


def layout(form: Form, *, pivoted: bool = False) -> Layout:
    """The workspace of `form`; a pivoted factorization keeps the whole matrix, the exchanges and the row scales."""
    n = len(form.rates)
    factors = n * n + 2 * n if pivoted else len(form.lu.slot)
    sizes = [
        1,
        1,
        1,
        1,
        1,
        1,
        n,
        n,
        n,
        n,
        len(form.system.parameters),
        len(form.constants),
        factors,
        n,
        MAX_STAGES * n,
        max(1, len(form.outputs)),
        n,
        *[1] * 14,
    ]
    offsets = [0]
    for s in sizes:
        offsets.append(offsets[-1] + s)
    return Layout(*offsets)
