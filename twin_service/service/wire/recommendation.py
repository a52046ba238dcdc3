"""Which regimen: the question and the ranking on the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin_service import units
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.doubts import plan_doubts
from twin_service.scenario.regimen import Regimen
from twin_service.scenario.target import Target
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire import answer, spec
from twin_service.service.wire.path import at
from twin_service.service.wire.quantity import hours, milligrams
from twin_service.service.wire.question import FutureSpan, members_of, span_of
from twin_service.service.wire.size import check_options
from twin_service.service.wire.target import limits_of, targets_of
from twin_service.settings import Settings
from twin_service.twin.fold import Folded
from twin_service.twin.recommend import Constraint, Dispensable, Limit, Preferences, Ranking
from twin_service.v1 import common_pb2, simulation_pb2
from twin_service.v1.simulation_pb2 import RecommendRequest, RecommendResponse

__all__ = ["RecommendRequest", "RecommendResponse"]

RESULTS_DEFAULT = 10


@dataclass(frozen=True)
class WantedRegimens:
    """What can be dispensed, what it is to reach, and what it may not do. `units`: of each metric by target name."""

    span: FutureSpan
    options: tuple[Dispensable, ...]
    targets: tuple[Target, ...]
    limits: tuple[Limit, ...]
    constraints: tuple[Constraint, ...]
    units: dict[str, str]
    members: int
    preferences: Preferences


def own_models(request: RecommendRequest) -> dict[int, common_pb2.ModelSpec]:
    """The models of options that name one of their own, each checked."""
    found = {}
    for i, o in enumerate(request.options):
        if o.HasField("model"):
            with at("options", i), at("model"):
                spec.build(o.model)
            found[i] = o.model
    return found


def wanted_of(
    request: RecommendRequest, view: View, carriers: Mapping[int, Folded], settings: Settings
) -> WantedRegimens:
    """`carriers`: the twin under the model of each option that names one."""
    span = span_of(request, view, settings)
    targets, units_of = targets_of(request.targets, view.folded.model)
    options = []
    for i, o in enumerate(request.options):
        with at("options", i):
            option, own = _dispensable(o, carriers.get(i, view.folded), units_of)
        options.append(option)
        units_of |= own
    check_options(options, span.horizon_h, settings)
    limits, limit_units = limits_of(request.limits, view.folded.model)
    return WantedRegimens(
        span,
        tuple(options),
        tuple(targets),
        tuple(limits),
        tuple(Constraint(c.endpoint, c.probability_max) for c in request.constraints),
        {**units_of, **limit_units},
        members_of(request.members, settings),
        _preferences(request, view, carriers),
    )


def _preferences(request: RecommendRequest, view: View, carriers: Mapping[int, Folded]) -> Preferences:
    usual = Preferences()
    known = {e.id for f in (view.folded, *carriers.values()) for e in f.model.endpoints}
    for i, c in enumerate(request.costs):
        if c.endpoint not in known:
            raise Refusal(
                RefusalCode.INVALID,
                f"no endpoint {c.endpoint!r} in this twin's model; it has: {', '.join(sorted(known)) or 'none'}",
                field=f"costs[{i}].endpoint",
                reason="NO_SUCH_ENDPOINT",
            )
    return Preferences(
        request.floor if request.HasField("floor") else usual.floor,
        request.harm_max if request.HasField("harm_max") else usual.harm_max,
        {c.endpoint: c.cost for c in request.costs},
    )


@dataclass(frozen=True)
class Advice:
    """A ranking with the twin it is about and those that carried options of their own."""

    ranking: Ranking
    subject: AskedTwin
    carriers: tuple[Folded, ...]
    surprising: tuple[str, ...] = ()
    without: Ranking | None = None


def recommended(found: Advice, wanted: WantedRegimens, results: int, now_us: int) -> RecommendResponse:
    ranking, folded = found.ranking, found.subject.view.folded
    shown = ranking.ranked[: results or RESULTS_DEFAULT]
    response = RecommendResponse(
        ranked=[answer.ranked(r, i + 1, wanted.span.origin_us, wanted.units) for i, r in enumerate(shown)],
        recommended=_name(ranking),
        considered=ranking.considered,
        basis=answer.basis_of_future(found.subject, now_us, wanted.members, regimens=_plans(ranking, folded)),
        message=ranking.message,
        worth_drawing=[simulation_pb2.WorthDrawing(**d._asdict()) for d in ranking.draw],
        recommended_without_surprises=_name(found.without) if found.without is not None else "",
        surprising_event_ids=found.surprising,
    )
    if found.without is not None and _name(found.without) != _name(ranking):
        response.basis.warnings.append(
            f"the advice rests on {len(found.surprising)} reading(s) that were not expected: without them it would be "
            f"{_name(found.without) or 'nothing'}; check them first"
        )
    for other in {id(c): c for c in found.carriers}.values():
        response.basis.assumptions.append(f"{other.model.id} knows what of the record fits it")
        response.basis.warnings.extend([*other.warnings, *plan_doubts(other.model, _plans(ranking, other))])
    return response


def _name(found: Ranking) -> str:
    return found.recommended.what_if.regimen.name if found.recommended else ""


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
    option = Dispensable(
        o.drug,
        o.route,
        amounts,
        intervals,
        durations,
        (0.0, *loadings),
        tuple(targets),
        milligrams(o.drug, o.max_single, "max_single") if o.HasField("max_single") else math.inf,
        milligrams(o.drug, o.max_daily, "max_daily") if o.HasField("max_daily") else math.inf,
    )
    return option, metric_units


def _amounts(drug: str, given: Sequence[common_pb2.Quantity], field: str) -> tuple[float, ...]:
    return tuple(milligrams(drug, q, f"{field}[{i}]") for i, q in enumerate(given))


def _hours(given: Sequence[common_pb2.Quantity], field: str) -> tuple[float, ...]:
    return tuple(hours(q, f"{field}[{i}]") for i, q in enumerate(given))
