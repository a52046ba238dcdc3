"""Questions asked backwards on the wire: which dose, which interval, how long to wait."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.outcome import Outcome, Refusal, RefusalCode
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire import answer
from twin_service.service.wire.path import at, invalid
from twin_service.service.wire.quantity import hours, in_unit, milligrams, molar_mass_of, quantity
from twin_service.service.wire.question import members_of, start_of
from twin_service.service.wire.regimen import horizon_of, planned
from twin_service.service.wire.target import output_of, target_of
from twin_service.settings import Settings
from twin_service.v1 import common_pb2, simulation_pb2
from twin_service.v1.simulation_pb2 import SolveDosingRequest, SolveDosingResponse

__all__ = ["SolveDosingRequest", "SolveDosingResponse"]

MEDIAN = 0.5
DOSE_BOUNDS_MG = (1e-3, 1e5)
INTERVAL_BOUNDS_H = (1.0, 168.0)


@dataclass(frozen=True)
class Common:
    """What every backward question says."""

    start_h: float
    quantile: float
    members: int


@dataclass(frozen=True)
class WhichDose:
    common: Common
    plan: PlannedDoses
    target: Target
    goal: float
    horizon_h: float
    bounds_mg: tuple[float, float]


@dataclass(frozen=True)
class WhichInterval:
    common: Common
    plan: PlannedDoses
    output: str
    trough: float
    bounds_h: tuple[float, float]


@dataclass(frozen=True)
class HowLong:
    common: Common
    output: str
    level: float
    within_h: float


Backward = WhichDose | WhichInterval | HowLong


def backward_of(request: SolveDosingRequest, view: View, settings: Settings) -> Backward:
    """The one question asked."""
    common = _common(request, view, settings)
    if request.HasField("dose"):
        with at("dose"):
            return _dose(request.dose, common, view, settings)
    if request.HasField("interval"):
        with at("interval"):
            return _interval(request.interval, common, view, settings)
    if request.HasField("wait"):
        with at("wait"):
            return _wait(request.wait, common, view, settings)
    raise invalid("ask for a dose, an interval or a time to wait", "question", "NO_QUESTION")


def field_of(asked: Backward) -> str:
    """The field of the request that holds the question."""
    if isinstance(asked, WhichDose):
        return "dose"
    return "interval" if isinstance(asked, WhichInterval) else "wait"


def solved(value: float, outcome: Outcome, asked: Backward, *, subject: AskedTwin, now_us: int) -> SolveDosingResponse:
    """The answer with what it rests on; an interval asked for is a plan whose doses may lie outside the domain."""
    plan = [Regimen("asked", (asked.plan,))] if isinstance(asked, WhichInterval) else []
    return SolveDosingResponse(
        found=quantity(value, "mg" if isinstance(asked, WhichDose) else "h"),
        quantile=asked.common.quantile,
        verdict=answer.verdict(outcome),
        basis=answer.basis_of_future(subject, now_us, asked.common.members, regimens=plan),
    )


def _common(request: SolveDosingRequest, view: View, settings: Settings) -> Common:
    return Common(start_of(request, view), request.quantile or MEDIAN, members_of(request.members, settings))


def _dose(q: simulation_pb2.DoseQuestion, common: Common, view: View, settings: Settings) -> WhichDose:
    model = view.folded.model
    with at("plan"):
        plan = planned(q.plan)
    with at("target"):
        target, unit = target_of(q.target, model)
    goal = in_unit(q.goal, unit, "goal", molar_mass_of(q.target.output))
    low, high = DOSE_BOUNDS_MG
    low = milligrams(plan.drug, q.amount_min, "amount_min") if q.HasField("amount_min") else low
    high = milligrams(plan.drug, q.amount_max, "amount_max") if q.HasField("amount_max") else high
    horizon_h = horizon_of(q.horizon, settings)
    return WhichDose(common, plan, target, goal, horizon_h, (low, high))


def _interval(q: simulation_pb2.IntervalQuestion, common: Common, view: View, settings: Settings) -> WhichInterval:
    with at("plan"):
        plan = planned(q.plan)
    low, high = INTERVAL_BOUNDS_H
    low = hours(q.interval_min, "interval_min") if q.HasField("interval_min") else low
    high = hours(q.interval_max, "interval_max") if q.HasField("interval_max") else high
    if plan.delay_h + plan.count * high > settings.horizon_max_h:
        said = f"{plan.count} doses every {high:g} h pass the longest forecast"
        raise Refusal(RefusalCode.OUT_OF_RANGE, said, field="interval_max", reason="BAD_HORIZON")
    trough = _level(view, q.output, q.trough, "trough")
    return WhichInterval(common, plan, q.output, trough, (low, high))


def _wait(q: simulation_pb2.WaitQuestion, common: Common, view: View, settings: Settings) -> HowLong:
    within_h = horizon_of(q.within, settings, "within")
    level = _level(view, q.output, q.level, "level")
    return HowLong(common, q.output, level, within_h)


def _level(view: View, output: str, q: common_pb2.Quantity, field: str) -> float:
    """A level in the unit of the output; it must be positive."""
    _, unit = output_of(view.folded.model, output)
    value = in_unit(q, unit, field, molar_mass_of(output))
    if not value > 0:
        raise invalid(f"{value:g} is no level to reach; expected a positive one", f"{field}.value", "BAD_NUMBER")
    return value
