"""Outside what a file was built for: a warning, or a refusal where the file says so; for covariates and doses alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin_service.model.compose import compose
from twin_service.model.domain import DomainSpan, dose_doubt, narrowed, read_domain, warnings_outside, with_dose_domain
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.library import load_library
from twin_service.model.poppk.build import build_poppk
from twin_service.model.poppk.record import parse_model, read_model
from twin_service.model.qsp.build import build_block
from twin_service.model.structure import Covariate, DoseRoute
from twin_service.outcome import Refusal

LIBRARY = load_library()


def read(table: dict[str, object]) -> tuple[dict[str, DomainSpan], list[str]]:
    said: list[str] = []
    return read_domain({"domain": table}, ("age_y", "dose_mg"), lambda place, m: said.append(f"{place}: {m}")), said


def test_a_span_takes_its_own_word_before_the_files() -> None:
    spans, said = read({"outside": "refuse", "age_y": [18, 95], "dose_mg": {"range": [1, 10], "outside": "warn"}})
    assert said == []
    assert spans == {"age_y": DomainSpan(18.0, 95.0, True), "dose_mg": DomainSpan(1.0, 10.0, False)}
    assert read({"age_y": [18, 95]})[0]["age_y"].refuses is False


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"age": [1, 2]}, "domain.age: 'age' is unknown; known: age_y, dose_mg, outside"),
        ({"age_y": [5, 1]}, "expected [low, high]"),
        ({"age_y": {"range": [1, 5], "outside": "ignore"}}, "'ignore' is unknown; known: warn, refuse"),
        ({"age_y": {"span": [1, 5]}}, "unknown key 'span'"),
    ],
)
def test_mistakes_are_told(table: dict[str, object], told: str) -> None:
    assert any(told in m for m in read(table)[1])


def test_a_drug_that_refuses_young_patients_refuses_them_and_one_that_warns_answers() -> None:
    drug = LIBRARY.drug("midazolam")
    strict = replace(drug, domain={"age_y": DomainSpan(18.0, 65.0, True), "weight_kg": DomainSpan(50.0, 90.0)})
    model = compose("m", {"body": build_body([strict], LIBRARY)})
    with pytest.raises(Refusal, match="Midazolam: age_y 5 is outside .* the file says refuse") as found:
        model.values({"age_y": 5.0})
    assert found.value.reason == "OUTSIDE_DOMAIN" and found.value.field == "covariates.age_y"
    model.values({"age_y": 40.0, "weight_kg": 120.0})
    assert any("weight_kg 120 is outside" in w for w in model.warnings({"age_y": 40.0, "weight_kg": 120.0}))
    # an unknown weight (0) is neither
    assert warnings_outside(strict.domain, {"weight_kg": 0.0}, "x") == []


def test_a_body_outside_its_species_domain_is_refused() -> None:
    model = compose("m", {"body": build_body(["midazolam"], LIBRARY)})
    for person in ({"age_y": 96.0}, {"weight_kg": 320.0}, {"gestational_age_wk": 22.5}):
        with pytest.raises(Refusal, match="outside what its file was built for"):
            model.values(person)


def test_a_dose_outside_warns_or_refuses() -> None:
    route = DoseRoute("drugx", "iv", "iv", 1.0)
    assert dose_doubt(route, 1e6) == ""
    warned = with_dose_domain(route, {"dose_mg": DomainSpan(1.0, 100.0)})
    assert "a dose of 500 mg by iv is outside" in dose_doubt(warned, 500.0)
    assert dose_doubt(warned, 50.0) == "" and dose_doubt(warned, 0.0) == ""
    with pytest.raises(Refusal, match="the file says refuse"):
        dose_doubt(with_dose_domain(route, {"dose_mg": DomainSpan(1.0, 100.0, True)}), 500.0)


def test_a_covariate_takes_the_narrower_limits() -> None:
    c = Covariate("age_y", "a", None, 0.0, 120.0, 10.0, 80.0)
    assert narrowed(c, {"age_y": DomainSpan(18.0, 130.0, True)}) == replace(c, low=18.0)
    assert narrowed(c, {"age_y": DomainSpan(18.0, 70.0)}) == replace(c, caution_low=18.0, caution_high=70.0)
    assert narrowed(c, {}) == c


def test_population_models_and_diseases_speak_the_same_words() -> None:
    table = dict(read_model("vancomycin_frymoyer").raw)
    name = table["covariate"][0]["name"]
    table["domain"] = {name: {"range": [3.0, 4.0], "outside": "refuse"}, "dose_mg": [1.0, 200.0]}
    block = build_poppk(parse_model(table))
    assert next((c.low, c.high) for c in block.covariates if c.name == name) == (3.0, 4.0)
    assert all((r.least_mg, r.most_mg, r.refuses) == (1.0, 200.0, False) for r in block.routes)
    table["domain"] = {"shoe_size": [30, 45]}
    with pytest.raises(Refusal, match="shoe_size"):
        build_poppk(parse_model(table))
    assert build_block("neutropenia_friberg").covariates
