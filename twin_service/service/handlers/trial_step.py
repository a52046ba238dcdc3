"""The sponsor's desk as operations: a protocol and its tables in, a step's answer, page and files out."""

from __future__ import annotations

from datetime import UTC, datetime

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door.lane import CallerScope
from twin_service.service.handlers import populations
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import OperationKind, allowed_tenant, read, write
from twin_service.service.wire import trial_step as wire
from twin_service.service.wire.path import About
from twin_service.service.wire.population import operation_out
from twin_service.service.wire.rpc import rpc
from twin_service.service.wire.trial_step import (
    GetTrialStepRequest,
    GetTrialStepResponse,
    RunTrialStepRequest,
    RunTrialStepResponse,
)
from twin_service.service.work.operations import Finished, Progress
from twin_service.store.operations import OperationRow

STEP = "trial_step"


def start(service: Service, request: RunTrialStepRequest) -> RunTrialStepResponse:
    """Accept the question; the protocol and the names of its files are checked at once."""
    tenant = allowed_tenant(request.parent)
    with About("protocol"):
        wire.protocol_of(request)
    made = populations.accepted(request, tenant, STEP)

    def respond(row: OperationRow) -> RunTrialStepResponse:
        return RunTrialStepResponse(operation=operation_out(row, 0.0))

    return populations.accept(service, request, made, RunTrialStepResponse, respond)


def work(service: Service, row: OperationRow, progress: Progress) -> Finished:
    from twin_service.trial.desk import DeskStep, run_step
    from twin_service.trial.package.build import build_package

    request = RunTrialStepRequest.FromString(row.request)
    opened, name = wire.protocol_of(request), wire.step_name_of(request)

    def tell(share: float) -> None:
        if progress.deadline.expired:
            raise Refusal(RefusalCode.CANCELLED, "stopped before the step was done")
        progress.tell(share)

    if name == wire.REPORT:
        created = datetime.fromtimestamp(row.created_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        made = build_package(opened, request.protocol, created, tell)
        said, notes, files, values = made.answer, made.notes, dict(made.files), made.files["values.json"]
        response = wire.step_out(request, said, notes, values=values, files=files, now_us=row.created_us)
    else:
        done = run_step(DeskStep(name), opened, tell)
        found, page = done.result, {wire.PAGE: done.page.encode()}
        response = wire.step_out(
            request, found.answer, found.notes, values=found.values, files=page, now_us=row.created_us
        )
    return Finished(response.SerializeToString(deterministic=True))


def result(service: Service, request: GetTrialStepRequest) -> GetTrialStepResponse:
    """What a finished step found. Raises Refusal for one that is not done, failed or is of another kind."""
    row = populations.finished(service, request.operation, STEP)
    return GetTrialStepResponse.FromString(row.response)


KINDS = (OperationKind(STEP, work),)
ROUTES = (
    write(rpc(RunTrialStepRequest, RunTrialStepResponse), start, CallerScope.OPERATION),
    read(rpc(GetTrialStepRequest, GetTrialStepResponse), result, CallerScope.OPERATION),
)
