"""What the generated code factors is the Jacobian: against differences of the rates, on the 40-state problem."""

from __future__ import annotations

import ctypes

import numpy as np

from twin_service.qualification.bench.reference_problem import reference_population, reference_system
from twin_service.solver.engine import form_of, model_of, workspace
from twin_service.solver.reference import as_python


def dense_jacobian(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """By central differences of the reference path's rates."""
    rates, n = as_python(reference_system()).rates, len(y)
    columns = []
    for j in range(n):
        h = 1e-5 * max(1.0, abs(y[j]))
        up, down = y.copy(), y.copy()
        up[j] += h
        down[j] -= h
        columns.append((np.array(rates(0.0, *up, *p)) - np.array(rates(0.0, *down, *p))) / (2 * h))
    return np.array(columns).T


def test_factors_solve_with_the_jacobian() -> None:
    """(d I - J) x = b by the generated code, multiplied back with differences."""
    system = reference_system()
    model = model_of(system, 1)
    at, ws = model.layout, workspace(model.layout.size, 1)
    rng = np.random.default_rng(2)
    p, y, h = reference_population(1)[0], rng.uniform(0.5, 3.0, 40), 0.02
    attempt, prepare = (
        ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * k)(model.machine.address[name])
        for name, k in (("attempt", 2), ("prepare", 1))
    )
    ws[at.p : at.p + 31], ws[at.y : at.y + 40], ws[at.h] = p, y, h
    prepare(ws.ctypes.data)
    tol = np.full(41, 1e-6)
    attempt(ws.ctypes.data, tol.ctypes.data)
    first = ws[at.k : at.k + 40]  # the first increment solves (I/(gamma h) - J) k = f
    f = np.array(as_python(system).rates(0.0, *y, *p))
    matrix = np.eye(40) / (0.21193756319429014 * h) - dense_jacobian(p, y)
    # Differences of rates up to 1e3 with a step of 1e-5 leave 1e-8.
    assert np.allclose(matrix @ first, f, rtol=1e-6, atol=1e-6 * np.abs(f).max())


def test_the_pattern_is_the_one_the_design_counted() -> None:
    form = form_of(reference_system())
    assert len(form.jacobian) == 105
    assert len(form.lu.slot) <= 120
