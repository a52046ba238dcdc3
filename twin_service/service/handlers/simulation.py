"""What-ifs and comparisons of one twin; nothing here is recorded in its timeline."""

from __future__ import annotations

from collections.abc import Iterator

from twin_service.service.door import call as calls
from twin_service.service.door.lane import Lane
from twin_service.service.handlers.context import Service, remember
from twin_service.service.handlers.route import about_twin, stream, subject_of
from twin_service.service.view import AskedTwin
from twin_service.service.wire import simulation as wire
from twin_service.service.wire.path import AskedFields
from twin_service.service.wire.question import Moment, moment_of
from twin_service.service.wire.rpc import rpc
from twin_service.service.wire.simulation import (
    CompareRequest,
    CompareResponse,
    Plans,
    SimulateRequest,
    SimulateResponse,
    StreamSimulateRequest,
    StreamSimulateResponse,
)
from twin_service.twin.simulate import WhatIf, each_what_if

OWN = ("targets", "constraints", "categories", "limits", "horizon", "outputs", "start", "members")
"""Fields of a request that the twin's floor names as the request does."""
SIMULATE = rpc(SimulateRequest, SimulateResponse)


def simulate(service: Service, request: SimulateRequest, subject: AskedTwin) -> SimulateResponse:
    plans = wire.plans_of(request, subject.view, service.settings)
    found = [wire.what_if(w, plans) for w in each(plans, subject)]
    return wire.simulated(found, plans, subject, calls.current().now_us)


def stream_simulate(service: Service, request: StreamSimulateRequest) -> Iterator[StreamSimulateResponse]:
    """One plan after the other, each sent as soon as it is known; kept as the answer of its unary twin."""
    subject = subject_of(service, moment_of(request.simulate))
    plans = wire.plans_of(request.simulate, subject.view, service.settings)
    whole = wire.simulated([], plans, subject, calls.current().now_us)
    for found in each(plans, subject):
        whole.what_ifs.append(wire.what_if(found, plans))
        if len(whole.what_ifs) < len(plans.regimens):
            yield StreamSimulateResponse(what_if=whole.what_ifs[-1])
    with calls.as_method(SIMULATE.method):
        remember(service, request.simulate, whole, (subject.row.tenant, subject.row.patient))
    yield StreamSimulateResponse(what_if=whole.what_ifs[-1], basis=whole.basis)


def compare(service: Service, request: CompareRequest, subject: AskedTwin) -> CompareResponse:
    wire.check_reference(request)
    return wire.compared(simulate(service, request.simulate, subject), request.reference)


def each(plans: Plans, subject: AskedTwin) -> Iterator[WhatIf]:
    """Every plan in turn, from the same members."""
    found = each_what_if(
        subject.view.folded,
        plans.regimens,
        start_h=plans.span.start_h,
        horizon_h=plans.span.horizon_h,
        targets=plans.targets,
        outputs=plans.outputs,
        categories=plans.categories,
        members=plans.members,
        step_h=plans.step_h,
        deadline=calls.current().deadline,
    )
    for i in range(len(plans.regimens)):
        with AskedFields(f"what_ifs[{i}]", own=OWN):
            one = next(found)
        yield one


def _moment(request: CompareRequest) -> Moment:
    return moment_of(request.simulate)


ROUTES = (
    about_twin(SIMULATE, moment_of, simulate),
    stream(rpc(StreamSimulateRequest, StreamSimulateResponse), stream_simulate, lane=Lane.SIMULATION),
    about_twin(rpc(CompareRequest, CompareResponse), _moment, compare),
)
