"""Children and special populations: how a group is read, what counts, and that published ratios are met."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from twin_service.model.pbpk.checks import plasma_clearance, plasma_clearances
from twin_service.model.pbpk.library import load_library
from twin_service.qualification.pbpk.children import relative_clearances, single_clearances
from twin_service.qualification.pbpk.groups import ClearanceKind, StudiedGroup, group_clearance
from twin_service.qualification.pbpk.populations import population_figures, population_ratios
from twin_service.qualification.pbpk.scores import Ratio

LIBRARY = load_library()


def test_a_group_of_one_age_and_weight_is_the_mean_of_both_sexes() -> None:
    drug = LIBRARY.drug("midazolam")
    people = ({"age_y": 5.0, "sex_female": s, "weight_kg": 18.0} for s in (0.0, 1.0))
    alone = [plasma_clearance(drug, LIBRARY, p) / 18.0 for p in people]
    assert group_clearance(drug, LIBRARY, StudiedGroup((5.0, 5.0), 18.0)) == pytest.approx(sum(alone) / 2, rel=1e-12)


def test_blood_clearance_is_plasma_clearance_over_the_ratio() -> None:
    drug, group = LIBRARY.drug("propofol"), StudiedGroup((30.0, 30.0), 73.0)
    plasma = group_clearance(drug, LIBRARY, group)
    # bp 1.25 at a hematocrit of 0.45; women have 0.40
    assert plasma / group_clearance(drug, LIBRARY, group, ClearanceKind(blood=True)) == pytest.approx(1.24, abs=0.02)


def test_a_preterm_newborn_clears_less_than_one_at_term_of_the_same_weight() -> None:
    drug = LIBRARY.drug("vancomycin")
    early, term = (StudiedGroup((0.02, 0.02), 2.0, gestational_age_wk=w) for w in (30.0, 40.0))
    assert group_clearance(drug, LIBRARY, early) < 0.75 * group_clearance(drug, LIBRARY, term)


def test_clearances_by_organ_sum_to_the_total() -> None:
    for d in ("digoxin", "propofol", "theophylline"):
        c = plasma_clearances(LIBRARY.drug(d), LIBRARY, {"age_y": 8.0})
        assert c.total == pytest.approx(c.liver + c.kidney + c.plasma) and min(c) >= 0.0 < c.liver


def test_rows_without_a_person_are_left_out_and_adults_divide(tmp_path: Path) -> None:
    table = tmp_path / "Pediatrics.csv"
    head = "ID,Study,Grouping,tend,t Unit,CL Avg,CL AvgUnit\n"
    rows = (
        "1,Bovill 1984,mean,8,h,10.0,mL/min/kg",
        "2,Guay 1991,ID1,360,min,20.0,mL/min/kg",
        "3,Guay 1991,ID99,60,min,30.0,mL/min/kg",
    )
    table.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    (row,) = single_clearances(table, LIBRARY)
    assert row.name == "sufentanil Guay 1991 ID1" and row.observed == pytest.approx(2.0)
    assert row.drug == "sufentanil" and row.age_y == 2.08 and not row.group
    assert 1.2 < row.predicted < 2.2


def test_a_clearance_in_ml_a_minute_is_per_kg_of_the_study_s_own_people(tmp_path: Path) -> None:
    table = tmp_path / "Pediatrics.csv"
    head = "ID,Study,Grouping,tend,t Unit,CL Avg,CL AvgUnit\n"
    rows = ("1,Boekh 1988,mean 0.5g,720,min,65.1,mL/min", "2,Schaad 1980,ID 4,7,h,2.0,mL/min/kg")
    table.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    (row,) = single_clearances(table, LIBRARY)
    assert row.observed == pytest.approx(2.0)


def test_group_means_are_relative_to_the_adults_of_their_table(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    head = "Compound,Route,Age.min,Age.max,BW.mean,Clearance.mean,Clearance.units\n"
    rows = ("theophylline,po,2,6,15,0.1,L/h/kg", "theophylline,po,20,40,70,0.05,L/h/kg", "midazolam,po,2,6,15,3,L/h/kg")
    table.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    (row,) = relative_clearances(table, LIBRARY)
    assert row.observed == pytest.approx(2.0) and row.predicted > 1.2


def test_special_populations_meet_published_ratios() -> None:
    rows = population_ratios(LIBRARY)
    figures = population_figures(rows)
    assert figures["pbpk.populations_n"] >= 30
    assert figures["pbpk.populations_within_2fold"] >= 0.9
    assert figures["pbpk.populations_gmfe"] <= 1.4
    assert all(r.source for r in rows)
    for kind in ("pregnancy", "CKD", "cirrhosis", "obesity", "old age", "smoking"):
        assert sum(r.population.startswith(kind) and not r.built for r in rows) >= 1, kind


def test_what_a_law_rests_on_is_shown_but_not_counted() -> None:
    rows = population_ratios(LIBRARY, {"caffeine"})
    assert [r.built for r in rows].count(True) == 1
    counted = population_figures(rows)["pbpk.populations_n"]
    assert counted == len(rows) - 1
    assert population_figures([replace(r, built=True, ratio=Ratio("x", 1.0, 1.0)) for r in rows]) == {}
