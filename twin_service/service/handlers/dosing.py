"""Questions asked backwards: which dose, which interval, how long to wait."""

from __future__ import annotations

import math

from twin_service.outcome import Outcome, Verdict
from twin_service.service.door import call as calls
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import about_twin
from twin_service.service.view import AskedTwin
from twin_service.service.wire import dosing as wire
from twin_service.service.wire.dosing import HowLong, SolveDosingRequest, SolveDosingResponse, WhichDose, WhichInterval
from twin_service.service.wire.path import Under
from twin_service.service.wire.question import moment_of
from twin_service.service.wire.rpc import rpc
from twin_service.twin.fold import Folded
from twin_service.twin.inverse import dose_for, hours_until_below, interval_for

OWN = ("start", "members", "quantile")


def solve(service: Service, request: SolveDosingRequest, subject: AskedTwin) -> SolveDosingResponse:
    """The dose, interval or time of the question, from the full belief."""
    asked = wire.backward_of(request, subject.view, service.settings)
    folded = subject.view.folded
    field = wire.field_of(asked)
    with Under(field, own=OWN):
        if isinstance(asked, WhichDose):
            value, outcome = _dose(asked, folded)
        elif isinstance(asked, WhichInterval):
            value, outcome = _interval(asked, folded)
        else:
            value, outcome = _wait(asked, folded)
    return wire.solved(value, outcome, asked, subject=subject, now_us=calls.current().now_us)


def _dose(q: WhichDose, folded: Folded) -> tuple[float, Outcome]:
    found = dose_for(
        folded,
        q.plan,
        q.target,
        q.goal,
        start_h=q.common.start_h,
        horizon_h=q.horizon_h,
        quantile=q.common.quantile,
        bounds_mg=q.bounds_mg,
        members=q.common.members,
        deadline=calls.current().deadline,
    )
    return found.amount_mg, found.outcome


def _interval(q: WhichInterval, folded: Folded) -> tuple[float, Outcome]:
    found = interval_for(
        folded,
        q.plan,
        q.output,
        q.trough,
        start_h=q.common.start_h,
        quantile=q.common.quantile,
        bounds_h=q.bounds_h,
        members=q.common.members,
        deadline=calls.current().deadline,
    )
    return found.interval_h, found.outcome


def _wait(q: HowLong, folded: Folded) -> tuple[float, Outcome]:
    found = hours_until_below(
        folded,
        q.output,
        q.level,
        start_h=q.common.start_h,
        within_h=q.within_h,
        quantile=q.common.quantile,
        members=q.common.members,
        deadline=calls.current().deadline,
    )
    if math.isinf(found):
        return q.within_h, Outcome(Verdict.NOT_CONVERGED, f"still at or above the level after {q.within_h:g} h")
    return found, Outcome()


ROUTES = (about_twin(rpc(SolveDosingRequest, SolveDosingResponse), moment_of, solve),)
