"""First dose, running escalations, comparison of designs, selection of patients."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection

from twin_service.outcome import Refusal, RefusalCode
from twin_service.report.page import render
from twin_service.service.door import call as calls
from twin_service.service.door.lane import CallerScope
from twin_service.service.handlers import populations
from twin_service.service.handlers.context import Service, apply_once
from twin_service.service.handlers.route import OperationKind, about_tenant, allowed_tenant, read, write
from twin_service.service.wire import phase1 as wire
from twin_service.service.wire.path import About, invalid
from twin_service.service.wire.phase1 import (
    CompareDesignsRequest,
    CompareDesignsResponse,
    DecideEscalationRequest,
    DecideEscalationResponse,
    GetDesignComparisonRequest,
    GetDesignComparisonResponse,
    OpenEscalationRequest,
    OpenEscalationResponse,
    ProposeFirstDoseRequest,
    ProposeFirstDoseResponse,
    RecordEscalationEventsRequest,
    RecordEscalationEventsResponse,
    SelectRespondersRequest,
    SelectRespondersResponse,
)
from twin_service.service.wire.population import operation_out
from twin_service.service.wire.rpc import rpc
from twin_service.service.work.operations import Finished, Progress
from twin_service.store.escalations import append_escalation, get_escalation
from twin_service.store.operations import OperationRow
from twin_service.trial.phase1.comparison import compare
from twin_service.trial.phase1.decision import changed_by_corrections, decide, history
from twin_service.trial.phase1.escalation_page import decision_page
from twin_service.trial.phase1.escalation_plan import running_design
from twin_service.trial.phase1.first_dose import first_dose
from twin_service.trial.phase1.live import append, fold
from twin_service.trial.phase1.selection import explain, validate

COMPARE = "compare_designs"


def propose(service: Service, request: ProposeFirstDoseRequest) -> ProposeFirstDoseResponse:
    """Every route, the ladder, the caps."""
    with About("plan"):
        found = first_dose(wire.first_dose_plan_of(request), np.random.default_rng(request.seed))
    return wire.first_dose_out(found, calls.current().now_us)


def open_trial(service: Service, request: OpenEscalationRequest) -> OpenEscalationResponse:
    """The plan is checked and stored as revision 0."""
    tenant = allowed_tenant(request.parent)
    with About("plan"):
        plan = wire.escalation_plan_of(request.plan)
        running_design(plan)
    name, now_us = (tenant, request.escalation_id), calls.current().now_us

    def work(connection: Connection) -> OpenEscalationResponse:
        append_escalation(connection, [wire.plan_row(plan, name, now_us)])
        return OpenEscalationResponse(
            name=f"tenants/{tenant}/escalations/{name[1]}", decision=wire.decision_out(plan, decide(plan, ()))
        )

    return apply_once(service, request, (tenant, ""), kind=OpenEscalationResponse, prepare=lambda: work)


def record(service: Service, request: RecordEscalationEventsRequest) -> RecordEscalationEventsResponse:
    """All events or none; the answer says what follows, and what corrections change of what was said."""
    name, now_us = wire.trial_name(request.name), calls.current().now_us
    allowed_tenant(request.name)
    new = wire.events_of(request)

    def work(connection: Connection) -> RecordEscalationEventsResponse:
        plan, before = wire.trial_of(get_escalation(connection, *name))
        events = before
        with About("events"):
            for event in new:
                events = append(plan, events, event)
        append_escalation(connection, wire.event_rows(new, name, len(before) + 1, now_us))
        return RecordEscalationEventsResponse(
            decision=wire.decision_out(plan, decide(plan, events)),
            changed=wire.changed_out(changed_by_corrections(plan, events)),
        )

    return apply_once(service, request, (name[0], ""), kind=RecordEscalationEventsResponse, prepare=lambda: work)


def decision(service: Service, request: DecideEscalationRequest) -> DecideEscalationResponse:
    """Now, or as it was after so many events."""
    name = wire.trial_name(request.name)
    allowed_tenant(request.name)
    plan, events = wire.trial_of(service.store.read(lambda c: get_escalation(c, *name)))
    if request.HasField("as_of_revision"):
        if request.as_of_revision > len(events):
            raise invalid(f"the trial has {len(events)} events", "as_of_revision", "NO_SUCH_REVISION")
        events = events[: request.as_of_revision]
    now, past, changed = decide(plan, events), history(plan, events), changed_by_corrections(plan, events)
    return DecideEscalationResponse(
        decision=wire.decision_out(plan, now),
        past=[wire.decision_out(plan, d) for d in past],
        changed=wire.changed_out(changed),
        report_html=render(decision_page(fold(plan, events), now, past, changed)) if request.report else "",
        unit=plan.unit,
    )


def start_comparison(service: Service, request: CompareDesignsRequest) -> CompareDesignsResponse:
    """Accept the question; the plan is checked at once."""
    tenant = allowed_tenant(request.parent)
    with About("plan"):
        plan = wire.escalation_plan_of(request.plan)
        for part in plan.design:
            part.build(plan)
    made = populations.accepted(request, tenant, COMPARE)

    def respond(row: OperationRow) -> CompareDesignsResponse:
        return CompareDesignsResponse(operation=operation_out(row, 0.0))

    return populations.accept(service, request, made, CompareDesignsResponse, respond)


def work_comparison(service: Service, row: OperationRow, progress: Progress) -> Finished:
    request = CompareDesignsRequest.FromString(row.request)

    def tell(share: float) -> None:
        if progress.deadline.expired:
            raise Refusal(RefusalCode.CANCELLED, "stopped before all scenarios were simulated; ask for fewer trials")
        progress.tell(share)

    found = compare(wire.escalation_plan_of(request.plan), request.trials or wire.TRIALS, request.seed, tell)
    return Finished(wire.comparison_out(found).SerializeToString(deterministic=True))


def comparison(service: Service, request: GetDesignComparisonRequest) -> GetDesignComparisonResponse:
    """What a finished comparison found."""
    row = populations.finished(service, request.operation, COMPARE)
    return GetDesignComparisonResponse.FromString(row.response)


def select(service: Service, request: SelectRespondersRequest) -> SelectRespondersResponse:
    """Patients asked about get a probability only when the markers proved themselves."""
    with About("rows"):
        asked = wire.asking_of(request)
    rng = np.random.default_rng(request.seed)
    found = validate(asked.seen, rng)
    patients = [(s, explain(found.model, x, asked.seen)) for s, x in zip(asked.subjects, asked.values, strict=True)]
    return wire.selection_out(found, patients if found.useful else [], calls.current().now_us)


def _parent(request: ProposeFirstDoseRequest | SelectRespondersRequest) -> str:
    return request.parent


KINDS = (OperationKind(COMPARE, work_comparison),)
ROUTES = (
    about_tenant(rpc(ProposeFirstDoseRequest, ProposeFirstDoseResponse), _parent, propose),
    about_tenant(rpc(SelectRespondersRequest, SelectRespondersResponse), _parent, select),
    write(rpc(OpenEscalationRequest, OpenEscalationResponse), open_trial, CallerScope.TRIAL),
    write(rpc(RecordEscalationEventsRequest, RecordEscalationEventsResponse), record, CallerScope.TRIAL),
    read(rpc(DecideEscalationRequest, DecideEscalationResponse), decision, CallerScope.TRIAL),
    write(rpc(CompareDesignsRequest, CompareDesignsResponse), start_comparison, CallerScope.OPERATION),
    read(rpc(GetDesignComparisonRequest, GetDesignComparisonResponse), comparison, CallerScope.OPERATION),
)
