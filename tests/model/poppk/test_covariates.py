"""Covariate laws and derived covariates, by hand-worked patients."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.poppk.covariates import DERIVED, LAWS
from twin_service.solver.evaluate import array_function
from twin_service.solver.expression import symbol

MAN = {"age_y": 60.0, "weight_kg": 72.0, "height_cm": 180.0, "sex_female": 0.0, "creatinine_umol_l": 88.42}
WOMAN = {**MAN, "sex_female": 1.0}


@pytest.mark.parametrize(
    ("law", "x", "k", "x0", "expected"),
    [
        ("power", 140.0, 0.75, 70.0, 2.0**0.75),
        ("linear", 80.0, 0.01, 70.0, 1.1),
        ("exponential", 2.0, -0.5, 1.0, np.exp(-0.5)),
        ("fraction", 1.0, 0.3, 0.0, 1.3),
        ("fraction", 0.0, 0.3, 0.0, 1.0),
        ("factor", 1.0, 0.7, 0.0, 0.7),
        ("factor", 0.0, 0.7, 0.0, 1.0),
        ("below", 4.0, 0.2, 5.0, 1.2),
        ("below", 5.0, 0.2, 5.0, 1.0),
        ("category", 2.0, -0.4, 2.0, 0.6),
        ("category", 1.0, -0.4, 2.0, 1.0),
        ("maturation", 47.7, 3.4, 47.7, 0.5),
        ("proportional", 100.0, 0.06, 0.0, 6.0),
        ("power_below", 4.5, 2.0, 9.0, 0.25),
        ("power_below", 18.0, 2.0, 9.0, 1.0),
        ("power_above", 18.0, 2.0, 9.0, 4.0),
        ("power_above", 4.5, 2.0, 9.0, 1.0),
        ("offset", 80.0, 0.5, 70.0, 5.0),
        ("linear_below", 1.0, 0.5, 2.0, 0.5),
        ("linear_below", 3.0, 0.5, 2.0, 1.0),
        ("linear_above", 3.0, 0.5, 2.0, 1.5),
    ],
)
def test_laws_on_numbers_and_as_expressions(law: str, x: float, k: float, x0: float, expected: float) -> None:
    assert float(LAWS[law](x, k, x0)) == pytest.approx(expected, rel=1e-14)
    # the same through a symbol: what the solver will evaluate
    f = array_function((LAWS[law](symbol("x"), k, x0),), ("x",))
    assert float(np.asarray(f(np.array([x]))).ravel()[0]) == pytest.approx(expected, rel=1e-14)


def test_creatinine_clearance_of_a_textbook_patient() -> None:
    # (140 - 60) 72 / (72 * 1.0) = 80 mL/min, 15 % less for a woman
    assert DERIVED["creatinine_clearance_ml_min"][0](MAN) == pytest.approx(80.0)
    assert DERIVED["creatinine_clearance_ml_min"][0](WOMAN) == pytest.approx(68.0)


def test_bounds_on_creatinine_clearance() -> None:
    clearance = DERIVED["creatinine_clearance_bounded_ml_min"][0]
    assert float(clearance({**MAN, "creatinine_umol_l": 20.0})) == 150.0
    assert float(clearance({**MAN, "age_y": 70.0, "creatinine_umol_l": 20.0})) == pytest.approx(70.0)


def test_filtration_by_the_published_equations() -> None:
    # CKD-EPI 2009, man, 1.0 mg/dL, 60 years: 141 (1/0.9)^-1.209 0.993^60
    assert float(DERIVED["filtration_ml_min_173"][0](MAN)) == pytest.approx(141 * (1 / 0.9) ** -1.209 * 0.993**60)
    assert DERIVED["filtration_of_children_ml_min_173"][0](
        {"height_cm": 100.0, "creatinine_umol_l": 44.21}
    ) == pytest.approx(82.6)


def test_body_size() -> None:
    assert float(DERIVED["body_surface_m2"][0](MAN)) == pytest.approx(np.sqrt(3.6))
    assert DERIVED["ideal_weight_kg"][0](MAN) == pytest.approx(50.0 + 0.9055 * 27.6)
    assert DERIVED["ideal_weight_kg"][0](WOMAN) == pytest.approx(45.5 + 0.9055 * 27.6)
    bmi = 72.0 / 1.8**2
    assert DERIVED["fat_free_mass_kg"][0](MAN) == pytest.approx(9270 * 72.0 / (6680 + 216 * bmi))
    assert DERIVED["fat_free_mass_kg"][0](WOMAN) == pytest.approx(9270 * 72.0 / (8780 + 244 * bmi))
    assert DERIVED["postmenstrual_age_w"][0]({"gestational_age_w": 30.0, "age_y": 0.5}) == pytest.approx(56.08875)
