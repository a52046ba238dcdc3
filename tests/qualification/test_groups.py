"""What a study's clearance of a group is: sampled, oral, or at steady state."""

from __future__ import annotations

import pytest

from twin_service.model.pbpk.checks import plasma_clearance
from twin_service.model.pbpk.library import load_library
from twin_service.model.pbpk.physiology import reference_size
from twin_service.qualification.pbpk.groups import (
    ClearanceKind,
    Sampling,
    StudiedGroup,
    chronic_clearance,
    group_clearance,
    induces_itself,
    members,
    oral_clearance,
    sampled_clearance,
)

LIBRARY = load_library()
HUMAN = LIBRARY.species["human"]
CHILD = {"age_y": 5.0, "weight_kg": 18.0}


def test_a_group_has_its_sexes_and_its_mean_weight() -> None:
    men = members(LIBRARY, StudiedGroup((20.0, 40.0), 66.0, sexes=(0.0,)))
    assert {p["sex_female"] for p, _ in men} == {0.0}
    assert sum(q for _, q in men) == pytest.approx(1.0)
    assert sum(q * p["weight_kg"] for p, q in men) == pytest.approx(66.0)
    ((newborn, share),) = members(LIBRARY, StudiedGroup((0.02, 0.02), gestational_age_wk=30.0, sexes=(1.0,)))
    assert newborn["gestational_age_wk"] == 30.0 and share == 1.0
    assert "gestational_age_wk" not in men[0][0]


def test_a_group_lighter_than_its_ages_is_younger_and_lighter() -> None:
    def means(weight: float | None) -> tuple[float, float]:
        people = members(LIBRARY, StudiedGroup((3.0, 10.0), weight))
        age = sum(q * p["age_y"] for p, q in people)
        usual = sum(q * reference_size(HUMAN, p["age_y"], False)[1] for p, q in people)
        return age, sum(q * p["weight_kg"] for p, q in people) / usual

    even, light, heavy = means(None), means(17.2), means(28.0)
    assert even == (pytest.approx(6.5), pytest.approx(1.0))
    assert light[0] < even[0] - 1.0 and heavy[0] > even[0] + 0.5
    assert 0.85 < light[1] < 0.99 < 1.01 < heavy[1] < 1.15


def test_people_of_their_usual_mean_weight_are_left_as_they_are() -> None:
    plain = members(LIBRARY, StudiedGroup((3.0, 10.0)))
    usual = sum(q * p["weight_kg"] for p, q in plain)
    # with every weight of an age the mean is 1.5 % higher: exp(0.17^2/2)
    people = members(LIBRARY, StudiedGroup((3.0, 10.0), usual * 1.0145))
    by_age = {p["age_y"]: 0.0 for p, _ in people}
    for p, q in people:
        by_age[p["age_y"]] += q
    assert list(by_age.values()) == pytest.approx([1.0 / 7.0] * 7, rel=0.02)


@pytest.mark.parametrize("weight", [7.0, 90.0])
def test_where_nobody_has_the_mean_weight_everyone_is_scaled(weight: float) -> None:
    people = members(LIBRARY, StudiedGroup((3.0, 10.0), weight))
    assert len(people) == 14 and {round(q, 9) for _, q in people} == {round(1.0 / 14.0, 9)}
    assert sum(q * p["weight_kg"] for p, q in people) == pytest.approx(weight)


def test_the_edge_of_what_is_reached() -> None:
    people = members(LIBRARY, StudiedGroup((3.0, 10.0), 9.0))
    assert sum(q * p["weight_kg"] for p, q in people) == pytest.approx(9.0)
    assert sum(q * p["age_y"] for p, q in people) < 3.2


@pytest.mark.parametrize("drug", ["sufentanil", "vancomycin"])
def test_sampled_for_less_than_a_half_life_a_drug_seems_to_leave_faster(drug: str) -> None:
    record = LIBRARY.drug(drug)
    true = plasma_clearance(record, LIBRARY, CHILD)
    short, longer, whole = (sampled_clearance(record, LIBRARY, CHILD, Sampling(0.02, h)) for h in (1.0, 4.0, 96.0))
    assert short > longer > 0.97 * true
    assert short > 1.05 * true
    assert whole == pytest.approx(true, rel=0.03)


def test_a_sampled_clearance_of_blood_is_over_the_ratio_too() -> None:
    record, group, sampling = LIBRARY.drug("propofol"), StudiedGroup((5.0, 5.0), 18.0), Sampling(0.01, 24.0)
    plasma = group_clearance(record, LIBRARY, group, ClearanceKind(sampling=sampling))
    blood = group_clearance(record, LIBRARY, group, ClearanceKind(blood=True, sampling=sampling))
    # bp 1.25 at a hematocrit of 0.45; a child of 5 years has 0.37 and binds 4 % less
    assert plasma / blood == pytest.approx(1.232, abs=0.005)


def test_an_oral_clearance_is_over_what_arrives() -> None:
    caffeine, sufentanil = LIBRARY.drug("caffeine"), LIBRARY.drug("sufentanil")
    assert oral_clearance(caffeine, LIBRARY, CHILD) == pytest.approx(
        plasma_clearance(caffeine, LIBRARY, CHILD), rel=0.25
    )
    assert oral_clearance(sufentanil, LIBRARY, CHILD) > 2.0 * plasma_clearance(sufentanil, LIBRARY, CHILD)
    group = StudiedGroup((5.0, 5.0), 18.0, sexes=(0.0,))
    assert group_clearance(caffeine, LIBRARY, group, ClearanceKind(oral=True)) == pytest.approx(
        oral_clearance(caffeine, LIBRARY, CHILD) / 18.0
    )


def test_who_induces_its_own_enzyme() -> None:
    assert induces_itself(LIBRARY.drug("carbamazepine")) and not induces_itself(LIBRARY.drug("caffeine"))
    assert not induces_itself(LIBRARY.drug("midazolam")) and not induces_itself(LIBRARY.drug("theophylline"))


def test_carbamazepine_clears_two_to_four_times_faster_at_steady_state() -> None:
    drug, group = LIBRARY.drug("carbamazepine"), StudiedGroup((35.0, 35.0), 70.0, sexes=(0.0,))
    chronic = chronic_clearance(drug, LIBRARY, group)
    # Half-life 25 to 65 h after one dose, 12 to 17 h after repeated ones: its label.
    assert 2.0 < chronic / group_clearance(drug, LIBRARY, group) < 5.0
