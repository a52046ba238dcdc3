"""What could be given: every combination of what the pharmacy has, within the largest doses, and nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.regimen import PlannedDoses, Regimen, route_for
from twin_service.scenario.target import Target

CANDIDATES_MAX = 500
NOTHING = Regimen("nothing now")


@dataclass(frozen=True)
class Dispensable:
    """What can be given: every combination of these is a candidate. `targets` are those of this drug alone.

    most_single_mg, most_daily_mg   the largest dose at once and in the first day that may be recommended
    """

    drug: str
    route: str
    amounts_mg: tuple[float, ...]
    intervals_h: tuple[float, ...]
    durations_h: tuple[float, ...] = (0.0,)
    loading_mg: tuple[float, ...] = (0.0,)
    targets: tuple[Target, ...] = ()
    most_single_mg: float = np.inf
    most_daily_mg: float = np.inf


def candidates(options: Sequence[Dispensable], horizon_h: float) -> list[Regimen]:
    """Every combination of `options` as a regimen that fills the horizon, in their order."""
    found = [r for o in options for r in combinations(o, horizon_h)]
    if not 1 <= len(found) <= CANDIDATES_MAX:
        raise Refusal(
            RefusalCode.INVALID,
            f"{len(found)} candidate regimens; expected 1 to {CANDIDATES_MAX}: list "
            "fewer amounts, intervals or durations",
            field="options",
            reason="TOO_MANY_CANDIDATES",
        )
    return found


def combinations(o: Dispensable, horizon_h: float) -> list[Regimen]:
    """The candidates of one option."""
    found: list[Regimen] = []
    for mg, tau, duration, loading in product(o.amounts_mg, o.intervals_h, o.durations_h, o.loading_mg):
        count = max(1, int(horizon_h / tau + 1e-9)) if tau > 0 else 1
        name = f"{o.drug} {mg:g} mg every {tau:g} h" + (f" over {duration:g} h" if duration else "")
        name += f", loading {loading:g} mg" if loading else ""
        found.append(Regimen(name, (PlannedDoses(o.drug, o.route, mg, tau, count, duration, 0.0, loading),)))
    return found


def too_much(model: PatientModel, option: Dispensable, regimen: Regimen) -> str:
    """Why the doses of `regimen` are larger than may be given, "" where they are not."""
    for d in regimen.doses:
        single = float(max(d.amounts))
        known = route_for(model, d.drug, d.route).most_mg
        if single > min(option.most_single_mg, known) * (1 + 1e-9):
            return f"a single dose of {single:g} mg is above {min(option.most_single_mg, known):g} mg"
        day = float(d.amounts[(d.hours >= d.delay_h) & (d.hours < d.delay_h + 24.0 - 1e-9)].sum())
        if day > option.most_daily_mg * (1 + 1e-9):
            return f"{day:g} mg in the first day are above {option.most_daily_mg:g} mg"
    return ""


def burden(regimen: Regimen) -> tuple[float, float]:
    """Doses a day and mg a day: among regimens of equal worth the lighter one is given."""
    daily = sum(24.0 / d.interval_h if d.interval_h > 0 else 1.0 for d in regimen.doses)
    return daily, sum(d.daily_mg for d in regimen.doses)
