"""Ward spellings: one meaning is understood, two are refused; the table of library units agrees with UCUM."""

from __future__ import annotations

import pytest

from twin_service import units
from twin_service.outcome import Refusal
from twin_service.units.bench import conversion
from twin_service.units.ucum import line_between


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("neutrophils", 1.5, "K/uL", 1.5),
        ("neutrophils", 1.5, "K/µL", 1.5),
        ("neutrophils", 1.5, "x10^9/L", 1.5),
        ("neutrophils", 1.5, "10E9/L", 1.5),
        ("neutrophils", 1.5, "x 10^3/uL", 1.5),
        ("neutrophils", 1500.0, "cells/mm3", 1.5),
        ("neutrophils", 1500.0, "/cumm", 1.5),
        ("platelets", 250.0, "thou/uL", 250.0),
        ("creatinine", 88.4, "µmol/L", 88.4),
        ("creatinine", 88.4, "mcmol/L", 88.4),
        ("phenobarbital", 20.0, "mcg/mL", 20.0),
        ("phenobarbital", 20.0, "µg/mL", 20.0),
        ("alt", 30.0, "IU/L", 30.0),
        ("insulin", 10.0, "uIU/mL", 60.0),
        ("insulin", 10.0, "µIU/mL", 60.0),
        ("potassium", 4.0, "mEq/L", 4.0),
        ("systolic_bp", 120.0, "mmHg", 120.0),
        ("body_temperature", 98.6, "°F", 37.0),
        ("egfr", 60.0, "mL/min/1.73m2", 60.0),
        ("egfr", 60.0, "mL/min/1.73 m²", 60.0),
        ("weight_kg", 150.0, "lbs", 68.0389),
        ("height_cm", 70.0, "inches", 177.8),
        ("age_y", 6.0, "months", 0.5),
        ("viral_load", 50.0, "copies/mL", 50.0),
    ],
)
def test_a_ward_spelling_is_read_as_meant(name: str, value: float, unit: str, expected: float) -> None:
    known = units.analytes()[name]
    assert units.canonical(known, value, unit) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "unit", "says"),
    [
        ("phenobarbital", "MG/L", "a milligram is mg"),
        ("body_temperature", "F", r"\[degF\]"),
        ("creatinine", "mg%", "mg/dL"),
        ("insulin", "units/mL", "arbitrary unit"),
        ("weight_kg", "gr", "grain"),
    ],
)
def test_what_could_be_two_things_is_refused_with_both(name: str, unit: str, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        units.canonical(units.analytes()[name], 37.0, unit)


def test_a_microgram_is_no_milligram() -> None:
    assert units.mass_mg("phenobarbital", 250, "mcg") == pytest.approx(0.25)


# A term of the library's table, the UCUM code it stands for, and another unit of its dimension.
@pytest.mark.parametrize(
    ("term", "code", "to", "to_code"),
    [
        *((t, t, "h", "h") for t in ("ms", "s", "min", "d", "wk", "mo", "a")),
        *((t, t, "L", "L") for t in ("dL", "mL", "uL")),
        *((t, t, "g", "g") for t in ("kg", "mg", "ug", "ng", "pg")),
        *((t, t, "mol", "mol") for t in ("mmol", "umol", "nmol", "pmol", "fmol")),
        *((t, t, "m", "m") for t in ("dm", "cm", "mm", "um", "nm")),
        *((f"10^{n}/L", f"10*{n}/L", "1/mL", "/mL") for n in (3, 6, 9, 12)),
        ("%", "%", "1", "1"),
        ("uM", "umol/L", "mol/L", "mol/L"),
        ("kDa", "kg/mol", "g/mol", "g/mol"),
        ("10^-4cm", "um", "m", "m"),
        ("mL/min", "mL/min", "L/h", "L/h"),
        ("pmol/min/mg", "pmol/min/mg", "umol/h/g", "umol/h/g"),
    ],
)
def test_every_term_of_the_library_agrees_with_ucum(term: str, code: str, to: str, to_code: str) -> None:
    assert conversion(term, to) == pytest.approx(line_between(code, to_code, None).of(1.0), rel=1e-12)


def test_mass_and_amount_meet_alike_in_the_library_and_at_the_door() -> None:
    for unit in ("mg/L", "ng/mL", "mg/dL"):
        assert conversion(unit, "umol/L", 325.77) == pytest.approx(
            units.convert(1.0, unit, "umol/L", molar_mass=325.77)
        )
