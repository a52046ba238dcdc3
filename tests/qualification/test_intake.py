"""How a drug was taken is read from the study's own columns before the words of a simulation."""

from __future__ import annotations

import pytest

from twin_service.model.pbpk.library import load_library
from twin_service.qualification.pbpk.intake import circumstances, form_words, formulation_id, told_apart
from twin_service.qualification.pbpk.observed import genotype_of

SOLUTION = '[{"name": "solution", "key": "formulation"}]'
TABLET = '[{"name": "tablet (dormicum)", "key": "formulation"}]'


def test_what_was_swallowed_beats_what_was_simulated() -> None:
    assert form_words("300mg in 5ml solution", TABLET, told_apart=True) == "300mg in 5ml solution"
    assert form_words(" Lanicor tablets ", SOLUTION, told_apart=True) == "lanicor tablets"
    assert form_words("Dormicum", TABLET, told_apart=True) == TABLET


def test_a_solution_counts_only_where_tables_tell_it_from_a_tablet() -> None:
    assert form_words(".", SOLUTION, told_apart=False) == ""
    assert form_words(".", SOLUTION, told_apart=True) == SOLUTION
    assert form_words("", '"retard tablet"', told_apart=False) == '"retard tablet"'
    labels = [("a", SOLUTION), ("a", TABLET), ("b", SOLUTION), ("c", '"x_er tablet"'), ("c", SOLUTION)]
    assert told_apart(labels) == {"a"}


@pytest.mark.parametrize(
    ("drug", "words", "form"),
    [
        ("felodipine", "er tablet", "extended_release"),
        ("felodipine", "ir tablet", None),
        ("paroxetine", "paxil controlled release (weibull)", "controlled_release"),
        ("digoxin", "oral soultion", "solution"),
        ("itraconazole", "sporanox 100-mg caps, capsule", "capsule"),
        ("quinidine", "quinidine gluconate", "gluconate_tablet"),
        ("midazolam", "dormicum er tablet", None),
        ("midazolam", "", None),
    ],
)
def test_words_choose_a_form_that_the_drug_has(drug: str, words: str, form: str | None) -> None:
    assert formulation_id(load_library().drug(drug), words) == form


@pytest.mark.parametrize(
    ("name", "food", "label", "said"),
    [
        ("x", "Fed", TABLET, {"fed": 1.0}),
        ("x", "Breakfast", TABLET, {"fed": 1.0}),
        ("x", "Fed (200mg) / fasted (400mg)", TABLET, {}),
        ("x", "irrespective to food intake", '"tablet fed"', {}),
        ("Bornemann 1986 - with a meal - PO", ".", TABLET, {"fed": 1.0}),
        ("Bornemann 1986 - 1 h before a meal - PO", "Fasted", TABLET, {}),
        ("Momo2010.2mg.po.sd.Tab_fed.control", "", '"tizanidine tablet fed"', {"fed": 1.0}),
        ("Shah2006.8mg.po.sd.Cap_Fed", "", '"tizanidine tablet fasted"', {"fed": 1.0}),
        ("Spigset 1995.50 mg SD.EM.smoker", "", "", {"smoker": 1.0}),
        ("Spigset 1995.50 mg SD.EM.non-smoker", "", "", {}),
        ("Backman2008.Tab_fasted.male-nonsmokers", "", "", {}),
        ("Backman2008.Tab_fasted.male-smokers", "", "", {"smoker": 1.0}),
        ("Fleishaker 1994.100 mg QD.smoker/non-smoker", "", "", {}),
        ("Murtadha 2021 - 50mg-PO-Tablet-non smoker", "", "", {}),
    ],
)
def test_food_and_smoking(name: str, food: str, label: str, said: dict[str, float]) -> None:
    assert circumstances(name, food, label) == said


@pytest.mark.parametrize(
    ("name", "activity"),
    [("Spigset 1997.50 mg SD.PM", 0.0), ("Spigset 1997.50 mg SD.EM", 1.0), ("Kunii 2005.50 mg SD.EM/PM.smoker", None)],
)
def test_a_mixed_group_has_no_genotype(name: str, activity: float | None) -> None:
    assert genotype_of(name, "", "fluvoxamine").get("cyp2d6_activity") == activity
