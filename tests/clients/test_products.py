"""Products to ingredients: RxNorm codes, the grammar of names, ATC; statements that disagree; amounts by strength."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_fhir import given, ordered, read, ucum
from tests.clients.test_fhir_reading import concept, doses, reason
from twin_client.ehr.codes import tables
from twin_client.ehr.fhir import read_bundle
from twin_client.ehr.products import Product, named, product_table, resolve
from twin_client.ehr.reading import HoldError, Reading
from twin_client.ehr.site import site_of

ATC = "http://www.whocc.no/atc"
FORM = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"
LIBRARY = Path(__file__).resolve().parents[2] / "twin_service" / "library"


def product(text: str) -> Product:
    found = named(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    ("text", "drug", "in_one", "per_ml", "route"),
    [
        ("vancomycin 1000 MG Injection", "vancomycin", 1000.0, 0.0, ""),
        ("Digoxin 0.125 MG Oral Tablet [Lanoxin]", "digoxin", 0.125, 0.0, "oral"),
        ("10 ML Furosemide 10 MG/ML Injection", "furosemide", 100.0, 10.0, ""),
        ("carbamazepine 20 MG/ML Oral Suspension [Tegretol]", "carbamazepine", 0.0, 20.0, "oral"),
        ("Lasix 40mg", "furosemide", 40.0, 0.0, ""),
        ("Verapamil Hydrochloride 40 MG", "verapamil", 40.0, 0.0, ""),
        ("PACLitaxel 100 MG Injection", "paclitaxel", 100.0, 0.0, ""),
        ("rifampin 1,000 MG Oral Capsule", "rifampicin", 1000.0, 0.0, "oral"),
    ],
)
def test_the_grammar_reads_ingredient_strength_and_form(
    text: str, drug: str, in_one: float, per_ml: float, route: str
) -> None:
    found = product(text)
    (part,) = found.parts
    assert part.strength is not None and (part.drug, part.strength.unit, found.route) == (drug, "mg", route)
    assert part.strength.in_one == pytest.approx(in_one)
    assert (part.strength.value if part.strength.per == "mL" else 0.0) == per_ml


def test_a_combination_keeps_every_part_and_a_pack_says_that_it_is_one() -> None:
    both = product("Acetaminophen 325 MG / oxyCODONE Hydrochloride 5 MG Oral Tablet")
    assert [(p.drug, p.name) for p in both.parts] == [
        ("acetaminophen", "acetaminophen"),
        ("", "oxycodone hydrochloride"),
    ]
    pack = product("{2 (warfarin sodium 5 MG Oral Tablet) / 5 (warfarin sodium 2.5 MG Oral Tablet) } Pack")
    assert pack.is_pack and pack.drugs == {"warfarin"}


def test_the_drug_code_directorys_form_names_the_ingredient_only() -> None:
    (part,) = product("Vancomycin Hydrochloride (VANCOMYCIN HYDROCHLORIDE)").parts
    assert part.drug == "vancomycin" and part.strength is None


@pytest.mark.parametrize("text", ["", "take one now", "Hydrochlorothiazide 25 MG", "x" * 1000, "{", "[]", " / "])
def test_names_outside_the_grammar_or_the_library_name_no_drug(text: str) -> None:
    found = named(text)
    assert found is None or not found.drugs


def test_code_and_name_must_agree() -> None:
    with pytest.raises(HoldError, match="different drugs"):
        resolve({"coding": [{**concept("11124")["coding"][0], "display": "Verapamil 40 MG Oral Tablet"}]}, {})
    with pytest.raises(HoldError, match="different strengths"):
        resolve({"coding": [{**concept("197604")["coding"][0], "display": "Digoxin 0.25 MG Oral Tablet"}]}, {})
    with pytest.raises(HoldError, match="not mapped"):
        resolve(concept("999999999"), {})
    assert resolve(concept("J01XA01", system=ATC), {}).drugs == {"vancomycin"}


def test_tables_name_only_what_the_library_has() -> None:
    """One entry for one drug, every drug one of the library, codes of analytes as the library has them."""
    files = [p for f in ("drugs", "antibodies", "poppk", "qsp") for p in (LIBRARY / f).glob("*.toml")]
    parsed = [tomllib.loads(p.read_text()) for p in files if ".check" not in p.name]
    drugs = {str(t["id"]) for t in parsed} | {d for t in parsed for d in _drugs(t)}
    assert set(product_table().by_name.values()) <= drugs
    known = tomllib.loads((LIBRARY / "analytes.toml").read_text())
    library = {c: a["id"] for a in [*known["analyte"], *known["drug"]] for c in a.get("loinc", ())}
    ours = tables().labs | tables().images | tables().characteristics
    assert {c: (m, library[c]) for c, m in ours.items() if c in library and library[c] != m} == {}
    assert set(tables().labs) <= set(library)


def _drugs(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [v for k, v in value.items() if k == "drug" and isinstance(v, str)] + [
            d for v in value.values() for d in _drugs(v)
        ]
    return [d for v in value for d in _drugs(v)] if isinstance(value, list) else []


def one(reading: Reading) -> list[tuple[str, float, str, str]]:
    assert not reading.held, reading.held
    return [(e.dose.drug, e.dose.amount.value, e.dose.amount.unit, e.dose.route) for e in doses(reading)]


def tablets(n: float, code: str = "197604", **more: Any) -> dict[str, Any]:
    dosage = {"dose": {"value": n, "system": FORM, "code": "TAB", "unit": "tablet"}} | more
    return given(medicationCodeableConcept=concept(code), dosage=dosage)


def test_tablets_of_a_known_strength_are_an_amount_and_their_form_is_the_route() -> None:
    reading = read(tablets(2))
    assert one(reading) == [("digoxin", 0.25, "mg", "oral")]
    assert "Digoxin 0.125 MG Oral Tablet" in reading.notes[0].said


def test_a_volume_needs_a_strength_by_volume() -> None:
    iv = {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]}
    infusion = given(medicationCodeableConcept=concept("313572"), dosage={"dose": ucum(20.0, "mL"), "route": iv})
    assert one(read(infusion)) == [("vancomycin", 1000.0, "mg", "iv")]
    unknown = given(medicationCodeableConcept=concept("11124"), dosage={"dose": ucum(20.0, "mL"), "route": iv})
    assert "unknown strength" in reason(read(unknown))


def test_a_combination_gives_a_dose_of_each_ingredient_of_the_library() -> None:
    assert one(read(tablets(1, "476349"))) == [("ezetimibe", 10.0, "mg", "oral"), ("simvastatin", 20.0, "mg", "oral")]
    half = read(tablets(1, "1049221"))
    assert one(half) == [("acetaminophen", 325.0, "mg", "oral")]
    assert "without oxycodone hydrochloride" in half.notes[0].said
    mass = given(medicationCodeableConcept=concept("476349"), dosage={"dose": ucum(30.0, "mg")})
    assert "2 ingredients" in reason(read(mass))


def test_modified_release_and_bare_numbers_are_held_until_the_site_says_what_they_mean() -> None:
    site = site_of(
        {"id": "x", "schema": 1, "dose": {"without_unit": "product", "modified_release": "immediate"}}, "map"
    )
    slow = tablets(1, "866412")
    assert "modified-release" in reason(read(slow))
    assert one(read(slow, site=site)) == [("metoprolol", 100.0, "mg", "oral")]
    bare = given(medicationCodeableConcept=concept("197604"), dosage={"dose": {"value": 1}})
    assert "UCUM" in reason(read(bare))
    assert one(read(bare, site=site)) == [("digoxin", 0.125, "mg", "oral")]
    injection = tablets(1, "1807513")
    assert "route" in reason(read(injection, site=site))


def test_an_order_of_tablets_is_its_doses_when_orders_are_trusted() -> None:
    order = ordered()
    order["medicationCodeableConcept"] = concept("197604")
    order["dosageInstruction"][0]["doseAndRate"] = [{"doseQuantity": {"value": 1, "unit": "tablet"}}]
    reading = read(order, trust_requests=True)
    assert {(d, v) for d, v, _, _ in one(reading)} == {("digoxin", 0.125)}


def test_every_entry_has_one_fate() -> None:
    entries = [tablets(1), tablets(1), given(status="not-done", id="n"), {"resourceType": "Organization", "id": "o"}]
    bad = {"resourceType": "Observation", "id": "b", "status": "final"}
    whole = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in [*entries, bad]]}
    fates = read_bundle(whole).fates
    assert fates == {"taken": 1, "repeated": 1, "nothing": 1, "ignored": 1, "held": 1}
