"""What-ifs and comparisons on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.scenario.regimen import Regimen
from twin_service.scenario.target import Target
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire import answer
from twin_service.service.wire.path import invalid
from twin_service.service.wire.question import FutureSpan, members_of, span_of
from twin_service.service.wire.regimen import regimens_of
from twin_service.service.wire.size import check_memory, doses_of
from twin_service.service.wire.target import categories_of, targets_of
from twin_service.settings import Settings
from twin_service.twin.responses import CategoryQuestion
from twin_service.twin.simulate import WhatIf as Found
from twin_service.twin.trajectory import resolve_outputs
from twin_service.v1.simulation_pb2 import (
    CompareRequest,
    CompareResponse,
    Comparison,
    SimulateRequest,
    SimulateResponse,
    StreamSimulateRequest,
    StreamSimulateResponse,
    WhatIf,
)

__all__ = [
    "CompareRequest",
    "CompareResponse",
    "SimulateRequest",
    "SimulateResponse",
    "StreamSimulateRequest",
    "StreamSimulateResponse",
]


@dataclass(frozen=True)
class Plans:
    """Plans without rules, and what is asked of each. `units` maps the name of a target to the unit of its metric."""

    regimens: tuple[Regimen, ...]
    span: FutureSpan
    targets: tuple[Target, ...]
    units: dict[str, str]
    categories: tuple[CategoryQuestion, ...]
    outputs: tuple[str, ...]
    members: int
    step_h: float


def plans_of(request: SimulateRequest, view: View, settings: Settings) -> Plans:
    span = span_of(request, view, settings)
    regimens = regimens_of(request.what_ifs, settings)
    targets, units = targets_of(request.targets, view.folded.model)
    categories = categories_of(request.categories)
    outputs = tuple(request.outputs)
    resolve_outputs(view.folded, outputs)
    members = members_of(request.members, settings)
    check_memory(members, max(map(doses_of, regimens), default=0), len(outputs) + len(targets), settings)
    return Plans(tuple(regimens), span, tuple(targets), units, tuple(categories), outputs, members, request.step_h)


def what_if(found: Found, plans: Plans) -> WhatIf:
    return answer.what_if(found, plans.span.origin_us, plans.units)


def simulated(found: list[WhatIf], plans: Plans, subject: AskedTwin, now_us: int) -> SimulateResponse:
    basis = answer.basis_of_future(subject, now_us, plans.members, regimens=plans.regimens)
    return SimulateResponse(what_ifs=found, basis=basis)


def check_reference(request: CompareRequest) -> None:
    if request.reference not in {r.name for r in request.simulate.what_ifs}:
        raise invalid(f"no plan is named {request.reference!r}", "reference", "NO_SUCH_PLAN")


def compared(found: SimulateResponse, reference: str) -> CompareResponse:
    """Differences from the reference plan; both are carried by the same members."""
    base = next(w for w in found.what_ifs if w.name == reference)
    return CompareResponse(
        comparisons=[_comparison(w, base) for w in found.what_ifs if w.name != reference],
        what_ifs=found.what_ifs,
        basis=found.basis,
    )


def _comparison(found: WhatIf, base: WhatIf) -> Comparison:
    wire = Comparison(name=found.name, joint_probability_difference=found.joint_probability - base.joint_probability)
    for mine, theirs in zip(found.endpoints, base.endpoints, strict=True):
        wire.endpoint_difference[mine.endpoint] = mine.probability - theirs.probability
    for mine_t, theirs_t in zip(found.targets, base.targets, strict=True):
        wire.metric_median_difference[mine_t.target] = mine_t.metric.q50 - theirs_t.metric.q50
        wire.attainment_difference[mine_t.target] = mine_t.probability - theirs_t.probability
    return wire
