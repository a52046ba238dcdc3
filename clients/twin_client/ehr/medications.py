"""FHIR MedicationAdministration and MedicationRequest -> doses.

An administration says what was given. A request says what was ordered: it becomes doses only when the caller says that
orders were carried out (`trust_requests`), because an order is not a dose.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twin_client.ehr.codes import RXNORM, SNOMED, tables
from twin_client.ehr.fields import HOUR_UNITS, SOURCE, code_of, duration_h, event_id, exact, moment, said, withdrawal
from twin_client.ehr.reading import HoldError
from twin_client.events import dose
from twin_service.v1 import common_pb2, event_pb2

DOSES_MAX = 1000


def read_administration(resource: Any, medications: dict[str, Any]) -> list[event_pb2.Event]:
    """The dose of one MedicationAdministration; none when it says that nothing was given."""
    if resource.status == "not-done":
        return []
    if resource.status != "completed":
        raise HoldError(f'its status is "{resource.status}"', "send it again when it is completed")
    drug = _drug(resource, medications)
    given = resource.dosage
    if given is None or given.dose is None:
        raise HoldError("dosage.dose is empty", "send the dose that was given")
    route = _route(given.route)
    if resource.effectivePeriod is not None:
        start, length = (
            moment(resource.effectivePeriod.start, "effectivePeriod.start"),
            duration_h(resource.effectivePeriod),
        )
    else:
        start, length = moment(resource.effectiveDateTime, "effectiveDateTime"), 0.0
    return [dose(event_id(resource), start, drug, exact(given.dose), route=route, duration_h=length, source=SOURCE)]


def read_request(resource: Any, medications: dict[str, Any], trust_requests: bool) -> list[event_pb2.Event]:
    """The doses an order describes, when orders are to be trusted: start, dose, interval and count must all be said."""
    if not trust_requests:
        raise HoldError("an order is not a dose", "send MedicationAdministration, or read with trust_requests=True")
    if resource.doNotPerform:
        raise HoldError("it says not to give the drug", "nothing was ordered")
    if resource.intent not in ("order", "original-order", "filler-order", "instance-order"):
        raise HoldError(f'its intent is "{resource.intent}"', "nothing was ordered")
    if resource.status not in ("active", "completed"):
        raise HoldError(f'its status is "{resource.status}"', "only active and completed orders stand for doses")
    drug, instructions = _drug(resource, medications), resource.dosageInstruction or []
    if len(instructions) != 1:
        raise HoldError(f"{len(instructions)} dosage instructions", "send exactly one")
    if instructions[0].asNeededBoolean or instructions[0].asNeededCodeableConcept is not None:
        raise HoldError("it is to be taken as needed", "send MedicationAdministration: nobody knows what was taken")
    said_dose = (instructions[0].doseAndRate or [None])[0]
    if said_dose is None or said_dose.doseQuantity is None:
        raise HoldError("doseAndRate.doseQuantity is empty", "send the dose")
    start, interval_h, count = _timing(instructions[0].timing)
    amount, route = exact(said_dose.doseQuantity), _route(instructions[0].route)
    return [_planned(resource, k, start + timedelta(hours=k * interval_h), drug, amount, route) for k in range(count)]


def withdrawn_request(resource: Any, trust_requests: bool) -> list[event_pb2.Event]:
    """Withdraws each dose the order once stood for; none where orders are not trusted, since none was sent."""
    if not trust_requests:
        return []
    instructions = resource.dosageInstruction or []
    if len(instructions) != 1:
        raise HoldError("an order entered in error without its dosage instruction", "send it as it was ordered")
    _, _, count = _timing(instructions[0].timing)
    return [withdrawal(resource, event_id(resource, f"d{k}")) for k in range(count)]


def _planned(resource: Any, k: int, when: Any, drug: str, amount: common_pb2.Quantity, route: str) -> event_pb2.Event:
    return dose(event_id(resource, f"d{k}"), when, drug, amount, route=route, source=SOURCE)


def _timing(timing: Any) -> tuple[Any, float, int]:
    repeat = timing.repeat if timing is not None else None
    if repeat is None or repeat.boundsPeriod is None:
        raise HoldError("timing.repeat.boundsPeriod is missing", "send from when until when")
    start = moment(repeat.boundsPeriod.start, "boundsPeriod.start")
    if not (repeat.frequency and repeat.period and repeat.periodUnit in HOUR_UNITS):
        raise HoldError("timing.repeat does not say how often", "send frequency, period and periodUnit")
    interval_h = float(repeat.period) * HOUR_UNITS[repeat.periodUnit] / repeat.frequency
    count = int(repeat.count) if repeat.count else 1 + int(duration_h(repeat.boundsPeriod) / interval_h - 1e-9)
    if not 1 <= count <= DOSES_MAX:
        raise HoldError(f"the order stands for {count} doses", f"send orders of at most {DOSES_MAX} doses")
    return start, interval_h, count


def _drug(resource: Any, medications: dict[str, Any]) -> str:
    concept = resource.medicationCodeableConcept
    if concept is None and resource.medicationReference is not None:
        target = str(resource.medicationReference.reference or "").lstrip("#")
        medication = medications.get(target) or medications.get(target.split("/")[-1])
        if medication is None:
            raise HoldError("the Medication it points to is not in the bundle", "send it along or use a code")
        concept = medication.code
    code = code_of(concept, RXNORM)
    if code not in tables().drugs:
        raise HoldError(
            f"its drug is not mapped: {said(concept)}", "code the RxNorm ingredient, or add it to codes.toml"
        )
    return tables().drugs[code]


def _route(concept: Any) -> str:
    code = code_of(concept, SNOMED)
    if code not in tables().routes:
        raise HoldError(f"its route is not mapped: {said(concept)}", "code the route in SNOMED CT")
    return tables().routes[code]
