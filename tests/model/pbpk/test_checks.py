"""A wrong file is told everything at once: place, rule, remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin_service.library.files import FOLDER
from twin_service.model.pbpk.checks import RULES, check_file
from twin_service.model.pbpk.clearance import InVivo
from twin_service.model.pbpk.door import FindingsDoor
from twin_service.model.pbpk.library import load_drug, load_library
from twin_service.model.pbpk.species_file import read_species
from twin_service.outcome import Refusal

GOOD = """
id = "mydrug"
version = "1"
title = "My drug"
molar_mass = { value = 371.4, unit = "g/mol", origin = "test" }
logp = { value = 2.8, unit = "1", origin = "test" }
fup = { value = 10, unit = "%", origin = "test" }
[[clearance]]
organ = "liver"
law = "in_vivo"
enzyme = "CYP2D6"
clearance = { value = 200, unit = "mL/min", origin = "test" }
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mydrug.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_file_stands_and_its_assumptions_are_said(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert [f for f in check_file(path) if f.severity == "error"] == []
    drug = load_drug(path, load_library())
    assert drug.fup == pytest.approx(0.1)
    law = drug.clearances[0].law
    assert isinstance(law, InVivo) and law.clearance.value == pytest.approx(12.0)
    assert any("permeability" in a for a in drug.assumed)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('unit = "g/mol", ', "", ["molar_mass.unit", "missing", "R5"]),
        ("value = 10", "value = 140", ["fup", "at most 1"]),
        ("CYP2D6", "CYP2D7", ["clearance[0].enzyme", "R4", "did you mean 'CYP2D6'"]),
        ("mL/min", "mg/L", ["clearance[0].clearance", "R5", "L/h"]),
        ('origin = "test" }\n[[', 'origin = "" }\n[[', ["fup.origin", "R7"]),
        ("logp", "logP", ["unknown key; did you mean 'logp'"]),
        ("value = 200", "value = 2000", ["R6", "liver blood flow"]),
        ('"in_vivo"', '"hill"', ["clearance[0].law", "R4", "michaelis_menten"]),
        ("mydrug", "other", ["file is called mydrug.toml"]),
    ],
)
def test_each_mistake_names_its_place(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    said = "\n".join(str(f) for f in check_file(write(tmp_path, GOOD.replace(old, new, 1))))
    for word in says:
        assert word in said, said


def test_all_mistakes_come_at_once_and_loading_refuses_with_them(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("value = 10", "value = 140").replace("CYP2D6", "CYP9").replace("2.8", '"x"'))
    assert len([f for f in check_file(path) if f.severity == "error"]) == 3
    with pytest.raises(Refusal, match="CYP9"):
        load_drug(path, load_library())


def test_gut_wall_metabolism_is_assumed_where_the_file_is_silent_and_said(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("CYP2D6", "CYP3A4"))
    drug = load_drug(path, load_library())
    assert [w.organ for w in drug.clearances] == ["liver", "gut"]
    assert any("gut-wall" in a for a in drug.assumed)
    assert any(f.severity == "warning" and "availability" in f.message for f in check_file(path))
    none = GOOD.replace("CYP2D6", "CYP3A4") + (
        '[[clearance]]\norgan = "gut"\nlaw = "from_liver"\nenzyme = "CYP3A4"\n'
        'scalar = { value = 0, unit = "1", origin = "test" }\n'
    )
    assert not any("gut-wall" in a for a in load_drug(write(tmp_path, none), load_library()).assumed)


def test_no_toml_and_no_file_are_findings(tmp_path: Path) -> None:
    assert "is no TOML" in check_file(write(tmp_path, "= 3"))[0].message
    assert "no such file" in check_file(tmp_path / "absent.toml")[0].message


def test_sums_of_a_species_are_checked() -> None:
    import tomllib

    table = tomllib.loads((FOLDER / "physiology" / "human.toml").read_text(encoding="utf-8"))
    table["organ"][2]["mass_male_kg"]["value"] = [30.0] * 9
    table["organ"][3]["flow_share_male"]["value"] = 0.5
    table["organ"][4]["drains_to"] = "nowhere"
    door = FindingsDoor("human.toml")
    read_species(table, door)
    assert {f.rule for f in door.findings} == {"R1", "R2", "R3"} <= set(RULES)


def test_shared_files_stand() -> None:
    bodies = [p for p in sorted((FOLDER / "physiology").glob("*.toml")) if not p.name.endswith(".check.toml")]
    for path in [FOLDER / "enzymes.toml", FOLDER / "genotypes.toml", *bodies]:
        assert check_file(path) == [], path.name
