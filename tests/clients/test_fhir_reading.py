"""FHIR elements that change meaning: each is honored or holds its resource; nothing is read past."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.test_fhir import given, observation, ordered, read, ucum
from twin_client.ehr.fhir import read_bundle
from twin_client.ehr.reading import Reading
from twin_service.v1 import event_pb2

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1950-07-01"}


def concept(*codes: str, system: str = RXNORM) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": c} for c in codes]}


def bundle(*entries: tuple[str, dict[str, Any]], **options: Any) -> Reading:
    return read_bundle(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": u, "resource": r} for u, r in entries]},
        **options,
    )


def doses(reading: Reading) -> list[event_pb2.Event]:
    return [e for e in reading.events if e.HasField("dose")]


def timing(**repeat: Any) -> dict[str, Any]:
    order = copy.deepcopy(ordered())
    bounds = {"boundsPeriod": {"start": "2024-03-04T08:00:00+01:00", "end": "2024-03-11T08:00:00+01:00"}}
    order["dosageInstruction"][0]["timing"] = {"repeat": bounds | repeat}
    return order


def hours(reading: Reading) -> list[float]:
    assert not reading.held, reading.held
    start = doses(reading)[0].time.ToSeconds()
    return [(e.time.ToSeconds() - start) / 3600 for e in doses(reading)]


def reason(reading: Reading) -> str:
    assert not doses(reading)
    return " | ".join(h.reason for h in reading.held)


# References


def test_a_contained_medication_shadows_one_of_the_bundle() -> None:
    own = {"resourceType": "Medication", "id": "m", "code": concept("11124")}
    other = {"resourceType": "Medication", "id": "m", "code": concept("3407")}
    took = given(medicationCodeableConcept=None, medicationReference={"reference": "#m"}, contained=[own])
    assert [e.dose.drug for e in doses(read(other, took))] == ["vancomycin"]
    missing = given(medicationCodeableConcept=None, medicationReference={"reference": "#m"})
    assert "which it does not contain" in reason(read(other, missing))


def test_a_reference_is_resolved_by_full_address_before_type_and_id() -> None:
    def took(reference: str) -> dict[str, Any]:
        return given(medicationCodeableConcept=None, medicationReference={"reference": reference})

    one = {"resourceType": "Medication", "id": "m", "code": concept("11124")}
    two = {"resourceType": "Medication", "id": "m", "code": concept("3407")}
    entries = (("urn:uuid:1", one), ("urn:uuid:2", two))
    assert doses(bundle(*entries, ("x", took("urn:uuid:2"))))[0].dose.drug == "digoxin"
    assert "2 different resources" in reason(bundle(*entries, ("x", took("Medication/m"))))
    assert (
        doses(bundle(entries[0], ("x", took("http://a.example/Medication/m/_history/3"))))[0].dose.drug == "vancomycin"
    )
    assert "Observation where a Medication" in reason(bundle(("urn:uuid:3", observation()), ("x", took("urn:uuid:3"))))


def test_a_product_is_its_single_ingredient() -> None:
    def product(*codes: str) -> dict[str, Any]:
        parts = [{"itemCodeableConcept": concept(c)} for c in codes]
        return {"resourceType": "Medication", "id": "m", "code": concept("999"), "ingredient": parts}

    took = given(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"})
    assert doses(read(product("11124"), took))[0].dose.drug == "vancomycin"
    assert "product of 2 ingredients" in reason(read(product("11124", "3407"), took))


# Codes


def test_every_coding_of_a_concept_counts() -> None:
    assert doses(read(given(medicationCodeableConcept=concept("1807513", "11124"))))[0].dose.drug == "vancomycin"
    assert "different drugs: digoxin, vancomycin" in reason(
        read(given(medicationCodeableConcept=concept("3407", "11124")))
    )


# Infusions


@pytest.mark.parametrize(
    ("rate", "length"),
    [
        ({"rateRatio": {"numerator": ucum(150, "mg"), "denominator": ucum(1, "h")}}, 2.0),
        ({"rateRatio": {"numerator": ucum(300, "mg"), "denominator": ucum(30, "min")}}, 0.5),
        ({"rateQuantity": ucum(5, "mg/min")}, 1.0),
    ],
)
def test_a_rate_is_the_length_of_an_infusion(rate: dict[str, Any], length: float) -> None:
    (event,) = doses(read(given(dosage=given()["dosage"] | rate)))
    assert (event.dose.amount.value, event.dose.duration.value) == (300, pytest.approx(length))


def test_a_stopped_infusion_has_a_remedy_that_works() -> None:
    period = {"start": "2024-03-04T09:00:00+01:00", "end": "2024-03-04T09:20:00+01:00"}
    stopped = given(status="stopped", effectiveDateTime=None, effectivePeriod=period)
    held = read(stopped).held[0]
    assert "rate x time" in held.remedy
    rate = {"rateQuantity": ucum(300, "mg/h")}
    (event,) = doses(read(stopped | {"dosage": stopped["dosage"] | rate}))
    assert (event.dose.amount.value, event.dose.duration.value) == (pytest.approx(100.0), pytest.approx(1 / 3))


def test_dose_rate_and_period_that_contradict_are_held() -> None:
    period = {"start": "2024-03-04T09:00:00+01:00", "end": "2024-03-04T10:00:00+01:00"}
    wrong = given(
        effectiveDateTime=None, effectivePeriod=period, dosage=given()["dosage"] | {"rateQuantity": ucum(50, "mg/h")}
    )
    assert "dose and rate say 6 h, the period 1 h" in reason(read(wrong))
    assert "of unknown strength" in reason(read(given(dosage=given()["dosage"] | {"dose": ucum(20, "mL")})))


# Timing


def test_days_of_the_week() -> None:
    reading = read(timing(frequency=1, period=1, periodUnit="d", dayOfWeek=["tue", "sat"]), trust_requests=True)
    assert [e.time.ToDatetime().strftime("%a") for e in doses(reading)] == ["Tue", "Sat"]
    weekly = read(timing(frequency=2, period=1, periodUnit="wk", dayOfWeek=["tue", "sat"]), trust_requests=True)
    assert [e.time for e in doses(weekly)] == [e.time for e in doses(reading)]


def test_times_of_day_are_local_and_follow_the_clock() -> None:
    order = timing(frequency=2, period=1, periodUnit="d", timeOfDay=["20:00:00", "08:00:00"])
    bounds = {"start": "2024-03-30T00:00:00Z", "end": "2024-04-01T00:00:00Z"}
    order["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = bounds
    assert "times of day are local" in reason(read(order, trust_requests=True))
    local = doses(read(order, trust_requests=True, zone="Europe/Berlin"))
    # summer time begins on the 31st
    assert [e.time.ToJsonString() for e in local] == [
        *("2024-03-30T07:00:00Z", "2024-03-30T19:00:00Z", "2024-03-31T06:00:00Z", "2024-03-31T18:00:00Z")
    ]
    with pytest.raises(ValueError, match="zone 'Mars' is unknown"):
        read(order, zone="Mars")


def test_events_counts_and_durations() -> None:
    listed = copy.deepcopy(ordered())
    listed["dosageInstruction"][0]["timing"] = {"event": ["2024-03-05T08:00:00Z", "2024-03-04T20:00:00Z"]}
    assert hours(read(listed, trust_requests=True)) == [0.0, 12.0]
    few = timing(frequency=1, period=8, periodUnit="h", count=3, duration=30, durationUnit="min")
    reading = read(few, trust_requests=True)
    assert hours(reading) == [0.0, 8.0, 16.0] and {e.dose.duration.value for e in doses(reading)} == {0.5}


@pytest.mark.parametrize(
    ("repeat", "words"),
    [
        ({"frequency": 1, "frequencyMax": 2, "period": 1, "periodUnit": "d"}, "frequencyMax leaves a range"),
        ({"frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h"}, "periodMax leaves a range"),
        ({"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}, "repeat.when"),
        ({"frequency": 1, "period": 1, "periodUnit": "d", "offset": 30}, "repeat.offset"),
        ({"frequency": 3, "period": 1, "periodUnit": "d", "timeOfDay": ["08:00:00"]}, "do not fit"),
        ({"frequency": 1, "period": 1, "periodUnit": "mo"}, "does not say how often"),
        ({"frequency": 60, "period": 1, "periodUnit": "h"}, "more than 1000 doses"),
    ],
)
def test_a_timing_that_is_not_one_schedule_is_held(repeat: dict[str, Any], words: str) -> None:
    assert words in reason(read(timing(**repeat), trust_requests=True))


def test_a_code_beside_the_repeat_must_agree() -> None:
    def coded(code: str) -> dict[str, Any]:
        order = timing(frequency=2, period=1, periodUnit="d")
        order["dosageInstruction"][0]["timing"]["code"] = {"coding": [{"code": code}]}
        return order

    assert len(doses(read(coded("BID"), trust_requests=True))) == 14
    assert "contradict" in reason(read(coded("TID"), trust_requests=True))


# One course


def test_an_order_and_its_administrations_are_one_course() -> None:
    order = ordered()
    took = [
        given(id=f"a{k}", effectiveDateTime=t, request={"reference": "MedicationRequest/r1"})
        for k, t in enumerate(("2024-03-04T09:10:00+01:00", "2024-03-04T21:30:00+01:00"))
    ]
    found = doses(read(order, *took, trust_requests=True))
    assert [e.id for e in found] == [
        *(
            "MedicationAdministration/a0",
            "MedicationAdministration/a1",
            "MedicationRequest/r1/d2",
            "MedicationRequest/r1/d3",
        )
    ]
    loose = given(id="a9", effectiveDateTime="2024-03-04T21:30:00+01:00")
    reading = read(order, loose, trust_requests=True)
    assert [e.id for e in doses(reading)] == ["MedicationAdministration/a9"]
    assert "do not say what they carry out" in reading.held[0].reason


# The person


def test_age_and_sex_become_covariates() -> None:
    found = {
        e.covariate.name: e.covariate.value.value
        for e in read(PATIENT, observation()).events
        if e.HasField("covariate")
    }
    assert found == {"age_y": pytest.approx(73.67, abs=0.01), "sex_female": 0.0}
    again = read(PATIENT, observation(id="o2"))
    assert {e.id for e in again.events if e.HasField("covariate")} == {
        "Patient/p/age_y/2024-03-04",
        "Patient/p/sex_female/2024-03-04",
    }


def test_half_a_birth_date_is_a_year_and_no_age() -> None:
    reading = read(PATIENT | {"birthDate": "1950-07", "gender": "other"}, observation())
    assert reading.patient is not None and (reading.patient.birth_date, reading.patient.birth_year) == (None, 1950)
    assert [e.WhichOneof("payload") for e in reading.events] == ["lab"] and len(reading.held) == 2


def test_the_same_resource_twice_is_one_and_two_contents_are_held() -> None:
    assert len(read(observation(), observation()).events) == 1
    torn = read(observation(), observation(valueQuantity=ucum(9.9, "mg/dL")))
    assert not torn.events and "stands twice" in torn.held[0].reason
    newer = observation(valueQuantity=ucum(9.9, "mg/dL"), meta={"lastUpdated": "2024-03-06T00:00:00Z"})
    older = observation(meta={"lastUpdated": "2024-03-05T00:00:00Z"})
    assert [e.lab.value.value for e in read(newer, older).events] == [9.9]


# Nothing is read past


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for k, v in value.items():
            yield from leaves(v, (*path, k))
    elif isinstance(value, list):
        for k, v in enumerate(value):
            yield from leaves(v, (*path, k))
    else:
        yield path


def changed(value: Any) -> Any:
    """Another value of the same kind: what a slip or another patient would make of it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 3 + 1
    if isinstance(value, str) and value[:4].isdigit() and "T" in value:
        return "2024-03-05T11:00:00+01:00"
    return {"active": "cancelled", "final": "preliminary", "completed": "on-hold", "order": "plan"}.get(
        value, f"{value}x"
    )


STRANGE: dict[str, Any] = {
    "modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}],
    "partOf": [{"reference": "Procedure/1"}],
    "doseRange": {"low": ucum(1, "mg"), "high": ucum(2, "mg")},
    "valueString": "see note",
    "boundsDuration": ucum(3, "d"),
    "asNeededBoolean": True,
    "rateRange": {"low": ucum(1, "mg/h"), "high": ucum(2, "mg/h")},
    "implicitRules": "http://example.org/rules",
    "focus": [{"reference": "Patient/child"}],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every object of the resource: where a strange element may stand."""
    if isinstance(value, dict):
        yield path
        for k, v in value.items():
            yield from places(v, (*path, k))
    elif isinstance(value, list):
        for k, v in enumerate(value):
            yield from places(v, (*path, k))


def at(body: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        body = body[part]
    return body


def outcome(body: dict[str, Any]) -> tuple[Any, ...]:
    reading = read(PATIENT, body, trust_requests=True)
    return tuple(e.SerializeToString(deterministic=True) for e in reading.events), bool(reading.held)


RESOURCES = {
    "observation": observation(),
    "administration": given(dosage=given()["dosage"] | {"rateQuantity": ucum(150, "mg/h")}),
    "order": timing(frequency=1, period=1, periodUnit="d", dayOfWeek=["tue", "sat"]),
}


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_a_changed_element_changes_the_result_or_is_held(name: str) -> None:
    body = RESOURCES[name]
    before = outcome(body)
    ignored = []
    for path in leaves(body):
        mutant = copy.deepcopy(body)
        at(mutant, path[:-1])[path[-1]] = changed(at(body, path))
        if outcome(mutant) == before:
            ignored.append(".".join(map(str, path)))
    assert not ignored


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_a_strange_element_anywhere_is_held(name: str) -> None:
    body = RESOURCES[name]
    before = outcome(body)
    rng = random.Random(7)
    ignored = []
    for path in places(body):
        for word in ("modifierExtension", *rng.sample(sorted(STRANGE), 4)):
            mutant = copy.deepcopy(body)
            target = at(mutant, path)
            if word in target:
                continue
            target[word] = STRANGE[word]
            if outcome(mutant) == before:
                ignored.append(".".join(map(str, (*path, word))))
    assert not ignored
