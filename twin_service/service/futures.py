"""What-ifs, comparisons and recommendations: wire questions to the twin's verbs and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from twin_service import units
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service import answers, translate
from twin_service.service import call as calls
from twin_service.service.courses import last_us, members_of
from twin_service.service.engine import View
from twin_service.service.rooms import Rooms
from twin_service.service.twins import allowed_name
from twin_service.settings import Settings
from twin_service.store.twins import TwinRow
from twin_service.twin import recommend as ranking
from twin_service.twin.doubts import plan_doubts
from twin_service.twin.regimen import Metric, PlannedDoses, Regimen, Target
from twin_service.twin.simulate import what_if
from twin_service.twin.trajectory import outputs_of, resolve_outputs
from twin_service.v1 import common_pb2, simulation_pb2

METRICS: dict[int, Metric] = {
    simulation_pb2.METRIC_TROUGH: "trough",
    simulation_pb2.METRIC_PEAK: "peak",
    simulation_pb2.METRIC_AVERAGE: "average",
    simulation_pb2.METRIC_AUC: "auc",
    simulation_pb2.METRIC_FRACTION_ABOVE: "fraction_above",
    simulation_pb2.METRIC_MINIMUM: "minimum",
    simulation_pb2.METRIC_MAXIMUM: "maximum",
    simulation_pb2.METRIC_FINAL: "final",
}
RESULTS_DEFAULT = 10


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
    start_h, horizon_h = _span(request, view, rooms.settings)
    regimens = regimens_of(request.what_ifs, rooms.settings)
    targets, target_units = targets_of(request.targets, view.folded.model)
    resolve_outputs(view.folded, request.outputs)
    origin_us = view.folded.course.start_us + round(start_h * 3.6e9)
    for i, regimen in enumerate(regimens):
        try:
            (found,) = what_if(
                view.folded, [regimen], start_h=start_h, horizon_h=horizon_h, targets=targets,
                outputs=list(request.outputs), members=members_of(request.members, rooms.settings),
                step_h=request.step_h, deadline=calls.current().deadline,
            )  # fmt: skip
        except Refusal as refusal:
            raise _rooted(refusal, f"what_ifs[{i}]") from None
        yield answers.what_if(found, origin_us, target_units)


def compare(
    rooms: Rooms, request: simulation_pb2.CompareRequest, row: TwinRow, view: View
) -> simulation_pb2.CompareResponse:
    """Differences from the reference plan; both are carried by the same members."""
    if request.reference not in {r.name for r in request.simulate.what_ifs}:
        raise Refusal(RefusalCode.INVALID, f"no plan is named {request.reference!r}", field="reference",
                      reason="NO_SUCH_PLAN")  # fmt: skip
    found = simulate(rooms, request.simulate, row, view)
    by_name = {w.name: w for w in found.what_ifs}
    base = by_name[request.reference]
    return simulation_pb2.CompareResponse(
        comparisons=[_comparison(w, base) for w in found.what_ifs if w.name != request.reference],
        what_ifs=found.what_ifs,
        basis=found.basis,
    )


def recommend(
    rooms: Rooms, request: simulation_pb2.RecommendRequest, row: TwinRow, view: View
) -> simulation_pb2.RecommendResponse:
    start_h, horizon_h = _span(request, view, rooms.settings)
    options = [_dispensable(o, f"options[{i}]") for i, o in enumerate(request.options)]
    targets, target_units = targets_of(request.targets, view.folded.model)
    constraints = [ranking.Constraint(c.endpoint, c.probability_max) for c in request.constraints]
    try:
        found = ranking.recommend(
            view.folded, options, targets, start_h=start_h, horizon_h=horizon_h, constraints=constraints,
            members=members_of(request.members, rooms.settings), deadline=calls.current().deadline,
        )  # fmt: skip
    except Refusal as refusal:
        raise _rooted(refusal, "options") from None
    origin_us = view.folded.course.start_us + round(start_h * 3.6e9)
    shown = found.ranked[: request.max_results or RESULTS_DEFAULT]
    return simulation_pb2.RecommendResponse(
        ranked=[answers.ranked(r, i + 1, origin_us, target_units) for i, r in enumerate(shown)],
        recommended=found.recommended.what_if.regimen.name if found.recommended else "",
        considered=found.considered,
        basis=basis(rooms, request, row, view, regimens=[r.what_if.regimen for r in shown]),
    )


def basis(
    rooms: Rooms, request: Any, row: TwinRow, view: View, *, regimens: Iterable[Regimen] = ()
) -> common_pb2.Basis:
    """What the answer rests on, with a warning for every planned dose outside its drug's domain."""
    members = members_of(request.members, rooms.settings)
    assumed = ("future doses are given as planned", "characteristics stay as last measured")
    return answers.basis(row, view, now_us=calls.current().now_us, members=members, assumptions=assumed,
                         doubts=plan_doubts(view.folded.model, regimens))  # fmt: skip


def _span(request: Any, view: View, settings: Settings) -> tuple[float, float]:
    """Start and length of the forecast in hours of the course."""
    us = translate.time_us(request.start_time, "start_time") if request.HasField("start_time") else last_us(view)
    start_h = view.folded.course.hours(us)
    if start_h < 0:
        raise Refusal(RefusalCode.INVALID, "lies before this twin's first hour", field="start_time", reason="BAD_START")
    horizon_h = units.hours(request.horizon.value, request.horizon.unit, path="horizon")
    if not 0 < horizon_h <= settings.horizon_max_h:
        raise Refusal(RefusalCode.OUT_OF_RANGE, f"{horizon_h:g} h; expected more than 0 and at most "
                      f"{settings.horizon_max_h:g} h", field="horizon.value", reason="BAD_HORIZON")  # fmt: skip
    return start_h, horizon_h


def regimens_of(plans: Any, settings: Settings, path: str = "what_ifs") -> list[Regimen]:
    """The plans of a request; refuses too many and names used twice."""
    if len(plans) > settings.what_ifs_max:
        raise Refusal(RefusalCode.TOO_MUCH, f"{len(plans)} plans; at most {settings.what_ifs_max} at once",
                      field=path, reason="TOO_MANY_PLANS")  # fmt: skip
    names = [r.name for r in plans]
    twice = next((i for i, n in enumerate(names) if n in names[:i]), None)
    if twice is not None:
        raise Refusal(RefusalCode.INVALID, "two plans have one name", field=f"{path}[{twice}].name",
                      reason="NAME_TWICE")  # fmt: skip
    return [
        Regimen(r.name, tuple(_planned(d, f"{path}[{i}].doses[{j}]") for j, d in enumerate(r.doses)))
        for i, r in enumerate(plans)
    ]


def _planned(d: simulation_pb2.PlannedDoses, path: str) -> PlannedDoses:
    units.drug(d.drug, path=f"{path}.drug")
    return PlannedDoses(
        d.drug, d.route, _mg(d.drug, d.amount, f"{path}.amount"), _hours(d, "interval", path), d.count,
        _hours(d, "duration", path), _hours(d, "delay", path),
        _mg(d.drug, d.loading, f"{path}.loading") if d.HasField("loading") else 0.0,
    )  # fmt: skip


def _dispensable(o: simulation_pb2.Dispensable, path: str) -> ranking.Dispensable:
    units.drug(o.drug, path=f"{path}.drug")

    def hours(name: str) -> tuple[float, ...]:
        return tuple(units.hours(q.value, q.unit, path=f"{path}.{name}[{i}]") for i, q in enumerate(getattr(o, name)))

    amounts = tuple(_mg(o.drug, q, f"{path}.amounts[{i}]") for i, q in enumerate(o.amounts))
    loadings = tuple(_mg(o.drug, q, f"{path}.loadings[{i}]") for i, q in enumerate(o.loadings))
    return ranking.Dispensable(o.drug, o.route, amounts, hours("intervals"), hours("durations") or (0.0,),
                               (0.0, *loadings))  # fmt: skip


def targets_of(given: Any, model: PatientModel) -> tuple[list[Target], dict[str, str]]:
    """Targets in the outputs' units, and the unit of each one's metric by name."""
    targets: list[Target] = []
    metric_units: dict[str, str] = {}
    for i, t in enumerate(given):
        target, unit = _target(t, model, f"targets[{i}]")
        if target.name in metric_units:
            raise Refusal(RefusalCode.INVALID, "two targets have one name", field=f"targets[{i}].name",
                          reason="NAME_TWICE")  # fmt: skip
        metric_units[target.name] = unit
        targets.append(target)
    return targets, metric_units


def _target(t: simulation_pb2.Target, model: PatientModel, path: str) -> tuple[Target, str]:
    """One target and the unit of its metric."""
    try:
        output = outputs_of(model, [t.output])[0]
    except Refusal as refusal:
        raise Refusal(refusal.code, refusal.message, field=f"{path}.output", reason=refusal.reason) from None
    unit = model.system.outputs[model.system.output_index[output]].unit
    metric = METRICS[t.metric]
    metric_unit = {"auc": f"{unit}.h", "fraction_above": "1"}.get(metric, unit)
    known = units.analytes().get(t.output)

    def read(field: str, to: str, absent: float) -> float:
        if not t.HasField(field):
            return absent
        q = getattr(t, field)
        return units.convert(q.value, q.unit, to, molar_mass=known.molar_mass if known else None,
                             path=f"{path}.{field}")  # fmt: skip

    low, high = read("low", metric_unit, -math.inf), read("high", metric_unit, math.inf)
    if not low < high:
        raise Refusal(RefusalCode.INVALID, f"low {low:g} is not below high {high:g}", field=f"{path}.low",
                      reason="EMPTY_RANGE")  # fmt: skip
    end = _hours(t, "window_end", path) if t.HasField("window_end") else math.inf
    threshold = read("threshold", unit, 0.0)
    name = t.name or f"{metric} of {t.output}"
    return Target(t.output, metric, low, high, _hours(t, "window_start", path), end, threshold, name), metric_unit


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


def _mg(drug: str, q: common_pb2.Quantity, path: str) -> float:
    return units.mass_mg(drug, q.value, q.unit, path=path)


def _hours(message: Any, field: str, path: str) -> float:
    if not message.HasField(field):
        return 0.0
    q = getattr(message, field)
    return units.hours(q.value, q.unit, path=f"{path}.{field}")


def _rooted(refusal: Refusal, path: str) -> Refusal:
    """A refusal of the twin's floor seen from the request: fields of the request keep their names."""
    own = ("targets", "constraints", "horizon", "outputs", "start", "members")
    if refusal.field.startswith(own):
        return refusal
    tail = refusal.field.rpartition("].")[2]
    return Refusal(refusal.code, refusal.message, field=f"{path}.{tail}" if tail else path, reason=refusal.reason,
                   details=refusal.details)  # fmt: skip
