"""Questions asked backwards: which dose, which interval, how long to wait."""

from __future__ import annotations

import math

from twin_service import units
from twin_service.outcome import Outcome, Refusal, RefusalCode, Verdict
from twin_service.scenario.bands import outputs_of
from twin_service.scenario.regimen import Regimen
from twin_service.service import answers, futures
from twin_service.service import call as calls
from twin_service.service.courses import members_of
from twin_service.service.engine import View
from twin_service.service.rooms import Rooms
from twin_service.service.targets import mg_of, target_of
from twin_service.store.twins import TwinRow
from twin_service.twin.inverse import dose_for, hours_until_below, interval_for
from twin_service.v1 import common_pb2, simulation_pb2

MEDIAN = 0.5


def solve(
    rooms: Rooms, request: simulation_pb2.SolveDosingRequest, row: TwinRow, view: View
) -> simulation_pb2.SolveDosingResponse:
    """The dose, interval or time of the question, from the full belief."""
    kind = request.WhichOneof("question")
    if kind is None:
        raise Refusal(
            RefusalCode.INVALID, "ask for a dose, an interval or a time to wait", field="question", reason="NO_QUESTION"
        )
    try:
        found, unit, outcome = {"dose": _dose, "interval": _interval, "wait": _wait}[kind](rooms, request, view)
    except Refusal as refusal:
        raise _under(refusal, kind) from None
    plan = [] if kind == "wait" else [Regimen("asked", (futures.planned(getattr(request, kind).plan, f"{kind}.plan"),))]
    return simulation_pb2.SolveDosingResponse(
        found=answers.quantity(found, unit),
        quantile=request.quantile or MEDIAN,
        verdict=answers.verdict(outcome),
        basis=futures.basis(rooms, request, row, view, regimens=plan if kind == "interval" else []),
    )


def _dose(rooms: Rooms, request: simulation_pb2.SolveDosingRequest, view: View) -> tuple[float, str, Outcome]:
    q, model = request.dose, view.folded.model
    plan = futures.planned(q.plan, "dose.plan")
    target, unit = target_of(q.target, model, "dose.target")
    known = units.analytes().get(q.target.output)
    goal = units.convert(
        q.goal.value, q.goal.unit, unit, molar_mass=known.molar_mass if known else None, path="dose.goal"
    )
    low = mg_of(plan.drug, q.amount_min, "dose.amount_min") if q.HasField("amount_min") else 1e-3
    high = mg_of(plan.drug, q.amount_max, "dose.amount_max") if q.HasField("amount_max") else 1e5
    found = dose_for(
        view.folded,
        plan,
        target,
        goal,
        start_h=futures.start_of(request, view),
        horizon_h=futures.horizon_of(q.horizon, rooms.settings, "dose.horizon"),
        quantile=request.quantile or MEDIAN,
        bounds_mg=(low, high),
        members=members_of(request.members, rooms.settings),
        deadline=calls.current().deadline,
    )
    return found.amount_mg, "mg", found.outcome


def _interval(rooms: Rooms, request: simulation_pb2.SolveDosingRequest, view: View) -> tuple[float, str, Outcome]:
    q = request.interval
    plan = futures.planned(q.plan, "interval.plan")
    low = (
        units.hours(q.interval_min.value, q.interval_min.unit, path="interval.interval_min")
        if q.HasField("interval_min")
        else 1.0
    )
    high = (
        units.hours(q.interval_max.value, q.interval_max.unit, path="interval.interval_max")
        if q.HasField("interval_max")
        else 168.0
    )
    if plan.delay_h + plan.count * high > rooms.settings.horizon_max_h:
        raise Refusal(
            RefusalCode.OUT_OF_RANGE,
            f"{plan.count} doses every {high:g} h pass the longest forecast",
            field="interval_max",
            reason="BAD_HORIZON",
        )
    found = interval_for(
        view.folded,
        plan,
        q.output,
        _level(view, q.output, q.trough, "interval.trough"),
        start_h=futures.start_of(request, view),
        quantile=request.quantile or MEDIAN,
        bounds_h=(low, high),
        members=members_of(request.members, rooms.settings),
        deadline=calls.current().deadline,
    )
    return found.interval_h, "h", found.outcome


def _wait(rooms: Rooms, request: simulation_pb2.SolveDosingRequest, view: View) -> tuple[float, str, Outcome]:
    q = request.wait
    within = futures.horizon_of(q.within, rooms.settings, "wait.within")
    found = hours_until_below(
        view.folded,
        q.output,
        _level(view, q.output, q.level, "wait.level"),
        start_h=futures.start_of(request, view),
        within_h=within,
        quantile=request.quantile or MEDIAN,
        members=members_of(request.members, rooms.settings),
        deadline=calls.current().deadline,
    )
    if math.isinf(found):
        return within, "h", Outcome(Verdict.NOT_CONVERGED, f"still at or above the level after {within:g} h")
    return found, "h", Outcome()


def _level(view: View, output: str, q: common_pb2.Quantity, path: str) -> float:
    """A level in the unit of the output; it must be positive."""
    model = view.folded.model
    try:
        name = outputs_of(model, [output])[0]
    except Refusal as refusal:
        raise Refusal(
            refusal.code, refusal.message, field=f"{path.split('.')[0]}.output", reason=refusal.reason
        ) from None
    known = units.analytes().get(output)
    value = units.convert(
        q.value,
        q.unit,
        model.system.outputs[model.system.output_index[name]].unit,
        molar_mass=known.molar_mass if known else None,
        path=path,
    )
    if not value > 0:
        raise Refusal(
            RefusalCode.INVALID,
            f"{value:g} is no level to reach; expected a positive one",
            field=f"{path}.value",
            reason="BAD_NUMBER",
        )
    return value


def _under(refusal: Refusal, kind: str) -> Refusal:
    if not refusal.field or refusal.field.startswith((f"{kind}.", "start", "members", "quantile")):
        return refusal
    return Refusal(
        refusal.code, refusal.message, field=f"{kind}.{refusal.field}", reason=refusal.reason, details=refusal.details
    )
