"""FHIR MedicationAdministration and MedicationRequest -> doses.

An administration says what was given. A request says what was ordered: it becomes doses only when the caller says that
orders were carried out (`trust_requests`), because an order is not a dose. An order and its own administrations are one
course: what was given stands, and the order only for what comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from twin_client.ehr.codes import RXNORM, SNOMED, tables
from twin_client.ehr.elements import check_elements
from twin_client.ehr.fields import (
    HOUR_UNITS,
    SOURCE,
    Body,
    duration_h,
    event_id,
    exact,
    instant,
    mapped,
    said,
    withdrawal,
)
from twin_client.ehr.reading import HoldError
from twin_client.ehr.references import Index
from twin_client.ehr.schedule import dose_times
from twin_client.events import dose
from twin_service.v1 import common_pb2, event_pb2

INTENTS = ("order", "original-order", "filler-order", "instance-order")
AGREE = 0.01
"""A duration and dose / rate that differ by more than this share contradict each other."""


@dataclass(frozen=True)
class Orders:
    """How orders are read: whether they stand for doses, where the patient is, and what was given under them."""

    trusted: bool
    zone: tzinfo | None
    index: Index
    administrations: Sequence[Body]


def read_administration(resource: Body, index: Index) -> list[event_pb2.Event]:
    """The dose of one MedicationAdministration; none when it says that nothing was given."""
    status = resource.get("status")
    if status == "not-done":
        return []
    check_elements(resource)
    if status not in ("completed", "stopped"):
        raise HoldError(f'its status is "{status}"', "send it again when it is completed")
    drug, given = _drug(resource, index), resource.get("dosage") or {}
    period = resource.get("effectivePeriod")
    start = instant((period or {}).get("start") or resource.get("effectiveDateTime"), "effectiveDateTime")
    length = duration_h(period) if period else 0.0
    rate = _rate(given)
    if status == "stopped":
        if rate is None or not length:
            raise HoldError(
                'its status is "stopped": the dose may not all have been given',
                "send rateQuantity or rateRatio with the effectivePeriod that ended: what was given is rate x time",
            )
        amount = common_pb2.Quantity(value=rate.value * length, unit=rate.unit)
    elif given.get("dose") is not None:
        amount = _amount(given["dose"])
        length = _agreed(amount, rate, length)
    elif rate is not None and length:
        amount = common_pb2.Quantity(value=rate.value * length, unit=rate.unit)
    else:
        raise HoldError("dosage.dose is empty", "send the dose that was given")
    route = _route(given.get("route"))
    return [dose(event_id(resource), start, drug, amount, route=route, duration_h=length, source=SOURCE)]


def _amount(value: Any) -> common_pb2.Quantity:
    """An amount of the drug: a volume says nothing about it without the strength."""
    amount = exact(value)
    if amount.unit.endswith("L"):
        raise HoldError(f"a dose of {amount.value:g} {amount.unit} of unknown strength", "send the amount of drug")
    return amount


def _rate(given: Body) -> common_pb2.Quantity | None:
    """An infusion rate as an amount per hour (its unit is the amount's)."""
    if given.get("rateRatio"):
        top, bottom = _amount(given["rateRatio"].get("numerator")), exact(given["rateRatio"].get("denominator"))
        if bottom.unit not in HOUR_UNITS or bottom.value <= 0.0:
            raise HoldError(f"its rate is per {bottom.value:g} {bottom.unit}", "send an amount per time")
        return common_pb2.Quantity(value=top.value / (bottom.value * HOUR_UNITS[bottom.unit]), unit=top.unit)
    if given.get("rateQuantity"):
        rate = exact(given["rateQuantity"])
        amount, _, time = rate.unit.rpartition("/")
        if not amount or time not in HOUR_UNITS:
            raise HoldError(f"its rate is in {rate.unit}", "send an amount per time, e.g. mg/h")
        return common_pb2.Quantity(value=rate.value / HOUR_UNITS[time], unit=amount)
    return None


def _agreed(amount: common_pb2.Quantity, rate: common_pb2.Quantity | None, length: float) -> float:
    """The length of an infusion from its rate and its period, which must not contradict each other."""
    if rate is None:
        return length
    if rate.unit != amount.unit or rate.value <= 0.0:
        raise HoldError(f"a dose in {amount.unit} at a rate in {rate.unit}/h", "send both in one unit")
    by_rate = amount.value / rate.value
    if length and abs(by_rate - length) > AGREE * max(by_rate, length):
        raise HoldError(
            f"dose and rate say {by_rate:g} h, the period {length:g} h", "send what was given, and from when to when"
        )
    return by_rate


def read_request(resource: Body, how: Orders) -> list[event_pb2.Event]:
    """The doses an order describes, when orders are to be trusted: start, dose, interval and end must all be said."""
    if not how.trusted:
        raise HoldError("an order is not a dose", "send MedicationAdministration, or read with trust_requests=True")
    check_elements(resource)
    if resource.get("doNotPerform"):
        raise HoldError("it says not to give the drug", "nothing was ordered")
    if resource.get("intent") not in INTENTS:
        raise HoldError(f'its intent is "{resource.get("intent")}"', "nothing was ordered")
    if resource.get("status") not in ("active", "completed"):
        raise HoldError(f'its status is "{resource.get("status")}"', "only active and completed orders stand for doses")
    drug, instruction = _drug(resource, how.index), _instruction(resource)
    if instruction.get("asNeededBoolean") or instruction.get("asNeededCodeableConcept") is not None:
        raise HoldError("it is to be taken as needed", "send MedicationAdministration: nobody knows what was taken")
    rates = instruction.get("doseAndRate") or []
    if len(rates) > 1:
        raise HoldError(f"{len(rates)} doseAndRate in one instruction", "send the one that is given")
    if not rates or rates[0].get("doseQuantity") is None:
        raise HoldError("doseAndRate.doseQuantity is empty", "send the dose")
    amount, route = _amount(rates[0]["doseQuantity"]), _route(instruction.get("route"))
    times, length = dose_times(instruction.get("timing"), how.zone)
    length = _agreed(amount, _rate(rates[0]), length)
    first = _not_yet_given(resource, drug, times, how)
    return [
        dose(event_id(resource, f"d{k}"), t, drug, amount, route=route, duration_h=length, source=SOURCE)
        for k, t in enumerate(times)
        if t > first
    ]


def withdrawn_request(resource: Body, how: Orders) -> list[event_pb2.Event]:
    """Withdraws each dose the order once stood for; none where orders are not trusted, since none was sent."""
    if not how.trusted:
        return []
    times, _ = dose_times(_instruction(resource).get("timing"), how.zone)
    return [withdrawal(resource, event_id(resource, f"d{k}")) for k in range(len(times))]


def _instruction(resource: Body) -> Body:
    instructions = resource.get("dosageInstruction") or []
    if len(instructions) != 1:
        raise HoldError(f"{len(instructions)} dosage instructions", "send exactly one")
    found: Body = instructions[0]
    return found


def _not_yet_given(resource: Body, drug: str, times: Sequence[datetime], how: Orders) -> datetime:
    """The time after which the order still stands for doses: half an interval past the last one given under it."""
    own, other = [], []
    for given in how.administrations:
        if given.get("status") == "entered-in-error":
            continue
        reference = given.get("request")
        if reference is not None:
            if _is_same(how.index, reference, given, resource):
                own.append(_start_of(given))
        elif _drug_or_none(given, how.index) == drug and times[0] <= _start_of(given) <= times[-1]:
            other.append(given)
    if other:
        raise HoldError(
            f"{len(other)} administrations of {drug} lie in the time of this order and do not say what they carry out",
            "send `request` with the administrations, or leave the order out",
        )
    if not own:
        return times[0] - timedelta(seconds=1)
    half = (times[1] - times[0]) / 2 if len(times) > 1 else timedelta(hours=12)
    return max(own) + half


def _is_same(index: Index, reference: Any, given: Body, order: Body) -> bool:
    try:
        found = index.resolve(reference, "MedicationRequest", given)
    except HoldError:
        return False
    return found.get("id") == order.get("id")


def _start_of(given: Body) -> datetime:
    return instant((given.get("effectivePeriod") or {}).get("start") or given.get("effectiveDateTime"), "effective")


def _drug_or_none(given: Body, index: Index) -> str:
    try:
        return _drug(given, index)
    except HoldError:
        return ""


def _drug(resource: Body, index: Index) -> str:
    concept = resource.get("medicationCodeableConcept")
    if concept is None and resource.get("medicationReference") is not None:
        medication = index.resolve(resource["medicationReference"], "Medication", resource)
        check_elements(medication)
        if medication.get("status") == "entered-in-error":
            raise HoldError("its Medication was entered in error", "send the right one")
        concept = medication.get("code")
        ingredients = [i for i in medication.get("ingredient") or () if i.get("isActive", True)]
        if len(ingredients) > 1:
            raise HoldError(f"a product of {len(ingredients)} ingredients", "send a dose of each ingredient")
        if not mapped(concept, RXNORM, tables().drugs, "drugs") and ingredients:
            concept = ingredients[0].get("itemCodeableConcept")
    drug = mapped(concept, RXNORM, tables().drugs, "drugs")
    if not drug:
        raise HoldError(
            f"its drug is not mapped: {said(concept)}", "code the RxNorm ingredient, or add it to codes.toml"
        )
    return drug


def _route(concept: Any) -> str:
    route = mapped(concept, SNOMED, tables().routes, "routes")
    if not route:
        raise HoldError(f"its route is not mapped: {said(concept)}", "code the route in SNOMED CT")
    return route
