"""Made-up patients as Synthea writes them: FHIR R4 transaction bundles with visits, vitals, panels, orders and doses.

Shapes are those of the public samples (Synthea transaction bundles, urn:uuid references, local offsets, administrations
without a dose); products are RxNorm names of every kind, some of drugs that no library has.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

Body = dict[str, Any]
LOINC, RXNORM = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM, SNOMED, ATC = "http://unitsofmeasure.org", "http://snomed.info/sct", "http://www.whocc.no/atc"
START = datetime.fromisoformat("2019-02-03T07:30:00-05:00")
# code, name, mean, spread, unit
VITALS = (
    ("29463-7", "Body weight", 76.0, 12.0, "kg"),
    ("8302-2", "Body height", 170.0, 9.0, "cm"),
    ("8867-4", "Heart rate", 74.0, 9.0, "/min"),
    ("9279-1", "Respiratory rate", 15.0, 2.0, "/min"),
    ("72514-3", "Pain severity", 3.0, 1.0, "{score}"),
)
LABS = (
    ("2160-0", "Creatinine", 1.0, 0.2, "mg/dL"),
    ("38483-4", "Creatinine in Blood", 1.0, 0.2, "mg/dL"),
    ("33914-3", "Estimated glomerular filtration rate", 84.0, 15.0, "mL/min/{1.73_m2}"),
    ("98979-8", "eGFR CKD-EPI 2021", 84.0, 15.0, "mL/min/{1.73_m2}"),
    ("2947-0", "Sodium", 140.0, 2.0, "mmol/L"),
    ("6298-4", "Potassium", 4.2, 0.3, "mmol/L"),
    ("1751-7", "Albumin", 4.0, 0.3, "g/dL"),
    ("718-7", "Hemoglobin", 13.5, 1.2, "g/dL"),
    ("777-3", "Platelets", 240.0, 40.0, "10*3/uL"),
    ("2069-3", "Chloride", 103.0, 2.0, "mmol/L"),
    ("4548-4", "Hemoglobin A1c", 6.0, 0.6, "%"),
)
PRODUCTS = (
    ("197604", "Digoxin 0.125 MG Oral Tablet"),
    ("313988", "Furosemide 40 MG Oral Tablet"),
    ("855332", "Warfarin Sodium 5 MG Oral Tablet"),
    ("866414", "24 HR metoprolol succinate 100 MG Extended Release Oral Tablet [Toprol]"),
    ("1807513", "vancomycin 1000 MG Injection"),
    ("1719286", "10 ML Furosemide 10 MG/ML Injection"),
    ("857005", "Acetaminophen 325 MG / HYDROcodone Bitartrate 7.5 MG Oral Tablet"),
    ("0", "Lanoxin 0.25 MG Oral Tablet"),
    ("0", "tacrolimus 1 MG Oral Capsule [Prograf]"),
    ("0", "{1 (Clarithromycin 500 MG Oral Tablet) / 2 (Omeprazole 20 MG Delayed Release Oral Capsule) } Pack"),
    ("583214", "PACLitaxel 100 MG Injection"),
    ("310798", "Hydrochlorothiazide 25 MG Oral Tablet"),
    ("308192", "Amoxicillin 500 MG Oral Tablet"),
    ("314076", "lisinopril 10 MG Oral Tablet"),
)
OTHERS = ("Encounter", "Condition", "Claim", "ExplanationOfBenefit", "Procedure", "Immunization", "CarePlan")


def make_patients(seed: int, count: int) -> Iterator[tuple[str, Body]]:
    """(name of a file, bundle) of `count` patients; the same seed makes the same."""
    rng = random.Random(seed)
    for k in range(count):
        yield f"patient_{k:03d}.json", _bundle(rng)


def _bundle(rng: random.Random) -> Body:
    patient = _id(rng)
    entries = [_entry({"resourceType": "Patient", "id": patient, "gender": rng.choice(("male", "female", "other"))})]
    entries[0]["resource"]["birthDate"] = rng.choice(("1944-05-06", "1971-11-30", "1988-02"))
    for visit in range(rng.randrange(4, 12)):
        at = START + timedelta(days=97 * visit, hours=rng.randrange(8))
        bodies = [*_visit(rng, at), *_results(rng, at), *_drugs(rng, at)]
        for body in bodies:
            if body["resourceType"] != "Medication":
                body["subject"] = {"reference": f"urn:uuid:{patient}"}
        entries += [_entry(b) for b in bodies]
    rng.shuffle(entries)
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _entry(body: Body) -> Body:
    request = {"method": "POST", "url": body["resourceType"]}
    return {"fullUrl": f"urn:uuid:{body['id']}", "resource": body, "request": request}


def _visit(rng: random.Random, at: datetime) -> Iterator[Body]:
    for kind in OTHERS:
        for _ in range(rng.randrange(2)):
            yield {"resourceType": kind, "id": _id(rng), "period": {"start": at.isoformat()}}


def _results(rng: random.Random, at: datetime) -> Iterator[Body]:
    for code, name, mean, spread, unit in VITALS:
        yield _observation(rng, at, code, name, value=_value(rng, mean, spread, unit))
    for k, (code, name, mean, spread, unit) in enumerate(rng.sample(LABS, 6)):
        value = _value(rng, mean, spread, unit)
        if rng.random() < 0.03:
            value["comparator"] = "<"
        status = rng.choices(("final", "preliminary", "entered-in-error", "amended"), (90, 4, 3, 3))[0]
        yield _observation(rng, at + timedelta(minutes=20 + k), code, name, value=value, status=status)
    yield _pressure(rng, at)
    smoking = {"coding": [{"system": SNOMED, "code": "266919005", "display": "Never smoker"}]}
    yield _observation(rng, at, "72166-2", "Tobacco smoking status", valueCodeableConcept=smoking)


def _observation(
    rng: random.Random, at: datetime, code: str, name: str, value: Body | None = None, **more: Any
) -> Body:
    return {
        "resourceType": "Observation",
        "id": _id(rng),
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code, "display": name}], "text": name},
        "effectiveDateTime": at.isoformat(),
        "issued": (at + timedelta(hours=1)).isoformat(timespec="milliseconds"),
        **({"valueQuantity": value} if value is not None else {}),
        **more,
    }


def _pressure(rng: random.Random, at: datetime) -> Body:
    parts = [("8480-6", 128.0, 14.0), ("8462-4", 78.0, 9.0)]
    component = [
        {"code": {"coding": [{"system": LOINC, "code": c}]}, "valueQuantity": _value(rng, m, s, "mm[Hg]")}
        for c, m, s in parts
    ]
    return _observation(rng, at, "85354-9", "Blood pressure panel", component=component)


def _value(rng: random.Random, mean: float, spread: float, unit: str) -> Body:
    return {"value": round(max(rng.gauss(mean, spread), 0.2 * mean), 2), "unit": unit, "system": UCUM, "code": unit}


def _drugs(rng: random.Random, at: datetime) -> Iterator[Body]:
    for code, name in rng.sample(PRODUCTS, 3):
        coding = (
            {"system": RXNORM, "code": code, "display": name} if code != "0" else {"system": RXNORM, "display": name}
        )
        concept = {"coding": [coding], "text": name}
        request: Body = {
            "resourceType": "MedicationRequest",
            "id": _id(rng),
            "status": rng.choice(("active", "completed", "stopped")),
            "intent": "order",
            "medicationCodeableConcept": concept,
            "authoredOn": at.isoformat(),
        }
        if rng.random() < 0.5:
            request["dosageInstruction"] = [
                {
                    "sequence": 1,
                    "asNeededBoolean": False,
                    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                    "doseAndRate": [{"doseQuantity": {"value": 1}}],
                }
            ]
        yield request
        if rng.random() < 0.5:
            yield from _administration(rng, at, concept)


def _administration(rng: random.Random, at: datetime, concept: Body) -> Iterator[Body]:
    """A dose by tablets, by mass, by a drug in a resource of its own, or, as in Synthea, without any amount."""
    route = {"coding": [{"system": SNOMED, "code": rng.choice(("26643006", "47625008"))}]}
    body: Body = {
        "resourceType": "MedicationAdministration",
        "id": _id(rng),
        "status": rng.choices(("completed", "not-done", "in-progress"), (90, 5, 5))[0],
        "effectiveDateTime": at.isoformat(),
        "medicationCodeableConcept": concept,
    }
    kind = rng.randrange(4)
    if kind == 0:
        body["dosage"] = {}
    elif kind == 1:
        body["dosage"] = {"dose": {"value": rng.choice((1, 2)), "unit": "tablet"}, "route": route}
    else:
        body["dosage"] = {"dose": {"value": 100.0, "unit": "mg", "system": UCUM, "code": "mg"}, "route": route}
    if kind == 3:
        drug = {"resourceType": "Medication", "id": _id(rng), "code": body.pop("medicationCodeableConcept")}
        body["medicationReference"] = {"reference": f"urn:uuid:{drug['id']}"}
        yield drug
    yield body


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
