"""What a study's clearance of a group is: sampled, oral, or at steady state."""

from __future__ import annotations

import pytest

from twin_service.model.pbpk.checks import plasma_clearance
from twin_service.model.pbpk.library import load_library
from twin_service.qualify.groups import (
    Group,
    Kind,
    Sampling,
    chronic_clearance,
    group_clearance,
    induces_itself,
    oral_clearance,
    people,
    sampled_clearance,
)

LIBRARY = load_library()
CHILD = {"age_y": 5.0, "weight_kg": 18.0}


def test_a_group_has_its_sexes_and_its_mean_weight() -> None:
    men = list(people(LIBRARY, Group((20.0, 40.0), 66.0, sexes=(0.0,))))
    assert {p["sex_female"] for p in men} == {0.0} and len(men) == 7
    assert sum(p["weight_kg"] for p in men) / 7 == pytest.approx(66.0)
    newborn = next(people(LIBRARY, Group((0.02, 0.02), gestational_age_wk=30.0)))
    assert newborn["gestational_age_wk"] == 30.0
    assert "gestational_age_wk" not in men[0]


@pytest.mark.parametrize("drug", ["sufentanil", "vancomycin"])
def test_sampled_for_less_than_a_half_life_a_drug_seems_to_leave_faster(drug: str) -> None:
    record = LIBRARY.drug(drug)
    true = plasma_clearance(record, LIBRARY, CHILD)
    short, longer, whole = (sampled_clearance(record, LIBRARY, CHILD, Sampling(0.02, h)) for h in (1.0, 4.0, 96.0))
    assert short > longer > 0.97 * true
    assert short > 1.05 * true
    assert whole == pytest.approx(true, rel=0.03)


def test_a_sampled_clearance_of_blood_is_over_the_ratio_too() -> None:
    record, group, sampling = LIBRARY.drug("propofol"), Group((5.0, 5.0), 18.0), Sampling(0.01, 24.0)
    plasma = group_clearance(record, LIBRARY, group, Kind(sampling=sampling))
    blood = group_clearance(record, LIBRARY, group, Kind(blood=True, sampling=sampling))
    # bp 1.25 at a hematocrit of 0.45; a child of 5 years has 0.37 and binds 4 % less
    assert plasma / blood == pytest.approx(1.232, abs=0.005)


def test_an_oral_clearance_is_over_what_arrives() -> None:
    caffeine, sufentanil = LIBRARY.drug("caffeine"), LIBRARY.drug("sufentanil")
    assert oral_clearance(caffeine, LIBRARY, CHILD) == pytest.approx(
        plasma_clearance(caffeine, LIBRARY, CHILD), rel=0.25
    )
    assert oral_clearance(sufentanil, LIBRARY, CHILD) > 2.0 * plasma_clearance(sufentanil, LIBRARY, CHILD)
    group = Group((5.0, 5.0), 18.0, sexes=(0.0,))
    assert group_clearance(caffeine, LIBRARY, group, Kind(oral=True)) == pytest.approx(
        oral_clearance(caffeine, LIBRARY, CHILD) / 18.0
    )


def test_who_induces_its_own_enzyme() -> None:
    assert induces_itself(LIBRARY.drug("carbamazepine")) and induces_itself(LIBRARY.drug("efavirenz"))
    assert not induces_itself(LIBRARY.drug("midazolam")) and not induces_itself(LIBRARY.drug("theophylline"))


def test_carbamazepine_clears_two_to_four_times_faster_at_steady_state() -> None:
    drug, group = LIBRARY.drug("carbamazepine"), Group((35.0, 35.0), 70.0, sexes=(0.0,))
    chronic = chronic_clearance(drug, LIBRARY, group)
    # Half-life 25 to 65 h after one dose, 12 to 17 h after repeated ones: its label.
    assert 2.0 < chronic / group_clearance(drug, LIBRARY, group) < 5.0
