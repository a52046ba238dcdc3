"""Plans of a request, in mg and hours, and plans of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from twin_service import units
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.service.wire.path import at, invalid
from twin_service.service.wire.quantity import hours, milligrams, quantity
from twin_service.settings import Settings
from twin_service.v1 import common_pb2, simulation_pb2


def regimens_of(plans: Sequence[simulation_pb2.Regimen], settings: Settings, field: str = "what_ifs") -> list[Regimen]:
    """The plans of a request; refuses too many and names used twice."""
    if len(plans) > settings.what_ifs_max:
        said = f"{len(plans)} plans; at most {settings.what_ifs_max} at once"
        raise Refusal(RefusalCode.TOO_MUCH, said, field=field, reason="TOO_MANY_PLANS")
    names = [r.name for r in plans]
    twice = next((i for i, n in enumerate(names) if n in names[:i]), None)
    if twice is not None:
        with at(field, twice):
            raise invalid("two plans have one name", "name", "NAME_TWICE")
    found = []
    for i, r in enumerate(plans):
        with at(field, i):
            found.append(regimen_of(r))
    return found


def regimen_of(plan: simulation_pb2.Regimen) -> Regimen:
    doses = []
    for j, d in enumerate(plan.doses):
        with at("doses", j):
            doses.append(planned(d))
    return Regimen(plan.name, tuple(doses))


def planned(d: simulation_pb2.PlannedDoses) -> PlannedDoses:
    """One line of a plan in mg and hours."""
    units.drug(d.drug, path="drug")
    return PlannedDoses(
        d.drug,
        d.route,
        milligrams(d.drug, d.amount, "amount"),
        hours(d.interval, "interval") if d.HasField("interval") else 0.0,
        d.count,
        hours(d.duration, "duration") if d.HasField("duration") else 0.0,
        hours(d.delay, "delay") if d.HasField("delay") else 0.0,
        milligrams(d.drug, d.loading, "loading") if d.HasField("loading") else 0.0,
    )


def horizon_of(q: common_pb2.Quantity, settings: Settings, field: str = "horizon") -> float:
    """How far to look, in hours, within the longest forecast."""
    horizon_h = hours(q, field)
    if not 0 < horizon_h <= settings.horizon_max_h:
        said = f"{horizon_h:g} h; expected more than 0 and at most {settings.horizon_max_h:g} h"
        raise Refusal(RefusalCode.OUT_OF_RANGE, said, field=f"{field}.value", reason="BAD_HORIZON")
    return horizon_h


def regimen_out(found: Regimen) -> simulation_pb2.Regimen:
    return simulation_pb2.Regimen(name=found.name, doses=[_doses_out(d) for d in found.doses])


def _doses_out(d: PlannedDoses) -> simulation_pb2.PlannedDoses:
    wire = simulation_pb2.PlannedDoses(drug=d.drug, route=d.route, amount=quantity(d.amount_mg, "mg"), count=d.count)
    for field, value, unit in (
        (wire.interval, d.interval_h, "h"),
        (wire.duration, d.duration_h, "h"),
        (wire.delay, d.delay_h, "h"),
        (wire.loading, d.loading_mg, "mg"),
    ):
        if value > 0:
            field.CopyFrom(quantity(value, unit))
    return wire
