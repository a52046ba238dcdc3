"""Which regimen: the question and the ranking on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin_service import units
from twin_service.scenario.doubts import plan_doubts
from twin_service.scenario.regimen import Regimen
from twin_service.scenario.target import Target
from twin_service.service.view import Subject, View
from twin_service.service.wire import answer, spec
from twin_service.service.wire.path import at
from twin_service.service.wire.quantity import hours, milligrams
from twin_service.service.wire.question import Span, members_of, span_of
from twin_service.service.wire.target import limits_of, targets_of
from twin_service.settings import Settings
from twin_service.twin.fold import Folded
from twin_service.twin.recommend import Constraint, Dispensable, Limit, Ranking
from twin_service.v1 import common_pb2, simulation_pb2
from twin_service.v1.simulation_pb2 import RecommendRequest, RecommendResponse

__all__ = ["RecommendRequest", "RecommendResponse"]

RESULTS_DEFAULT = 10


@dataclass(frozen=True)
class Wanted:
    """What can be dispensed, what it is to reach, and what it may not do. `units`: of each metric by target name."""

    span: Span
    options: tuple[Dispensable, ...]
    targets: tuple[Target, ...]
    limits: tuple[Limit, ...]
    constraints: tuple[Constraint, ...]
    units: dict[str, str]
    members: int


def own_models(request: RecommendRequest) -> dict[int, common_pb2.ModelSpec]:
    """The models of options that name one of their own, each checked."""
    found = {}
    for i, o in enumerate(request.options):
        if o.HasField("model"):
            with at("options", i), at("model"):
                spec.build(o.model)
            found[i] = o.model
    return found


def wanted_of(request: RecommendRequest, view: View, carriers: Mapping[int, Folded], settings: Settings) -> Wanted:
    """`carriers`: the twin under the model of each option that names one."""
    span = span_of(request, view, settings)
    targets, units_of = targets_of(request.targets, view.folded.model)
    options = []
    for i, o in enumerate(request.options):
        with at("options", i):
            option, own = _dispensable(o, carriers.get(i, view.folded), units_of)
        options.append(option)
        units_of |= own
    limits, limit_units = limits_of(request.limits, view.folded.model)
    return Wanted(
        span,
        tuple(options),
        tuple(targets),
        tuple(limits),
        tuple(Constraint(c.endpoint, c.probability_max) for c in request.constraints),
        {**units_of, **limit_units},
        members_of(request.members, settings),
    )


@dataclass(frozen=True)
class Advice:
    """A ranking with the twin it is about and those that carried options of their own."""

    ranking: Ranking
    subject: Subject
    carriers: tuple[Folded, ...]


def recommended(found: Advice, wanted: Wanted, results: int, now_us: int) -> RecommendResponse:
    ranking, folded = found.ranking, found.subject.view.folded
    shown = ranking.ranked[: results or RESULTS_DEFAULT]
    response = RecommendResponse(
        ranked=[answer.ranked(r, i + 1, wanted.span.origin_us, wanted.units) for i, r in enumerate(shown)],
        recommended=ranking.recommended.what_if.regimen.name if ranking.recommended else "",
        considered=ranking.considered,
        basis=answer.basis_of_future(found.subject, now_us, wanted.members, regimens=_plans(ranking, folded)),
    )
    for other in {id(c): c for c in found.carriers}.values():
        response.basis.assumptions.append(f"{other.model.id} knows what of the record fits it")
        response.basis.warnings.extend([*other.warnings, *plan_doubts(other.model, _plans(ranking, other))])
    return response


def _plans(found: Ranking, twin: Folded) -> list[Regimen]:
    return [r.what_if.regimen for r in found.ranked if r.model_id == twin.model.id]


def _dispensable(
    o: simulation_pb2.Dispensable, carrier: Folded, taken: dict[str, str]
) -> tuple[Dispensable, dict[str, str]]:
    units.drug(o.drug, path="drug")
    amounts = _amounts(o.drug, o.amounts, "amounts")
    loadings = _amounts(o.drug, o.loadings, "loadings")
    targets, metric_units = targets_of(o.targets, carrier.model, taken=taken)
    intervals, durations = _hours(o.intervals, "intervals"), _hours(o.durations, "durations") or (0.0,)
    option = Dispensable(o.drug, o.route, amounts, intervals, durations, (0.0, *loadings), tuple(targets))
    return option, metric_units


def _amounts(drug: str, given: Sequence[common_pb2.Quantity], field: str) -> tuple[float, ...]:
    return tuple(milligrams(drug, q, f"{field}[{i}]") for i, q in enumerate(given))


def _hours(given: Sequence[common_pb2.Quantity], field: str) -> tuple[float, ...]:
    return tuple(hours(q, f"{field}[{i}]") for i, q in enumerate(given))
