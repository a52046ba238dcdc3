"""What is given and when: doses on time, missed and loading, meals, and the times to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import DoseRoute, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule

Floats = NDArray[np.float64]
BEFORE, AFTER = 0.02, 400
HALF_LIVES, AT_LEAST_H, AT_MOST_H = 8.0, 48.0, 24.0 * 365.0
MOST_DOSES, MOST_PEOPLE = 5000, 10_000


@dataclass(frozen=True)
class DosePlan:
    """`count` doses of `dose_mg` by `route` every `interval_h` from `start_h`, each over `duration_h`.

    formulation  dosage form of the drug file (default: its first)
    horizon_h    how long to look; 0: until it is gone
    population   0: the typical person; n: n people with the drug's random effects (seeded)
    loading_mg   the first dose where it differs
    missed       doses (counted from 1) that are not taken
    meals_h      times of meals, which empty the gallbladder
    steady       the first dose finds the steady state of the same dose given at the interval for ever
    """

    dose_mg: float
    route: str = "oral"
    interval_h: float = 24.0
    count: int = 1
    duration_h: float = 0.0
    formulation: str = ""
    horizon_h: float = 0.0
    population: int = 0
    seed: int = 1
    start_h: float = 0.0
    loading_mg: float = 0.0
    missed: tuple[int, ...] = ()
    meals_h: tuple[float, ...] = ()
    steady: bool = False

    @property
    def last_h(self) -> float:
        return self.start_h + self.interval_h * (self.count - 1)

    @property
    def is_alone(self) -> bool:
        """One dose, with nothing of it in the body before: figures run to infinity."""
        return self.count == 1 and not self.steady

    @property
    def is_oral_single(self) -> bool:
        return self.count == 1 and self.route.startswith("oral")

    def taken(self) -> list[tuple[float, float]]:
        """(time, mg) of every dose that is taken."""
        return [
            (self.start_h + k * self.interval_h, self.loading_mg if k == 0 and self.loading_mg > 0 else self.dose_mg)
            for k in range(self.count)
            if k + 1 not in self.missed
        ]


ROUTES = {"iv": "into a vein", "oral": "by mouth", "sc": "under the skin", "im": "into a muscle"}


def told(plan: DosePlan) -> str:
    """The plan in words: 500 mg by mouth every 12 h, 6 doses."""
    where = next((words for route, words in ROUTES.items() if plan.route.startswith(route)), plan.route)
    parts = [f"{plan.dose_mg:g} mg {where}"]
    parts += [f"over {plan.duration_h:g} h"] * (plan.duration_h > 0)
    parts += [f"every {plan.interval_h:g} h, {plan.count} doses"] * (plan.count > 1)
    parts += [f"at steady state of every {plan.interval_h:g} h"] * plan.steady
    said = " ".join(parts)
    more = [f"first {plan.loading_mg:g} mg"] * (plan.loading_mg > 0) + [f"from hour {plan.start_h:g}"] * (
        plan.start_h > 0
    )
    more += [f"dose {k} missed" for k in plan.missed]
    return f"{said} ({', '.join(more)})" if more else said


def check_plan(plan: DosePlan) -> None:
    """Raises Refusal for a number that cannot be."""
    for name, value, low in (
        ("dose_mg", plan.dose_mg, 1e-12),
        ("interval_h", plan.interval_h, 1e-6),
        ("count", plan.count, 1),
        ("duration_h", plan.duration_h, 0.0),
        ("horizon_h", plan.horizon_h, 0.0),
        ("population", plan.population, 0),
        ("start_h", plan.start_h, 0.0),
        ("loading_mg", plan.loading_mg, 0.0),
    ):
        if not np.isfinite(value) or value < low:
            raise Refusal(
                RefusalCode.INVALID, f"{name} is {value}; expected at least {low:g}", field=name, reason="BAD_NUMBER"
            )
    if plan.population > MOST_PEOPLE:
        raise Refusal(RefusalCode.TOO_MUCH, f"population {plan.population}; at most {MOST_PEOPLE}", field="population")
    if plan.count > MOST_DOSES:
        raise Refusal(RefusalCode.TOO_MUCH, f"count {plan.count}; at most {MOST_DOSES}", field="count")
    if plan.steady and (plan.start_h > 0.0 or plan.loading_mg > 0.0):
        raise Refusal(
            RefusalCode.INVALID,
            "a steady state is there from the first dose at time 0: leave out start and loading",
            field="steady",
            reason="BAD_NUMBER",
        )
    wrong = [m for m in plan.missed if not 1 <= m <= plan.count]
    if wrong or len(set(plan.missed)) >= plan.count:
        raise Refusal(
            RefusalCode.INVALID,
            f"missed is {sorted(plan.missed)}; expected doses from 1 to {plan.count}, and one at least taken",
            field="missed",
            reason="BAD_NUMBER",
        )


def entry(model: PatientModel, drug: str, route: str) -> DoseRoute:
    """The way in. Raises Refusal naming those there are, and what a missing one needs."""
    found = [r for r in model.routes if r.drug == drug]
    for r in found:
        if r.route == route:
            return r
    needs = {
        "sc": "; subcutaneous doses need absorption.sc_ka in the drug file",
        "im": "; intramuscular doses need absorption.im_ka in the drug file",
    }.get(route, "")
    raise Refusal(
        RefusalCode.INVALID,
        f"{drug} has no route {route!r}; it has: {', '.join(r.route for r in found)}{needs}",
        field="route",
        reason="UNKNOWN_ROUTE",
    )


def schedule_of(model: PatientModel, plans: Sequence[tuple[str, DosePlan]]) -> Schedule:
    """Every dose of every drug, and the meals of the first plan."""
    doses = []
    for drug, plan in plans:
        way = entry(model, drug, plan.route)
        given = [Dose(t, way.input, mg * way.units_per_mg, plan.duration_h) for t, mg in plan.taken()]
        if plan.steady:
            given[0] = given[0]._replace(steady_interval_h=plan.interval_h)
        doses += given
    meal = next((u.name for u in model.system.inputs if u.unit == "meal"), None)
    if meal is not None:
        doses += [Dose(t, meal, 1.0) for t in plans[0][1].meals_h]
    elif plans[0][1].meals_h:
        raise Refusal(
            RefusalCode.INVALID,
            "meals empty the gallbladder, and no drug here is kept in it; give absorption.bile_stored in its file, or "
            "fed=1 for what food does to absorption",
            field="meals_h",
            reason="NO_GALLBLADDER",
        )
    return Schedule(tuple(sorted(doses)))


def horizon_of(plans: Sequence[DosePlan], half_life_h: float) -> float:
    """Until eight half-lives after the last dose, two days at least and a year at most, or as told."""
    if plans[0].horizon_h:
        return plans[0].horizon_h
    slow = min(max(HALF_LIVES * half_life_h, AT_LEAST_H), AT_MOST_H)
    return max(max(p.last_h for p in plans), plans[0].last_h + max(plans[0].interval_h, slow))


def grid_of(plan: DosePlan, end: float, times_h: list[float] | None) -> Floats:
    """Times dense after every one of the last twenty doses."""
    starts = [t for t, _ in plan.taken()]
    after = np.concatenate(
        [t + np.geomspace(BEFORE, max(end - t, 0.1), AFTER // min(len(starts), 20)) for t in starts[-20:]]
    )
    # The last interval is where figures are read: a coarse grid would miss its peak.
    within = np.linspace(plan.last_h, plan.last_h + plan.interval_h, AFTER)
    ends = [t + plan.duration_h for t in starts]
    wanted = times_h or []
    grid = np.concatenate([np.linspace(0.0, end, AFTER), after, starts, ends, within, wanted])
    return np.unique(grid[(grid >= 0) & (grid <= max(end, max(wanted, default=0.0)))])
