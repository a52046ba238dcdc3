"""Build events of the contract in one line each. Units are UCUM codes; the server converts and checks them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from twin_service.v1 import common_pb2, event_pb2


def timestamp(when: datetime) -> Timestamp:
    """`when` as the contract's time; a datetime without zone is refused, because guessing one is an error of hours."""
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone; say which, e.g. datetime(..., tzinfo=timezone.utc)")
    stamp = Timestamp()
    stamp.FromDatetime(when)
    return stamp


def quantity(value: float, unit: str) -> common_pb2.Quantity:
    return common_pb2.Quantity(value=value, unit=unit)


def mg(value: float) -> common_pb2.Quantity:
    return quantity(value, "mg")


def hours(value: float) -> common_pb2.Quantity:
    return quantity(value, "h")


def dose(
    id: str,
    when: datetime,
    drug: str,
    amount: common_pb2.Quantity,
    *,
    route: str,
    duration_h: float = 0.0,
    steady_interval_h: float = 0.0,
    source: str = "",
) -> event_pb2.Event:
    """A dose given; `duration_h` of an infusion; `steady_interval_h` when it stands for long regular dosing."""
    body = event_pb2.Dose(drug=drug, amount=amount, route=route)
    if duration_h > 0:
        body.duration.CopyFrom(hours(duration_h))
    if steady_interval_h > 0:
        body.steady_interval.CopyFrom(hours(steady_interval_h))
    return event_pb2.Event(id=id, time=timestamp(when), source=source, dose=body)


def lab(
    id: str,
    when: datetime,
    analyte: str,
    value: common_pb2.Quantity,
    *,
    loinc: str = "",
    after_dose: bool = False,
    censoring: event_pb2.Censoring = event_pb2.CENSORING_NONE,
    method: str = "",
    source: str = "",
) -> event_pb2.Event:
    """A laboratory result of `analyte` (or of the LOINC code when `analyte` is empty)."""
    body = event_pb2.Lab(
        analyte=analyte, value=value, loinc=loinc, after_dose=after_dose, censoring=censoring, method=method
    )
    return event_pb2.Event(id=id, time=timestamp(when), source=source, lab=body)


def image(
    id: str,
    when: datetime,
    analyte: str,
    value: common_pb2.Quantity,
    *,
    modality: str = "",
    lesion: str = "",
    simulated: bool = False,
    source: str = "",
) -> event_pb2.Event:
    """A number read from an image; `simulated` must be said when it is."""
    body = event_pb2.Image(analyte=analyte, value=value, modality=modality, lesion=lesion, simulated=simulated)
    return event_pb2.Event(id=id, time=timestamp(when), source=source, image=body)


def covariate(id: str, when: datetime, name: str, value: common_pb2.Quantity, *, source: str = "") -> event_pb2.Event:
    """A characteristic that holds from now on."""
    body = event_pb2.Covariate(name=name, value=value)
    return event_pb2.Event(id=id, time=timestamp(when), source=source, covariate=body)


def genotype(
    id: str, when: datetime, gene: str, diplotype: str, *, activity: float, phenotype: str = "", source: str = ""
) -> event_pb2.Event:
    """A diplotype with its activity relative to normal (1 = normal)."""
    body = event_pb2.Genotype(gene=gene, diplotype=diplotype, phenotype=phenotype, activity=activity)
    return event_pb2.Event(id=id, time=timestamp(when), source=source, genotype=body)


def dialysis(
    id: str,
    when: datetime,
    modality: Literal["hemodialysis", "hemofiltration", "peritoneal"],
    duration_h: float,
    *,
    blood_flow_ml_min: float = 0.0,
    effluent_l_h: float = 0.0,
    clearance_ml_min: float = 0.0,
    drug: str = "",
    source: str = "",
) -> event_pb2.Event:
    """A session that begins at `when`; one still to come is planned, and answers count it. `clearance_ml_min`: the
    session's own plasma clearance of `drug` (empty: of every drug), where it is known."""
    body = event_pb2.Dialysis(
        modality=f"DIALYSIS_MODALITY_{modality.upper()}",
        duration=hours(duration_h),
        blood_flow_ml_min=blood_flow_ml_min,
        effluent_l_h=effluent_l_h,
        clearance_ml_min=clearance_ml_min,
        drug=drug,
    )
    return event_pb2.Event(id=id, time=timestamp(when), source=source, dialysis=body)


def correction(id: str, issued: datetime, target: str, right: event_pb2.Event, *, source: str = "") -> event_pb2.Event:
    """`target` should have said what `right` says, at the time of `right`."""
    kind = right.WhichOneof("payload")
    if kind in ("correction", "retraction", None):
        raise ValueError(f"a correction replaces a finding, not a {kind}")
    body = event_pb2.Correction(target_event_id=target, replacement_time=right.time)
    getattr(body.replacement, kind).CopyFrom(getattr(right, kind))
    return event_pb2.Event(id=id, time=timestamp(issued), source=source, correction=body)


def retraction(id: str, issued: datetime, target: str, reason: str = "", *, source: str = "") -> event_pb2.Event:
    """`target` never happened."""
    body = event_pb2.Retraction(target_event_id=target, reason=reason)
    return event_pb2.Event(id=id, time=timestamp(issued), source=source, retraction=body)
