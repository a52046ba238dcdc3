"""Which regimen: a wire question to the twin's ranking and back."""

from __future__ import annotations

from twin_service import units
from twin_service.outcome import Refusal
from twin_service.scenario.doubts import plan_doubts
from twin_service.scenario.regimen import Regimen
from twin_service.service import answers, futures, person
from twin_service.service import call as calls
from twin_service.service.courses import members_of
from twin_service.service.engine import View
from twin_service.service.rooms import Rooms
from twin_service.service.targets import limits_of, mg_of, targets_of
from twin_service.store.twins import TwinRow
from twin_service.twin import recommend as ranking
from twin_service.twin.alternative import alternative
from twin_service.twin.fold import Folded
from twin_service.v1 import simulation_pb2

RESULTS_DEFAULT = 10


def recommend(
    rooms: Rooms, request: simulation_pb2.RecommendRequest, row: TwinRow, view: View
) -> simulation_pb2.RecommendResponse:
    start_h, horizon_h = futures.span_of(request, view, rooms.settings)
    carriers = _carriers(request, view)
    targets, units_of = targets_of(request.targets, view.folded.model)
    options = []
    for i, o in enumerate(request.options):
        option, own = _dispensable(o, carriers.get(i, view.folded), f"options[{i}]", units_of)
        options.append(option)
        units_of |= own
    limits, limit_units = limits_of(request.limits, view.folded.model)
    constraints = [ranking.Constraint(c.endpoint, c.probability_max) for c in request.constraints]
    try:
        found = ranking.recommend(
            view.folded,
            options,
            targets,
            start_h=start_h,
            horizon_h=horizon_h,
            constraints=constraints,
            limits=limits,
            carriers=carriers,
            members=members_of(request.members, rooms.settings),
            deadline=calls.current().deadline,
        )
    except Refusal as refusal:
        raise futures.rooted(refusal, "options") from None
    origin_us = view.folded.course.start_us + round(start_h * 3.6e9)
    shown = found.ranked[: request.max_results or RESULTS_DEFAULT]
    response = simulation_pb2.RecommendResponse(
        ranked=[answers.ranked(r, i + 1, origin_us, {**units_of, **limit_units}) for i, r in enumerate(shown)],
        recommended=found.recommended.what_if.regimen.name if found.recommended else "",
        considered=found.considered,
        basis=futures.basis(rooms, request, row, view, regimens=_plans(found, view.folded)),
    )
    for other in {id(c): c for c in carriers.values()}.values():
        response.basis.assumptions.append(f"{other.model.id} knows what of the record fits it")
        response.basis.warnings.extend([*other.warnings, *plan_doubts(other.model, _plans(found, other))])
    return response


def _plans(found: ranking.Ranking, twin: Folded) -> list[Regimen]:
    return [r.what_if.regimen for r in found.ranked if r.model_id == twin.model.id]


def _carriers(request: simulation_pb2.RecommendRequest, view: View) -> dict[int, Folded]:
    """The twin of each option that names a model of its own."""
    found: dict[int, Folded] = {}
    for i, o in enumerate(request.options):
        if not o.HasField("model"):
            continue
        person.build(o.model, f"options[{i}].model")
        try:
            choice = person.choice(o.model)
            found[i] = alternative(view.person, view.timeline, choice, deadline=calls.current().deadline)
        except Refusal as refusal:
            raise Refusal(refusal.code, refusal.message, field=f"options[{i}].model", reason=refusal.reason) from None
    return found


def _dispensable(
    o: simulation_pb2.Dispensable, carrier: Folded, path: str, taken: dict[str, str]
) -> tuple[ranking.Dispensable, dict[str, str]]:
    units.drug(o.drug, path=f"{path}.drug")

    def hours(name: str) -> tuple[float, ...]:
        return tuple(units.hours(q.value, q.unit, path=f"{path}.{name}[{i}]") for i, q in enumerate(getattr(o, name)))

    amounts = tuple(mg_of(o.drug, q, f"{path}.amounts[{i}]") for i, q in enumerate(o.amounts))
    loadings = tuple(mg_of(o.drug, q, f"{path}.loadings[{i}]") for i, q in enumerate(o.loadings))
    targets, metric_units = targets_of(o.targets, carrier.model, f"{path}.targets", taken)
    option = ranking.Dispensable(
        o.drug, o.route, amounts, hours("intervals"), hours("durations") or (0.0,), (0.0, *loadings), tuple(targets)
    )
    return option, metric_units
