"""The site map: what it changes, and every mistake in one answer with the nearest known word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.test_fhir import given, observation, read, ucum
from tests.clients.test_fhir_reading import doses
from twin_client.ehr.site import SiteMapError, read_site, site_of

MAP = """
id = "example"
schema = 1
zone = "Europe/Berlin"
[patient]
identifier_system = "urn:oid:1.2.3"
authority = "HOSP"
[twin]
poppk = "vancomycin_goti"
[codes]
"99LAB|KREA" = "creatinine"
[units]
"mg%" = "mg/dL"
[routes]
"IVPB" = "iv"
[drugs]
"VANC1G" = "vancomycin 1000 MG Injection"
[dose]
without_unit = "product"
"""


def test_a_sites_own_words_are_read(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(MAP)
    site = read_site(path)
    local = {"coding": [{"system": "99LAB", "code": "KREA"}]}
    lab = observation(code=local, valueQuantity={"value": 1.1, "unit": "mg%"})
    took = given(
        medicationCodeableConcept={"coding": [{"system": "urn:local", "code": "VANC1G"}]},
        dosage={"dose": {"value": 1}, "route": {"text": "IVPB"}},
    )
    reading = read(lab, took, site=site)
    assert not reading.held
    (found,) = (e for e in reading.events if e.HasField("lab"))
    assert (found.lab.analyte, found.lab.value.unit, found.lab.loinc) == ("creatinine", "mg/dL", "")
    assert [(e.dose.drug, e.dose.amount.value, e.dose.route) for e in doses(reading)] == [("vancomycin", 1000.0, "iv")]


def test_every_mistake_is_told_at_once_with_the_nearest_word() -> None:
    raw = {
        "id": "x",
        "schema": 2,
        "zone": "Europe/Berlim",
        "route": {"IVPB": "iv"},
        "codes": {"KREA": "creatinin"},
        "routes": {"PO": "orl"},
        "drugs": {"V": "vancomycine"},
        "patient": {"identifier_sytem": "urn:x"},
        "dose": {"without_unit": "tablet"},
        "twin": {"drugs": "vancomycin"},
        "hl7": {"character_set": "8859/16"},
    }
    with pytest.raises(SiteMapError) as told:
        site_of(raw, "map.toml")
    text = "\n".join(told.value.faults)
    assert len(told.value.faults) == 10
    for part in (
        "map.toml schema: 2",
        "'Europe/Berlim' is unknown",
        "route: unknown key; did you mean 'routes'?",
        "did you mean 'creatinine'?",
        "did you mean 'oral'?",
        "did you mean 'vancomycin'?",
        "did you mean 'identifier_system'?",
        "known: held, product",
        "twin.drugs: expected a list",
        "hl7.character_set: '8859/16' is unknown",
    ):
        assert part in text, part


def test_a_file_that_is_not_toml_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text("[codes\n")
    with pytest.raises(SiteMapError, match="not TOML"):
        read_site(path)


def test_the_code_of_the_site_and_the_public_one_must_agree() -> None:
    site = site_of({"id": "x", "schema": 1, "codes": {"99|G": "glucose"}}, "map")
    both = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}, {"system": "99", "code": "G"}]}
    reading = read(observation(code=both, valueQuantity=ucum(1.0, "mg/dL")), site=site)
    assert "different measurements" in reading.held[0].reason
