"""Creating, reading, changing and erasing twins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import TwinName
from twin_service.service.door import call as calls
from twin_service.service.door.lane import CallerScope
from twin_service.service.handlers.context import Service, act, allowed_twin, apply_once, window
from twin_service.service.handlers.route import allowed_tenant, read, write
from twin_service.service.wire import answer, paging
from twin_service.service.wire.path import at, invalid
from twin_service.service.wire.rpc import rpc
from twin_service.service.wire.spec import changed, complete, masked, model_and_person
from twin_service.service.wire.twin import (
    CHANGEABLE,
    READABLE,
    CreateTwinRequest,
    CreateTwinResponse,
    DeleteTwinRequest,
    DeleteTwinResponse,
    GetTwinRequest,
    GetTwinResponse,
    ListTwinsRequest,
    ListTwinsResponse,
    UpdateTwinRequest,
    UpdateTwinResponse,
    belief_out,
    covariates_in_force,
    domain_warnings,
    twin_out,
)
from twin_service.service.work.keeping import trouble_of
from twin_service.store.repository import erase_twin, reset_belief
from twin_service.store.twins import check_etag, get_twin, insert_twin, list_twins


def create(service: Service, request: CreateTwinRequest) -> CreateTwinResponse:
    tenant = allowed_tenant(request.parent)
    name = TwinName(tenant, request.patient_id)
    calls.current().about(tenant, request.patient_id)

    def prepare() -> Callable[[Connection], CreateTwinResponse]:
        with at("spec"):
            spec = complete(request.spec, window(service))
            model, person = model_and_person(name, spec)
        warnings = domain_warnings(model, person.covariates)
        done = act("create")

        def work(connection: Connection) -> CreateTwinResponse:
            row = insert_twin(connection, name, spec.SerializeToString(deterministic=True), done)
            return CreateTwinResponse(twin=twin_out(row, trouble_of(row.trouble)), warnings=warnings)

        return work

    response = apply_once(service, request, (tenant, request.patient_id), kind=CreateTwinResponse, prepare=prepare)
    service.engine.recorded(name)
    return response


def get(service: Service, request: GetTwinRequest) -> GetTwinResponse:
    """A twin that cannot be assimilated is shown with its trouble, unless a revision is asked for."""
    name = allowed_twin(request.name)
    wanted = masked(request.read_mask, READABLE, "read_mask") or READABLE
    call = calls.current()
    response = GetTwinResponse()
    row, view = service.engine.row(name), None
    if set(wanted) - {"twin"} or request.min_revision:
        try:
            row, view = service.engine.current(name, request.min_revision, call.deadline)
        except Refusal as refusal:
            if request.min_revision or refusal.code is RefusalCode.NOT_FOUND:
                raise
            row = service.engine.row(name)
    if "twin" in wanted:
        response.twin.CopyFrom(twin_out(row, trouble_of(row.trouble)))
        if view is not None:
            response.twin.meta.belief_revision = max(view.revision, response.twin.meta.belief_revision)
    if view is not None and "covariates" in wanted:
        response.covariates.extend(covariates_in_force(view))
    if view is not None and "belief" in wanted:
        response.belief.CopyFrom(belief_out(view))
    if view is not None and "basis" in wanted:
        response.basis.CopyFrom(answer.basis(service.engine.asked(row, view), now_us=call.now_us))
    return response


def list_(service: Service, request: ListTwinsRequest) -> ListTwinsResponse:
    tenant = allowed_tenant(request.parent)
    size = paging.page_size(request.page_size, service.settings)
    after = paging.place(request.page_token, "twins", tenant)
    rows = service.store.read(lambda c: list_twins(c, tenant, after=after, limit=size + 1))
    more = paging.token(rows[size - 1].patient, "twins", tenant) if len(rows) > size else ""
    return ListTwinsResponse(twins=[twin_out(r, trouble_of(r.trouble)) for r in rows[:size]], next_page_token=more)


def update(service: Service, request: UpdateTwinRequest) -> UpdateTwinResponse:
    name = allowed_twin(request.twin.name)
    paths = masked(request.update_mask, CHANGEABLE, "update_mask")

    def prepare() -> Callable[[Connection], UpdateTwinResponse]:
        if not paths:
            said = f"names nothing to change; expected some of {', '.join(CHANGEABLE)}"
            raise invalid(said, "update_mask", "EMPTY_MASK")
        done = act("update", ", ".join(paths))

        def work(connection: Connection) -> UpdateTwinResponse:
            row = get_twin(connection, name)
            check_etag(row, request.etag)
            spec = changed(name, row.spec or b"", request.twin.spec, paths)
            new = replace(
                row,
                spec=spec.SerializeToString(deterministic=True),
                spec_revision=row.spec_revision + 1,
                updated_us=done.time_us,
            )
            return UpdateTwinResponse(twin=twin_out(reset_belief(connection, row, new, done), None))

        return work

    response = apply_once(service, request, (name.tenant, name.patient), kind=UpdateTwinResponse, prepare=prepare)
    service.engine.recorded(name)
    return response


def delete(service: Service, request: DeleteTwinRequest) -> DeleteTwinResponse:
    name = allowed_twin(request.name)

    def prepare() -> Callable[[Connection], DeleteTwinResponse]:
        done = act("erase")

        def work(connection: Connection) -> DeleteTwinResponse:
            row = get_twin(connection, name)
            check_etag(row, request.etag)
            service.store.known.forget(name)
            return DeleteTwinResponse(erased_events=erase_twin(connection, row, done))

        return work

    response = apply_once(service, request, (name.tenant, name.patient), kind=DeleteTwinResponse, prepare=prepare)
    service.store.erased(name)
    service.engine.forget(name)
    return response


ROUTES = (
    write(rpc(CreateTwinRequest, CreateTwinResponse), create),
    read(rpc(GetTwinRequest, GetTwinResponse), get),
    read(rpc(ListTwinsRequest, ListTwinsResponse), list_),
    write(rpc(UpdateTwinRequest, UpdateTwinResponse), update),
    write(rpc(DeleteTwinRequest, DeleteTwinResponse), delete, CallerScope.PATIENT_ERASE),
)
