"""What-ifs, comparisons and recommendations: wire questions to the twin's verbs and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twin_service import units
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.doubts import plan_doubts
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.service import answers, translate
from twin_service.service import call as calls
from twin_service.service.courses import last_us, members_of
from twin_service.service.engine import View
from twin_service.service.rooms import Rooms
from twin_service.service.targets import categories_of, hours_of, mg_of, targets_of
from twin_service.service.twins import allowed_name
from twin_service.settings import Settings
from twin_service.store.twins import TwinRow
from twin_service.twin.simulate import each_what_if
from twin_service.twin.trajectory import resolve_outputs
from twin_service.v1 import common_pb2, simulation_pb2


def view_for(rooms: Rooms, request: Any) -> tuple[TwinRow, View]:
    """The twin a future starts from: the present one, or one as of a revision."""
    name, call = allowed_name(request.name), calls.current()
    if request.as_of_revision:
        return rooms.engine.as_of(name, call.deadline, revision=request.as_of_revision)
    return rooms.engine.current(name, request.min_revision, call.deadline)


def simulate(
    rooms: Rooms, request: simulation_pb2.SimulateRequest, row: TwinRow, view: View
) -> simulation_pb2.SimulateResponse:
    found = list(each(rooms, request, view))
    asked = regimens_of(request.what_ifs, rooms.settings)
    return simulation_pb2.SimulateResponse(what_ifs=found, basis=basis(rooms, request, row, view, regimens=asked))


def each(rooms: Rooms, request: simulation_pb2.SimulateRequest, view: View) -> Iterator[simulation_pb2.WhatIf]:
    """One plan after the other, each sent as soon as it is known."""
    start_h, horizon_h = span_of(request, view, rooms.settings)
    regimens = regimens_of(request.what_ifs, rooms.settings)
    targets, target_units = targets_of(request.targets, view.folded.model)
    categories = categories_of(request.categories)
    resolve_outputs(view.folded, request.outputs)
    origin_us = view.folded.course.start_us + round(start_h * 3.6e9)
    found = each_what_if(
        view.folded,
        regimens,
        start_h=start_h,
        horizon_h=horizon_h,
        targets=targets,
        outputs=list(request.outputs),
        categories=categories,
        members=members_of(request.members, rooms.settings),
        step_h=request.step_h,
        deadline=calls.current().deadline,
    )
    for i in range(len(regimens)):
        try:
            one = next(found)
        except Refusal as refusal:
            raise rooted(refusal, f"what_ifs[{i}]") from None
        yield answers.what_if(one, origin_us, target_units)


def compare(
    rooms: Rooms, request: simulation_pb2.CompareRequest, row: TwinRow, view: View
) -> simulation_pb2.CompareResponse:
    """Differences from the reference plan; both are carried by the same members."""
    if request.reference not in {r.name for r in request.simulate.what_ifs}:
        raise Refusal(
            RefusalCode.INVALID, f"no plan is named {request.reference!r}", field="reference", reason="NO_SUCH_PLAN"
        )
    found = simulate(rooms, request.simulate, row, view)
    by_name = {w.name: w for w in found.what_ifs}
    base = by_name[request.reference]
    return simulation_pb2.CompareResponse(
        comparisons=[_comparison(w, base) for w in found.what_ifs if w.name != request.reference],
        what_ifs=found.what_ifs,
        basis=found.basis,
    )


def basis(
    rooms: Rooms,
    request: Any,
    row: TwinRow,
    view: View,
    *,
    regimens: Iterable[Regimen] = (),
    doses: str = "future doses are given as planned",
) -> common_pb2.Basis:
    """What the answer rests on, with a warning for every planned dose outside its drug's domain."""
    members = members_of(request.members, rooms.settings)
    assumed = (doses, "characteristics stay as last measured")
    return answers.basis(
        row,
        view,
        now_us=calls.current().now_us,
        members=members,
        assumptions=assumed,
        doubts=plan_doubts(view.folded.model, regimens),
    )


def span_of(request: Any, view: View, settings: Settings) -> tuple[float, float]:
    """Start and length of the forecast in hours of the course."""
    return start_of(request, view), horizon_of(request.horizon, settings, "horizon")


def start_of(request: Any, view: View) -> float:
    """Hour of the course at which the future parts."""
    us = translate.time_us(request.start_time, "start_time") if request.HasField("start_time") else last_us(view)
    start_h = view.folded.course.hours(us)
    if start_h < 0:
        raise Refusal(RefusalCode.INVALID, "lies before this twin's first hour", field="start_time", reason="BAD_START")
    return start_h


def horizon_of(q: common_pb2.Quantity, settings: Settings, path: str) -> float:
    """How far to look, in hours, within the longest forecast."""
    horizon_h = units.hours(q.value, q.unit, path=path)
    if not 0 < horizon_h <= settings.horizon_max_h:
        raise Refusal(
            RefusalCode.OUT_OF_RANGE,
            f"{horizon_h:g} h; expected more than 0 and at most {settings.horizon_max_h:g} h",
            field=f"{path}.value",
            reason="BAD_HORIZON",
        )
    return horizon_h


def regimens_of(plans: Any, settings: Settings, path: str = "what_ifs") -> list[Regimen]:
    """The plans of a request; refuses too many and names used twice."""
    if len(plans) > settings.what_ifs_max:
        raise Refusal(
            RefusalCode.TOO_MUCH,
            f"{len(plans)} plans; at most {settings.what_ifs_max} at once",
            field=path,
            reason="TOO_MANY_PLANS",
        )
    names = [r.name for r in plans]
    twice = next((i for i, n in enumerate(names) if n in names[:i]), None)
    if twice is not None:
        raise Refusal(
            RefusalCode.INVALID, "two plans have one name", field=f"{path}[{twice}].name", reason="NAME_TWICE"
        )
    return [
        Regimen(r.name, tuple(planned(d, f"{path}[{i}].doses[{j}]") for j, d in enumerate(r.doses)))
        for i, r in enumerate(plans)
    ]


def planned(d: simulation_pb2.PlannedDoses, path: str) -> PlannedDoses:
    """One line of a plan in mg and hours."""
    units.drug(d.drug, path=f"{path}.drug")
    return PlannedDoses(
        d.drug,
        d.route,
        mg_of(d.drug, d.amount, f"{path}.amount"),
        hours_of(d, "interval", path),
        d.count,
        hours_of(d, "duration", path),
        hours_of(d, "delay", path),
        mg_of(d.drug, d.loading, f"{path}.loading") if d.HasField("loading") else 0.0,
    )


def _comparison(found: simulation_pb2.WhatIf, base: simulation_pb2.WhatIf) -> simulation_pb2.Comparison:
    wire = simulation_pb2.Comparison(
        name=found.name, joint_probability_difference=found.joint_probability - base.joint_probability
    )
    for mine, theirs in zip(found.endpoints, base.endpoints, strict=True):
        wire.endpoint_difference[mine.endpoint] = mine.probability - theirs.probability
    for mine_t, theirs_t in zip(found.targets, base.targets, strict=True):
        wire.metric_median_difference[mine_t.target] = mine_t.metric.q50 - theirs_t.metric.q50
        wire.attainment_difference[mine_t.target] = mine_t.probability - theirs_t.probability
    return wire


def rooted(refusal: Refusal, path: str) -> Refusal:
    """A refusal of the twin's floor seen from the request: fields of the request keep their names."""
    own = ("targets", "constraints", "categories", "limits", "horizon", "outputs", "start", "members")
    if refusal.field.startswith(own):
        return refusal
    tail = refusal.field.rpartition("].")[2]
    return Refusal(
        refusal.code,
        refusal.message,
        field=f"{path}.{tail}" if tail else path,
        reason=refusal.reason,
        details=refusal.details,
    )
