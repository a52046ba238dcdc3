"""Several models for one twin, on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.model.structure import PatientModel
from twin_service.record.person import ModelChoice
from twin_service.scenario.regimen import Regimen
from twin_service.scenario.target import Target
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire import answer, spec
from twin_service.service.wire.path import at
from twin_service.service.wire.quantity import number
from twin_service.service.wire.question import FutureSpan, members_of, span_of
from twin_service.service.wire.regimen import regimens_of
from twin_service.service.wire.target import targets_of
from twin_service.settings import Settings
from twin_service.twin.averaged import Averaged
from twin_service.twin.simulate import WhatIf
from twin_service.v1.simulation_pb2 import AverageModelsRequest, AverageModelsResponse, ModelWeight

__all__ = ["AverageModelsRequest", "AverageModelsResponse"]


@dataclass(frozen=True)
class MixturePlans:
    """Plans under the mixture; no analytes named: those of the record."""

    regimens: tuple[Regimen, ...]
    span: FutureSpan
    targets: tuple[Target, ...]
    units: dict[str, str]
    analytes: tuple[str, ...]
    members: int


def choices_of(request: AverageModelsRequest) -> list[ModelChoice]:
    """The models to weigh, each checked."""
    for i, m in enumerate(request.models):
        with at("models", i):
            spec.build(m)
    return [spec.choice(m) for m in request.models]


def plans_of(request: AverageModelsRequest, view: View, first: PatientModel, settings: Settings) -> MixturePlans | None:
    """The plans asked for, targets in the units of the `first` model kept; None when none are."""
    if not request.what_ifs:
        return None
    span = span_of(request, view, settings)
    targets, units = targets_of(request.targets, first)
    regimens = tuple(regimens_of(request.what_ifs, settings))
    members = members_of(request.members, settings)
    return MixturePlans(regimens, span, tuple(targets), units, tuple(request.analytes), members)


@dataclass(frozen=True)
class Mixture:
    """Weights, and plans under them."""

    averaged: Averaged
    what_ifs: tuple[WhatIf, ...]
    plans: MixturePlans | None


def averaged(
    found: Mixture, request: AverageModelsRequest, subject: AskedTwin, *, now_us: int, settings: Settings
) -> AverageModelsResponse:
    weighed = found.averaged
    response = AverageModelsResponse(
        models=[
            ModelWeight(
                model=m,
                weight=c.weight,
                log_evidence=number(c.log_evidence),
                rrmse=number(c.rrmse),
                left_out=c.left_out,
            )
            for m, c in zip(request.models, weighed.candidates, strict=True)
        ],
        readings=weighed.readings,
        basis=answer.basis_of_future(subject, now_us, members_of(request.members, settings)),
    )
    response.basis.assumptions.append("one of the models named is right, and simultaneous readings are independent")
    for c in weighed.kept:
        assert c.folded is not None
        response.basis.library_versions.update(c.folded.model.block_versions)
        response.basis.warnings.extend(w for w in c.folded.warnings if w not in response.basis.warnings)
    if found.plans is not None:
        origin_us, units = found.plans.span.origin_us, found.plans.units
        response.what_ifs.extend(answer.what_if(w, origin_us, units) for w in found.what_ifs)
    return response
