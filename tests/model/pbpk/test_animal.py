"""A drug file's own values for an animal: what they change, what stays human and is said."""

from __future__ import annotations

import pytest

from twin_service.model.pbpk.animal import drug_in, read_animals
from twin_service.model.pbpk.checks import plasma_clearance
from twin_service.model.pbpk.door import FindingsDoor
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import inspect_drug, load_library, parse_toml
from twin_service.model.pbpk.settle import settle
from twin_service.outcome import Refusal

LIBRARY = load_library()


def _drug(**own):
    table = parse_toml(LIBRARY.drug_paths["midazolam"])
    if own:
        table["species"] = {"rat": {k: {"value": v, "unit": u, "origin": "made up"} for k, (v, u) in own.items()}}
    human = LIBRARY.species["human"]
    record, door = inspect_drug(table, "midazolam.toml", sorted(LIBRARY.enzymes), human.organ_ids)
    assert record is not None, door.findings
    return settle(record, human)


def test_own_clearance_and_volume_come_back():
    rat = drug_in(_drug(clearance=(30.0, "mL/min/kg"), vss=(1.5, "L/kg"), fup=(0.05, "1")), "rat", LIBRARY)
    body = reference_body(LIBRARY.species["rat"])
    assert plasma_clearance(rat, LIBRARY, species="rat") == pytest.approx(
        30.0 * 0.06 * body.weight_kg,
        rel=0.02,  # the human blood:plasma ratio follows the rat's hematocrit after the liver was back-calculated
    )
    at = disposition(rat, LIBRARY.species["rat"], body, body)
    assert at.vss_l / body.weight_kg == pytest.approx(1.5, rel=1e-3) and at.fup == pytest.approx(0.05)


def test_own_microsomes_clear_in_proportion_while_little_is_extracted():
    low, high = (
        plasma_clearance(drug_in(_drug(clint=(c, "uL/min/mg")), "rat", LIBRARY), LIBRARY, species="rat")
        for c in (0.5, 1.0)
    )
    none = plasma_clearance(drug_in(_drug(clint=(0.0, "uL/min/mg")), "rat", LIBRARY), LIBRARY, species="rat")
    assert (high - none) / (low - none) == pytest.approx(2.0, rel=0.02)


def test_what_is_silent_stays_human_and_is_said():
    rat = drug_in(_drug(fup=(0.05, "1")), "rat", LIBRARY)
    assert any("human bp, clearance, vss stands in" in a for a in rat.assumed)
    assert drug_in(_drug(), "human", LIBRARY) == _drug()


def test_mistakes_are_named():
    with pytest.raises(Refusal, match="no body here"):
        drug_in(_drug(), "zebra", LIBRARY)
    door = FindingsDoor("x.toml")
    read_animals({"rats": {"fupp": 1}}, door, ["human", "rat"])
    said = " ".join(map(str, door.findings))
    assert "did you mean 'rat'?" in said and "did you mean 'fup'?" in said
