"""`twin bench answers`: recommendations against brute force.

The oracle shares no code with the twin's engine or estimators: closed-form courses, 32,768 importance samples of the
posterior, the utility of every candidate. Regret is what the best is worth more than the recommended one; none
recommended counts as right where the oracle's best attains its target in less than the floor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from twin_service.qualification.bench.answer_cases import (
    AMOUNTS_MG,
    AUC,
    ERROR,
    HORIZON_H,
    INFUSED_H,
    INTERVALS_H,
    OMEGA,
    DecisionCase,
    decisions,
    levels_at,
    model,
)
from twin_service.record.events import MICROSECONDS_PER_HOUR, DoseGiven, Event, LabMeasured
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.twin.fold import Folded, fold
from twin_service.twin.recommend import Dispensable, Preferences, recommend

FloatArray = NDArray[np.float64]
DRAWS = 32_768
EDGE = 0.1
ASSAY = 0.05  # the rest of the model's error is taken to move the patient's true level
SAMPLING = 0.016  # two standard errors of a share of one half in the 4,096 members that decide at the floor
NOTHING = "nothing now"


class DecisionVerdict(NamedTuple):
    """One decision: what was recommended ("" for none), what the oracle prefers, and what the difference costs."""

    kind: str
    recommended: str
    best: str
    regret: float


class Worth(NamedTuple):
    """A candidate by the oracle: expected utility, and how probably its target is attained."""

    utility: float
    attained: float


def run(say: Callable[[str], None]) -> dict[str, float]:
    """Figures `answers.*` of all decisions; tells each one with regret."""
    found = []
    for d in decisions():
        found.append(judge(d))
        v = found[-1]
        if v.regret > 0.0:
            say(f"{v.kind}: recommended {v.recommended or 'none'}, best {v.best}, regret {v.regret:.3f}")
    return {
        "answers.recommendations": float(len(found)),
        "answers.regret_max": max(v.regret for v in found),
        "answers.regret_mean": float(np.mean([v.regret for v in found])),
        "answers.recommended_share": float(np.mean([v.recommended != "" for v in found])),
    }


def judge(d: DecisionCase, members: int = 256) -> DecisionVerdict:
    """What the twin recommends for `d`, held against the oracle."""
    option = Dispensable("drug", "iv", AMOUNTS_MG, INTERVALS_H, (INFUSED_H,))
    ranking = recommend(twin_of(d), [option], [d.target], start_h=d.start_h, horizon_h=HORIZON_H, members=members)
    worth = oracle(d)
    best = max(worth, key=lambda name: worth[name].utility)
    if ranking.recommended is None:
        missed = worth[best].attained >= Preferences().floor + SAMPLING
        return DecisionVerdict(d.kind, "", best, worth[best].utility if missed else 0.0)
    chosen = ranking.recommended.what_if.regimen.name
    return DecisionVerdict(d.kind, chosen, best, worth[best].utility - worth[chosen].utility)


def twin_of(d: DecisionCase) -> Folded:
    """The twin that has seen the decision's doses and levels."""

    def at(hour: float) -> int:
        return round(hour * MICROSECONDS_PER_HOUR)

    events = [Event(f"d{k}", at(t), DoseGiven("drug", mg, "iv", over)) for k, (t, mg, over) in enumerate(d.doses)]
    events += [Event(f"l{k}", at(t), LabMeasured("drug", y, "mg/L", y, "mg/L")) for k, (t, y) in enumerate(d.levels)]
    person = Person(TwinName.parse("tenants/bench/patients/answers/twin"), ModelChoice(poppk="case"), 0)
    return fold(model(d.cl, d.two), person, Timeline.of(events))


def oracle(d: DecisionCase) -> dict[str, Worth]:
    """Every candidate, and nothing, by importance sampling from a prior 1.5 times too wide."""
    wide, omega = 1.5, np.array(OMEGA)
    cube = qmc.Sobol(3, scramble=True, rng=np.random.default_rng(1)).random(DRAWS)
    z, occasion = np.split(ndtri(np.clip(cube, 1e-12, 1 - 1e-12)), [2], axis=1)
    moved = np.maximum(1.0 + np.sqrt(ERROR**2 - ASSAY**2) * occasion[:, 0], 0.0)
    eta = wide * z * omega
    log_w = -0.5 * np.sum((wide * z) ** 2 - z**2, axis=1)
    if d.levels:
        f = levels_at(d, eta, d.doses, np.array([t for t, _ in d.levels]))
        sd = ERROR * f
        log_w += np.sum(-0.5 * ((np.array([y for _, y in d.levels]) - f) / sd) ** 2 - np.log(sd), axis=1)
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    keep = w > 1e-9
    found = {NOTHING: _worth(d, eta[keep], w[keep], moved[keep], ())}
    for mg in AMOUNTS_MG:
        for tau in INTERVALS_H:
            plan = tuple((d.start_h + k * tau, mg, INFUSED_H) for k in range(int(HORIZON_H / tau)))
            name = f"drug {mg:g} mg every {tau:g} h over {INFUSED_H:g} h"
            found[name] = _worth(d, eta[keep], w[keep], moved[keep], plan)
    return found


def _worth(
    d: DecisionCase, eta: FloatArray, w: FloatArray, moved: FloatArray, plan: tuple[tuple[float, float, float], ...]
) -> Worth:
    """`moved` (N,): every level of the next occasion over the curve's (a proportional error moves all alike)."""
    metric = (_auc_day if d.target is AUC else _trough)(d, eta, plan) * moved
    low, high = d.target.low, d.target.high
    with np.errstate(divide="ignore"):
        outside = np.maximum(np.log(low) - np.log(metric), np.log(metric) - np.log(high))
    met = 1.0 - np.clip(outside / np.log1p(EDGE), 0.0, 1.0)
    return Worth(float(w @ met / w.sum()), float(w @ (outside <= 0.0) / w.sum()))


def _auc_day(d: DecisionCase, eta: FloatArray, plan: tuple[tuple[float, float, float], ...]) -> FloatArray:
    """By balance in one compartment: (what entered in the last 24 h less the rise of the amount) / CL."""
    end = d.start_h + HORIZON_H
    every = (*d.doses, *plan)
    c = levels_at(d, eta, every, np.array([end - 24.0, end]))
    entered = sum(
        mg * max(0.0, min(t + over, end) - max(t, end - 24.0)) / over for t, mg, over in every if t + over > end - 24.0
    )
    v, cl = 50.0 * np.exp(eta[:, 1]), d.cl * np.exp(eta[:, 0])
    return np.asarray((entered - (c[:, 1] - c[:, 0]) * v) / cl)


def _trough(d: DecisionCase, eta: FloatArray, plan: tuple[tuple[float, float, float], ...]) -> FloatArray:
    """The least of the levels before each planned dose after the first day, and at the end."""
    end, first = d.start_h + HORIZON_H, d.start_h + d.target.from_h
    times = np.array([*(t for t, _, _ in plan if t > first), end])
    return np.asarray(levels_at(d, eta, (*d.doses, *plan), times).min(axis=1))
