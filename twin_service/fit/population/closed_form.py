"""Closed forms of one to three compartments: f and its exact first and second derivatives, written from one expression.

    one dose, elapsed time T since it entered (after the lag):
    bolus        A/V exp(-k T)                                infusion   A/(D CL) (exp(-k (T - D)+) - exp(-k T))
    first order  A F ka/V (exp(-k T) - exp(-ka T)) / (ka - k)
    more compartments: sums of such terms with the roots of the characteristic polynomial

Doses add up (the system is linear). Gabrielsson & Weiner 2016, ISBN 978-9198299106. The derivatives are generated from
the expression graph, so that a covariate or another parametrization needs no new algebra.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.problem import PredictedReadings, Who
from twin_service.model.library.tables import StructureTable
from twin_service.solver import functions as fn
from twin_service.solver.derivative import gradients
from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import Expression, apply, expression, symbol

Floats = NDArray[np.float64]
NEAR = 1e-4
"""ka within this share of k is moved away from it: the quotient of differences would lose all digits."""
ELAPSED, AMOUNT, DURATION = "elapsed", "amount", "duration"


@dataclass(frozen=True)
class DoseTable:
    """Doses of every subject and what of each reading they reach.

    elapsed   (N, D, n)   reading less dose time, h; -1 where the reading is not after the dose
    amount, duration (N, D)
    oral      (N, D)      1.0 for a dose into the depot
    scale     (N, n)      mg/L -> the observable's unit
    """

    elapsed: Floats
    amount: Floats
    duration: Floats
    oral: Floats
    scale: Floats


Values = Sequence[Any]
ArrayFunction = Callable[..., Values]


@dataclass(frozen=True)
class ClosedForm:
    """A structural model. `functions[order]` of (handles..., elapsed, amount, duration, oral) give f, g and h."""

    table: DoseTable
    handles: int
    functions: tuple[ArrayFunction, ArrayFunction, ArrayFunction]
    everyone: Who
    costly: bool = False

    def __call__(self, phi: Floats, who: Who, order: int) -> PredictedReadings:
        t, p = self.table, self.handles
        given = (t.elapsed, t.amount, t.duration, t.oral, t.scale)
        elapsed, amount, duration, oral, scale = given if who is self.everyone else (a[who] for a in given)
        if elapsed.shape[1] == 1:
            found = self.functions[order](*(phi[:, k, None] for k in range(p)), elapsed[:, 0], amount, duration, oral)
            zero = np.zeros_like(scale)
            parts = [x * scale if np.shape(x) == scale.shape else x * scale + zero for x in found]
        else:
            columns = [phi[:, k, None, None] for k in range(p)]
            found = self.functions[order](*columns, elapsed, amount[..., None], duration[..., None], oral[..., None])
            parts = [np.broadcast_to(x, elapsed.shape).sum(1) * scale for x in found]
        f, first = parts[0], parts[1 : 1 + p]
        if order == 0:
            return PredictedReadings(f)
        g = np.stack(first, axis=1)
        if order == 1:
            return PredictedReadings(f, g)
        h = np.empty((len(f), p, p, f.shape[1]))
        k = 1 + p
        for i in range(p):
            for j in range(i + 1):
                h[:, i, j] = h[:, j, i] = parts[k]
                k += 1
        return PredictedReadings(f, g, h)


def closed_form(concentration: Expression, handles: Sequence[str], table: DoseTable, everyone: Who) -> ClosedForm:
    """The model of `concentration` (mg/L after one dose), differentiated with respect to the handles."""
    first = gradients([concentration], handles)[0]
    slopes = [first.get(h, expression(0.0)) for h in handles]
    second = gradients(slopes, handles)
    bends = [second[i].get(handles[j], expression(0.0)) for i in range(len(handles)) for j in range(i + 1)]
    names = [*handles, ELAPSED, AMOUNT, DURATION, "oral"]
    orders = ([concentration], [concentration, *slopes], [concentration, *slopes, *bends])
    return ClosedForm(table, len(handles), tuple(array_function(roots, names) for roots in orders), everyone)  # type: ignore[arg-type]


@dataclass(frozen=True)
class GivenWays:
    """Whether any dose enters the depot, any goes elsewhere, any lasts: what nobody gets is left out."""

    oral: bool
    direct: bool
    infused: bool


def concentration_of(structure: StructureTable, p: Mapping[str, Any], given: GivenWays) -> Expression | None:
    """mg/L at `elapsed` hours after a dose; None where the structure has no closed form here."""
    oral, infused = given.oral, given.infused
    kind, n = structure.absorption, structure.compartments
    plain = structure.elimination == "linear" and structure.response is None
    if not plain or structure.metabolite or n > 3 or kind not in ("none", "first_order", "zero_order"):
        return None
    if (kind == "first_order" and "D1" in p) or (given.direct and oral and ("LAG" in p or kind == "zero_order")):
        return None
    late = p["LAG"] if "LAG" in p and (oral or kind == "none") else 0.0
    T = symbol(ELAPSED) - late
    on = T >= 0.0
    T = fn.maximum(T, 0.0)
    dose, duration = symbol(AMOUNT), symbol(DURATION)
    if kind == "zero_order" and oral:
        duration, infused = p["D1"], True
    terms = _exponentials(p, n)
    entered: Any = 0.0
    for weight, rate in terms:
        direct = _direct(T, rate, duration, infused)
        if kind == "first_order" and oral:
            through = p["KA"] * p.get("F", 1.0) * _quotient(T, rate, p["KA"])
            direct = fn.where(symbol("oral") > 0.5, through, direct) if given.direct else through
        elif kind == "zero_order" and oral:
            direct = direct * p.get("F", 1.0)
        entered = entered + weight * direct
    return expression(fn.where(on, dose * entered, 0.0))


def _direct(T: Any, rate: Any, duration: Any, infused: bool) -> Any:
    """exp(-rate T), or its mean over the infusion."""
    if not infused:
        return fn.exp(-rate * T)
    lasting = fn.maximum(duration, 1e-12)
    over = (fn.exp(-rate * fn.maximum(T - duration, 0.0)) - fn.exp(-rate * T)) / (rate * lasting)
    return fn.where(duration > 1e-12, over, fn.exp(-rate * T))


def _quotient(T: Any, k: Any, ka: Any) -> Any:
    """(exp(-k T) - exp(-ka T)) / (ka - k), moved off ka = k."""
    gap = ka - k
    gap = fn.where(fn.absolute(gap) < NEAR * k, NEAR * k, gap)
    return (fn.exp(-k * T) - fn.exp(-(k + gap) * T)) / gap


def _exponentials(p: Mapping[str, Any], n: int) -> list[tuple[Any, Any]]:
    """Weights (1/L) and rates (1/h) of the disposition after a bolus of 1 mg."""
    V = p["V"] if "V" in p else p["V1"]
    k = p["K"] if "K" in p else p["CL"] / V
    if n == 1:
        return [(1.0 / V, k)]
    if n == 3:
        return _three(V, k, p)
    k12, k21 = (p["K12"], p["K21"]) if "K12" in p else (p["Q"] / V, p["Q"] / p["V2"])
    total = k + k12 + k21
    root = fn.sqrt(fn.maximum(total * total - 4.0 * k * k21, 1e-300))
    fast, slow = 0.5 * (total + root), 0.5 * (total - root)
    # the smaller root by the product of both: no cancellation
    slow = k * k21 / fast
    return [((fast - k21) / (root * V), fast), ((k21 - slow) / (root * V), slow)]


def _three(V: Any, k: Any, p: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Three compartments: the roots of a cubic with three positive roots, by cosines."""
    k12, k21 = (p["K12"], p["K21"]) if "K12" in p else (p["Q"] / V, p["Q"] / p["V2"])
    k13, k31 = (p["K13"], p["K31"]) if "K13" in p else (p["Q3"] / V, p["Q3"] / p["V3"])
    a0, a2 = k * k21 * k31, k + k12 + k13 + k21 + k31
    a1 = k * k31 + k21 * k31 + k21 * k13 + k * k21 + k31 * k12
    down = a2 * a2 / 9.0 - a1 / 3.0
    q = a2 * a2 * a2 / 27.0 - a1 * a2 / 6.0 + 0.5 * a0
    size = fn.sqrt(down)
    angle = apply("acos", fn.maximum(fn.minimum(-q / (down * size), 1.0), -1.0)) / 3.0
    rates = [a2 / 3.0 - 2.0 * size * fn.cos(angle + turn) for turn in (0.0, 2.0 * math.pi / 3.0, 4.0 * math.pi / 3.0)]
    terms = []
    for i, rate in enumerate(rates):
        first, second = (r for j, r in enumerate(rates) if j != i)
        terms.append(((k21 - rate) * (k31 - rate) / ((rate - first) * (rate - second) * V), rate))
    return terms
