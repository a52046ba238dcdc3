"""First dose in man: the guidance's tables, TGN1412, closed forms, and plans that say what is wrong with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.house.source import ROOT
from twin_service.outcome import Refusal
from twin_service.report.page import render
from twin_service.trial.phase1.conversion import (
    SPECIES,
    DoseFinding,
    Scaling,
    human_equivalent_dose,
    safety_factor,
    species_named,
)
from twin_service.trial.phase1.first_dose import first_dose
from twin_service.trial.phase1.first_dose_page import first_dose_page
from twin_service.trial.phase1.first_dose_plan import FirstDosePlan
from twin_service.trial.phase1.human_course import (
    AnimalPk,
    HumanPk,
    KineticDraws,
    concentration,
    draw,
    exposure,
    from_animals,
)
from twin_service.trial.phase1.occupancy import SampledTarget, concentration_for, occupancy, occupancy_course
from twin_service.trial.phase1.plan_file import plan_of, read_plan

TUTORIALS = ROOT / "clients" / "tutorials" / "first_cohort"


def the_plan(name: str) -> FirstDosePlan:
    return read_plan(TUTORIALS / f"{name}.toml", FirstDosePlan)


def test_the_guidance_s_conversions(reference_dir: Path) -> None:
    reference = json.loads((reference_dir / "trials/phase1/fih_mrsd_mabel.json").read_text())
    for row in reference["km_table"]:
        if not row["species"].startswith("human"):
            assert species_named(row["species"])[:2] == (row["ref_weight_kg"], row["km"])
    for row in reference["hed_examples_computed"]:
        s = species_named(row["species"])
        hed = human_equivalent_dose(row["noael_mg_per_kg"], s)
        assert hed == pytest.approx(row["hed_mg_per_kg"])
        power = human_equivalent_dose(row["noael_mg_per_kg"], s, Scaling.EXPONENT)
        assert power == pytest.approx(row["hed_power_law_b067"])
        factor = safety_factor(DoseFinding.NOAEL, s, (), None).value
        assert hed / factor * 60 == pytest.approx(row["mrsd_mg_60kg"])
    for row in reference["receptor_occupancy_quadratic"]:
        share = float(occupancy(row["drug_total_nM"], row["kd_nM"], row["target_total_nM"]))
        assert share == pytest.approx(row["ro"], abs=1e-9)


def test_tgn1412() -> None:
    """The safe dose in monkeys allows 1.6 mg/kg; a tenth of the target is held at 0.0011 mg/kg."""
    found = first_dose(the_plan("antibody"), np.random.default_rng(1))
    routes = {r.name: r.dose_mg_per_kg for r in found.routes}
    assert routes["NOAEL in the monkey"] == pytest.approx(1.6216, abs=1e-4)
    assert routes["MABEL: receptor occupancy"] == pytest.approx(0.001119, abs=1e-6)
    assert found.limiting.name == "MABEL: receptor occupancy"
    assert found.start_mg <= found.limiting.dose_mg
    given = 0.1 * 70 / 150_000 * 1000 / 2.5  # mg/kg, kg, g/mol, L -> umol/L
    assert float(occupancy(given, 0.00188, 0.0)) == pytest.approx(0.9085, abs=1e-4)
    assert found.maximum_mg < 7.0  # the dose given in 2006 lies above the cap of 90 %


def test_a_known_target_takes_part_of_the_drug() -> None:
    total = concentration_for(0.1, 0.41, 0.65)
    assert total == pytest.approx(0.110556, abs=1e-6)
    assert float(occupancy(total, 0.41, 0.65)) == pytest.approx(0.1, abs=1e-12)
    np.testing.assert_allclose(occupancy(np.array([1e-12, 1e6]), 1.0, 5.0), [0, 1], atol=1e-5)


PK = HumanPk(2.0, 40.0, 0.7, 0.5)


def test_exposure_is_the_integral_and_the_top_of_the_course() -> None:
    times = np.linspace(0, 400, 400_001)
    for pk in (PK, replace(PK, absorption_per_h=0.0)):
        course = concentration(pk, 100.0, times)[0]
        cmax, auc = exposure(pk, 100.0)
        assert cmax[0] == pytest.approx(course.max(), rel=1e-6)
        assert auc[0] == pytest.approx(np.trapezoid(course, times), rel=1e-4)


def test_equal_rates_are_no_special_case() -> None:
    equal = HumanPk(4.0, 40.0, 0.1)
    near = exposure(HumanPk(4.0, 40.0, 0.1000001), 1.0)[0][0]
    assert exposure(equal, 1.0)[0][0] == pytest.approx(near, rel=1e-5)


def test_without_target_or_turnover_the_course_is_the_plain_one() -> None:
    times = np.linspace(0, 48, 97)
    drug, bound = occupancy_course(PK, SampledTarget.create(0.5, 1e-9), 100.0, times)
    plain = concentration(PK, 100.0, times)[0]
    np.testing.assert_allclose(drug, plain, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(bound, plain / (plain + 0.5), rtol=1e-4, atol=1e-7)


def test_turnover_clears_the_drug_and_the_target_comes_back() -> None:
    times = np.linspace(0, 400, 401)
    pk = HumanPk(0.01, 3.0)
    still = occupancy_course(pk, SampledTarget.create(0.001, 0.05), 0.3, times)
    busy = occupancy_course(pk, SampledTarget.create(0.001, 0.05, 20.0), 0.3, times)
    assert busy[0][-1] < still[0][-1]
    assert busy[1][-1] < 0.5 < busy[1][0]


def test_scaling_from_animals_finds_its_exponent() -> None:
    animals = tuple(AnimalPk(s, w, 0.3 * w**0.7, 0.9 * w**1.05) for s, w in (("rat", 0.25), ("dog", 10), ("monkey", 4)))
    pk = from_animals(animals, 70, HumanPk(1, 1))
    assert (pk.clearance, pk.volume) == pytest.approx((0.3 * 70**0.7, 0.9 * 70**1.05))
    one = from_animals(animals[1:2], 70, HumanPk(1, 1))
    assert one.clearance == pytest.approx(animals[1].clearance * 7**0.75)
    draws = draw(pk, 20_000, np.random.default_rng(1))
    gmfe = np.exp(np.mean(np.abs(np.log(draws.clearance / pk.clearance))))
    assert gmfe == pytest.approx(2.33, rel=0.02)
    assert isinstance(draws, KineticDraws)


def test_reasons_raise_the_factor() -> None:
    rat = SPECIES["rat"]
    assert safety_factor(DoseFinding.NOAEL, rat, (), None).value == 10
    assert safety_factor(DoseFinding.NOAEL, rat, ("novel target", "steep dose response"), None).value == pytest.approx(
        100
    )
    assert safety_factor(DoseFinding.HNSTD, SPECIES["dog"], (), None).value == 6
    assert safety_factor(DoseFinding.NOAEL, rat, ("novel target",), 30).reasons[0] == "stated in the plan"
    with pytest.raises(Refusal, match="did you mean 'novel target'"):
        safety_factor(DoseFinding.NOAEL, rat, ("novel targets",), None)
    with pytest.raises(Refusal, match="HNSTD is defined in a non-rodent"):
        safety_factor(DoseFinding.HNSTD, rat, (), None)
    with pytest.raises(Refusal, match="did you mean 'monkey'"):
        species_named("monkye")


@pytest.mark.parametrize("name", ["antibody", "kinase_inhibitor"])
def test_the_ladder_rises_to_the_cap_and_its_risks_rise(name: str) -> None:
    found = first_dose(the_plan(name), np.random.default_rng(1))
    doses = [r.dose_mg for r in found.ladder]
    assert doses[0] == found.start_mg and doses == sorted(doses) and doses[-1] <= found.maximum_mg * (1 + 1e-9)
    steps = np.array(doses[1:]) / np.array(doses[:-1])
    assert steps.max() <= found.plan.escalation.increment + 1e-9
    for k in range(len(found.caps)):
        risks = [r.exceeds[k] for r in found.ladder]
        assert risks == sorted(risks)
    again = first_dose(the_plan(name), np.random.default_rng(1))
    assert again.ladder == found.ladder


def test_probabilities_are_the_log_normal_ones() -> None:
    """P(AUC > cap) in closed form: clearance alone is uncertain."""
    from scipy.stats import norm

    plan = the_plan("kinase_inhibitor")
    found = first_dose(plan, np.random.default_rng(1))
    k = next(i for i, c in enumerate(found.caps) if c.kind == "auc")
    sigma = np.sqrt(np.log1p(found.pk.clearance_cv**2))
    for rung in found.ladder[-3:]:
        typical = rung.dose_mg / 480 * 1000 * 0.4 / found.pk.clearance
        assert rung.exceeds[k] == pytest.approx(norm.sf(np.log(found.caps[k].value / typical) / sigma), abs=0.025)


def test_the_page_says_the_answer() -> None:
    found = first_dose(the_plan("antibody"), np.random.default_rng(1))
    html = render(first_dose_page(found))
    assert "Start with 0.0780 mg" in html and "MABEL: receptor occupancy" in html
    assert html.count("<svg") == 3 and "brochure" in html


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(Refusal) as caught:
        plan_of(
            {
                "drug": {"nmae": "x", "molar_mass": "300 foo"},
                "toxicolgy": [],
                "target": {"kd": "1 nmol/L"},
                "toxicology": [{"dose": "5 mg/kg"}],
            },
            FirstDosePlan,
        )
    text = caught.value.message
    for part in (
        "did you mean 'name'",
        "'foo' is not a UCUM",
        "did you mean 'toxicology'",
        "[0].species",
        "occupancy needs the target's concentration",
    ):
        assert part in text
    assert text.startswith("6 mistakes")


def test_what_is_missing_is_named() -> None:
    bare = {"drug": {"name": "x", "molar_mass": "300 g/mol"}, "toxicology": [{"species": "rat", "dose": "5 mg/kg"}]}
    with pytest.raises(Refusal, match="without exposure caps nothing") as caught:
        plan_of(bare, FirstDosePlan)
    assert "animal_kinetics" in caught.value.message and "kinetics.absorption" in caught.value.message
    with pytest.raises(Refusal, match="nothing to start from"):
        plan_of({"drug": bare["drug"]}, FirstDosePlan)
    wrong = {
        **bare,
        "toxicology": [{"species": "unicorn", "dose": "5 mg/kg", "auc": "1 mg.h/L"}],
        "kinetics": {"clearance": "1 L/h", "volume": "10 L", "absorption": "1 1/h"},
    }
    with pytest.raises(Refusal, match="species 'unicorn' is unknown"):
        first_dose(plan_of(wrong, FirstDosePlan), np.random.default_rng(1))
    with pytest.raises(Refusal, match="not a number with a unit"):
        plan_of({**bare, "person": {"weight": 70}}, FirstDosePlan)
