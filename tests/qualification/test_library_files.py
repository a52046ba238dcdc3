"""Each kind of file goes to its checker; every mistake comes in one go with rule, place, allowed values and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin_service.library.files import FOLDER
from twin_service.qualification.library_files import check_paths, shipped_files

GOOD = """
id = "mydrug"
version = "1"
title = "My drug"
molar_mass = { value = 300, unit = "g/mol", origin = "test" }
logp = { value = 2, unit = "1", origin = "test" }
fup = { value = 0.1, unit = "1", origin = "test" }
bp = { value = 1, unit = "1", origin = "test" }
psa = { value = 50, unit = "A2", origin = "test" }
hbd = { value = 1, unit = "1", origin = "test" }
[[pka]]
charge = "base"
value = 8
origin = "test"
[[clearance]]
organ = "total"
law = "in_vivo"
enzyme = "CYP2D6"
clearance = { value = 10, unit = "L/h", origin = "test" }
unchanged = { value = 0.1, unit = "1", origin = "test" }
"""


PEFF = '[absorption]\npeff = { value = 2, unit = "10^-4 cm/s", origin = "test" }\n'


def findings(folder: Path, text: str, name: str = "mydrug.toml") -> list[str]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return [str(f) for f in check_paths([path])]


def test_a_good_file_has_nothing_to_say(tmp_path: Path) -> None:
    assert findings(tmp_path, GOOD + PEFF) == []
    # A default is a note, never an error.
    assert len(findings(tmp_path, GOOD)) == 1 and findings(tmp_path, GOOD)[0].startswith("note: mydrug.toml absorption")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'value = 0.1, unit = "1", origin = "test" }\nbp',
            'value = 10, unit = "1", origin = "test" }\nbp',
            'fup: is 10; expected more than 0 and at most 1; a percentage is written unit = "%" (R9)',
        ),
        ('fup = { value = 0.1, unit = "1"', 'fup = { value = -0.1, unit = "1"', "fup: is -0.1; expected more than 0"),
        ("title =", "titel =", "titel: unknown key; did you mean 'title'?"),
        ('value = 10, unit = "L/h"', "value = 10", "clearance[0].clearance.unit: unit is missing; one of: L/h (liver)"),
        ('unit = "L/h"', 'unit = "mg/L"', "unit 'mg/L' fits none of: L/h (liver), L/h/kg (body_weight) (R5)"),
        ('"g/mol"', '"L"', "molar_mass: unit 'L' is volume, expected mass per amount; write g/mol (R5)"),
        ('charge = "base"\n', "", "pka[0].charge: is missing; one of: acid, base (R8)"),
        ('charge = "base"', 'charge = "basic"', "'basic' is unknown; did you mean 'base'? known: acid, base (R4)"),
        ("[[pka]]", "[pka]", "pka: is a single table; it is a list: write [[pka]] with two brackets"),
        ("CYP2D6", "CYP3A", "'CYP3A' is unknown; did you mean 'CYP3A4'?"),
        ("CYP2D6", "CES1", 'an enzyme that is not listed is written "OTHER"'),
        ('"total"', '"hepatic"', "did you mean 'liver'? known: liver, gut, kidney, bile, plasma, total (R4)"),
        ("value = 10, unit", "value = -10, unit", "clearance[0].clearance: is -10 L/h; expected at least 0 L/h (R9)"),
        ("value = 10, unit", "value = 200, unit", "is not below liver blood flow"),
        (
            'molar_mass = { value = 300, unit = "g/mol", origin = "test" }',
            "molar_mass = 300",
            'molar_mass: is 300; expected { value = ..., unit = "g/mol", origin = "..." } (R7)',
        ),
        ('enzyme = "CYP2D6"', 'enzyme = "CYP2D6"\nforms = "nothing"', "no drug of the library and no file beside this"),
    ],
)
def test_each_mistake_has_its_sentence(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    assert any(says in f for f in findings(tmp_path, GOOD.replace(old, new, 1))), findings(
        tmp_path, GOOD.replace(old, new, 1)
    )


@pytest.mark.parametrize("key", ["clearance", "pka", "distribution", "absorption", "formulation", "error", "domain"])
def test_a_number_where_a_table_belongs_is_a_finding_not_a_crash(tmp_path: Path, key: str) -> None:
    text = "\n".join(line for line in GOOD.split("[[pka]]")[0].splitlines()) + f"\n{key} = 5\n"
    assert any(f.startswith(f"error: mydrug.toml {key}: is 5") for f in findings(tmp_path, text))


ABSORPTION = GOOD + "[absorption]\n"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('peff = { value = 4, unit = "cm/s", origin = "t" }', "peff: is 4 cm/s; expected at least 0 cm/s and at most"),
        ('caco2 = { value = 20, unit = "cm/s", origin = "t" }', "caco2: is 20 cm/s"),
        ('precipitation = { value = 2, unit = "1/h", origin = "t" }', "precipitation: needs absorption.solubility"),
        ('solubility_ph = { value = 7, unit = "1", origin = "t" }', "solubility_ph: needs absorption.solubility"),
        ('bile_stored = { value = 0.7, unit = "1", origin = "t" }', 'needs a [[clearance]] with organ = "bile"'),
        ('[[formulation]]\nid = "er"\nlaw = "weibull"', "formulation[0].t50: is missing"),
        ('[[formulation]]\nid = "er"\nlaw = "weibull"\nshape = 99', "shape: is 99; expected a number from 0.3 to 10"),
        (
            '[[formulation]]\nid = "s"\nlaw = "solution"\nradius = { value = 5, unit = "um", origin = "t" }',
            "formulation[0].radius: has no place in a solution form",
        ),
    ],
)
def test_absorption_says_what_a_key_needs(tmp_path: Path, row: str, says: str) -> None:
    assert any(says in f for f in findings(tmp_path, ABSORPTION + row + "\n"))


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("value = 0.1", "value = 7", 1).replace('"g/mol"', '"L"').replace("base", "bass")
    text = text.replace("CYP2D6", "CYP99").replace("logp", "logP") + "[distribution]\nvolume = 4\n"
    errors = [f for f in findings(tmp_path, text) if f.startswith("error")]
    for place in ("fup", "molar_mass", "pka[0].charge", "clearance[0].enzyme", "logP", "logp", "distribution.volume"):
        assert any(f"mydrug.toml {place}:" in f for f in errors), place
    assert all("(R" in f for f in errors)


def test_every_kind_of_file_goes_to_its_checker(tmp_path: Path) -> None:
    assert not [f for f in check_paths(p for p in shipped_files() if p.parent.name == "antibodies") if f.is_error]
    antibody = 'id = "x"\nversion = "1"\ntitle = "X"\n[catabolism]\nuptak = 1\n'
    assert any(
        "catabolism.uptak: unknown key; did you mean 'uptake'?" in f for f in findings(tmp_path, antibody, "x.toml")
    )
    assert any("no such file" in str(f) for f in check_paths([tmp_path / "none.toml"]))
    assert any("is no TOML" in f for f in findings(tmp_path, 'id = "x', "y.toml"))
    checks = '[[check]]\nstudy = "a"\nrout = "iv"\n'
    said = findings(tmp_path, checks, "mydrug.check.toml")
    assert any("no file beside it" in f for f in said) and any("check[0].source: is missing" in f for f in said)


def test_a_population_model_is_built_not_only_read(tmp_path: Path) -> None:
    """An exchange named Q2 where the structure asks for Q: found here, not at the first fit."""
    text = """id = "m"
schema = 2
version = "1"
drug = "mol"
title = "M"
source = "test"
structure = { compartments = 2, absorption = "none", elimination = "linear" }
observable = [{ analyte = "mol", unit = "mg/L", error = { proportional = 0.2, origin = "test" } }]
[parameters]
CL = { value = 3.0, unit = "L/h", origin = "test" }
V1 = { value = 3.0, unit = "L", origin = "test" }
V2 = { value = 3.0, unit = "L", origin = "test" }
Q2 = { value = 3.0, unit = "L/h", origin = "test" }
"""
    assert any("needs the parameters Q (R4)" in f for f in findings(tmp_path, text, "m.toml"))
    assert not [f for f in findings(tmp_path, text.replace("Q2", "Q"), "m.toml") if f.startswith("error")]


def test_a_folder_is_checked_whole(tmp_path: Path) -> None:
    findings(tmp_path, GOOD)
    findings(tmp_path, GOOD.replace('"mydrug"', '"other"').replace("CYP2D6", "CYP99"), "other.toml")
    assert {f.file for f in check_paths([tmp_path]) if f.is_error} == {"other.toml"}


POPULATION = """id = "m"
schema = 2
version = "1"
drug = "mol"
source = "test"
structure = { compartments = 1, absorption = "first_order", elimination = "linear" }
[parameters]
CL = { value = 3.0, unit = "L/h", origin = "test", effect = { kind = "exponential", variance = 0.1 } }
V = { value = 3.0, unit = "L", origin = "test" }
KA = { value = 3.0, unit = "1/h", origin = "test" }
[[observable]]
analyte = "mol"
unit = "mg/L"
error = { proportional = 0.2, origin = "test" }
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("effect = {", "efect = {", "parameters.CL.efect: unknown key; did you mean 'effect'?"),
        ("variance = 0.1", "varianse = 0.1", "parameters.CL.effect.varianse: unknown key; did you mean 'variance'?"),
        ("[[observable]]", "[nonsense]\na = 1\n[[observable]]", "nonsense: unknown key"),
        ("proportional = 0.2", "proportonal = 0.2", "observable[0].error.proportonal: unknown key; did you"),
        ("KA =", "LAGG = { value = 1.0, unit = 'h', origin = 't' }\nKA =", "LAGG: nothing in this structure uses it;"),
        ('"first_order"', '"none"', "parameters.KA: nothing in this structure uses it"),
        ('value = 3.0, unit = "L"', 'value = nan, unit = "L"', "parameters.V.value: is nan"),
        ('value = 3.0, unit = "L"', "value = '3', unit = \"L\"", "parameters.V.value: is '3'"),
        ("compartments = 1", "compartmens = 1", "structure.compartmens: unknown key; did you mean 'compartments'?"),
    ],
)
def test_a_slip_in_a_population_file_is_named_with_what_was_meant(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    said = findings(tmp_path, POPULATION.replace(old, new, 1), "m.toml")
    assert any(says in f and f.startswith("error") for f in said), said
    assert not findings(tmp_path, POPULATION, "m.toml")


def test_shape_and_meaning_are_told_together(tmp_path: Path) -> None:
    text = POPULATION.replace("effect =", "efect =").replace('"1/h"', '"gal"') + "[nonsense]\na = 1\n"
    said = "\n".join(findings(tmp_path, text, "m.toml"))
    assert all(word in said for word in ("efect", "nonsense", "'gal'"))


CHECK = """[[check]]
id = "bolus"
rung = "closed_form"
source = "exp(-t) of 1 mg in 1 L"
doses = [{ time_h = 0.0, route = "iv", amount_mg = 3.0 }]
expect = [{ analyte = "mol", time_h = 2.0, value = 0.1353352832 }]
"""


def test_a_check_file_is_run(tmp_path: Path) -> None:
    """3 mg into V = 3 L with CL/V = 1: exp(-2) after 2 h."""
    (tmp_path / "m.toml").write_text(POPULATION)
    (good,) = findings(tmp_path, CHECK, "m.check.toml")
    assert good.startswith("note") and "mol at 2 h: 0.135335" in good
    (missed,) = findings(tmp_path, CHECK.replace("0.1353352832", "0.2"), "m.check.toml")
    assert missed.startswith("error") and "expected 0.2" in missed
    said = "".join(findings(tmp_path, CHECK.replace("rung", "rang"), "m.check.toml"))
    assert "check[0].rang: unknown key; did you mean 'rung'?" in said and "check[0].rung: is missing" in said


def test_a_shared_file_is_as_strict(tmp_path: Path) -> None:
    for name, old, new, says in (
        ("enzymes", "kdeg_liver =", "kdeg_livr =", "kdeg_livr: unknown key; did you mean 'kdeg_liver'?"),
        ("genotypes", "frequency =", "freqency =", "freqency: unknown key; did you mean 'frequency'?"),
        ("physiology/dog", "drains_to", "drain_to", "drain_to: unknown key; did you mean 'drains_to'?"),
    ):
        text = (FOLDER / f"{name}.toml").read_text()
        assert any(says in f for f in findings(tmp_path, text.replace(old, new, 1), "x.toml")), name
