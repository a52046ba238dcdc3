"""One cancer patient as an EHR would send her: a FHIR R4 bundle with docetaxel, neutrophils and tumor diameters.

She does not exist. Her laboratory values and images are SIMULATED: written by hand to resemble the published course of
docetaxel 100 mg/m2 (nadir about day 7 to 9, recovery by day 21; Kloft 2006, Clin Cancer Res 12:5481). Every
such resource carries the security label HTEST, which the reader passes on. Two resources are unusable on purpose, to
show that they are held.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2024, 3, 4, 9, 0, tzinfo=UTC)
PATIENT = "oncology-1"
NEUTROPHILS = {-2: 5.4, 7: 0.62, 10: 0.95, 14: 2.9, 20: 5.1, 28: 0.55, 31: 0.9, 35: 2.6, 41: 4.9}
LESIONS_MM = {"lesion-1": {-5: 41.0, 38: 33.0}, "lesion-2": {-5: 27.0, 38: 23.0}}
TARGET_LESIONS = tuple(f"BodyStructure/{name}" for name in LESIONS_MM)
DOSE_MG, CYCLES, CYCLE_DAYS, INFUSION_H = 175.0, 2, 21, 1.0
HTEST = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]}


def bundle() -> dict[str, Any]:
    """The bundle, as parsed JSON."""
    resources = [_patient(), _vital("weight", "29463-7", 68.0, "kg"), _vital("height", "8302-2", 165.0, "cm")]
    resources += [_infusion(k) for k in range(CYCLES)]
    resources += [_neutrophils(day, value) for day, value in NEUTROPHILS.items()]
    resources += [_lesion(name, day, mm) for name, days in LESIONS_MM.items() for day, mm in days.items()]
    resources += _unusable()
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


def _at(day: float) -> str:
    return (START + timedelta(days=day)).isoformat()


def _loinc(code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": code, "display": text}]}


def _ucum(value: float, code: str) -> dict[str, Any]:
    return {"value": value, "unit": code, "system": "http://unitsofmeasure.org", "code": code}


def _patient() -> dict[str, Any]:
    return {"resourceType": "Patient", "id": PATIENT, "gender": "female", "birthDate": "1966-02-11"}


def _observation(id: str, code: dict[str, Any], day: float, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": code,
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": _at(day),
        **more,
    }


def _vital(id: str, loinc: str, value: float, unit: str) -> dict[str, Any]:
    return _observation(id, _loinc(loinc, id), -6, valueQuantity=_ucum(value, unit), meta=HTEST)


def _neutrophils(day: int, value: float) -> dict[str, Any]:
    return _observation(
        f"anc-{day}", _loinc("751-8", "Neutrophils"), day, valueQuantity=_ucum(value, "10*9/L"), meta=HTEST
    )


def _lesion(name: str, day: int, mm: float) -> dict[str, Any]:
    return _observation(
        f"{name}-{day}",
        _loinc("21889-1", "Size Tumor"),
        day,
        valueQuantity=_ucum(mm, "mm"),
        meta=HTEST,
        focus=[{"reference": f"BodyStructure/{name}"}],
        method={"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]},
    )


def _infusion(cycle: int) -> dict[str, Any]:
    day = cycle * CYCLE_DAYS
    return {
        "resourceType": "MedicationAdministration",
        "id": f"docetaxel-{cycle + 1}",
        "status": "completed",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "medicationCodeableConcept": {
            "coding": [
                {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "72962", "display": "docetaxel"}
            ]
        },
        "effectivePeriod": {"start": _at(day), "end": _at(day + INFUSION_H / 24.0)},
        "dosage": {
            "dose": _ucum(DOSE_MG, "mg"),
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]},
        },
    }


def _unusable() -> list[dict[str, Any]]:
    """An administration without a dose, and a code no model knows."""
    empty = {**_infusion(0), "id": "docetaxel-unclear", "dosage": {"text": "as ordered"}}
    return [empty, _observation("pain", _loinc("72514-3", "Pain severity"), 1, valueQuantity=_ucum(3, "{score}"))]
