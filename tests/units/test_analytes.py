"""Units at the door: conversions checked against hand calculation, and the three traps of dimensional analysis."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_service import units
from twin_service.outcome import Refusal, RefusalCode
from twin_service.units import ucum


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("creatinine", 1.0, "mg/dL", 10_000 / 113.12),
        ("glucose", 90.0, "mg/dL", 900 / 180.156),
        ("bilirubin", 1.0, "mg/dL", 10_000 / 584.66),
        ("ldl", 100.0, "mg/dL", 1000 / 386.65),
        ("neutrophils", 1500.0, "/uL", 1.5),
        ("neutrophils", 1500.0, "{cells}/uL", 1.5),
        ("neutrophils", 1.5, "10*3/uL", 1.5),
        ("platelets", 0.2, "10*12/L", 200.0),
        ("inr", 2.5, "{INR}", 2.5),
        ("alt", 30.0, "[IU]/L", 30.0),
        ("potassium", 4.0, "meq/L", 4.0),
        ("calcium", 4.8, "meq/L", 2.4),
        ("insulin", 10.0, "u[IU]/mL", 60.0),
        ("hba1c", 48.0, "mmol/mol", 6.54304),
        ("hematocrit", 0.4, "1", 40.0),
        ("body_temperature", 98.6, "[degF]", 37.0),
        ("systolic_bp", 16.0, "kPa", 120.0098),
        ("tumor_sld", 5.2, "cm", 52.0),
        ("qtc", 0.44, "s", 440.0),
        ("egfr", 60.0, "mL/min/{1.73m2}", 60.0),
        ("viral_load", 50.0, "{copies}/uL", 50_000.0),
        ("phenobarbital", 20.0, "ug/mL", 20.0),
    ],
)
def test_values_become_canonical(name: str, value: float, unit: str, expected: float) -> None:
    assert units.canonical(units.analyte(name), value, unit) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "unit", "why"),
    [
        ("egfr", "mL/min", "body surface area"),
        ("creatinine_clearance", "mL/min/{1.73_m2}", "body surface area"),
        ("neutrophils", "[IU]/L", "arbitrary"),
        ("viral_load", "[IU]/mL", "arbitrary"),
        ("magnesium", "eq/m3", "valence"),
        ("inr", "mg/kg", "plain number"),
        ("inr", "mmol/mol", "plain number"),
        ("hemoglobin", "mmol/L", "molar mass"),
        ("creatinine", "mg", "not a unit of this quantity"),
        ("creatinine", "furlongs", "not a UCUM"),
        ("creatinine", "", "plain number|not a unit"),
        ("creatinine", "mg/dL" * 20, "64 characters|not a UCUM"),
    ],
)
def test_a_unit_of_another_meaning_is_refused(name: str, unit: str, why: str) -> None:
    with pytest.raises(Refusal, match=why) as caught:
        units.canonical(units.analyte(name), 1.0, unit, path="events[2].lab.value")
    assert caught.value.code is RefusalCode.INVALID
    assert caught.value.field == "events[2].lab.value.unit"
    assert caught.value.reason == "BAD_UNIT"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "NOT_FINITE"),
        (math.inf, "NOT_FINITE"),
        (-1.0, "IMPLAUSIBLE"),
        (1e6, "IMPLAUSIBLE"),
        (0.0, "IMPLAUSIBLE"),
    ],
)
def test_a_number_that_cannot_be_is_refused(value: float, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        units.canonical(units.analyte("creatinine"), value, "umol/L", path="x")
    assert (caught.value.reason, caught.value.field) == (reason, "x.value")


@given(st.floats(1, 4000), st.sampled_from(["mg/dL", "ug/L", "mmol/L", "nmol/mL", "g/L"]))
def test_conversion_is_invertible(value: float, unit: str) -> None:
    there = units.convert(value, "umol/L", unit, molar_mass=113.12)
    assert units.convert(there, unit, "umol/L", molar_mass=113.12) == pytest.approx(value, rel=1e-12)


@given(st.text(max_size=80))
def test_any_text_as_a_unit_is_a_refusal_or_a_number(text: str) -> None:
    try:
        result = units.convert(1.0, text, "mg/L", molar_mass=100.0)
    except Refusal as refusal:
        assert refusal.code is RefusalCode.INVALID
    else:
        assert math.isfinite(result)


def test_unknown_names_come_with_the_nearest_known_ones() -> None:
    with pytest.raises(Refusal, match="creatinine") as caught:
        units.analyte("creatinin", path="events[0].lab.analyte")
    assert (caught.value.reason, caught.value.field) == ("UNKNOWN_ANALYTE", "events[0].lab.analyte")
    with pytest.raises(Refusal, match="phenobarbital") as caught:
        units.drug("phenobarbitol")
    assert caught.value.reason == "UNKNOWN_DRUG"
    with pytest.raises(Refusal):
        units.drug("creatinine")
    with pytest.raises(Refusal):
        units.analyte("weight_kg")


def test_a_covariate_is_found_with_and_without_its_suffix() -> None:
    assert units.covariate("weight_kg") is units.covariate("weight")
    assert units.canonical(units.covariate("weight"), 150, "[lb_av]") == pytest.approx(68.0389, rel=1e-5)
    assert units.canonical(units.covariate("age"), 6, "mo") == pytest.approx(0.5)
    with pytest.raises(Refusal, match="unknown"):
        units.covariate("shoe_size")


def test_a_model_may_declare_further_covariates() -> None:
    found = units.covariate("crystal", model={"crystal_mg_l": "mg/L"})
    assert (found.id, found.unit) == ("crystal_mg_l", "mg/L")
    assert units.canonical(found, 2, "g/L") == pytest.approx(2000)


def test_a_power_of_ten_is_exact() -> None:
    assert units.convert(1400, "g", "kg") == 1.4
    assert units.convert(17.3, "ug/mL", "mg/L") == 17.3
    assert units.convert(90, "min", "h") == 1.5


def test_threads_may_ask_for_the_first_unit_at_once() -> None:
    """In a fresh process, where the registry is not built yet."""
    ask = (
        "from concurrent.futures import ThreadPoolExecutor as P\n"
        "from twin_service.units import convert\n"
        "pairs = [('g', 'kg'), ('mg', 'g'), ('d', 'h'), ('cm', 'm')] * 8\n"
        "print(sum(P(16).map(lambda p: convert(1.0, *p), pairs)))"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(8 * (0.001 + 0.001 + 24 + 0.01))


def test_loinc_codes_resolve() -> None:
    assert units.by_loinc("2160-0").id == units.by_loinc("38483-4").id == "creatinine"
    assert units.by_loinc("29463-7").id == "weight_kg"
    with pytest.raises(Refusal) as caught:
        units.by_loinc("00000-0")
    assert caught.value.reason == "UNKNOWN_CODE"


def test_doses_and_lengths_of_time() -> None:
    assert units.mass_mg("phenobarbital", 0.2, "g") == pytest.approx(200)
    assert units.hours(90, "min") == pytest.approx(1.5)
    for call in (
        lambda: units.mass_mg("phenobarbital", -1, "mg"),
        lambda: units.mass_mg("phenobarbital", 2, "kg"),
        lambda: units.mass_mg("phenobarbital", 1, "mL"),
        lambda: units.hours(-1, "h"),
        lambda: units.hours(1, "mg"),
        lambda: units.hours(math.nan, "h"),
    ):
        with pytest.raises(Refusal):
            call()


def test_every_analyte_parses_its_own_unit_and_has_ordered_limits() -> None:
    for a in units.analytes().values():
        assert a.low < a.high, a.id
        middle = a.low + 0.5 * (a.high - a.low)
        assert units.canonical(a, middle, a.unit) == middle
        assert units.convert(1.0, a.unit, a.unit) == 1.0
        ucum.parsed(a.unit)
        for unit in a.also:
            units.canonical(a, (middle - a.also[unit].offset) / a.also[unit].scale, unit)
