"""Designs side by side on the same scenarios, and the choice among them under constraints.

3 + 3 is enumerated exactly except for its duration; the others are simulated. A design is admissible when, averaged
over the scenarios, it treats at most `patients_max` patients and gives at most `overdosing_max` of them an overdose;
among the admissible the one that finds the right dose most often is chosen, and those within two standard errors of
it are ties.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.phase1.designs import Boin, Crm, RuleOfThree
from twin_service.trial.phase1.escalation_plan import BoinPart, CrmPart, EscalationPlan, ScenarioPart
from twin_service.trial.phase1.escalation_rules import three_plus_three
from twin_service.trial.phase1.mechanism import Mechanistic, mechanistic_risks
from twin_service.trial.phase1.simulation import Characteristics, characteristics, simulate, simulate_rolling

FloatArray = NDArray[np.float64]
COHORTS_OF_THREE = 40
UPPER = 0.33


@dataclass(frozen=True)
class Row:
    """One design on one scenario."""

    design: str
    scenario: str
    risks: tuple[float, ...]
    exact: bool
    found: Characteristics


@dataclass(frozen=True)
class RankedDesign:
    """One design over all scenarios: right dose, its standard error, patients, share overdosed, days (median of the
    medians); whether it keeps the constraints, and whether it ties with the best."""

    design: str
    right: float
    right_se: float
    patients: float
    overdosed: float
    days: float
    admissible: bool
    tie: bool


@dataclass(frozen=True)
class DesignComparison:
    """All rows, the ranking, and the chosen design (None: none is admissible) with the reason."""

    plan: EscalationPlan
    rows: tuple[Row, ...]
    ranked: tuple[RankedDesign, ...]
    chosen: str | None
    reason: str


def standard_scenarios(plan: EscalationPlan) -> tuple[ScenarioPart, ...]:
    """The plan's scenarios, or one with the target at each dose (steps of 0.7 in log-odds beside it) and one above
    all."""
    if plan.scenario:
        return plan.scenario
    k, odds = np.arange(len(plan.doses)), float(np.log(plan.target / (1 - plan.target)))

    def risks(at: int) -> tuple[float, ...]:
        return tuple(map(float, np.round(1 / (1 + np.exp(-(odds + 0.7 * (k - at)))), 3)))

    inside = [ScenarioPart(name=f"target at {d:g} {plan.unit}", risks=risks(j)) for j, d in enumerate(plan.doses)]
    return (*inside, ScenarioPart(name="all too toxic", risks=risks(-2)))


def compare(
    plan: EscalationPlan, trials: int, seed: int, tell: Callable[[float], None] = lambda share: None
) -> DesignComparison:
    """Every design of the plan on every scenario. `tell` hears the share that is done."""
    scenarios = tuple(_resolved(s, plan, seed) for s in standard_scenarios(plan))
    rows, total = [], len(plan.design) * len(scenarios)
    for d, part in enumerate(plan.design):
        design = part.build(plan)
        for k, scenario in enumerate(scenarios):
            # The same seed for each scenario: designs meet the same arrivals where their steps allow.
            rng = np.random.default_rng([seed, k])
            conduct = plan.conduct.build(plan.start)
            if isinstance(part, BoinPart | CrmPart) and part.rolling and isinstance(design, Boin | Crm):
                found = simulate_rolling(design, scenario.risks, conduct, trials, rng)
            elif isinstance(design, RuleOfThree):
                found = simulate(design, scenario.risks, replace(conduct, cohorts=COHORTS_OF_THREE), trials, rng)
            else:
                found = simulate(design, scenario.risks, conduct, trials, rng)
            seen = characteristics(found, scenario.risks, plan.target)
            exact = isinstance(design, RuleOfThree) and plan.start == 1 and plan.conduct.backfill is None
            if exact and isinstance(design, RuleOfThree):
                seen = _exactly(seen, scenario.risks, plan.target, design.deescalate)
            rows.append(Row(part.name, scenario.name, scenario.risks, exact, seen))
            tell((d * len(scenarios) + k + 1) / total)
    ranked = _ranked(plan, rows)
    return DesignComparison(plan, tuple(rows), ranked, *_choice(plan, ranked))


def _resolved(scenario: ScenarioPart, plan: EscalationPlan, seed: int) -> ScenarioPart:
    """With the risks that its mechanism gives, where it has one."""
    if scenario.mechanism is None:
        return scenario
    risks = mechanistic_risks(Mechanistic(**scenario.mechanism.model_dump()), plan.doses, seed)
    return scenario.model_copy(update={"risks": risks})


def _exactly(seen: Characteristics, risks: Sequence[float], target: float, deescalate: bool) -> Characteristics:
    """The simulated answer with everything replaced that enumeration knows."""
    exact, p = three_plus_three(risks, deescalate=deescalate), np.asarray(risks)
    right = int(np.argmin(np.abs(p - target)))
    return replace(
        seen,
        selection=exact.declared,
        selection_se=np.zeros_like(exact.declared),
        patients=exact.patients,
        patients_se=np.zeros_like(exact.patients),
        toxicities=exact.toxicities,
        right=float(exact.declared[right + 1]),
        above=float(exact.declared[1:][p > UPPER].sum()),
        total=float(exact.patients.sum()),
    )


def _is_safe(risks: Sequence[float], target: float) -> bool:
    """Whether there is a dose to be found: the lowest is not above what is called overdosing."""
    return min(risks) <= max(UPPER, target)


def _ranked(plan: EscalationPlan, rows: Sequence[Row]) -> tuple[RankedDesign, ...]:
    """Where every dose is too toxic, declaring none is right."""
    found = []
    for name in dict.fromkeys(r.design for r in rows):
        mine = [r for r in rows if r.design == name]
        right = [r.found.right if _is_safe(r.risks, plan.target) else float(r.found.selection[0]) for r in mine]
        error = [np.sqrt(p * (1 - p) / r.found.trials) for p, r in zip(right, mine, strict=True)]
        patients = float(np.mean([r.found.total for r in mine]))
        overdosed = float(np.mean([r.found.overdosed for r in mine if _is_safe(r.risks, plan.target)] or [0.0]))
        keeps = patients <= plan.constraints.patients_max and overdosed <= plan.constraints.overdosing_max
        days = float(np.median([r.found.days[1] for r in mine]))
        se = float(np.sqrt(np.sum(np.square(error))) / len(mine))
        found.append(RankedDesign(name, float(np.mean(right)), se, patients, overdosed, days, keeps, False))
    found.sort(key=lambda r: (not r.admissible, -r.right))
    best = found[0]
    return tuple(
        replace(r, tie=r.admissible and best.right - r.right <= 2 * np.hypot(r.right_se, best.right_se)) for r in found
    )


def _choice(plan: EscalationPlan, ranked: Sequence[RankedDesign]) -> tuple[str | None, str]:
    c = plan.constraints
    best = ranked[0]
    if not best.admissible:
        return None, (
            f"no design keeps {c.patients_max:g} patients and {100 * c.overdosing_max:g} % overdosed on average; "
            "allow more of one of them, or change a design"
        )
    ties = [r.design for r in ranked if r.tie and r is not best]
    also = f"; not told apart from {', '.join(ties)}" if ties else ""
    return best.design, f"finds the right dose most often ({100 * best.right:.0f} %) within the constraints{also}"
