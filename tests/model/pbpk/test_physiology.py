"""Bodies from newborn to old: sums, references, covariates, organ disease."""

from __future__ import annotations

import pytest

from twin_service.model.pbpk.conditions import aag_g_l, albumin_g_l
from twin_service.model.pbpk.library import load_library
from twin_service.model.pbpk.physiology import create_body
from twin_service.outcome import Refusal

HUMAN = load_library().species["human"]


def test_reference_man_has_the_published_organs() -> None:
    body = create_body(HUMAN, {"age_y": 30.0, "weight_kg": 73.0, "height_cm": 176.0})
    # ICRP 89 (2002): liver 1.8 kg and 10 % of 5.6 kg blood; brain 1.45; cardiac output 6.5 L/min, a fifth of it renal
    assert body.volume["liver"] == pytest.approx(2.36, rel=0.01)
    assert body.volume["brain"] == pytest.approx(1.517, rel=0.01)
    assert body.cardiac_output == pytest.approx(390.0, rel=1e-6)
    assert body.flow["kidney"] / body.cardiac_output == pytest.approx(0.19, rel=1e-6)
    assert body.gfr_l_h / 0.06 == pytest.approx(125.0, rel=0.01)


@pytest.mark.parametrize(
    ("age", "weight", "gfr_low", "gfr_high"),
    [(0.0, 3.5, 3, 6), (1.0, 10.0, 20, 35), (5.0, 19.0, 38, 55), (80.0, 70.0, 60, 90)],
)
def test_filtration_matures_and_declines(age: float, weight: float, gfr_low: float, gfr_high: float) -> None:
    # Rhodin 2009, doi:10.1007/s00467-008-0997-5; Lindeman 1985
    assert gfr_low < create_body(HUMAN, {"age_y": age, "weight_kg": weight}).gfr_l_h / 0.06 < gfr_high


def test_fat_takes_up_the_weight_and_lean_organs_follow_height() -> None:
    normal, heavy = (create_body(HUMAN, {"weight_kg": w, "height_cm": 176.0}) for w in (73.0, 110.0))
    assert heavy.volume["adipose"] - normal.volume["adipose"] == pytest.approx(37.0)
    assert heavy.volume["brain"] == normal.volume["brain"]
    assert create_body(HUMAN, {"height_cm": 190.0, "weight_kg": 80.0}).volume["muscle"] > normal.volume["muscle"]


def test_measured_values_override() -> None:
    body = create_body(HUMAN, {"hematocrit": 0.3, "albumin_g_l": 25.0, "egfr_ml_min": 30.0})
    assert (body.hematocrit, body.albumin_g_l, body.gfr_l_h) == (0.3, 25.0, pytest.approx(1.8))
    # CKD-EPI 2021: a man of 50 with 1 mg/dL has 92 mL/min per 1.73 m2
    b = create_body(HUMAN, {"age_y": 50.0, "creatinine_umol_l": 88.42, "height_cm": 176.0, "weight_kg": 73.0})
    assert b.gfr_l_h / 0.06 == pytest.approx(92.0 * 1.889 / 1.73, rel=0.02)


def test_proteins_follow_age() -> None:
    # Johnson 2006: adult albumin 44 g/L, newborn AAG a third of the adult's
    assert albumin_g_l(30.0, {}) == pytest.approx(44.2, abs=0.2)
    assert aag_g_l(0.003, {}) < 0.45 * aag_g_l(30.0, {})
    assert albumin_g_l(30.0, {"child_pugh": 3.0}) == pytest.approx(22.1, abs=0.2)


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(Refusal, match="no room for the organs"):
        create_body(HUMAN, {"age_y": 30.0, "weight_kg": 20.0, "height_cm": 190.0})
