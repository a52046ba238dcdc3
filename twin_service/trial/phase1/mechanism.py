"""Scenarios from the mechanism: the risk at each dose is the share of virtual patients who reach a toxic endpoint.

The library's patients of the drug (whole-body PBPK or population PK with its effect blocks) are treated at every dose
of a plan; what they reach is that drug's toxicity panel. A scenario made so rests on the library and not on a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.toxicity import ToxicityPanel, assess


@dataclass(frozen=True)
class Mechanistic:
    """How the drug is given at each dose, and which endpoint is dose limiting."""

    drug: str
    endpoint: str
    route: str = "oral"
    every_h: float = 24.0
    count: int = 1
    over_h: float = 0.0
    patients: int = 500


def mechanistic_risks(ask: Mechanistic, doses_mg: Sequence[float], seed: int) -> tuple[float, ...]:
    """Probability of the endpoint at each dose, made monotone where simulation noise is not. The same patients take
    every dose. Raises Refusal for a drug or endpoint that the library does not have."""
    risks = []
    for dose in doses_mg:
        planned = PlannedDoses(ask.drug, ask.route, dose, ask.every_h, ask.count, ask.over_h)
        found = assess(
            ask.drug, Regimen(f"{dose:g} mg", (planned,)), rng=np.random.default_rng(seed), patients=ask.patients
        )
        risks.append(_risk(found, ask.endpoint))
    return tuple(map(float, np.maximum.accumulate(risks)))


def _risk(found: ToxicityPanel, endpoint: str) -> float:
    known = {r.endpoint.id: r.probability for j in found.judged for r in j.risks}
    if endpoint not in known:
        raise refuse("mechanism.endpoint", f"{endpoint!r} is not judged for {found.drug}; known: {', '.join(known)}")
    return float(known[endpoint])
