"""Diplotypes: scores of alleles, activities of the library, what is held; from FHIR and from HL7 v2."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.clients.live import live_client
from tests.clients.test_fhir import observation, read
from tests.clients.test_hl7 import OBR, PID
from tests.clients.test_hl7 import read as read_hl7
from twin_client.ehr.genotypes import allele_table

LIBRARY = Path(__file__).resolve().parents[2] / "twin_service" / "library" / "genotypes.toml"


def diplotype(text: str, gene: str = "", **more: Any) -> dict[str, Any]:
    body = observation(
        code={"coding": [{"system": "http://loinc.org", "code": "84413-4"}]},
        valueCodeableConcept={"text": text},
        **more,
    )
    body.pop("valueQuantity", None)
    if gene:
        studied = {"coding": [{"system": "http://loinc.org", "code": "48018-6"}]}
        named = {"coding": [{"system": "http://www.genenames.org", "code": "HGNC:1", "display": gene}]}
        body["component"] = [{"code": studied, "valueCodeableConcept": named}]
    return body


@pytest.mark.parametrize(
    ("text", "gene", "activity"),
    [
        ("CYP2D6 *1/*4", "", 0.5),
        ("*4/*4", "CYP2D6", 0.0),
        ("CYP2D6 *1x2/*1", "CYP2D6", 1.5),
        ("CYP2D6*10/*10", "", 0.25),
        ("CYP2C19 *17/*2", "", 0.5),
        ("CYP2C19 *1/*17", "", 1.25),
        ("CYP2C9 *1/*3", "", 0.45),
        ("CYP3A5 *3/*3", "", 0.0),
        ("UGT1A1 *28/*28", "", 0.35),
        ("SLCO1B1 *1/*5", "", 0.7),
    ],
)
def test_a_diplotype_has_the_activity_of_its_score(text: str, gene: str, activity: float) -> None:
    reading = read(diplotype(text, gene))
    (found,) = (e.genotype for e in reading.events if e.HasField("genotype"))
    assert found.activity == activity and found.diplotype.startswith("*") and not reading.held


@pytest.mark.parametrize(
    ("text", "gene", "why"),
    [
        ("CYP2D6 *1/*41", "", "not in the table"),
        ("CYP2D6 *1/*4", "CYP2C9", "its gene is not one"),
        ("*1/*4", "", "its gene is not one"),
        ("DPYD *1/*2", "", "its gene is not one"),
        ("poor metabolizer", "CYP2D6", "not written as"),
        ("CYP2D6 *1x9/*1x9", "", "has no activity"),
    ],
)
def test_what_is_not_known_is_held(text: str, gene: str, why: str) -> None:
    reading = read(diplotype(text, gene))
    assert not reading.events and why in reading.held[0].reason


def test_the_activities_are_the_librarys() -> None:
    library = {g["gene"]: g["activity"] for g in tomllib.loads(LIBRARY.read_text())["gene"]}
    ours = allele_table().activity
    assert set(ours) == set(allele_table().alleles)
    assert {g: {s: library[g].get(s) for s in t} for g, t in ours.items()} == ours


def test_hl7_says_it_too_and_the_service_takes_it(tmp_path: Path) -> None:
    letter = read_hl7(PID, OBR, "OBX|1|ST|84413-4^Genotype^LN||CYP2D6 *4/*4||||||F")
    (found,) = (e for e in letter.events if e.HasField("genotype"))
    with live_client(tmp_path) as client:
        client.create_twin("g1", drugs=["metoprolol"])
        receipt = client.record("g1", [found], possible=True).receipts[0]
        assert not receipt.faults and receipt.timeline_revision == 1
