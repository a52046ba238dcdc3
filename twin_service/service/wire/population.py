"""Virtual populations and operations on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin_service import units
from twin_service.cohort.matching import MATCHED_MAX, Match
from twin_service.cohort.population import CharacteristicCorrelation, CharacteristicSpread, Population, check_population
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.bands import outputs_of
from twin_service.scenario.regimen import Regimen
from twin_service.scenario.target import Target
from twin_service.service.wire import answer, spec
from twin_service.service.wire.path import at, invalid
from twin_service.service.wire.quantity import hours, in_unit, molar_mass_of, stamp
from twin_service.service.wire.regimen import horizon_of, regimens_of
from twin_service.service.wire.target import output_of, targets_of
from twin_service.settings import Settings
from twin_service.store.operations import DONE, WAITING, OperationRow, PopulationRow
from twin_service.twin.simulate import WhatIf
from twin_service.v1 import cohort_pb2, common_pb2
from twin_service.v1.cohort_pb2 import (
    CancelOperationRequest,
    CancelOperationResponse,
    GeneratePopulationRequest,
    GeneratePopulationResponse,
    GetOperationRequest,
    GetOperationResponse,
    GetPopulationResultRequest,
    GetPopulationResultResponse,
    ListOperationsRequest,
    ListOperationsResponse,
    SimulatePopulationRequest,
    SimulatePopulationResponse,
    WaitOperationRequest,
    WaitOperationResponse,
)

__all__ = [
    "CancelOperationRequest",
    "CancelOperationResponse",
    "GeneratePopulationRequest",
    "GeneratePopulationResponse",
    "GetOperationRequest",
    "GetOperationResponse",
    "GetPopulationResultRequest",
    "GetPopulationResultResponse",
    "ListOperationsRequest",
    "ListOperationsResponse",
    "SimulatePopulationRequest",
    "SimulatePopulationResponse",
    "WaitOperationRequest",
    "WaitOperationResponse",
]


@dataclass(frozen=True)
class PopulationPlans:
    """Regimens for everyone of a population."""

    regimens: tuple[Regimen, ...]
    targets: tuple[Target, ...]
    units: dict[str, str]
    outputs: tuple[str, ...]
    horizon_h: float


def generated_of(data: bytes) -> tuple[Population, list[Match]]:
    """A stored request to generate a population, read again."""
    return generation_of(GeneratePopulationRequest.FromString(data))


def generation_of(request: GeneratePopulationRequest) -> tuple[Population, list[Match]]:
    """How the population is drawn, and what its weights are to match."""
    population = _population(request)
    matches = _matches(request.matches, population.model)
    if matches and request.size > MATCHED_MAX:
        said = f"{request.size} people; at most {MATCHED_MAX} can be weighted to match"
        raise Refusal(RefusalCode.TOO_MUCH, said, field="size", reason="TOO_MANY_MEMBERS")
    return population, matches


def plans_of(request: SimulatePopulationRequest, model: PatientModel, settings: Settings) -> PopulationPlans:
    regimens = regimens_of(request.regimens, settings, "regimens")
    targets, metric_units = targets_of(request.targets, model)
    outputs_of(model, request.outputs)
    horizon_h = horizon_of(request.horizon, settings)
    return PopulationPlans(tuple(regimens), tuple(targets), metric_units, tuple(request.outputs), horizon_h)


def simulated(
    found: Sequence[WhatIf], plans: PopulationPlans, population: Population, *, stored: PopulationRow, now_us: int
) -> GetPopulationResultResponse:
    assumed = ("characteristics are drawn independently of each other", "everyone takes every dose as planned")
    response = GetPopulationResultResponse(
        what_ifs=[answer.what_if(w, 0, plans.units) for w in found],
        members=population.size,
        effective_sample_size=stored.effective_size,
        basis=answer.basis_of_model(population.model, now_us, population.size, assumed),
    )
    if stored.remark:
        response.basis.warnings.append(stored.remark)
    return response


def operation_out(row: OperationRow, share: float) -> common_pb2.Operation:
    wire = common_pb2.Operation(
        name=f"tenants/{row.tenant}/operations/{row.operation}",
        kind=row.kind,
        done=row.state != WAITING,
        progress=1.0 if row.state == DONE else share,
        create_time=stamp(row.created_us),
        error_code=row.error_code,
        error_message=row.error_message,
    )
    if row.ended_us:
        wire.end_time.CopyFrom(stamp(row.ended_us))
    return wire


def id_of(name: str, tenant: str, kind: str, field: str = "name") -> str:
    """The last part of `tenants/{tenant}/{kind}/{id}`."""
    prefix = f"tenants/{tenant}/{kind}/"
    if not name.startswith(prefix) or not 0 < len(name) - len(prefix) <= 36:
        raise invalid(f"expected tenants/{{tenant}}/{kind}/{{id}}", field, "BAD_NAME")
    return name.removeprefix(prefix)


def timeout_s_of(request: WaitOperationRequest) -> float | None:
    """How long to wait; None where the request does not say."""
    if not request.HasField("timeout"):
        return None
    seconds = request.timeout.seconds + request.timeout.nanos * 1e-9
    if seconds < 0:
        raise invalid("expected a wait of 0 s or more", "timeout", "BAD_TIMEOUT")
    return seconds


def _population(request: GeneratePopulationRequest) -> Population:
    with at("model"):
        model = spec.build(request.model)
    declared = {c.name: c.unit for c in model.covariates}
    spreads = []
    for i, c in enumerate(request.covariates):
        with at("covariates", i):
            spreads.append(_spread(c, declared))
    together = []
    for i, pair in enumerate(request.correlations):
        with at("correlations", i):
            first = units.covariate(pair.first, model=declared, path="first").id
            second = units.covariate(pair.second, model=declared, path="second").id
        together.append(CharacteristicCorrelation(first, second, pair.value))
    population = Population(model, request.size, tuple(spreads), request.seed, tuple(together))
    check_population(population)
    return population


def _spread(body: cohort_pb2.CovariateSpread, declared: dict[str, str]) -> CharacteristicSpread:
    known = units.covariate(body.name, model=declared, path="name")

    def read(q: common_pb2.Quantity, field: str) -> float:
        return units.canonical(known, q.value, q.unit, path=field)

    sd = 0.0
    if body.HasField("sd"):
        # a spread is a difference: its unit may not shift the zero
        top, zero = (units.convert(v, body.sd.unit, known.unit, path="sd") for v in (body.sd.value, 0.0))
        sd = top - zero
    mean = read(body.mean, "mean") if body.HasField("mean") else 0.0
    low = read(body.low, "low") if body.HasField("low") else -np.inf
    high = read(body.high, "high") if body.HasField("high") else np.inf
    return CharacteristicSpread(known.id, mean, sd, low, high, body.lognormal)


def _matches(given: Sequence[cohort_pb2.MatchTarget], model: PatientModel) -> list[Match]:
    found = []
    for i, m in enumerate(given):
        with at("matches", i):
            _, unit = output_of(model, m.output)
            mass = molar_mass_of(m.output)
            mean, sd = in_unit(m.mean, unit, "mean", mass), in_unit(m.sd, unit, "sd", mass)
            time_h = hours(m.time, "time") if m.HasField("time") else 0.0
            if not sd > 0.0 or time_h < 0.0:
                raise invalid("expected a positive sd and a time at or after the start", "sd", "BAD_MATCH")
        found.append(Match(m.output, time_h, mean, sd))
    return found
