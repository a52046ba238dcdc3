"""The only file that turns wire events and names into records, and back. Units become canonical here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from twin_service import units
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import (
    Censoring,
    Correction,
    CovariateMeasured,
    DoseGiven,
    Event,
    Finding,
    GenotypeFound,
    ImageMeasured,
    LabMeasured,
    Payload,
    Retraction,
)
from twin_service.record.person import TwinName
from twin_service.scenario.regimen import route_for
from twin_service.service.window import Window
from twin_service.v1 import common_pb2, event_pb2

_CENSORING = {
    event_pb2.CENSORING_UNSPECIFIED: Censoring.NONE,
    event_pb2.CENSORING_NONE: Censoring.NONE,
    event_pb2.CENSORING_BELOW: Censoring.BELOW,
    event_pb2.CENSORING_ABOVE: Censoring.ABOVE,
}
_CENSORING_OUT = {v: k for k, v in _CENSORING.items() if k != event_pb2.CENSORING_UNSPECIFIED}


def twin_name(text: str, field: str = "name") -> TwinName:
    """Raises Refusal for anything but a twin's resource name."""
    try:
        return TwinName.parse(text)
    except ValueError as error:
        raise Refusal(RefusalCode.INVALID, str(error), field=field, reason="BAD_NAME") from None


def time_us(stamp: Timestamp, path: str) -> int:
    """Microseconds since 1970; finer digits are cut off."""
    if not 0 <= stamp.nanos < 1_000_000_000 or not -62_135_596_800 <= stamp.seconds <= 253_402_300_799:
        raise Refusal(RefusalCode.INVALID, "not a valid time", field=path, reason="BAD_TIME")
    us: int = stamp.seconds * 1_000_000 + stamp.nanos // 1000
    return us


def stamp(us: int) -> Timestamp:
    return Timestamp(seconds=us // 1_000_000, nanos=us % 1_000_000 * 1000)


def event(wire: event_pb2.Event, model: PatientModel, window: Window, path: str) -> Event:
    """The record of a wire event, its values canonical. Raises Refusal with the path of the field to blame."""
    kind = wire.WhichOneof("payload")
    body = getattr(wire, kind)
    when = window.check(time_us(wire.time, f"{path}.time"), f"{path}.time")
    what = payload(kind, body, model, window=window, path=f"{path}.{kind}")
    return Event(wire.id, when, what, wire.source, window.now_us)


def payload(kind: str, body: Any, model: PatientModel, *, window: Window, path: str) -> Payload:
    """Any payload; corrections carry a finding that is checked like any other."""
    if kind == "correction":
        inner = body.replacement.WhichOneof("finding")
        at = f"{path}.replacement_time"
        return Correction(
            body.target_event_id,
            finding(inner, getattr(body.replacement, inner), model, f"{path}.replacement.{inner}"),
            window.check(time_us(body.replacement_time, at), at),
        )
    if kind == "retraction":
        return Retraction(body.target_event_id, body.reason)
    return finding(kind, body, model, path)


def finding(kind: str, body: Any, model: PatientModel, path: str) -> Finding:
    """A dose, lab, image, characteristic or genotype."""
    return _FINDINGS[kind](body, model, path)


def event_out(record: Event) -> event_pb2.Event:
    """The wire form of a recorded event, with the values its source gave."""
    kind = record.payload.kind
    wire = event_pb2.Event(id=record.id, time=stamp(record.time_us), source=record.source)
    getattr(wire, kind).CopyFrom(_OUT[kind](record.payload))
    return wire


def canonical_value(given: Payload) -> common_pb2.Quantity | None:
    """The measured value in its canonical unit; None for what is not a measurement."""
    if isinstance(given, LabMeasured | ImageMeasured | CovariateMeasured):
        return common_pb2.Quantity(value=given.value, unit=given.unit)
    if isinstance(given, DoseGiven):
        return common_pb2.Quantity(value=given.amount_mg, unit="mg")
    return None


def covariate_value(body: event_pb2.Covariate, model: PatientModel, path: str) -> tuple[units.Analyte, float]:
    """The characteristic meant and its canonical value."""
    declared = {c.name: c.unit for c in model.covariates}
    known = units.covariate(body.name, model=declared, path=f"{path}.name")
    return known, units.canonical(known, body.value.value, body.value.unit, path=f"{path}.value")


def _dose(body: event_pb2.Dose, model: PatientModel, path: str) -> DoseGiven:
    units.drug(body.drug, path=f"{path}.drug")
    mg = units.mass_mg(body.drug, body.amount.value, body.amount.unit, path=f"{path}.amount")
    hours = 0.0
    if body.HasField("duration"):
        hours = units.hours(body.duration.value, body.duration.unit, path=f"{path}.duration")
    try:
        route_for(model, body.drug, body.route)
    except Refusal as refusal:
        field = "drug" if all(r.drug != body.drug for r in model.routes) else "route"
        raise Refusal(refusal.code, refusal.message, field=f"{path}.{field}", reason=refusal.reason) from None
    steady = 0.0
    if body.HasField("steady_interval"):
        steady = units.hours(body.steady_interval.value, body.steady_interval.unit, path=f"{path}.steady_interval")
    return DoseGiven(body.drug, mg, body.route, hours, body.formulation, steady)


def _lab(body: event_pb2.Lab, model: PatientModel, path: str) -> LabMeasured:
    if not body.analyte and not body.loinc:
        raise Refusal(
            RefusalCode.INVALID,
            "neither analyte nor loinc is given; expected one of them",
            field=f"{path}.analyte",
            reason="NO_ANALYTE",
        )
    known = units.by_loinc(body.loinc, path=f"{path}.loinc") if body.loinc else None
    if body.analyte:
        named = units.analyte(body.analyte, path=f"{path}.analyte")
        if known is not None and known.id != named.id:
            raise Refusal(
                RefusalCode.INVALID,
                f"loinc {body.loinc} is {known.id}, not {named.id}; send one of them",
                field=f"{path}.loinc",
                reason="CODES_DISAGREE",
            )
        known = named
    assert known is not None
    if known.kind == "covariate":
        raise Refusal(
            RefusalCode.INVALID,
            f"{known.id} is a characteristic; send it as a covariate",
            field=f"{path}.loinc",
            reason="NOT_A_LAB",
        )
    value = units.canonical(known, body.value.value, body.value.unit, path=f"{path}.value")
    return LabMeasured(
        known.id,
        value,
        known.unit,
        body.value.value,
        body.value.unit,
        _CENSORING[body.censoring],
        body.after_dose,
        body.method,
    )


def _image(body: event_pb2.Image, model: PatientModel, path: str) -> ImageMeasured:
    known = units.analyte(body.analyte, path=f"{path}.analyte")
    value = units.canonical(known, body.value.value, body.value.unit, path=f"{path}.value")
    return ImageMeasured(
        known.id, value, known.unit, body.value.value, body.value.unit, body.modality, body.lesion, body.simulated
    )


def _covariate(body: event_pb2.Covariate, model: PatientModel, path: str) -> CovariateMeasured:
    known, value = covariate_value(body, model, path)
    return CovariateMeasured(known.id, value, known.unit, body.value.value, body.value.unit)


def _genotype(body: event_pb2.Genotype, model: PatientModel, path: str) -> GenotypeFound:
    return GenotypeFound(body.gene, body.diplotype, body.phenotype, body.activity)


def _quantity(value: float, unit: str) -> common_pb2.Quantity:
    return common_pb2.Quantity(value=value, unit=unit)


def _dose_out(p: DoseGiven) -> event_pb2.Dose:
    wire = event_pb2.Dose(drug=p.drug, amount=_quantity(p.amount_mg, "mg"), route=p.route, formulation=p.formulation)
    if p.duration_h > 0:
        wire.duration.CopyFrom(_quantity(p.duration_h, "h"))
    if p.steady_interval_h > 0:
        wire.steady_interval.CopyFrom(_quantity(p.steady_interval_h, "h"))
    return wire


def _lab_out(p: LabMeasured) -> event_pb2.Lab:
    return event_pb2.Lab(
        analyte=p.analyte,
        value=_quantity(p.given_value, p.given_unit),
        method=p.method,
        censoring=_CENSORING_OUT[p.censoring],
        after_dose=p.after_dose,
    )


def _image_out(p: ImageMeasured) -> event_pb2.Image:
    return event_pb2.Image(
        analyte=p.analyte,
        value=_quantity(p.given_value, p.given_unit),
        modality=p.modality,
        lesion=p.lesion,
        simulated=p.simulated,
    )


def _covariate_out(p: CovariateMeasured) -> event_pb2.Covariate:
    return event_pb2.Covariate(name=p.name, value=_quantity(p.given_value, p.given_unit))


def _genotype_out(p: GenotypeFound) -> event_pb2.Genotype:
    return event_pb2.Genotype(gene=p.gene, diplotype=p.diplotype, phenotype=p.phenotype, activity=p.activity)


def _correction_out(p: Correction) -> event_pb2.Correction:
    wire = event_pb2.Correction(target_event_id=p.target, replacement_time=stamp(p.replacement_time_us))
    kind = p.replacement.kind
    getattr(wire.replacement, kind).CopyFrom(_OUT[kind](p.replacement))
    return wire


def _retraction_out(p: Retraction) -> event_pb2.Retraction:
    return event_pb2.Retraction(target_event_id=p.target, reason=p.reason)


_FINDINGS: dict[str, Callable[[Any, PatientModel, str], Finding]] = {
    "dose": _dose,
    "lab": _lab,
    "image": _image,
    "covariate": _covariate,
    "genotype": _genotype,
}
_OUT: dict[str, Callable[[Any], Any]] = {
    "dose": _dose_out,
    "lab": _lab_out,
    "image": _image_out,
    "covariate": _covariate_out,
    "genotype": _genotype_out,
    "correction": _correction_out,
    "retraction": _retraction_out,
}


def censoring_out(censoring: Censoring) -> event_pb2.Censoring:
    return _CENSORING_OUT[censoring]
