"""Plans, people and reports of a prediction: doses that add up, people that differ, pages to read."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twin_service.fit.predict.figures import unit_of
from twin_service.fit.predict.page import write_prediction
from twin_service.fit.predict.people import genotype_covariate
from twin_service.fit.predict.predict import DosePlan, predict
from twin_service.model.pbpk.library import load_library
from twin_service.outcome import Refusal

TIMES = [1.0, 4.0, 10.0, 13.0, 22.0, 30.0, 47.0]
FILE = """
id = "mydrug"
version = "1"
title = "My drug"
molar_mass = { value = 371.4, unit = "g/mol", origin = "test" }
logp = { value = 1.8, unit = "1", origin = "test" }
fup = { value = 0.3, unit = "1", origin = "test" }
[distribution]
vss = { value = 1.0, unit = "L/kg", origin = "test" }
[absorption]
peff = { value = 2e-4, unit = "cm/s", origin = "test" }
[[clearance]]
organ = "total"
law = "in_vivo"
enzyme = "CYP2D6"
clearance = { value = 40, unit = "L/h", origin = "test" }
unchanged = { value = 0.1, unit = "1", origin = "test" }
[[formulation]]
id = "tablet"
law = "first_order"
t50 = { value = 0.5, unit = "h", origin = "test" }
[[formulation]]
id = "retard"
law = "weibull"
t50 = { value = 4, unit = "h", origin = "test" }
shape = 1.4
"""


@pytest.fixture
def drug(tmp_path: Path) -> Path:
    path = tmp_path / "mydrug.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def course(drug: Path, plan: DosePlan) -> np.ndarray:
    return np.array(predict(drug, plan, times_h=TIMES)["concentration_mg_l"])


def test_a_missed_dose_is_a_dose_less_and_a_loading_dose_a_dose_more(drug: Path) -> None:
    single = course(drug, DosePlan(100.0, interval_h=12.0))
    three = course(drug, DosePlan(100.0, interval_h=12.0, count=3))
    missed = course(drug, DosePlan(100.0, interval_h=12.0, count=3, missed=(2,)))
    later = course(drug, DosePlan(100.0, start_h=12.0))
    loaded = course(drug, DosePlan(100.0, interval_h=12.0, count=3, loading_mg=250.0))
    # The drug is linear: courses add.
    np.testing.assert_allclose(missed, three - later, rtol=2e-3, atol=1e-7)
    np.testing.assert_allclose(loaded, three + 1.5 * single, rtol=2e-3, atol=1e-7)


def test_first_pass_multiplies_to_availability(drug: Path) -> None:
    figures = predict(drug, DosePlan(100.0))["figures"]
    product = figures["predict.fa"] * figures["predict.fg"] * figures["predict.fh"]
    assert product == pytest.approx(figures["predict.f"], rel=1e-9)
    # No enzyme in the gut wall: nothing is lost there.
    assert figures["predict.fg"] == pytest.approx(1.0, abs=0.02)
    assert figures["predict.cl_f_l_h"] == pytest.approx(40.0 / figures["predict.f"], rel=0.02)
    assert figures["predict.clearance_l_h"] == pytest.approx(40.0, rel=1e-6)


def test_a_retard_form_is_flatter_and_lasts(drug: Path) -> None:
    tablet, retard = (predict(drug, DosePlan(100.0, formulation=f))["figures"] for f in ("tablet", "retard"))
    assert retard["predict.cmax_mg_l"] < 0.6 * tablet["predict.cmax_mg_l"]
    assert retard["predict.tmax_h"] > 1.5 * tablet["predict.tmax_h"]


def test_a_poor_metabolizer_keeps_only_the_kidney(drug: Path) -> None:
    name, activity = genotype_covariate("CYP2D6=poor", load_library())
    assert (name, activity) == ("cyp2d6_activity", 0.0)
    figures = predict(drug, DosePlan(100.0), {name: activity})["figures"]
    assert figures["predict.clearance_l_h"] == pytest.approx(4.0, rel=0.01)


def test_an_inhibitor_beside_it_gives_ratios(drug: Path) -> None:
    plan = DosePlan(10.0, start_h=48.0)
    figures = predict(drug, plan, others=[("paroxetine", DosePlan(20.0, count=3))])["figures"]
    assert figures["predict.auc_ratio"] > 1.5
    assert figures["predict.auc_mg_h_l"] == pytest.approx(
        figures["predict.auc_ratio"] * figures["predict.auc_mg_h_l_alone"]
    )
    alone = predict(drug, plan)["figures"]["predict.auc_mg_h_l"]
    assert figures["predict.auc_mg_h_l_alone"] == pytest.approx(alone, rel=0.02)


def test_people_drawn_from_ranges_differ_and_repeat(drug: Path) -> None:
    plan = DosePlan(100.0, population=24, seed=5)
    spans = {"age_y": (20.0, 80.0), "sex_female": (0.0, 1.0), "egfr_ml_min": (30.0, 120.0)}
    wide = predict(drug, plan, ranges=spans)
    assert wide["figures"] == predict(drug, plan, ranges=spans)["figures"]
    band = wide["quantiles_mg_l"]
    assert all(lo <= mid <= hi for lo, mid, hi in zip(*(band[q] for q in ("q5%", "q50%", "q95%")), strict=True))
    with pytest.raises(Refusal, match="ranges need a population"):
        predict(drug, DosePlan(100.0), ranges=spans)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (DosePlan(1.0, count=2, missed=(3,)), "expected doses from 1 to 2"),
        (DosePlan(1.0, missed=(1,)), "one at least taken"),
        (DosePlan(1.0, route="sc"), "need absorption.sc_ka"),
        (DosePlan(1.0, meals_h=(4.0,)), "give absorption.bile_stored"),
        (DosePlan(1.0, count=10**6), "at most 5000"),
    ],
)
def test_a_plan_that_cannot_be_says_why(drug: Path, plan: DosePlan, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        predict(drug, plan)


def test_a_genotype_of_an_enzyme_that_does_nothing_is_refused(drug: Path) -> None:
    with pytest.raises(Refusal, match="no drug here is cleared by CYP2C9; cleared by: CYP2D6"):
        predict(drug, DosePlan(1.0), {"cyp2c9_activity": 0.5})
    for word, says in (("CYP9=poor", "gene 'CYP9' is unknown; known"), ("CYP2D6=bad", "known: 0, 0.25")):
        with pytest.raises(Refusal, match=says):
            genotype_covariate(word, load_library())


def test_far_from_steady_state_is_said(drug: Path) -> None:
    slow = drug.read_text(encoding="utf-8").replace("value = 40", "value = 1")
    drug.write_text(slow, encoding="utf-8")
    assert any("not yet at steady state" in w for w in predict(drug, DosePlan(10.0, count=3))["warnings"])
    assert not any("steady" in w for w in predict(drug, DosePlan(10.0, count=20))["warnings"])


def test_a_prodrug_finds_its_metabolite_beside_it(drug: Path) -> None:
    active = FILE.replace("mydrug", "active").replace("My drug", "Active")
    (drug.parent / "active.toml").write_text(active, encoding="utf-8")
    prodrug = FILE.replace('enzyme = "CYP2D6"', 'enzyme = "CYP2D6"\nforms = "active"')
    drug.write_text(prodrug, encoding="utf-8")
    found = predict(drug, DosePlan(100.0))
    assert set(found["courses"]) == {"mydrug", "active"} and max(found["courses"]["active"]) > 0


def test_the_report_holds_the_course_the_figures_and_the_doubts(drug: Path, tmp_path: Path) -> None:
    plan = DosePlan(100.0, population=8)
    found = predict(drug, plan, times_h=[1.0, 2.0, 4.0])
    page = write_prediction(found, plan, tmp_path / "out").read_text(encoding="utf-8")
    assert page.count("<svg") == 1 and "blood:plasma ratio not given" in page
    assert "highest level" in page and "cmax_mg_l" not in page and "by mouth" in page
    with (tmp_path / "out" / "course.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["time_h"]) for r in rows] == [1.0, 2.0, 4.0]
    assert float(rows[1]["mydrug_mg_l"]) == pytest.approx(found["concentration_mg_l"][1], rel=1e-4)
    # A quarter of what is bound in plasma at fup 0.3 and the rest of it: unbound is 0.3 of the level.
    assert float(rows[1]["mydrug_unbound_mg_l"]) == pytest.approx(0.3 * float(rows[1]["mydrug_mg_l"]), rel=0.15)
    assert unit_of("predict.auc_mg_h_l_q05") == "mg h/L" and unit_of("predict.cmax_mg_l_alone") == "mg/L"
    with (tmp_path / "out" / "figures.csv").open(encoding="utf-8") as file:
        assert all(r["unit"] for r in csv.DictReader(file))


def test_a_plan_repeats_itself_whatever_its_horizon(drug: Path) -> None:
    short, long = (predict(drug, replace(DosePlan(100.0), horizon_h=h))["figures"] for h in (24.0, 96.0))
    assert short["predict.auc_inf_mg_h_l"] == pytest.approx(long["predict.auc_inf_mg_h_l"], rel=0.02)


def test_a_steady_state_is_where_many_doses_end(drug: Path) -> None:
    many = predict(drug, DosePlan(100.0, interval_h=8.0, count=40))["figures"]
    steady = predict(drug, DosePlan(100.0, interval_h=8.0, steady=True))["figures"]
    for key in ("predict.auc_mg_h_l", "predict.cmax_mg_l", "predict.ctrough_mg_l"):
        assert steady[key] == pytest.approx(many[key], rel=2e-3), key
    # At steady state the area of an interval is that of one dose for ever.
    single = predict(drug, DosePlan(100.0))["figures"]["predict.auc_inf_mg_h_l"]
    assert steady["predict.auc_mg_h_l"] == pytest.approx(single, rel=0.01)
    with pytest.raises(Refusal, match="leave out start and loading"):
        predict(drug, DosePlan(1.0, steady=True, loading_mg=2.0))


def test_a_tissue_can_be_asked_for(drug: Path) -> None:
    found = predict(drug, DosePlan(100.0), organs=["brain"], times_h=[4.0])
    assert found["courses"]["mydrug_brain"][0] > 0.0
    with pytest.raises(Refusal, match="organ 'brian' is unknown; known: lung, heart, brain"):
        predict(drug, DosePlan(1.0), organs=["brian"])


def test_shares_of_enzymes_split_the_liver_and_leave_the_whole(drug: Path) -> None:
    text = drug.read_text(encoding="utf-8").replace('enzyme = "CYP2D6"', "enzymes = { CYP2D6 = 0.6, CYP3A4 = 0.3 }")
    drug.write_text(text, encoding="utf-8")
    whole, poor = (
        predict(drug, DosePlan(1.0, route="iv", duration_h=0.5), {"cyp2d6_activity": a})["figures"][
            "predict.clearance_l_h"
        ]
        for a in (1.0, 0.0)
    )
    assert whole == pytest.approx(40.0, rel=1e-6)
    # Of the liver's unbound capacity 0.4 is left: 36 L/h is CLi Q/(CLi + Q) in blood.
    assert 4.0 + 0.4 * 36.0 < poor < 4.0 + 0.65 * 36.0
    drug.write_text(text.replace("0.3 }", "0.7 }"), encoding="utf-8")
    with pytest.raises(Refusal, match=r"clearance\[0\].enzymes: sums to 1.3; expected at most 1"):
        predict(drug, DosePlan(1.0))


def test_the_volume_by_every_method_is_there_and_doubted_only_where_structure_decides(drug: Path) -> None:
    known = predict(drug, DosePlan(1.0))
    assert len(set(known["vss_l_kg_by_method"].values())) == 5
    assert not any("Vss from structure" in w for w in known["warnings"])
    text = drug.read_text(encoding="utf-8")
    start, end = text.index("[distribution]"), text.index("[absorption]")
    drug.write_text(text[:start] + text[end:], encoding="utf-8")
    free = predict(drug, DosePlan(1.0))
    assert free["figures"]["predict.vss_l_kg"] == pytest.approx(free["vss_l_kg_by_method"]["rodgers_rowland"])
    assert any("it uses rodgers_rowland" in w for w in free["warnings"])


def test_a_drug_that_says_nothing_of_the_enzyme_is_named(drug: Path) -> None:
    found = predict(drug, DosePlan(1.0), others=[("metformin", DosePlan(500.0))])
    assert found["figures"]["predict.auc_ratio"] == pytest.approx(1.0, abs=1e-3)
    assert any("metformin: its file has no [[interaction]] with what clears mydrug" in w for w in found["warnings"])
    with pytest.raises(Refusal, match="did you mean r_warfarin, s_warfarin"):
        predict("warfarin", DosePlan(5.0))


def test_each_of_a_population_can_be_had(drug: Path, tmp_path: Path) -> None:
    plan = DosePlan(100.0, population=12)
    found = predict(drug, plan, ranges={"age_y": (20.0, 70.0)})
    each = found["individuals"]
    assert [row["person"] for row in each] == list(range(1, 13)) and len({row["age_y"] for row in each}) == 12
    areas = [row["auc_inf_mg_h_l"] for row in each]
    assert float(np.median(areas)) == pytest.approx(found["figures"]["predict.auc_inf_mg_h_l"])
    write_prediction(found, plan, tmp_path / "out")
    with (tmp_path / "out" / "people.csv").open(encoding="utf-8") as file:
        assert [float(r["cmax_mg_l"]) for r in csv.DictReader(file)] == pytest.approx(
            [row["cmax_mg_l"] for row in each], rel=1e-4
        )
    assert "individuals" not in predict(drug, DosePlan(100.0))
