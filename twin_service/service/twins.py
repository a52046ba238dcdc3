"""Creating, reading, changing and erasing twins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Connection

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import CovariateMeasured
from twin_service.record.person import TwinName
from twin_service.service import answers, keeping, paging, tenancy, translate
from twin_service.service import call as calls
from twin_service.service import person as persons
from twin_service.service.engine import View
from twin_service.service.rooms import Rooms, act, apply_once, window
from twin_service.store.repository import erase_twin, reset_belief
from twin_service.store.twins import TwinRow, check_etag, get_twin, insert_twin, list_twins
from twin_service.units import analytes
from twin_service.v1 import twin_pb2

READABLE = ("twin", "covariates", "belief", "basis")
CHANGEABLE = ("spec.model", "spec.estimator", "spec.labels", "spec.covariates")


def allowed_name(text: str) -> TwinName:
    """The twin named, if the caller may speak for its tenant."""
    name = translate.twin_name(text)
    calls.current().allow(name.tenant)
    return name


def create(rooms: Rooms, request: twin_pb2.CreateTwinRequest) -> twin_pb2.CreateTwinResponse:
    tenant = tenancy.tenant_of(request.parent)
    calls.current().allow(tenant)
    name = TwinName(tenant, request.patient_id)

    def prepare() -> Callable[[Connection], twin_pb2.CreateTwinResponse]:
        spec = persons.complete(request.spec, window(rooms))
        model = persons.build(spec.model, "spec.model")
        person = persons.person(name, spec, model)
        warnings = _warnings(model, person.covariates)
        done = act("create")

        def work(connection: Connection) -> twin_pb2.CreateTwinResponse:
            row = insert_twin(connection, name, spec.SerializeToString(deterministic=True), done)
            return twin_pb2.CreateTwinResponse(twin=twin_out(row), warnings=warnings)

        return work

    response = apply_once(
        rooms, request, (tenant, request.patient_id), kind=twin_pb2.CreateTwinResponse, prepare=prepare
    )
    rooms.engine.recorded(name)
    return response


def get(rooms: Rooms, request: twin_pb2.GetTwinRequest) -> twin_pb2.GetTwinResponse:
    """A twin that cannot be assimilated is shown with its trouble, unless a revision is asked for."""
    name = allowed_name(request.name)
    wanted = _masked(request.read_mask, READABLE, "read_mask") or READABLE
    call = calls.current()
    response = twin_pb2.GetTwinResponse()
    row, view = rooms.engine.row(name), None
    if set(wanted) - {"twin"} or request.min_revision:
        try:
            row, view = rooms.engine.current(name, request.min_revision, call.deadline)
        except Refusal as refusal:
            if request.min_revision or refusal.code is RefusalCode.NOT_FOUND:
                raise
            row = rooms.engine.row(name)
    if "twin" in wanted:
        response.twin.CopyFrom(twin_out(row))
        if view is not None:
            response.twin.meta.belief_revision = max(view.revision, response.twin.meta.belief_revision)
    if view is not None and "covariates" in wanted:
        response.covariates.extend(_covariates(view))
    if view is not None and "belief" in wanted:
        response.belief.CopyFrom(_belief(view))
    if view is not None and "basis" in wanted:
        response.basis.CopyFrom(answers.basis(row, view, now_us=call.now_us))
    return response


def list_(rooms: Rooms, request: twin_pb2.ListTwinsRequest) -> twin_pb2.ListTwinsResponse:
    tenant = tenancy.tenant_of(request.parent)
    calls.current().allow(tenant)
    size = paging.page_size(request.page_size, rooms.settings)
    after = paging.place(request.page_token, "twins", tenant)
    rows = rooms.store.read(lambda c: list_twins(c, tenant, after=after, limit=size + 1))
    more = paging.token(rows[size - 1].patient, "twins", tenant) if len(rows) > size else ""
    return twin_pb2.ListTwinsResponse(twins=[twin_out(r) for r in rows[:size]], next_page_token=more)


def update(rooms: Rooms, request: twin_pb2.UpdateTwinRequest) -> twin_pb2.UpdateTwinResponse:
    name = allowed_name(request.twin.name)
    paths = _masked(request.update_mask, CHANGEABLE, "update_mask")

    def prepare() -> Callable[[Connection], twin_pb2.UpdateTwinResponse]:
        if not paths:
            raise Refusal(
                RefusalCode.INVALID,
                f"names nothing to change; expected some of {', '.join(CHANGEABLE)}",
                field="update_mask",
                reason="EMPTY_MASK",
            )
        done = act("update", ", ".join(paths))

        def work(connection: Connection) -> twin_pb2.UpdateTwinResponse:
            row = get_twin(connection, name)
            check_etag(row, request.etag)
            spec = _changed(name, row.spec or b"", request.twin.spec, paths)
            new = replace(
                row,
                spec=spec.SerializeToString(deterministic=True),
                spec_revision=row.spec_revision + 1,
                updated_us=done.time_us,
            )
            return twin_pb2.UpdateTwinResponse(twin=twin_out(reset_belief(connection, row, new, done)))

        return work

    response = apply_once(
        rooms, request, (name.tenant, name.patient), kind=twin_pb2.UpdateTwinResponse, prepare=prepare
    )
    rooms.engine.recorded(name)
    return response


def delete(rooms: Rooms, request: twin_pb2.DeleteTwinRequest) -> twin_pb2.DeleteTwinResponse:
    name = allowed_name(request.name)

    def prepare() -> Callable[[Connection], twin_pb2.DeleteTwinResponse]:
        done = act("erase")

        def work(connection: Connection) -> twin_pb2.DeleteTwinResponse:
            row = get_twin(connection, name)
            check_etag(row, request.etag)
            return twin_pb2.DeleteTwinResponse(erased_events=erase_twin(connection, row, done))

        return work

    response = apply_once(
        rooms, request, (name.tenant, name.patient), kind=twin_pb2.DeleteTwinResponse, prepare=prepare
    )
    rooms.store.checkpoint()
    rooms.engine.forget(name)
    return response


def twin_out(row: TwinRow) -> twin_pb2.Twin:
    """The wire form of a stored twin."""
    meta = twin_pb2.TwinMeta(
        etag=row.etag,
        create_time=translate.stamp(row.created_us),
        update_time=translate.stamp(row.updated_us),
        timeline_revision=row.timeline_revision,
        belief_revision=row.belief_revision,
    )
    told = trouble(row)
    if told is not None:
        meta.trouble.CopyFrom(told)
    return twin_pb2.Twin(name=str(row.name), spec=twin_pb2.TwinSpec.FromString(row.spec or b""), meta=meta)


def trouble(row: TwinRow) -> twin_pb2.AssimilationTrouble | None:
    """Why assimilation stands still, if it does."""
    if not row.trouble:
        return None
    told = keeping.trouble_of(row.trouble)
    return twin_pb2.AssimilationTrouble(
        reason=told["reason"], message=told["message"], field=told["field"], timeline_revision=told["revision"]
    )


def _warnings(model: PatientModel, covariates: dict[str, float]) -> list[str]:
    known = {c.name: c.default for c in model.covariates if c.default is not None}
    values = {**known, **covariates}
    if any(c.name not in values for c in model.covariates):
        missing = ", ".join(c.name for c in model.covariates if c.name not in values)
        return [f"the model needs {missing}; record them as covariates before asking for a forecast"]
    return model.warnings(values)


def _covariates(view: View) -> list[twin_pb2.CovariateInForce]:
    declared = {c.name: c.unit for c in view.folded.model.covariates}
    found: dict[str, twin_pb2.CovariateInForce] = {}
    for name, value in view.person.covariates.items():
        unit = analytes()[name].unit if name in analytes() else declared.get(name, "1")
        found[name] = twin_pb2.CovariateInForce(name=name, value=answers.quantity(value, unit), used=name in declared)
    for event in view.timeline.effective:
        p = event.payload
        if isinstance(p, CovariateMeasured):
            found[p.name] = twin_pb2.CovariateInForce(
                name=p.name,
                value=answers.quantity(p.value, p.unit),
                since_time=translate.stamp(event.time_us),
                event_id=event.id,
                used=p.name in declared,
            )
    return [found[n] for n in sorted(found)]


def _belief(view: View) -> twin_pb2.Belief:
    belief, model = view.folded.belief, view.folded.model
    covariance = belief.chol @ belief.chol.T
    wire = twin_pb2.Belief(covariance=covariance.ravel().tolist())
    for i, effect in enumerate(model.effects):
        wire.effects.add(
            name=effect.name,
            title=effect.title,
            mean=float(belief.mean[i]),
            sd=float(covariance[i, i]) ** 0.5,
            prior_sd=float(model.omega[i, i]) ** 0.5,
            occasion=effect.occasion,
        )
    samples = view.folded.course.samples
    if samples:
        wire.time.CopyFrom(translate.stamp(view.folded.course.start_us + round(samples[-1].time_h * 3.6e9)))
    return wire


def _masked(mask: FieldMask, known: tuple[str, ...], field: str) -> tuple[str, ...]:
    for i, path in enumerate(mask.paths):
        if path not in known:
            raise Refusal(
                RefusalCode.INVALID,
                f"{path!r} cannot be named here; expected some of {', '.join(known)}",
                field=f"{field}.paths[{i}]",
                reason="BAD_MASK",
            )
    return tuple(dict.fromkeys(mask.paths))


def _changed(name: TwinName, stored: bytes, given: twin_pb2.TwinSpec, paths: tuple[str, ...]) -> twin_pb2.TwinSpec:
    """The stored spec with the named parts replaced, checked as a whole."""
    spec = twin_pb2.TwinSpec()
    spec.ParseFromString(stored)
    for path in paths:
        field = path.removeprefix("spec.")
        only = twin_pb2.TwinSpec()
        only.CopyFrom(given)
        for other in only.DESCRIPTOR.fields:
            if other.name != field:
                only.ClearField(other.name)
        spec.ClearField(field)
        spec.MergeFrom(only)
    persons.person(name, spec, persons.build(spec.model, "twin.spec.model"), "twin.spec")
    return spec
