"""FHIR MedicationAdministration and MedicationRequest -> doses.

An administration says what was given. A request says what was ordered: it becomes doses only when the caller says that
orders were carried out (`trust_requests`), because an order is not a dose. An order and its own administrations are one
course: what was given stands, and the order only for what comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

from twin_client.ehr.amounts import amounts, check_product
from twin_client.ehr.codes import UCUM
from twin_client.ehr.elements import check_elements
from twin_client.ehr.fields import HOUR_UNITS, SOURCE, Body, duration_h, event_id, exact, instant, withdrawal
from twin_client.ehr.prescribed import product_of, route_of
from twin_client.ehr.products import Product
from twin_client.ehr.reading import HoldError, Note
from twin_client.ehr.references import Index
from twin_client.ehr.schedule import dose_times
from twin_client.ehr.site import Site
from twin_client.events import dose
from twin_service.v1 import common_pb2, event_pb2

INTENTS = ("order", "original-order", "filler-order", "instance-order")
AGREE = 0.01
"""A duration and dose / rate that differ by more than this share contradict each other."""


@dataclass(frozen=True)
class Orders:
    """How drugs are read: whether orders stand for doses, where the patient is, what was given, the site's own words.

    notes   what was taken under a reading that the record does not spell out; added to while reading
    """

    trusted: bool
    zone: tzinfo | None
    index: Index
    administrations: Sequence[Body]
    site: Site = field(default_factory=Site)
    notes: list[Note] = field(default_factory=list)


def read_administration(resource: Body, how: Orders) -> list[event_pb2.Event]:
    """The doses of one MedicationAdministration, one for each ingredient; none when it says that nothing was given."""
    status = resource.get("status")
    if status == "not-done":
        return []
    check_elements(resource)
    if status not in ("completed", "stopped"):
        raise HoldError(f'its status is "{status}"', "send it again when it is completed")
    product, given = _product(resource, how), resource.get("dosage") or {}
    period = resource.get("effectivePeriod")
    start = instant((period or {}).get("start") or resource.get("effectiveDateTime"), "effectiveDateTime")
    length = duration_h(period) if period else 0.0
    rates = _rates(product, given, how.site)
    if status == "stopped":
        if not rates or not length:
            raise HoldError(
                'its status is "stopped": the dose may not all have been given',
                "send rateQuantity or rateRatio with the effectivePeriod that ended: what was given is rate x time",
            )
        parts = _over(rates, length)
    elif given.get("dose") is not None:
        parts = amounts(product, given["dose"], how.site)
        length = _agreed(parts, rates, length)
    elif rates and length:
        parts = _over(rates, length)
    else:
        raise HoldError("dosage.dose is empty", "send the dose that was given")
    route = route_of(given.get("route"), product, how.site)
    check_product(product, how.site)
    _note(resource, product, how)
    return [
        dose(event_id(resource, _part(k)), start, drug, amount, route=route, duration_h=length, source=SOURCE)
        for k, (drug, amount) in enumerate(parts)
    ]


def _part(k: int) -> str:
    """The first ingredient keeps the id that a product of one has."""
    return f"i{k}" if k else ""


Parts = list[tuple[str, common_pb2.Quantity]]


def _over(rates: Parts, length_h: float) -> Parts:
    return [(drug, common_pb2.Quantity(value=q.value * length_h, unit=q.unit)) for drug, q in rates]


def _note(resource: Body, product: Product, how: Orders) -> None:
    """Say what the record itself does not: how the ingredient is known, and which part of the product is not."""
    said = [f"taken as {', '.join(sorted(product.drugs))} {product.basis}"] if product.basis else []
    others = [p.name for p in product.parts if not p.drug]
    if others:
        said.append(f"without {', '.join(others)}, outside the library")
    if product.is_modified:
        said.append("modified release, taken as immediate as the site map says")
    if said:
        how.notes.append(Note(f"{resource.get('resourceType')}/{resource.get('id')}", "; ".join(said)))


def _rates(product: Product, given: Body, site: Site) -> Parts:
    """An infusion rate as an amount of each ingredient per hour (the unit is the amount's); [] when none is said."""
    if given.get("rateRatio"):
        top = amounts(product, given["rateRatio"].get("numerator"), site)
        bottom = exact(given["rateRatio"].get("denominator"), site.units)
        if bottom.unit not in HOUR_UNITS or bottom.value <= 0.0:
            raise HoldError(f"its rate is per {bottom.value:g} {bottom.unit}", "send an amount per time")
        hours = bottom.value * HOUR_UNITS[bottom.unit]
        return [(drug, common_pb2.Quantity(value=q.value / hours, unit=q.unit)) for drug, q in top]
    if given.get("rateQuantity"):
        rate = exact(given["rateQuantity"], site.units)
        amount, _, time = rate.unit.rpartition("/")
        if not amount or time not in HOUR_UNITS:
            raise HoldError(f"its rate is in {rate.unit}", "send an amount per time, e.g. mg/h")
        each = {"value": rate.value / HOUR_UNITS[time], "system": UCUM, "code": amount}
        return amounts(product, each, site)
    return []


def _agreed(parts: Parts, rates: Parts, length: float) -> float:
    """The length of an infusion from its rate and its period, which must not contradict each other."""
    if not rates:
        return length
    amount, rate = parts[0][1], rates[0][1]
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
    product, instruction = _product(resource, how), _instruction(resource)
    if instruction.get("asNeededBoolean") or instruction.get("asNeededCodeableConcept") is not None:
        raise HoldError("it is to be taken as needed", "send MedicationAdministration: nobody knows what was taken")
    rates = instruction.get("doseAndRate") or []
    if len(rates) > 1:
        raise HoldError(f"{len(rates)} doseAndRate in one instruction", "send the one that is given")
    if not rates or rates[0].get("doseQuantity") is None:
        raise HoldError("doseAndRate.doseQuantity is empty", "send the dose")
    parts = amounts(product, rates[0]["doseQuantity"], how.site)
    route = route_of(instruction.get("route"), product, how.site)
    times, length = dose_times(instruction.get("timing"), how.zone)
    length = _agreed(parts, _rates(product, rates[0], how.site), length)
    check_product(product, how.site)
    first = _not_yet_given(resource, product.drugs, times, how)
    _note(resource, product, how)
    return [
        dose(event_id(resource, f"d{k}{_part(i)}"), t, drug, amount, route=route, duration_h=length, source=SOURCE)
        for k, t in enumerate(times)
        if t > first
        for i, (drug, amount) in enumerate(parts)
    ]


def withdrawn_request(resource: Body, how: Orders) -> list[event_pb2.Event]:
    """Withdraws each dose the order once stood for; none where orders are not trusted, since none was sent."""
    if not how.trusted:
        return []
    times, _ = dose_times(_instruction(resource).get("timing"), how.zone)
    return [
        withdrawal(resource, event_id(resource, f"d{k}{part}"))
        for k in range(len(times))
        for part in _parts_of(resource, how)
    ]


def withdrawn_administration(resource: Body, how: Orders) -> list[event_pb2.Event]:
    """Withdraws the dose of each ingredient."""
    return [withdrawal(resource, event_id(resource, part)) for part in _parts_of(resource, how)]


def _parts_of(resource: Body, how: Orders) -> list[str]:
    """The parts of the ids that its ingredients have; of a product that is not understood, that of its first."""
    try:
        return [_part(k) for k in range(len(_product(resource, how).drugs))]
    except HoldError:
        return [_part(0)]


def _instruction(resource: Body) -> Body:
    instructions = resource.get("dosageInstruction") or []
    if len(instructions) != 1:
        raise HoldError(f"{len(instructions)} dosage instructions", "send exactly one")
    found: Body = instructions[0]
    return found


def _not_yet_given(resource: Body, drugs: frozenset[str], times: Sequence[datetime], how: Orders) -> datetime:
    """The time after which the order still stands for doses: half an interval past the last one given under it."""
    own, other = [], []
    for given in how.administrations:
        if given.get("status") == "entered-in-error":
            continue
        reference = given.get("request")
        if reference is not None:
            if _is_same(how.index, reference, given, resource):
                own.append(_start_of(given))
        elif drugs & _drugs_or_none(given, how) and times[0] <= _start_of(given) <= times[-1]:
            other.append(given)
    if other:
        names = ", ".join(sorted(drugs))
        raise HoldError(
            f"{len(other)} administrations of {names} lie in the time of this order and do not say what they carry out",
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


def _drugs_or_none(given: Body, how: Orders) -> frozenset[str]:
    try:
        return _product(given, how).drugs
    except HoldError:
        return frozenset()


def _product(resource: Body, how: Orders) -> Product:
    return product_of(resource, how.index, how.site)
