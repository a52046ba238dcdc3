"""Forty dosing decisions whose answer is known by brute force: kinds of ward stories in a one- or two-compartment drug.

Nothing here is measured data: the model (clearance 4.5 L/h, volume 50 L, spreads of 35 and 25 %, proportional error
15 %) has the size of vancomycin in adults, so that doses and targets are those of a ward; the truth is drawn from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.model.compose import compose
from twin_service.model.structure import Block, DoseRoute, Effect, ErrorLaw, Observable, PatientModel
from twin_service.scenario.target import Target
from twin_service.solver.expression import symbol
from twin_service.solver.functions import exp
from twin_service.solver.system import Input, Output, Parameter, SystemState

FloatArray = NDArray[np.float64]
V, V2, Q, OMEGA, ERROR = 50.0, 40.0, 5.0, (0.35, 0.25), 0.15
AMOUNTS_MG, INTERVALS_H, INFUSED_H, HORIZON_H = (500.0, 750.0, 1000.0, 1250.0, 1500.0), (8.0, 12.0, 24.0), 1.0, 48.0
AUC = Target("drug", "auc_day", 400.0, 600.0, name="AUC of the last day")
TROUGH = Target("drug", "trough", 10.0, 18.0, from_h=24.0, name="trough")


@dataclass(frozen=True)
class DecisionCase:
    """doses given (hour, mg, hours of infusion) and levels (hour, mg/L) before `start_h`; `cl` typical, L/h."""

    kind: str
    cl: float
    two: bool
    doses: tuple[tuple[float, float, float], ...]
    levels: tuple[tuple[float, float], ...]
    start_h: float
    target: Target


def model(cl: float, two: bool) -> PatientModel:
    """The decision's drug with effects on clearance and central volume."""
    a, b, eta_cl, eta_v = map(symbol, ("A", "B", "eta_cl", "eta_v"))
    volume = V * exp(eta_v)
    out = cl * exp(eta_cl) / volume * a
    move = Q / volume * a - Q / V2 * b if two else 0.0 * a
    states = (SystemState("A", "mg", -out - move), *((SystemState("B", "mg", move),) if two else ()))
    block = Block(
        "case",
        "1",
        states=states,
        parameters=(Parameter("eta_cl", "1", 0.0), Parameter("eta_v", "1", 0.0)),
        outputs=(Output("level", "mg/L", a / volume),),
        inputs=(Input("iv", "mg", "A"),),
        effects=(Effect("eta_cl", OMEGA[0] ** 2), Effect("eta_v", OMEGA[1] ** 2)),
        observables=(Observable("drug", "level", "mg/L", ErrorLaw(proportional=ERROR)),),
        routes=(DoseRoute("drug", "iv", "iv", 1.0),),
    )
    return compose("case", {"x": block})


def levels_at(
    d: DecisionCase, eta: FloatArray, doses: tuple[tuple[float, float, float], ...], times: FloatArray
) -> FloatArray:
    """Closed form: the level (N, nt) of members `eta` (N, 2) by superposition of infusions."""
    cl, v = d.cl * np.exp(eta[:, 0]), V * np.exp(eta[:, 1])
    found = np.zeros((len(eta), len(times)))
    for share, rate in _exponentials(d, cl, v):
        for hour, mg, over in doses:
            since = times - hour
            inside, after = np.clip(since, 0.0, over), np.maximum(since - over, 0.0)
            r = rate[:, None]
            found += (mg / over / r) * share[:, None] * -np.expm1(-r * inside) * np.exp(-r * after)
    return found


def _exponentials(d: DecisionCase, cl: FloatArray, v: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    if not d.two:
        return [(1.0 / v, cl / v)]
    k10, k12, k21 = cl / v, Q / v, np.full_like(v, Q / V2)
    total, root = k10 + k12 + k21, np.sqrt((k10 + k12 + k21) ** 2 - 4.0 * k10 * k21)
    fast, slow = 0.5 * (total + root), 0.5 * (total - root)
    return [((fast - k21) / (v * (fast - slow)), fast), ((k21 - slow) / (v * (fast - slow)), slow)]


def decisions() -> Iterator[DecisionCase]:
    """Ten kinds, four patients of each."""
    for kind in range(10):
        for k in range(4):
            rng = np.random.default_rng([kind, k])
            yield _decision(kind, np.array(OMEGA) * rng.standard_normal(2), rng)


def _decision(kind: int, eta: FloatArray, rng: np.random.Generator) -> DecisionCase:
    doses = tuple((12.0 * j, 1000.0, 1.0) for j in range(3))
    name, cl, two, sampled, target = (
        ("no level", 4.5, False, (), AUC),
        ("one trough", 4.5, False, (23.9,), AUC),
        ("two levels", 4.5, False, (14.0, 23.5), AUC),
        ("kidney injury, one level", 1.6, False, (23.9,), AUC),
        ("a level during the infusion", 4.5, False, (24.5,), AUC),
        ("a pair at one time", 4.5, False, (20.0, 20.0), AUC),
        ("fast clearance", 9.0, False, (22.0,), AUC),
        ("a level just before a dose", 4.5, False, (12.0 - 1e-3,), TROUGH),
        ("two compartments, two levels", 4.5, True, (14.0, 23.5), TROUGH),
        ("two compartments, no level", 4.5, True, (), TROUGH),
    )[kind]
    empty = DecisionCase(name, cl, two, doses, (), 36.0, target)
    truth = levels_at(empty, eta[None], doses, np.array(sampled, dtype=np.float64))[0]
    read = truth * (1.0 + ERROR * rng.standard_normal(len(truth)))
    levels = tuple((float(t), float(max(y, 0.05))) for t, y in zip(sampled, read, strict=True))
    return DecisionCase(name, cl, two, doses, levels, 36.0, target)
