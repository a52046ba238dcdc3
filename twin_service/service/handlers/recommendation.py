"""Which regimen: the dispensable ones ranked for one twin."""

from __future__ import annotations

from twin_service.service.door import call as calls
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import about_twin
from twin_service.service.handlers.simulation import OWN
from twin_service.service.view import AskedTwin
from twin_service.service.wire import recommendation as wire
from twin_service.service.wire import spec
from twin_service.service.wire.path import About, AskedFields, at
from twin_service.service.wire.question import moment_of
from twin_service.service.wire.recommendation import RecommendRequest, RecommendResponse
from twin_service.service.wire.rpc import rpc
from twin_service.twin import recommend as ranking
from twin_service.twin.alternative import alternative
from twin_service.twin.fold import Folded
from twin_service.twin.sensitivity import surprising_ids, without_events
from twin_service.twin.unknown import refuse_for_nobody


def recommend(service: Service, request: RecommendRequest, subject: AskedTwin) -> RecommendResponse:
    view, call = subject.view, calls.current()
    carriers = _carriers(request, subject)
    wanted = wire.wanted_of(request, view, carriers, service.settings)
    for i, o in enumerate(wanted.options):
        with at("options", i):
            refuse_for_nobody(carriers.get(i, view.folded), o.drug, o.route)
    found = _ranked(view.folded, wanted, carriers)
    flagged = surprising_ids(view.folded)
    without = None
    if flagged:
        bare = without_events(view.folded, view.timeline, flagged, deadline=call.deadline)
        without = _ranked(bare, wanted, carriers)
    advice = wire.Advice(found, subject, tuple(carriers.values()), flagged, without)
    return wire.recommended(advice, wanted, request.max_results, call.now_us)


def _ranked(folded: Folded, wanted: wire.WantedRegimens, carriers: dict[int, Folded]) -> ranking.Ranking:
    with AskedFields("options", own=OWN):
        return ranking.recommend(
            folded,
            wanted.options,
            wanted.targets,
            start_h=wanted.span.start_h,
            horizon_h=wanted.span.horizon_h,
            constraints=wanted.constraints,
            limits=wanted.limits,
            carriers=carriers,
            members=wanted.members,
            preferences=wanted.preferences,
            deadline=calls.current().deadline,
        )


def _carriers(request: RecommendRequest, subject: AskedTwin) -> dict[int, Folded]:
    """The twin of each option that names a model of its own."""
    person, timeline, deadline = subject.view.person, subject.view.timeline, calls.current().deadline
    found: dict[int, Folded] = {}
    for i, model in wire.own_models(request).items():
        with at("options", i), About("model"):
            found[i] = alternative(person, timeline, spec.choice(model), deadline=deadline)
    return found


ROUTES = (about_twin(rpc(RecommendRequest, RecommendResponse), moment_of, recommend),)
