"""A twin on the wire: its spec and meta, characteristics in force, and belief."""

from __future__ import annotations

from typing import NamedTuple

from twin_service.model.structure import PatientModel
from twin_service.record.events import CovariateMeasured
from twin_service.service.view import View
from twin_service.service.wire.quantity import quantity, stamp
from twin_service.store.twins import TwinRow
from twin_service.units import analytes
from twin_service.v1.twin_pb2 import (
    AssimilationTrouble,
    Belief,
    CovariateInForce,
    CreateTwinRequest,
    CreateTwinResponse,
    DeleteTwinRequest,
    DeleteTwinResponse,
    GetTwinRequest,
    GetTwinResponse,
    ListTwinsRequest,
    ListTwinsResponse,
    Twin,
    TwinMeta,
    TwinSpec,
    UpdateTwinRequest,
    UpdateTwinResponse,
    WatchTwinRequest,
    WatchTwinResponse,
)

__all__ = [
    "CreateTwinRequest",
    "CreateTwinResponse",
    "DeleteTwinRequest",
    "DeleteTwinResponse",
    "GetTwinRequest",
    "GetTwinResponse",
    "ListTwinsRequest",
    "ListTwinsResponse",
    "TwinSpec",
    "UpdateTwinRequest",
    "UpdateTwinResponse",
    "WatchTwinRequest",
    "WatchTwinResponse",
]

READABLE = ("twin", "covariates", "belief", "basis")
CHANGEABLE = ("spec.model", "spec.estimator", "spec.labels", "spec.covariates")


class Trouble(NamedTuple):
    """Why a twin cannot go on, met at a revision of its record."""

    reason: str
    message: str
    field: str
    revision: int


def twin_out(row: TwinRow, trouble: Trouble | None) -> Twin:
    """The wire form of a stored twin."""
    meta = TwinMeta(
        etag=row.etag,
        create_time=stamp(row.created_us),
        update_time=stamp(row.updated_us),
        timeline_revision=row.timeline_revision,
        belief_revision=row.belief_revision,
        trouble=trouble_out(trouble),
    )
    return Twin(name=str(row.name), spec=TwinSpec.FromString(row.spec or b""), meta=meta)


def trouble_out(trouble: Trouble | None) -> AssimilationTrouble | None:
    """Why assimilation stands still, if it does."""
    if trouble is None:
        return None
    reason, message, field, revision = trouble
    return AssimilationTrouble(reason=reason, message=message, field=field, timeline_revision=revision)


def watched(row: TwinRow, token: str, trouble: Trouble | None) -> WatchTwinResponse:
    return WatchTwinResponse(
        resume_token=token,
        timeline_revision=row.timeline_revision,
        belief_revision=row.belief_revision,
        belief_digest=row.belief_digest,
        trouble=trouble_out(trouble),
        deleted=bool(row.erased_us),
    )


def covariates_in_force(view: View) -> list[CovariateInForce]:
    declared = {c.name: c.unit for c in view.folded.model.covariates}
    found: dict[str, CovariateInForce] = {}
    for name, value in view.person.covariates.items():
        unit = analytes()[name].unit if name in analytes() else declared.get(name, "1")
        found[name] = CovariateInForce(name=name, value=quantity(value, unit), used=name in declared)
    for event in view.timeline.effective:
        p = event.payload
        if isinstance(p, CovariateMeasured):
            found[p.name] = CovariateInForce(
                name=p.name,
                value=quantity(p.value, p.unit),
                since_time=stamp(event.time_us),
                event_id=event.id,
                used=p.name in declared,
            )
    return [found[n] for n in sorted(found)]


def belief_out(view: View) -> Belief:
    belief, model = view.folded.belief, view.folded.model
    covariance = belief.chol @ belief.chol.T
    wire = Belief(covariance=covariance.ravel().tolist())
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
        wire.time.CopyFrom(stamp(view.clock_us(samples[-1].time_h)))
    return wire


def domain_warnings(model: PatientModel, covariates: dict[str, float]) -> list[str]:
    known = {c.name: c.default for c in model.covariates if c.default is not None}
    values = {**known, **covariates}
    if any(c.name not in values for c in model.covariates):
        missing = ", ".join(c.name for c in model.covariates if c.name not in values)
        return [f"the model needs {missing}; record them as covariates before asking for a forecast"]
    return model.warnings(values)
