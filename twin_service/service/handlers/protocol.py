"""Treatment by rule: protocols beside plans without rules, all on the same members."""

from __future__ import annotations

from twin_service.service.door import call as calls
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import about_twin
from twin_service.service.view import AskedTwin
from twin_service.service.wire import protocol as wire
from twin_service.service.wire.path import AskedFields
from twin_service.service.wire.protocol import SimulateProtocolRequest, SimulateProtocolResponse
from twin_service.service.wire.question import Moment, moment_of
from twin_service.service.wire.rpc import rpc
from twin_service.twin.treat import treat


def simulate_protocol(
    service: Service, request: SimulateProtocolRequest, subject: AskedTwin
) -> SimulateProtocolResponse:
    rules, call = wire.rules_of(request, subject.view, service.settings), calls.current()
    plans = rules.plans
    with AskedFields(names={word: f"simulate.{word}" for word in ("targets", "outputs", "categories", "horizon")}):
        treated, plain = treat(
            subject.view.folded,
            rules.protocols,
            plans.regimens,
            start_h=plans.span.start_h,
            horizon_h=plans.span.horizon_h,
            targets=plans.targets,
            outputs=plans.outputs,
            categories=plans.categories,
            members=plans.members,
            step_h=plans.step_h,
            deadline=call.deadline,
        )
    return wire.followed(tuple(treated), tuple(plain), rules, subject=subject, now_us=call.now_us)


def _moment(request: SimulateProtocolRequest) -> Moment:
    return moment_of(request.simulate)


ROUTES = (about_twin(rpc(SimulateProtocolRequest, SimulateProtocolResponse), _moment, simulate_protocol),)
