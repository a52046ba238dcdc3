"""Several models for one twin: their weights on its record and, where plans are given, futures under the mixture."""

from __future__ import annotations

from twin_service.service.door import call as calls
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import about_twin
from twin_service.service.handlers.simulation import OWN
from twin_service.service.view import AskedTwin
from twin_service.service.wire import averaging as wire
from twin_service.service.wire.averaging import AverageModelsRequest, AverageModelsResponse, MixturePlans
from twin_service.service.wire.path import AskedFields
from twin_service.service.wire.question import moment_of
from twin_service.service.wire.rpc import rpc
from twin_service.twin.averaged import Averaged, average, averaged_what_if
from twin_service.twin.categories import kind_of
from twin_service.twin.simulate import WhatIf


def average_models(service: Service, request: AverageModelsRequest, subject: AskedTwin) -> AverageModelsResponse:
    view, call = subject.view, calls.current()
    choices = wire.choices_of(request)
    found = average(view.person, view.timeline, choices, list(request.prior_weights), deadline=call.deadline)
    first = found.kept[0].folded
    assert first is not None
    plans = wire.plans_of(request, view, first.model, service.settings)
    mixture = wire.Mixture(found, _what_ifs(found, plans) if plans is not None else (), plans)
    return wire.averaged(mixture, request, subject, now_us=call.now_us, settings=service.settings)


def _what_ifs(found: Averaged, plans: MixturePlans) -> tuple[WhatIf, ...]:
    with AskedFields("what_ifs", own=OWN):
        return tuple(
            averaged_what_if(
                found,
                plans.regimens,
                start_h=plans.span.start_h,
                horizon_h=plans.span.horizon_h,
                analytes=list(plans.analytes) or _recorded(found),
                targets=plans.targets,
                members=plans.members,
                deadline=calls.current().deadline,
            )
        )


def _recorded(found: Averaged) -> list[str]:
    """Analytes of the record that every model predicts, in order of their first reading."""
    first = found.kept[0].folded
    assert first is not None
    seen = dict.fromkeys(s.analyte for s in first.course.samples)
    models = [c.folded.model for c in found.kept if c.folded is not None]
    return [a for a in seen if all(kind_of(m, a) == "reading" for m in models)]


ROUTES = (about_twin(rpc(AverageModelsRequest, AverageModelsResponse), moment_of, average_models),)
