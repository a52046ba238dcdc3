"""Planned treatment: who owns the hours and amounts of doses, their loading dose, and the way they enter a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.model.domain import dose_doubt
from twin_service.model.structure import DoseRoute, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose


@dataclass(frozen=True)
class PlannedDoses:
    """`count` doses of `amount_mg` every `interval_h`, the first `delay_h` after the start of the forecast."""

    drug: str
    route: str
    amount_mg: float
    interval_h: float
    count: int
    duration_h: float = 0.0
    delay_h: float = 0.0
    loading_mg: float = 0.0

    @property
    def hours(self) -> NDArray[np.float64]:
        """Hours of every dose from the start of the forecast, (count,)."""
        return np.asarray(self.delay_h + np.arange(self.count) * self.interval_h, dtype=np.float64)

    @property
    def amounts(self) -> NDArray[np.float64]:
        """Every dose, mg, (count,); the first is the loading dose where there is one."""
        mg = np.full(self.count, self.amount_mg)
        mg[0] = self.loading_mg if self.loading_mg > 0 else self.amount_mg
        return mg

    @property
    def daily_mg(self) -> float:
        """mg a day while it is repeated; a single dose counts as one a day."""
        return self.amount_mg * 24.0 / self.interval_h if self.count > 1 or self.interval_h > 0 else self.amount_mg


@dataclass(frozen=True)
class Regimen:
    """A named plan; no doses at all is a plan too (stop treatment)."""

    name: str
    doses: tuple[PlannedDoses, ...] = ()


def planned_doses(model: PatientModel, regimen: Regimen, start_h: float) -> tuple[Dose, ...]:
    """The solver doses of `regimen` started at `start_h`, by time; refuses an unknown drug or route."""
    found: list[Dose] = []
    for i, plan in enumerate(regimen.doses):
        check_doses(plan, f"regimens[{regimen.name}].doses[{i}]")
        route = route_for(model, plan.drug, plan.route)
        for mg in {plan.amount_mg, plan.loading_mg}:
            dose_doubt(route, mg)
        at = start_h + plan.delay_h
        found += [
            # summed in this order: hour by hour the same bits as a dose recorded at that hour
            Dose(at + k * plan.interval_h, route.input, float(mg) * route.units_per_mg, plan.duration_h)
            for k, mg in enumerate(plan.amounts)
        ]
    return tuple(sorted(found))


def route_for(model: PatientModel, drug: str, route: str) -> DoseRoute:
    """The way `drug` enters by `route`; raises Refusal naming the routes the model knows."""
    for r in model.routes:
        if (r.drug, r.route) == (drug, route):
            return r
    known = ", ".join(sorted(f"{r.drug} {r.route}" for r in model.routes)) or "none"
    raise Refusal(
        RefusalCode.PRECONDITION,
        f"dose of {drug} by {route}: this twin's model has no such route; "
        f"it knows: {known}. Create the twin with a model that includes the drug.",
        field="dose.route",
        reason="NO_SUCH_ROUTE",
    )


def check_doses(plan: PlannedDoses, where: str) -> None:
    for name, value, low in (
        ("amount_mg", plan.amount_mg, 0.0),
        ("duration_h", plan.duration_h, 0.0),
        ("delay_h", plan.delay_h, 0.0),
        ("loading_mg", plan.loading_mg, 0.0),
    ):
        if not np.isfinite(value) or value < low:
            raise Refusal(
                RefusalCode.INVALID,
                f"{where}.{name} is {value}; expected a finite number >= {low:g}",
                field=f"{where}.{name}",
                reason="BAD_NUMBER",
            )
    if plan.count < 1 or (plan.count > 1 and not plan.interval_h > 0):
        raise Refusal(
            RefusalCode.INVALID,
            f"{where}: {plan.count} doses every {plan.interval_h} h; expected at least "
            "one dose and a positive interval",
            field=f"{where}.interval_h",
            reason="BAD_NUMBER",
        )
