"""Unit strings: factors, dimensions, mass to amount, and what is refused."""

from __future__ import annotations

import pytest

from twin_service.units import UnitError, conversion


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("1/d", "1/h", 1 / 24),
        ("wk", "d", 7.0),
        ("10^9/L", "{cells}/uL", 1e3),
        ("mm", "cm", 0.1),
        ("mg/dL", "g/L", 0.01),
        ("%", "1", 0.01),
        ("ng/mL", "mg/L", 1e-3),
        ("L2/h", "mL2/h", 1e6),
        ("10*9/L", "10^9/L", 1.0),
        ("{copies}/mL", "1/L", 1e3),
    ],
)
def test_conversion_between_units_of_one_dimension(source: str, target: str, factor: float) -> None:
    assert conversion(source, target) == pytest.approx(factor, rel=1e-12)
    assert conversion(target, source) == pytest.approx(1 / factor, rel=1e-12)


def test_mass_becomes_amount_with_a_molar_mass_in_numerator_and_denominator() -> None:
    assert conversion("mg/L", "umol/L", 500.0) == pytest.approx(2.0)
    assert conversion("L/mg", "L/umol", 500.0) == pytest.approx(0.5)
    assert conversion("mL/ng/d", "L/umol/h", 500.0) == pytest.approx(1e3 * 0.5 / 24)


def test_units_of_different_dimension_are_refused_by_name() -> None:
    with pytest.raises(UnitError, match="time"):
        conversion("h", "L")
    with pytest.raises(UnitError, match="write umol/L"):
        conversion("mg/L", "umol/L")


def test_an_unknown_term_is_refused() -> None:
    with pytest.raises(UnitError, match="furlong"):
        conversion("furlong/h", "m/h")
