"""Wire events to records and back. Units become canonical here."""

from __future__ import annotations

from twin_service import units
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.record.events import (
    Censoring,
    Correction,
    CovariateMeasured,
    DialysisDone,
    DoseGiven,
    Event,
    Finding,
    GenotypeFound,
    ImageMeasured,
    LabMeasured,
    Payload,
    Retraction,
)
from twin_service.scenario.regimen import route_for
from twin_service.service.wire.dialysis import dialysis, dialysis_out
from twin_service.service.wire.path import About, Faults, at, invalid, moved
from twin_service.service.wire.quantity import hours, milligrams, quantity, stamp, time_us
from twin_service.service.wire.window import AcceptedTimes
from twin_service.v1 import common_pb2, event_pb2

_CENSORING = {
    event_pb2.CENSORING_UNSPECIFIED: Censoring.NONE,
    event_pb2.CENSORING_NONE: Censoring.NONE,
    event_pb2.CENSORING_BELOW: Censoring.BELOW,
    event_pb2.CENSORING_ABOVE: Censoring.ABOVE,
}
_CENSORING_OUT = {v: k for k, v in _CENSORING.items() if k != event_pb2.CENSORING_UNSPECIFIED}
WireFinding = (
    event_pb2.Dose | event_pb2.Lab | event_pb2.Image | event_pb2.Covariate | event_pb2.Genotype | event_pb2.Dialysis
)


def event(wire: event_pb2.Event, model: PatientModel, window: AcceptedTimes, *, lenient: bool = False) -> Event:
    """The record of a wire event, its values canonical. Raises Refusal with the path of each field to blame.

    `lenient`: what no part of the model predicts is kept as it was said instead of being refused.
    """
    faults = Faults()
    when = 0
    what: Payload | None = None
    with faults:
        when = window.check(time_us(wire.time, "time"), "time")
    with faults:
        what = _unmodelled(wire, model) if lenient else None
        what = what or payload(wire, model, window)
    faults.settle()
    assert what is not None
    return Event(wire.id, when, what, wire.source, window.now_us)


def _unmodelled(wire: event_pb2.Event, model: PatientModel) -> Finding | None:
    """A co-medication or a laboratory result outside the library, as it was said; None for anything else."""
    if wire.HasField("dose") and all(r.drug != wire.dose.drug for r in model.routes):
        with at("dose"):
            return _co_medication(wire.dose)
    if wire.HasField("lab") and not _is_known(wire.lab):
        lab = wire.lab
        name, given = lab.analyte or f"loinc:{lab.loinc}", lab.value
        censoring = _CENSORING[lab.censoring]
        return LabMeasured(
            name, given.value, given.unit, given.value, given.unit, censoring, lab.after_dose, lab.method
        )
    return None


def _is_known(lab: event_pb2.Lab) -> bool:
    """Whether the library knows what was measured, by name or by code; two names that disagree are known too."""
    if not lab.analyte and not lab.loinc:
        return True
    try:
        _analyte_of(lab)
    except Refusal as refusal:
        return refusal.reason == "CODES_DISAGREE"
    return True


def _co_medication(body: event_pb2.Dose) -> DoseGiven:
    """Amounts of a drug outside the library convert only where they are masses."""
    with About("amount"):
        mg = units.convert(body.amount.value, body.amount.unit, "mg", molar_mass=_molar_mass(body.drug))
    duration_h = hours(body.duration, "duration") if body.HasField("duration") else 0.0
    return DoseGiven(body.drug, mg, body.route, duration_h, body.formulation, 0.0, co_medication=True)


def _molar_mass(drug: str) -> float | None:
    known = units.analytes().get(drug)
    return known.molar_mass if known else None


def payload(wire: event_pb2.Event, model: PatientModel, window: AcceptedTimes) -> Payload:
    """What an event says; a correction carries a finding that is checked like any other."""
    if wire.HasField("correction"):
        with at("correction"):
            return _correction(wire.correction, model, window)
    if wire.HasField("retraction"):
        return Retraction(wire.retraction.target_event_id, wire.retraction.reason)
    return finding(wire, model)


def finding(wire: event_pb2.Event | event_pb2.Finding, model: PatientModel) -> Finding:
    """A dose, lab, image, characteristic or genotype."""
    if wire.HasField("dose"):
        with at("dose"):
            return _dose(wire.dose, model)
    if wire.HasField("lab"):
        with at("lab"):
            return _lab(wire.lab)
    if wire.HasField("image"):
        with at("image"):
            return _image(wire.image)
    if wire.HasField("covariate"):
        with at("covariate"):
            return _covariate(wire.covariate, model)
    if wire.HasField("dialysis"):
        with at("dialysis"):
            return dialysis(wire.dialysis, model)
    return GenotypeFound(wire.genotype.gene, wire.genotype.diplotype, wire.genotype.phenotype, wire.genotype.activity)


def event_out(record: Event) -> event_pb2.Event:
    """The wire form of a recorded event, with the values its source gave."""
    wire = event_pb2.Event(id=record.id, time=stamp(record.time_us), source=record.source)
    p = record.payload
    if isinstance(p, Correction):
        wire.correction.target_event_id = p.target
        wire.correction.replacement_time.CopyFrom(stamp(p.replacement_time_us))
        _finding_out(p.replacement, wire.correction.replacement)
    elif isinstance(p, Retraction):
        wire.retraction.CopyFrom(event_pb2.Retraction(target_event_id=p.target, reason=p.reason))
    else:
        _finding_out(p, wire)
    return wire


def canonical_value(given: Payload) -> common_pb2.Quantity | None:
    """The measured value in its canonical unit; None for what is not a measurement."""
    if isinstance(given, LabMeasured | ImageMeasured | CovariateMeasured):
        return quantity(given.value, given.unit)
    if isinstance(given, DoseGiven):
        return quantity(given.amount_mg, "mg")
    return None


def covariate_value(body: event_pb2.Covariate, model: PatientModel) -> tuple[units.Analyte, float]:
    """The characteristic meant and its canonical value."""
    declared = {c.name: c.unit for c in model.covariates}
    known = units.covariate(body.name, model=declared, path="name")
    return known, units.canonical(known, body.value.value, body.value.unit, path="value")


def censoring_out(censoring: Censoring) -> event_pb2.Censoring:
    return _CENSORING_OUT[censoring]


def _correction(body: event_pb2.Correction, model: PatientModel, window: AcceptedTimes) -> Correction:
    with at("replacement"):
        right = finding(body.replacement, model)
    when = window.check(time_us(body.replacement_time, "replacement_time"), "replacement_time")
    return Correction(body.target_event_id, right, when)


def _dose(body: event_pb2.Dose, model: PatientModel) -> DoseGiven:
    faults, mg, duration_h, steady_h = Faults(), 0.0, 0.0, 0.0
    units.drug(body.drug, path="drug")
    with faults:
        mg = milligrams(body.drug, body.amount, "amount")
    with faults:
        duration_h = hours(body.duration, "duration") if body.HasField("duration") else 0.0
    with faults:
        _check_route(body, model)
    with faults:
        steady_h = hours(body.steady_interval, "steady_interval") if body.HasField("steady_interval") else 0.0
    faults.settle()
    return DoseGiven(body.drug, mg, body.route, duration_h, body.formulation, steady_h)


def _check_route(body: event_pb2.Dose, model: PatientModel) -> None:
    try:
        route_for(model, body.drug, body.route)
    except Refusal as refusal:
        raise moved(refusal, "drug" if all(r.drug != body.drug for r in model.routes) else "route") from None


def _lab(body: event_pb2.Lab) -> LabMeasured:
    known = _analyte_of(body)
    if known.kind == "covariate":
        raise invalid(f"{known.id} is a characteristic; send it as a covariate", "loinc", "NOT_A_LAB")
    given = body.value
    value = units.canonical(known, given.value, given.unit, path="value")
    censoring = _CENSORING[body.censoring]
    return LabMeasured(known.id, value, known.unit, given.value, given.unit, censoring, body.after_dose, body.method)


def _analyte_of(body: event_pb2.Lab) -> units.Analyte:
    """By name, by code, or by both when they agree."""
    if not body.analyte and not body.loinc:
        raise invalid("neither analyte nor loinc is given; expected one of them", "analyte", "NO_ANALYTE")
    coded = units.by_loinc(body.loinc, path="loinc") if body.loinc else None
    if not body.analyte:
        assert coded is not None
        return coded
    named = units.analyte(body.analyte, path="analyte")
    if coded is not None and coded.id != named.id:
        raise invalid(f"loinc {body.loinc} is {coded.id}, not {named.id}; send one of them", "loinc", "CODES_DISAGREE")
    return named


def _image(body: event_pb2.Image) -> ImageMeasured:
    known = units.analyte(body.analyte, path="analyte")
    given = body.value
    value = units.canonical(known, given.value, given.unit, path="value")
    return ImageMeasured(
        known.id, value, known.unit, given.value, given.unit, body.modality, body.lesion, body.simulated
    )


def _covariate(body: event_pb2.Covariate, model: PatientModel) -> CovariateMeasured:
    known, value = covariate_value(body, model)
    return CovariateMeasured(known.id, value, known.unit, body.value.value, body.value.unit)


def _finding_out(p: Finding, wire: event_pb2.Event | event_pb2.Finding) -> None:
    """Set the oneof of `wire` to what `p` says."""
    if isinstance(p, DoseGiven):
        wire.dose.CopyFrom(_dose_out(p))
    elif isinstance(p, LabMeasured):
        wire.lab.CopyFrom(
            event_pb2.Lab(
                analyte=p.analyte,
                value=quantity(p.given_value, p.given_unit),
                method=p.method,
                censoring=_CENSORING_OUT[p.censoring],
                after_dose=p.after_dose,
            )
        )
    elif isinstance(p, ImageMeasured):
        wire.image.CopyFrom(
            event_pb2.Image(
                analyte=p.analyte,
                value=quantity(p.given_value, p.given_unit),
                modality=p.modality,
                lesion=p.lesion,
                simulated=p.simulated,
            )
        )
    elif isinstance(p, CovariateMeasured):
        wire.covariate.CopyFrom(event_pb2.Covariate(name=p.name, value=quantity(p.given_value, p.given_unit)))
    elif isinstance(p, DialysisDone):
        wire.dialysis.CopyFrom(dialysis_out(p))
    else:
        wire.genotype.CopyFrom(
            event_pb2.Genotype(gene=p.gene, diplotype=p.diplotype, phenotype=p.phenotype, activity=p.activity)
        )


def _dose_out(p: DoseGiven) -> event_pb2.Dose:
    wire = event_pb2.Dose(drug=p.drug, amount=quantity(p.amount_mg, "mg"), route=p.route, formulation=p.formulation)
    if p.duration_h > 0:
        wire.duration.CopyFrom(quantity(p.duration_h, "h"))
    if p.steady_interval_h > 0:
        wire.steady_interval.CopyFrom(quantity(p.steady_interval_h, "h"))
    return wire
