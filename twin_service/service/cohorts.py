"""Virtual populations on the wire: questions checked at once, answers worked out as operations."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import Message
from sqlalchemy import Connection

from twin_service import units
from twin_service.cohort.matching import MATCHED_MAX, Match, matching_weights
from twin_service.cohort.population import Correlation, Population, Spread, check_population
from twin_service.cohort.simulate import simulate_population
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.bands import outputs_of
from twin_service.service import answers, futures, translate
from twin_service.service import call as calls
from twin_service.service import person as persons
from twin_service.service.operations import Finished
from twin_service.service.rooms import Rooms, apply_once
from twin_service.service.targets import targets_of
from twin_service.solver.tolerances import Deadline
from twin_service.store.operations import (
    DONE,
    WAITING,
    OperationRow,
    PopulationRow,
    get_population,
    insert_operation,
    insert_population,
)
from twin_service.v1 import cohort_pb2, common_pb2

Tell = Callable[[float], None]
R = TypeVar("R", bound=Message)
GENERATE, SIMULATE = "generate_population", "simulate_population"


def generate(rooms: Rooms, request: Any, tenant: str) -> cohort_pb2.GeneratePopulationResponse:
    """Accept the question; the population exists once its operation is done."""
    population = _population(request)
    _matches(request.matches, population.model)
    if request.matches and request.size > MATCHED_MAX:
        raise Refusal(
            RefusalCode.TOO_MUCH,
            f"{request.size} people; at most {MATCHED_MAX} can be weighted to match",
            field="size",
            reason="TOO_MANY_MEMBERS",
        )

    def respond(row: OperationRow) -> cohort_pb2.GeneratePopulationResponse:
        name = f"tenants/{tenant}/populations/{row.operation}"
        return cohort_pb2.GeneratePopulationResponse(operation=operation(row, 0.0), population=name)

    return _accept(rooms, request, (tenant, GENERATE), cohort_pb2.GeneratePopulationResponse, respond=respond)


def simulate(rooms: Rooms, request: Any, tenant: str) -> cohort_pb2.SimulatePopulationResponse:
    """Accept the question; the population must exist."""
    name = _id(request.population, tenant, "populations", "population")
    stored = rooms.store.read(lambda c: get_population(c, tenant, name))
    model = _population(cohort_pb2.GeneratePopulationRequest.FromString(stored.request)).model
    futures.regimens_of(request.regimens, rooms.settings, "regimens")
    targets_of(request.targets, model)
    outputs_of(model, request.outputs)
    _horizon(request, rooms)

    def respond(row: OperationRow) -> cohort_pb2.SimulatePopulationResponse:
        return cohort_pb2.SimulatePopulationResponse(operation=operation(row, 0.0))

    return _accept(rooms, request, (tenant, SIMULATE), cohort_pb2.SimulatePopulationResponse, respond=respond)


def work_generate(rooms: Rooms, row: OperationRow, deadline: Deadline, tell: Tell) -> Finished:
    """Draw nobody yet: people are drawn again whenever they are needed. Only weights take work."""
    request = cohort_pb2.GeneratePopulationRequest.FromString(row.request)
    population = _population(request)
    weights, size, remark = np.zeros(0), float(population.size), ""
    if request.matches:
        found = matching_weights(population, _matches(request.matches, population.model), deadline=deadline, tell=tell)
        weights, size = found.weights, found.ess
        remark = "" if found.outcome.ok else str(found.outcome)
    kept = PopulationRow(
        row.tenant, row.operation, row.request, weights.astype("<f8").tobytes(), size, remark, row.created_us
    )

    def keep(connection: Connection) -> None:
        insert_population(connection, kept)

    return Finished(b"", keep)


def work_simulate(rooms: Rooms, row: OperationRow, deadline: Deadline, tell: Tell) -> Finished:
    request = cohort_pb2.SimulatePopulationRequest.FromString(row.request)
    stored = rooms.store.read(lambda c: get_population(c, row.tenant, request.population.rpartition("/")[2]))
    population = _population(cohort_pb2.GeneratePopulationRequest.FromString(stored.request))
    targets, target_units = targets_of(request.targets, population.model)
    weights = np.frombuffer(stored.weights, dtype="<f8") if stored.weights else None
    found = simulate_population(
        population,
        futures.regimens_of(request.regimens, rooms.settings, "regimens"),
        horizon_h=_horizon(request, rooms),
        targets=targets,
        outputs=list(request.outputs),
        weights=weights,
        threads=rooms.settings.operation_threads,
        deadline=deadline,
        tell=tell,
    )
    response = cohort_pb2.GetPopulationResultResponse(
        what_ifs=[answers.what_if(w, 0, target_units) for w in found],
        members=population.size,
        effective_sample_size=stored.effective_size,
        basis=_basis(population, stored, row),
    )
    return Finished(response.SerializeToString(deterministic=True))


def result(rooms: Rooms, name: str, tenant: str) -> cohort_pb2.GetPopulationResultResponse:
    """What a finished simulation found. Raises Refusal for one that is not done, failed or is of another kind."""
    row = rooms.operations.find((tenant, _id(name, tenant, "operations", "operation")))
    if row.kind != SIMULATE:
        raise Refusal(
            RefusalCode.INVALID,
            f"this operation is {row.kind}; it has no result of its own",
            field="operation",
            reason="NO_RESULT",
        )
    if row.state != DONE:
        said = row.error_message or "wait for it with WaitOperation"
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"the operation is {row.state}: {said}",
            field="operation",
            reason="OPERATION_NOT_DONE",
        )
    found: cohort_pb2.GetPopulationResultResponse = cohort_pb2.GetPopulationResultResponse.FromString(row.response)
    return found


def operation(row: OperationRow, share: float) -> common_pb2.Operation:
    wire = common_pb2.Operation(
        name=f"tenants/{row.tenant}/operations/{row.operation}",
        kind=row.kind,
        done=row.state != WAITING,
        progress=1.0 if row.state == DONE else share,
        create_time=translate.stamp(row.created_us),
        error_code=row.error_code,
        error_message=row.error_message,
    )
    if row.ended_us:
        wire.end_time.CopyFrom(translate.stamp(row.ended_us))
    return wire


def key_of(name: str) -> tuple[str, str]:
    """Tenant and id of an operation, if the caller may speak for the tenant."""
    tenant = name.split("/")[1] if name.startswith("tenants/") else ""
    calls.current().allow(tenant)
    return tenant, _id(name, tenant, "operations", "name")


def _accept(
    rooms: Rooms, request: Any, owner: tuple[str, str], response_type: type[R], *, respond: Callable[[OperationRow], R]
) -> R:
    """Record the operation with the answer that names it, then let the workers know. `owner`: tenant and kind."""
    tenant, kind = owner
    waiting = rooms.operations.waiting
    if waiting >= rooms.settings.operations_waiting_max:
        raise Refusal(RefusalCode.TOO_MUCH, f"{waiting} operations wait; try again later", reason="OVERLOADED")
    made = OperationRow(
        tenant,
        str(uuid.uuid4()),
        kind,
        WAITING,
        request.SerializeToString(deterministic=True),
        b"",
        0,
        "",
        calls.current().now_us,
        0,
    )

    def work(connection: Connection) -> R:
        insert_operation(connection, made)
        return respond(made)

    response = apply_once(rooms, request, (tenant, ""), kind=response_type, prepare=lambda: work)
    rooms.operations.accept((tenant, response.operation.name.rpartition("/")[2]))
    return response


def _population(request: cohort_pb2.GeneratePopulationRequest) -> Population:
    model = persons.build(request.model)
    declared = {c.name: c.unit for c in model.covariates}
    spreads = [_spread(c, declared, f"covariates[{i}]") for i, c in enumerate(request.covariates)]

    def name(given: str, path: str) -> str:
        return units.covariate(given, model=declared, path=path).id

    together = tuple(
        Correlation(name(c.first, f"correlations[{i}].first"), name(c.second, f"correlations[{i}].second"), c.value)
        for i, c in enumerate(request.correlations)
    )
    population = Population(model, request.size, tuple(spreads), request.seed, together)
    check_population(population)
    return population


def _spread(body: cohort_pb2.CovariateSpread, declared: dict[str, str], path: str) -> Spread:
    known = units.covariate(body.name, model=declared, path=f"{path}.name")

    def read(field: str, absent: float) -> float:
        if not body.HasField(field):
            return absent
        q = getattr(body, field)
        return units.canonical(known, q.value, q.unit, path=f"{path}.{field}")

    sd = 0.0
    if body.HasField("sd"):
        # a spread is a difference: its unit may not shift the zero
        at = [units.convert(v, body.sd.unit, known.unit, path=f"{path}.sd") for v in (body.sd.value, 0.0)]
        sd = at[0] - at[1]
    return Spread(known.id, read("mean", 0.0), sd, read("low", -np.inf), read("high", np.inf), body.lognormal)


def _matches(given: Any, model: PatientModel) -> list[Match]:
    found = []
    for i, m in enumerate(given):
        try:
            output = outputs_of(model, [m.output])[0]
        except Refusal as refusal:
            raise Refusal(refusal.code, refusal.message, field=f"matches[{i}].output", reason=refusal.reason) from None
        unit = model.system.outputs[model.system.output_index[output]].unit
        known = units.analytes().get(m.output)
        mass = known.molar_mass if known else None
        mean, sd = (
            units.convert(q.value, q.unit, unit, molar_mass=mass, path=f"matches[{i}].{field}")
            for field, q in (("mean", m.mean), ("sd", m.sd))
        )
        hours = units.hours(m.time.value, m.time.unit, path=f"matches[{i}].time") if m.HasField("time") else 0.0
        if not sd > 0.0 or hours < 0.0:
            raise Refusal(
                RefusalCode.INVALID,
                "expected a positive sd and a time at or after the start",
                field=f"matches[{i}].sd",
                reason="BAD_MATCH",
            )
        found.append(Match(m.output, hours, mean, sd))
    return found


def _horizon(request: Any, rooms: Rooms) -> float:
    hours = units.hours(request.horizon.value, request.horizon.unit, path="horizon")
    if not 0 < hours <= rooms.settings.horizon_max_h:
        raise Refusal(
            RefusalCode.OUT_OF_RANGE,
            f"{hours:g} h; expected more than 0 and at most {rooms.settings.horizon_max_h:g} h",
            field="horizon.value",
            reason="BAD_HORIZON",
        )
    return hours


def _basis(population: Population, stored: PopulationRow, row: OperationRow) -> common_pb2.Basis:
    from twin_service.service.numeric import SOFTWARE_VERSION, software_digest

    model = population.model
    assumed = ["characteristics are drawn independently of each other", "everyone takes every dose as planned"]
    return common_pb2.Basis(
        model_id=model.id,
        model_version=model.version,
        model_digest=model.digest,
        library_versions=model.block_versions,
        members=population.size,
        assumptions=assumed,
        warnings=[stored.remark] if stored.remark else [],
        software_version=SOFTWARE_VERSION,
        software_digest=software_digest(),
        computed_time=translate.stamp(row.created_us),
    )


def _id(name: str, tenant: str, kind: str, field: str) -> str:
    prefix = f"tenants/{tenant}/{kind}/"
    if not name.startswith(prefix) or not 0 < len(name) - len(prefix) <= 36:
        raise Refusal(RefusalCode.INVALID, f"expected tenants/{{tenant}}/{kind}/{{id}}", field=field, reason="BAD_NAME")
    return name.removeprefix(prefix)
