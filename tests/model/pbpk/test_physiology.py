"""Bodies from newborn to old: sums, references, covariates, organ disease."""

from __future__ import annotations

import pytest

from twin_service.model.pbpk.conditions import (
    aag_g_l,
    albumin_g_l,
    body_surface,
    enzyme_disease,
    fat_free_mass,
    filtration_since_birth,
)
from twin_service.model.pbpk.elimination import hepatic_flow, maturation
from twin_service.model.pbpk.library import load_library
from twin_service.model.pbpk.physiology import create_body
from twin_service.model.pbpk.record import Maturation
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
    [(0.0, 3.5, 1.9, 3.2), (0.077, 4.5, 6.5, 10.0), (1.0, 10.0, 20, 35), (5.0, 19.0, 38, 55), (80.0, 70.0, 60, 90)],
)
def test_filtration_matures_and_declines(age: float, weight: float, gfr_low: float, gfr_high: float) -> None:
    # Rhodin 2009, doi:10.1007/s00467-008-0997-5; Lindeman 1985; newborns Smeets 2022, doi:10.1681/ASN.2021101326
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


PEOPLE = [
    {"age_y": age, "sex_female": sex, "gestational_age_wk": weeks}
    for age, weeks in [(0.0, 24.0), (0.0, 28.0), (0.1, 30.0), (0.3, 26.0), (0.0, 36.0), (0.0, 42.0), (1.5, 28.0)]
    + [(a, 40.0) for a in (0.0, 0.02, 0.25, 0.99, 1.0, 2.0, 4.5, 12.0, 17.9, 18.0, 45.0, 70.0, 95.0)]
    for sex in (0.0, 1.0)
]


@pytest.mark.parametrize("person", PEOPLE, ids=lambda p: "{age_y:g}y{gestational_age_wk:g}w{sex_female:g}".format(**p))
@pytest.mark.parametrize("extra", [{}, {"child_pugh": 3.0}, {"weight": 0.8}, {"weight": 1.25}])
def test_sums_close_for_everyone(person: dict[str, float], extra: dict[str, float]) -> None:
    usual = create_body(HUMAN, person).weight_kg
    said = {**person, "weight_kg": usual * extra["weight"]} if "weight" in extra else {**person, **extra}
    body = create_body(HUMAN, said)
    assert sum(body.volume.values()) + body.arterial_l + body.venous_l == pytest.approx(body.weight_kg, rel=1e-12)
    assert sum(v for k, v in body.flow.items() if k != "lung") == pytest.approx(body.flow["lung"], rel=1e-12)
    assert min(body.volume.values()) > 0.0 and min(body.flow.values()) > 0.0
    assert 0.2 < body.hematocrit < 0.6 and body.gfr_l_h > 0.0 and 0.0 < body.nephrons


@pytest.mark.parametrize(
    ("weeks", "kg", "cm", "gfr"), [(24.0, 0.65, 32, 0.25), (28.0, 1.1, 37, 0.8), (34.0, 2.25, 44.5, 2.5)]
)
def test_a_preterm_body_is_as_big_as_its_weeks(weeks: float, kg: float, cm: float, gfr: float) -> None:
    # Fenton & Kim 2013; inulin clearance 0.5 to 1 mL/min/kg at birth before term, Vieux 2010
    body = create_body(HUMAN, {"age_y": 0.0, "gestational_age_wk": weeks})
    assert (body.weight_kg, body.height_cm) == (pytest.approx(kg), pytest.approx(cm))
    assert body.gfr_l_h / 0.06 == pytest.approx(gfr, rel=0.6)
    # fat arrives last, the brain grows with the body
    assert body.volume["adipose"] / kg < 0.22 and 0.09 < body.volume["brain"] / kg < 0.13
    assert body.albumin_g_l < create_body(HUMAN, {"age_y": 0.0}).albumin_g_l


def test_growth_before_and_after_term_meets() -> None:
    born = [create_body(HUMAN, {"age_y": 0.0, "gestational_age_wk": w}) for w in (39.999, 40.0)]
    assert born[0].weight_kg == pytest.approx(born[1].weight_kg, rel=1e-3)
    assert born[0].volume["adipose"] == pytest.approx(born[1].volume["adipose"], rel=5e-3)
    assert born[0].cardiac_output == pytest.approx(born[1].cardiac_output, rel=1e-3)
    # twelve weeks early and twelve weeks old is as big as at term; the head start is gone at two years
    caught = create_body(HUMAN, {"age_y": 12.0 / 52.18, "gestational_age_wk": 28.0})
    assert caught.weight_kg == pytest.approx(3.5, rel=0.01)
    late = create_body(HUMAN, {"age_y": 2.0, "gestational_age_wk": 28.0})
    assert late.weight_kg == pytest.approx(create_body(HUMAN, {"age_y": 2.0}).weight_kg)


def test_filtration_follows_fat_free_mass_not_fat() -> None:
    # Janmahasatian 2005: a man of 176 cm has 56.8 kg fat-free at 73 kg and 79.0 kg at 150 kg
    assert fat_free_mass(73.0, 176.0, False) == pytest.approx(57.5, abs=0.5)
    lean, heavy = (create_body(HUMAN, {"weight_kg": w, "height_cm": 176.0}) for w in (73.0, 150.0))
    assert 1.2 < heavy.gfr_l_h / lean.gfr_l_h < 1.5
    assert heavy.nephrons == pytest.approx(1.0) == lean.nephrons


def test_cirrhosis_shunts_portal_blood_and_lowers_filtration() -> None:
    healthy, ill = (create_body(HUMAN, {"age_y": 50.0, "child_pugh": c}) for c in (0.0, 3.0))
    assert ill.flow["small_intestine"] == pytest.approx(0.55 * healthy.flow["small_intestine"])
    assert ill.cardiac_output == pytest.approx(healthy.cardiac_output)
    assert ill.gfr_l_h == pytest.approx(0.36 * healthy.gfr_l_h)
    assert ill.nephrons < 0.4


def test_pregnancy_raises_output_kidney_flow_and_filtration() -> None:
    # Abduljalil 2012: 399 of 301 L/h and 88 of 53 L/h at 30 weeks
    woman = {"age_y": 30.0, "sex_female": 1.0, "weight_kg": 72.0}
    before, late = (create_body(HUMAN, {**woman, "pregnancy_week": w}) for w in (0.0, 30.0))
    assert late.cardiac_output / before.cardiac_output == pytest.approx(1.327, abs=0.005)
    assert late.flow["kidney"] / before.flow["kidney"] == pytest.approx(1.66, abs=0.01)
    assert late.flow["liver"] == before.flow["liver"] and late.gfr_l_h == pytest.approx(1.5 * before.gfr_l_h)
    assert sum(v for k, v in late.flow.items() if k != "lung") == pytest.approx(late.flow["lung"], rel=1e-12)


def test_conditions_act_on_enzymes_where_they_were_seen() -> None:
    for grade in (1.0, 2.0, 3.0):
        ill = {"child_pugh": grade}
        assert enzyme_disease("UGT1A9", ill) > 1.4 * enzyme_disease("CYP3A4", ill)
        assert enzyme_disease("OTHER", ill) == enzyme_disease("CYP3A4", ill)
    # hepatic, not intestinal, CYP3A rises in pregnancy (Ke 2012)
    late = {"pregnancy_week": 30.0}
    assert enzyme_disease("CYP3A4", late) == pytest.approx(1.99) and enzyme_disease("CYP3A4", late, "gut") == 1.0
    assert enzyme_disease("UGT1A9", {}) == enzyme_disease("CYP3A4", {}) == 1.0


@pytest.mark.parametrize(
    ("species", "kg", "output", "hepatic", "renal", "gfr"),
    [
        ("mouse", 0.02, 8.0, 1.8, 1.3, 0.28),
        ("rat", 0.25, 74.0, 13.8, 9.2, 1.31),
        ("rabbit", 2.5, 530.0, 177.0, 80.0, 7.8),
        ("monkey", 5.0, 1086.0, 218.0, 138.0, 10.4),
        ("dog", 10.0, 1200.0, 309.0, 216.0, 61.3),
    ],
)
def test_animals_agree_with_a_second_collection(
    species: str, kg: float, output: float, hepatic: float, renal: float, gfr: float
) -> None:
    # Davies & Morris 1993, Pharm Res 10:1093, mL/min; Brown 1997 gives the mouse twice its cardiac output
    body = create_body(load_library().species[species], {"weight_kg": kg})
    assert sum(body.volume.values()) + body.arterial_l + body.venous_l == pytest.approx(kg, rel=1e-12)
    assert sum(v for k, v in body.flow.items() if k != "lung") == pytest.approx(body.flow["lung"], rel=1e-12)
    ours = (body.cardiac_output, hepatic_flow(body), body.flow["kidney"], body.gfr_l_h)
    for value, published in zip(ours, (output, hepatic, renal, gfr), strict=True):
        assert 0.5 < value / 0.06 / published < 2.0


def test_maturation_of_enzymes_and_tubules() -> None:
    enzymes = load_library().enzymes
    for e in enzymes.values():
        for curve in (e.maturation, e.gut_maturation, e.kidney_maturation or Maturation()):
            assert maturation(curve, 30.0) == pytest.approx(1.0)
            assert 0.85 < maturation(curve, 19.0) < 1.15
            assert 0.0 <= maturation(curve, 0.0) <= 1.2
    # CYP3A4: a tenth at birth, near a third of the adult's at half a year, above it in the small child
    cyp3a4 = enzymes["CYP3A4"].maturation
    assert [maturation(cyp3a4, a) > b for a, b in ((0.5, 0.3), (3.0, 1.4), (10.0, 1.05))] == [True] * 3
    assert maturation(cyp3a4, 0.02) < 0.15
    # CYP1A2 is as old as the child counts from its mother's last period: half of its peak at 1.05 years of those
    cyp1a2 = enzymes["CYP1A2"].maturation
    assert maturation(cyp1a2, 1.05 - 40 / 52.18) == pytest.approx(0.8, rel=0.03)
    assert maturation(cyp1a2, 0.04, 28.0) < 0.35 * maturation(cyp1a2, 0.04)
    assert maturation(cyp3a4, 0.04, 28.0) == maturation(cyp3a4, 0.04)
    # P-gp of the liver: Prasad 2016 has 0.15 of 0.56 fmol/ug at birth; the tubule's is born at nothing (Cheung 2019)
    assert maturation(enzymes["P-gp"].maturation, 0.0) == pytest.approx(0.27, abs=0.04)
    assert maturation(enzymes["P-gp"].kidney_maturation, 0.077) == pytest.approx(0.5, abs=0.03)


def test_an_age_outside_the_body_is_refused() -> None:
    for person in ({"age_y": 95.5}, {"age_y": -0.1}, {"gestational_age_wk": 23.0}):
        with pytest.raises(Refusal, match="outside what its file was built for"):
            create_body(HUMAN, person)


@pytest.mark.parametrize("age_y", [0.01, 0.1, 0.25, 0.5, 1.0])
def test_cardiac_output_follows_weight_through_the_first_year(age_y: float) -> None:
    body = create_body(HUMAN, {"age_y": age_y})
    # 204 (SD 45) mL/min/kg, constant in 31 healthy infants: Alverson 1987, doi:10.7863/jum.1987.6.9.519
    assert body.cardiac_output / 0.06 / body.weight_kg == pytest.approx(204.0, rel=0.03)


def test_liver_flow_per_kg_is_highest_in_early_childhood() -> None:
    flow = [
        hepatic_flow(b) / b.weight_kg for b in (create_body(HUMAN, {"age_y": a}) for a in (1.0, 2.0, 5.0, 10.0, 30.0))
    ]
    assert flow[0] < flow[1] < flow[2] > flow[3] > flow[4]
    assert 1.4 < flow[0] / flow[4] < 1.8


def test_filtration_starts_with_birth_and_joins_maturity_in_four_months() -> None:
    days = [filtration_since_birth(d / 365.25, {}) for d in (0.0, 2.0, 5.0, 28.0, 119.9, 121.0, 4000.0)]
    assert days[0] < days[1] < days[2] < days[3] > days[4] > days[5] == days[6] == 1.0
    assert days[4] == pytest.approx(1.0, abs=0.001)
    # healthy at term 40.6 (36.7 to 44.5) at 5 and 59.4 (45.9 to 72.9) mL/min per 1.73 m2 at 28 days, Smeets 2022
    for day, measured in ((5.0, 40.6), (28.0, 59.4)):
        b = create_body(HUMAN, {"age_y": day / 365.25})
        assert b.gfr_l_h / 0.06 / body_surface(b.weight_kg, b.height_cm) * 1.73 == pytest.approx(measured, rel=0.02)


def test_birth_starts_filtration_of_a_preterm_child_too_but_lifts_it_no_further() -> None:
    early = {"gestational_age_wk": 30.0}
    assert filtration_since_birth(0.0, early) == filtration_since_birth(0.0, {})
    assert filtration_since_birth(28.0 / 365.25, early) == 1.0
    between = filtration_since_birth(28.0 / 365.25, {"gestational_age_wk": 36.0})
    assert 1.0 < between < filtration_since_birth(28.0 / 365.25, {})
