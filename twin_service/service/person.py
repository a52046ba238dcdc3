"""What a caller says of a twin, turned into the person a model is built for."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.service import translate
from twin_service.service.window import Window
from twin_service.twin import assemble
from twin_service.v1 import common_pb2, twin_pb2

ESTIMATORS = {
    common_pb2.ESTIMATOR_UNSPECIFIED: "auto",
    common_pb2.ESTIMATOR_UNSCENTED: "unscented",
    common_pb2.ESTIMATOR_ENSEMBLE: "ensemble",
    common_pb2.ESTIMATOR_LAPLACE: "laplace",
    common_pb2.ESTIMATOR_POLICY: "auto",
}


def choice(spec: common_pb2.ModelSpec) -> ModelChoice:
    return ModelChoice(tuple(spec.drugs), spec.poppk, tuple(spec.effects))


def build(spec: common_pb2.ModelSpec, path: str = "model") -> PatientModel:
    """The model of a spec; refusals carry the path of the spec."""
    try:
        return assemble.build(choice(spec))
    except Refusal as refusal:
        field = refusal.field.removeprefix("model").removeprefix(".")
        code = RefusalCode.INVALID if refusal.code is RefusalCode.NOT_FOUND else refusal.code
        raise Refusal(
            code,
            refusal.message,
            field=f"{path}.{field}" if field else path,
            reason=refusal.reason,
            details=refusal.details,
        ) from None


def person(name: TwinName, spec: twin_pb2.TwinSpec, model: PatientModel, path: str = "spec") -> Person:
    """The person of a spec, characteristics canonical. Raises Refusal with field paths."""
    covariates: dict[str, float] = {}
    for i, body in enumerate(spec.covariates):
        known, value = translate.covariate_value(body, model, f"{path}.covariates[{i}]")
        if covariates.setdefault(known.id, value) != value:
            raise Refusal(
                RefusalCode.INVALID,
                f"{known.id} is given twice with two values",
                reason="GIVEN_TWICE",
                field=f"{path}.covariates[{i}]",
            )
    epoch_us = translate.time_us(spec.epoch_time, f"{path}.epoch_time")
    return Person(name, choice(spec.model), epoch_us, ESTIMATORS[spec.estimator], covariates)


def complete(spec: twin_pb2.TwinSpec, window: Window, path: str = "spec") -> twin_pb2.TwinSpec:
    """`spec` with its epoch filled in and checked, as it is stored."""
    full = twin_pb2.TwinSpec()
    full.CopyFrom(spec)
    if not full.HasField("epoch_time"):
        full.epoch_time.CopyFrom(translate.stamp(window.now_us))
    whole = window.check(translate.time_us(full.epoch_time, f"{path}.epoch_time"), f"{path}.epoch_time")
    full.epoch_time.CopyFrom(Timestamp(seconds=whole // 1_000_000, nanos=whole % 1_000_000 * 1000))
    return full
