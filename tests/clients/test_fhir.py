"""FHIR R4 into events: every reading rule, everything held with its remedy, and public bundles when present."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from twin_client.ehr.fhir import read_bundle
from twin_client.ehr.reading import Reading
from twin_service.demo.oncology import TARGET_LESIONS, bundle
from twin_service.v1 import event_pb2

REFERENCE = Path(os.environ.get("TWIN_REFERENCE_DIR", Path(__file__).parents[3] / "shared" / "reference"))
WHEN = "2024-03-04T09:00:00+01:00"


def ucum(value: float, code: str, **more: Any) -> dict[str, Any]:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": code, **more}


def observation(loinc: str = "2160-0", **changes: Any) -> dict[str, Any]:
    base = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "effectiveDateTime": WHEN,
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "valueQuantity": ucum(1.1, "mg/dL"),
    }
    return {k: v for k, v in (base | changes).items() if v is not None}


def given(**changes: Any) -> dict[str, Any]:
    base = {
        "resourceType": "MedicationAdministration",
        "id": "m1",
        "status": "completed",
        "effectiveDateTime": WHEN,
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "10438"}]
        },
        "dosage": {
            "dose": ucum(300, "mg"),
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]},
        },
    }
    return {k: v for k, v in (base | changes).items() if v is not None}


def ordered(**changes: Any) -> dict[str, Any]:
    base = {
        "resourceType": "MedicationRequest",
        "id": "r1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": given()["medicationCodeableConcept"],
        "dosageInstruction": [
            {
                "timing": {
                    "repeat": {
                        "boundsPeriod": {"start": WHEN, "end": "2024-03-06T09:00:00+01:00"},
                        "frequency": 2,
                        "period": 1,
                        "periodUnit": "d",
                    }
                },
                "route": given()["dosage"]["route"],
                "doseAndRate": [{"doseQuantity": ucum(200, "mg")}],
            }
        ],
    }
    return {k: v for k, v in (base | changes).items() if v is not None}


def read(*resources: dict[str, Any], **options: Any) -> Reading:
    return read_bundle(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}, **options
    )


def one(*resources: dict[str, Any], **options: Any) -> event_pb2.Event:
    reading = read(*resources, **options)
    assert not reading.held, reading.held
    (event,) = reading.events
    return event


def test_a_laboratory_result_keeps_value_unit_code_and_hour() -> None:
    event = one(observation())
    assert (event.lab.analyte, event.lab.loinc) == ("creatinine", "2160-0")
    assert (event.lab.value.value, event.lab.value.unit) == (1.1, "mg/dL")
    assert event.time.ToDatetime().isoformat() == "2024-03-04T08:00:00"
    assert event.id == "Observation/o1"


@pytest.mark.parametrize(("sign", "flag"), [("<", event_pb2.CENSORING_BELOW), (">", event_pb2.CENSORING_ABOVE)])
def test_a_comparator_is_a_detection_limit(sign: str, flag: int) -> None:
    assert one(observation(valueQuantity=ucum(0.5, "mg/dL", comparator=sign))).lab.censoring == flag


def test_weight_is_a_characteristic_and_ejection_fraction_an_image() -> None:
    assert one(observation("29463-7", valueQuantity=ucum(71, "kg"))).covariate.name == "weight_kg"
    assert one(observation("10230-1", valueQuantity=ucum(55, "%"))).image.analyte == "lvef"


def test_a_panel_is_read_component_by_component() -> None:
    parts = [
        {"code": {"coding": [{"system": "http://loinc.org", "code": c}]}, "valueQuantity": ucum(v, "mm[Hg]")}
        for c, v in (("8480-6", 128), ("8462-4", 76))
    ]
    reading = read(observation("85354-9", valueQuantity=None, component=parts))
    assert [(e.lab.analyte, e.lab.value.value) for e in reading.events] == [("systolic_bp", 128), ("diastolic_bp", 76)]
    assert len({e.id for e in reading.events}) == 2


def test_an_infusion_has_the_length_of_its_period() -> None:
    event = one(given(effectiveDateTime=None, effectivePeriod={"start": WHEN, "end": "2024-03-04T10:30:00+01:00"}))
    assert (event.dose.drug, event.dose.amount.value, event.dose.route) == ("theophylline", 300, "oral")
    assert event.dose.duration.value == 1.5


def test_an_order_becomes_doses_only_when_trusted() -> None:
    held = read(ordered()).held
    assert [h.reason for h in held] == ["an order is not a dose"]
    doses = read(ordered(), trust_requests=True).events
    hours = [(e.time.ToSeconds() - doses[0].time.ToSeconds()) / 3600 for e in doses]
    assert hours == [0.0, 12.0, 24.0, 36.0] and {e.dose.amount.value for e in doses} == {200.0}


def test_an_entry_made_in_error_withdraws_what_it_was() -> None:
    event = one(observation(status="entered-in-error", meta={"lastUpdated": "2024-03-05T00:00:00Z"}))
    assert event.retraction.target_event_id == "Observation/o1"


def test_a_dose_not_given_is_no_event() -> None:
    reading = read(given(status="not-done"))
    assert not reading.events and not reading.held


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (observation(status="preliminary"), "preliminary"),
        (observation("99999-9"), "not mapped"),
        (observation(effectiveDateTime="2024-03-04"), "no time of day"),
        (observation(effectiveDateTime=None), "effectiveDateTime is missing"),
        (observation(valueQuantity=None), "no numeric value"),
        (observation(valueQuantity={"value": 1.0, "unit": "mg/dL"}), "not a UCUM code"),
        (observation(valueQuantity=None, dataAbsentReason={"coding": [{"code": "unknown"}]}), "absent"),
        (observation("29463-7", valueQuantity=ucum(70, "kg", comparator="<")), "comparator"),
        (given(dosage=None), "dosage.dose is empty"),
        (given(status="in-progress"), "in-progress"),
        (given(dosage={"dose": ucum(1, "mg")}), "route is not mapped"),
        (given(medicationCodeableConcept={"text": "the white pill"}), "drug is not mapped"),
        (given(medicationCodeableConcept=None, medicationReference={"reference": "Medication/x"}), "not in the bundle"),
        (
            given(effectiveDateTime=None, effectivePeriod={"start": WHEN, "end": "2024-03-04T07:00:00+01:00"}),
            "ends before",
        ),
        ({"resourceType": "Observation", "id": "broken", "status": 7}, "not valid FHIR"),
    ],
    ids=lambda v: v.replace(" ", "_") if isinstance(v, str) else "",
)
def test_what_cannot_be_interpreted_is_held_with_a_remedy(resource: dict[str, Any], words: str) -> None:
    reading = read(resource)
    assert not reading.events
    (held,) = reading.held
    assert words in held.reason and held.remedy


def test_a_medication_in_the_bundle_names_the_drug() -> None:
    medication = {"resourceType": "Medication", "id": "x", "code": given()["medicationCodeableConcept"]}
    reading = read(medication, given(medicationCodeableConcept=None, medicationReference={"reference": "Medication/x"}))
    assert [e.dose.drug for e in reading.events] == ["theophylline"]


def follow_up(*ids: str) -> dict[str, Any]:
    """The oncology bundle with only the named lesion measurements."""
    kept = bundle()
    others = {i for e in kept["entry"] if not (i := e["resource"]["id"]).startswith("lesion")}
    kept["entry"] = [e for e in kept["entry"] if e["resource"]["id"] in others | set(ids)]
    return kept


def sums(reading: Reading) -> list[event_pb2.Event]:
    return [e for e in reading.events if e.HasField("image")]


def test_target_lesions_of_a_day_are_summed_and_an_incomplete_day_is_held() -> None:
    whole = sums(read_bundle(bundle(), target_lesions=TARGET_LESIONS))
    assert [e.image.value.value for e in whole] == [68.0, 56.0] and all(e.image.simulated for e in whole)
    partial = read_bundle(follow_up("lesion-1--5", "lesion-2--5", "lesion-1-38"), target_lesions=TARGET_LESIONS)
    assert [e.image.value.value for e in sums(partial)] == [68.0]
    assert any("1 of the 2 target lesions" in h.reason for h in partial.held)


def test_one_lesion_of_a_later_visit_is_never_taken_for_the_whole_tumor() -> None:
    for options in ({}, {"target_lesions": TARGET_LESIONS}):
        reading = read_bundle(follow_up("lesion-1-38"), **options)
        assert not sums(reading)
        assert [h.resource for h in reading.held if "lesion" in h.resource] == ["Observation/lesion-1-38"]


def test_a_lesion_entered_in_error_withdraws_the_sum_it_was_part_of() -> None:
    (_, last) = sums(read_bundle(bundle(), target_lesions=TARGET_LESIONS))
    wrong = bundle()
    for entry in wrong["entry"]:
        if entry["resource"]["id"] == "lesion-2-38":
            entry["resource"] |= {"status": "entered-in-error", "meta": {"lastUpdated": "2024-06-01T00:00:00Z"}}
    reading = read_bundle(wrong, target_lesions=TARGET_LESIONS)
    assert [e.retraction.target_event_id for e in reading.events if e.HasField("retraction")] == [last.id]
    assert [e.image.value.value for e in sums(reading)] == [68.0]
    alone = copy.deepcopy(wrong)
    alone["entry"] = [e for e in wrong["entry"] if e["resource"]["id"] == "lesion-2-38"]
    (held,) = read_bundle(alone, target_lesions=TARGET_LESIONS).held
    assert "without the others" in held.reason


def test_a_withdrawn_panel_or_order_withdraws_every_event_it_was() -> None:
    error = {"status": "entered-in-error", "meta": {"lastUpdated": "2024-03-08T00:00:00Z"}}
    parts = [
        {"code": {"coding": [{"system": "http://loinc.org", "code": c}]}, "valueQuantity": ucum(90, "mm[Hg]")}
        for c in ("8480-6", "8462-4")
    ]
    panel = observation("85354-9", valueQuantity=None, component=parts)
    for resource in (panel, ordered()):
        once = {e.id for e in read(resource, trust_requests=True).events}
        withdrawn = {e.retraction.target_event_id for e in read(resource | error, trust_requests=True).events}
        assert len(once) >= 2 and once <= withdrawn
    assert not read(ordered() | error).events
    assert read(observation("85354-9", valueQuantity=None) | error).held


@pytest.mark.parametrize("reference", ["Patient/q", "Group/p", "urn:uuid:0", "https://a.example/Patient/q", None])
def test_what_is_said_of_someone_else_never_reaches_this_twin(reference: str | None) -> None:
    subject = {"reference": reference} if reference else {"display": "somebody"}
    reading = read({"resourceType": "Patient", "id": "p"}, given(subject=subject), observation(subject=subject))
    assert not reading.events and len(reading.held) == 2
    assert {h.reason for h in reading.held} == {"its subject is not the bundle's patient"}


@pytest.mark.parametrize("reference", ["Patient/p", "https://a.example/Patient/p", "Patient/p/_history/3"])
def test_the_patient_is_known_by_every_form_of_reference(reference: str) -> None:
    assert len(read({"resourceType": "Patient", "id": "p"}, given(subject={"reference": reference})).events) == 1


def test_two_subjects_without_a_patient_are_refused() -> None:
    with pytest.raises(ValueError, match="2 subjects"):
        read(given(), given(id="m2", subject={"reference": "Patient/q"}))


@pytest.mark.parametrize("entry", [None, 7, {"resource": "x"}, {"resource": []}, {"resource": ["x"]}])
def test_an_entry_that_is_no_object_is_held_and_the_others_are_read(entry: Any) -> None:
    entries = [entry, {"resource": observation()}]
    reading = read_bundle({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert len(reading.events) == 1 and [h.resource for h in reading.held] == ["entry[0]"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"doNotPerform": True}, "not to give"),
        ({"dosageInstruction": [ordered()["dosageInstruction"][0] | {"asNeededBoolean": True}]}, "as needed"),
    ],
    ids=["do_not_perform", "as_needed"],
)
def test_even_a_trusted_order_is_held_when_nobody_knows_what_was_taken(changes: dict[str, Any], words: str) -> None:
    reading = read(ordered(**changes), trust_requests=True)
    assert not reading.events and words in reading.held[0].reason


def test_a_dose_with_a_comparator_is_no_dose() -> None:
    bound = given()["dosage"] | {"dose": ucum(300, "mg", comparator="<")}
    assert "comparator" in read(given(dosage=bound)).held[0].reason


def test_reading_twice_gives_the_same_events() -> None:
    assert read_bundle(json.dumps(bundle())).events == read_bundle(copy.deepcopy(bundle())).events


@pytest.mark.parametrize("text", ["[]", "{}", '{"resourceType": "Patient"}', "not json"])
def test_what_is_no_bundle_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_bundle(text)


def test_two_patients_in_a_bundle_are_refused() -> None:
    with pytest.raises(ValueError, match="2 patients"):
        read({"resourceType": "Patient", "id": "a"}, {"resourceType": "Patient", "id": "b"})


PUBLIC = sorted((REFERENCE / "ehr").glob("synthea_r4_*/*.json")) if REFERENCE.exists() else []


@pytest.mark.skipif(not PUBLIC, reason="reference EHR bundles are absent (TWIN_REFERENCE_DIR)")
def test_public_bundles_read_with_every_resource_accounted_for() -> None:
    """Each Observation and medication resource is an event, part of one, held, or a dose that was not given."""
    for path in PUBLIC[:3]:
        raw = json.loads(path.read_text())
        if raw.get("resourceType") != "Bundle":
            continue
        reading = read_bundle(raw)
        kinds = ("Observation", "MedicationAdministration", "MedicationRequest")
        total = sum(e["resource"]["resourceType"] in kinds for e in raw["entry"])
        sources = {"/".join(e.id.split("/")[:2]) for e in reading.events}
        assert len(sources) + len(reading.held) >= total and reading.events
