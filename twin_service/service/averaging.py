"""Several models for one twin: a wire question to the twin's averaging and back."""

from __future__ import annotations

from twin_service.outcome import Refusal
from twin_service.service import answers, futures, person
from twin_service.service import call as calls
from twin_service.service.courses import members_of
from twin_service.service.engine import View
from twin_service.service.rooms import Rooms
from twin_service.service.targets import targets_of
from twin_service.store.twins import TwinRow
from twin_service.twin.averaged import Averaged, average, averaged_what_if
from twin_service.twin.categories import kind_of
from twin_service.v1 import simulation_pb2


def average_models(
    rooms: Rooms, request: simulation_pb2.AverageModelsRequest, row: TwinRow, view: View
) -> simulation_pb2.AverageModelsResponse:
    """Weights of the models and, where plans are given, their futures under the mixture."""
    for i, spec in enumerate(request.models):
        person.build(spec, f"models[{i}]")
    found = average(
        view.person,
        view.timeline,
        [person.choice(m) for m in request.models],
        list(request.prior_weights),
        deadline=calls.current().deadline,
    )
    response = simulation_pb2.AverageModelsResponse(
        models=[
            simulation_pb2.ModelWeight(
                model=spec,
                weight=c.weight,
                log_evidence=answers.number(c.log_evidence),
                rrmse=answers.number(c.rrmse),
                left_out=c.left_out,
            )
            for spec, c in zip(request.models, found.candidates, strict=True)
        ],
        readings=found.readings,
        basis=futures.basis(rooms, request, row, view),
    )
    response.basis.assumptions.append("one of the models named is right, and simultaneous readings are independent")
    for c in found.kept:
        assert c.folded is not None
        response.basis.library_versions.update(c.folded.model.block_versions)
        response.basis.warnings.extend(w for w in c.folded.warnings if w not in response.basis.warnings)
    if request.what_ifs:
        response.what_ifs.extend(_what_ifs(rooms, request, view, found))
    return response


def _what_ifs(
    rooms: Rooms, request: simulation_pb2.AverageModelsRequest, view: View, found: Averaged
) -> list[simulation_pb2.WhatIf]:
    start_h, horizon_h = futures.span_of(request, view, rooms.settings)
    first = found.kept[0].folded
    assert first is not None
    targets, target_units = targets_of(request.targets, first.model)
    analytes = list(request.analytes) or _recorded(found)
    try:
        futures_of = averaged_what_if(
            found,
            futures.regimens_of(request.what_ifs, rooms.settings),
            start_h=start_h,
            horizon_h=horizon_h,
            analytes=analytes,
            targets=targets,
            members=members_of(request.members, rooms.settings),
            deadline=calls.current().deadline,
        )
    except Refusal as refusal:
        raise futures.rooted(refusal, "what_ifs") from None
    origin_us = view.folded.course.start_us + round(start_h * 3.6e9)
    return [answers.what_if(w, origin_us, target_units) for w in futures_of]


def _recorded(found: Averaged) -> list[str]:
    """Analytes of the record that every model predicts, in order of their first reading."""
    first = found.kept[0].folded
    assert first is not None
    seen = dict.fromkeys(s.analyte for s in first.course.samples)
    models = [c.folded.model for c in found.kept if c.folded is not None]
    return [a for a in seen if all(kind_of(m, a) == "reading" for m in models)]
