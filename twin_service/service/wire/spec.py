"""What a caller says of a twin, turned into the person a model is built for."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.service.wire.event import covariate_value
from twin_service.service.wire.path import at, invalid, moved
from twin_service.service.wire.quantity import stamp, time_us
from twin_service.service.wire.window import AcceptedTimes
from twin_service.twin import assemble
from twin_service.v1 import common_pb2
from twin_service.v1.twin_pb2 import TwinSpec

ESTIMATORS = {
    common_pb2.ESTIMATOR_UNSPECIFIED: "auto",
    common_pb2.ESTIMATOR_UNSCENTED: "unscented",
    common_pb2.ESTIMATOR_ENSEMBLE: "ensemble",
    common_pb2.ESTIMATOR_LAPLACE: "laplace",
    common_pb2.ESTIMATOR_POLICY: "auto",
}


def choice(spec: common_pb2.ModelSpec) -> ModelChoice:
    return ModelChoice(tuple(spec.drugs), spec.poppk, tuple(spec.effects))


def build(spec: common_pb2.ModelSpec) -> PatientModel:
    """The model of a spec; a refusal's path is relative to the spec."""
    try:
        return assemble.build(choice(spec))
    except Refusal as refusal:
        code = RefusalCode.INVALID if refusal.code is RefusalCode.NOT_FOUND else refusal.code
        raise moved(refusal, refusal.field.removeprefix("model").removeprefix("."), code) from None


def stored(name: TwinName, data: bytes) -> tuple[PatientModel, Person]:
    """The model and person of a spec as the store holds it."""
    spec = TwinSpec.FromString(data)
    with at("spec"):
        return model_and_person(name, spec)


def model_and_person(name: TwinName, spec: TwinSpec) -> tuple[PatientModel, Person]:
    with at("model"):
        model = build(spec.model)
    return model, person(name, spec, model)


def person(name: TwinName, spec: TwinSpec, model: PatientModel) -> Person:
    """The person of a spec, characteristics canonical."""
    covariates: dict[str, float] = {}
    for i, body in enumerate(spec.covariates):
        with at("covariates", i):
            known, value = covariate_value(body, model)
            if covariates.setdefault(known.id, value) != value:
                raise invalid(f"{known.id} is given twice with two values", "", "GIVEN_TWICE")
    epoch_us = time_us(spec.epoch_time, "epoch_time")
    return Person(name, choice(spec.model), epoch_us, ESTIMATORS[spec.estimator], covariates)


def complete(spec: TwinSpec, window: AcceptedTimes) -> TwinSpec:
    """`spec` with its epoch filled in and checked, as it is stored."""
    full = TwinSpec()
    full.CopyFrom(spec)
    if not full.HasField("epoch_time"):
        full.epoch_time.CopyFrom(stamp(window.now_us))
    whole = window.check(time_us(full.epoch_time, "epoch_time"), "epoch_time")
    full.epoch_time.CopyFrom(stamp(whole))
    return full


def changed(name: TwinName, old: bytes, given: TwinSpec, paths: tuple[str, ...]) -> TwinSpec:
    """The stored spec with the named parts replaced, checked as a whole."""
    spec = TwinSpec.FromString(old)
    for path in paths:
        field = path.removeprefix("spec.")
        only = TwinSpec()
        only.CopyFrom(given)
        for other in only.DESCRIPTOR.fields:
            if other.name != field:
                only.ClearField(other.name)
        spec.ClearField(field)
        spec.MergeFrom(only)
    with at("twin"), at("spec"):
        model_and_person(name, spec)
    return spec


def masked(mask: FieldMask, known: tuple[str, ...], field: str) -> tuple[str, ...]:
    """The paths of a mask, each once; refuses one that is not among `known`."""
    for i, path in enumerate(mask.paths):
        if path not in known:
            with at(field), at("paths", i):
                raise invalid(f"{path!r} cannot be named here; expected some of {', '.join(known)}", "", "BAD_MASK")
    return tuple(dict.fromkeys(mask.paths))
