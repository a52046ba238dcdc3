"""Virtual populations: questions checked at once, answers worked out as operations."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from google.protobuf.message import Message
from sqlalchemy import Connection

from twin_service.cohort.matching import matching_weights
from twin_service.cohort.simulate import simulate_population
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door import call as calls
from twin_service.service.door.lane import CallerScope
from twin_service.service.handlers.context import Service, apply_once
from twin_service.service.handlers.route import OperationKind, allowed_tenant, read, write
from twin_service.service.wire import population as wire
from twin_service.service.wire.path import invalid
from twin_service.service.wire.population import (
    GeneratePopulationRequest,
    GeneratePopulationResponse,
    GetPopulationResultRequest,
    GetPopulationResultResponse,
    SimulatePopulationRequest,
    SimulatePopulationResponse,
    operation_out,
)
from twin_service.service.wire.rpc import rpc
from twin_service.service.work.operations import Finished, Progress
from twin_service.store.operations import (
    DONE,
    WAITING,
    OperationRow,
    PopulationRow,
    get_population,
    insert_operation,
    insert_population,
)

R = TypeVar("R", bound=Message)
GENERATE, SIMULATE = "generate_population", "simulate_population"


def generate(service: Service, request: GeneratePopulationRequest) -> GeneratePopulationResponse:
    """Accept the question; the population exists once its operation is done."""
    tenant = allowed_tenant(request.parent)
    wire.generation_of(request)

    def respond(row: OperationRow) -> GeneratePopulationResponse:
        name = f"tenants/{tenant}/populations/{row.operation}"
        return GeneratePopulationResponse(operation=operation_out(row, 0.0), population=name)

    return accept(service, request, accepted(request, tenant, GENERATE), GeneratePopulationResponse, respond)


def simulate(service: Service, request: SimulatePopulationRequest) -> SimulatePopulationResponse:
    """Accept the question; the population must exist."""
    tenant = allowed_tenant(request.population)
    name = wire.id_of(request.population, tenant, "populations", "population")
    stored = service.store.read(lambda c: get_population(c, tenant, name))
    population, _ = wire.generated_of(stored.request)
    wire.plans_of(request, population.model, service.settings)

    def respond(row: OperationRow) -> SimulatePopulationResponse:
        return SimulatePopulationResponse(operation=operation_out(row, 0.0))

    return accept(service, request, accepted(request, tenant, SIMULATE), SimulatePopulationResponse, respond)


def result(service: Service, request: GetPopulationResultRequest) -> GetPopulationResultResponse:
    """What a finished simulation found."""
    return GetPopulationResultResponse.FromString(finished(service, request.operation, SIMULATE).response)


def finished(service: Service, operation: str, kind: str) -> OperationRow:
    """A finished operation of this kind. Raises Refusal for one that is not done, failed or is of another kind."""
    tenant = allowed_tenant(operation)
    row = service.operations.find((tenant, wire.id_of(operation, tenant, "operations", "operation")))
    if row.kind != kind:
        raise invalid(f"this operation is {row.kind}; no result of {kind}", "operation", "NO_RESULT")
    if row.state != DONE:
        said = row.error_message or "wait for it with WaitOperation"
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"the operation is {row.state}: {said}",
            field="operation",
            reason="OPERATION_NOT_DONE",
        )
    return row


def work_generate(service: Service, row: OperationRow, progress: Progress) -> Finished:
    """Draw nobody yet: people are drawn again whenever they are needed. Only weights take work."""
    population, matches = wire.generated_of(row.request)
    weights, size, remark = np.zeros(0), float(population.size), ""
    if matches:
        found = matching_weights(population, matches, deadline=progress.deadline, tell=progress.tell)
        weights, size = found.weights, found.ess
        remark = "" if found.outcome.ok else str(found.outcome)
    kept = PopulationRow(
        row.tenant, row.operation, row.request, weights.astype("<f8").tobytes(), size, remark, row.created_us
    )

    def keep(connection: Connection) -> None:
        insert_population(connection, kept)

    return Finished(b"", keep)


def work_simulate(service: Service, row: OperationRow, progress: Progress) -> Finished:
    request = SimulatePopulationRequest.FromString(row.request)
    stored = service.store.read(lambda c: get_population(c, row.tenant, request.population.rpartition("/")[2]))
    population, _ = wire.generated_of(stored.request)
    plans = wire.plans_of(request, population.model, service.settings)
    found = simulate_population(
        population,
        plans.regimens,
        horizon_h=plans.horizon_h,
        targets=plans.targets,
        outputs=plans.outputs,
        weights=np.frombuffer(stored.weights, dtype="<f8") if stored.weights else None,
        threads=service.settings.operation_threads,
        deadline=progress.deadline,
        tell=progress.tell,
    )
    response = wire.simulated(found, plans, population, stored=stored, now_us=row.created_us)
    return Finished(response.SerializeToString(deterministic=True))


def accepted(request: Message, tenant: str, kind: str) -> OperationRow:
    content = request.SerializeToString(deterministic=True)
    now_us = calls.current().now_us
    return OperationRow(tenant, str(uuid.uuid4()), kind, WAITING, content, b"", 0, "", now_us, 0)


def accept(
    service: Service, request: Message, made: OperationRow, kind: type[R], respond: Callable[[OperationRow], R]
) -> R:
    """Record the operation with the answer that names it, then let the workers know."""
    waiting = service.operations.waiting
    if waiting >= service.settings.operations_waiting_max:
        raise Refusal(RefusalCode.TOO_MUCH, f"{waiting} operations wait; try again later", reason="OVERLOADED")

    def work(connection: Connection) -> R:
        insert_operation(connection, made)
        return respond(made)

    response = apply_once(service, request, (made.tenant, ""), kind=kind, prepare=lambda: work)
    # a retry is answered from the store: the operation is the one its answer names, not the one made just now
    named = response.operation.name  # type: ignore[attr-defined]  # every such answer has it
    service.operations.accept((made.tenant, named.rpartition("/")[2]))
    return response


KINDS = (OperationKind(GENERATE, work_generate), OperationKind(SIMULATE, work_simulate))
ROUTES = (
    write(rpc(GeneratePopulationRequest, GeneratePopulationResponse), generate, CallerScope.OPERATION),
    write(rpc(SimulatePopulationRequest, SimulatePopulationResponse), simulate, CallerScope.OPERATION),
    read(rpc(GetPopulationResultRequest, GetPopulationResultResponse), result, CallerScope.OPERATION),
)
