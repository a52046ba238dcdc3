"""Unit strings of library files."""

from __future__ import annotations

import pytest

from twin_service.units import UnitError, conversion


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("mg/L", "mg/L", 1.0),
        ("ng/mL", "mg/L", 1e-3),
        ("uM", "umol/L", 1.0),
        ("nmol/L", "umol/L", 1e-3),
        ("1/min", "1/h", 60.0),
        ("mL/min", "L/h", 0.06),
        ("mL/min/kg", "L/h/kg", 0.06),
        ("%", "1", 0.01),
        ("cm/s", "cm/h", 3600.0),
        ("d", "h", 24.0),
        ("pmol/min/mg", "pmol/min/mg", 1.0),
        ("kDa", "g/mol", 1000.0),
        ("µL/min/mg", "uL/min/mg", 1.0),
    ],
)
def test_factor(source: str, target: str, factor: float) -> None:
    assert conversion(source, target) == pytest.approx(factor, rel=1e-12)


def test_mass_becomes_amount_through_the_molar_mass() -> None:
    assert conversion("mg/L", "umol/L", 250.0) == pytest.approx(4.0)
    with pytest.raises(UnitError, match="expected concentration; write umol/L"):
        conversion("mg/L", "umol/L")


def test_refusals_say_what_to_write() -> None:
    with pytest.raises(UnitError, match="write umol/L"):
        conversion("uM/h", "umol/L", 300.0)
    with pytest.raises(UnitError, match="'furlong' is unknown"):
        conversion("furlong/h", "L/h")
