"""Schema 2 of library files: the same meaning out of schema 1, its text rewritten with every comment kept."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from twin_service.cli.app import app
from twin_service.library.files import CHECK, FOLDER
from twin_service.model.compose import compose
from twin_service.model.library.schema import FileKind, in_schema_2, kind_of, migrated_text
from twin_service.model.library.toml_keys import written_keys
from twin_service.model.pbpk.library import load_drug, load_library
from twin_service.model.poppk import build_poppk
from twin_service.model.poppk.record import parse_model
from twin_service.outcome import Refusal
from twin_service.qualification.library_files import check_paths

OLD = """# a model, as of schema 1
id = "old"
schema = 1  # covariates = the first
version = "1"
drug = "x"
source = "covariates = [observables] # no comment"
structure = { compartments = 1, absorption = "none", elimination = "linear" }
routes = ["iv"]
derived = [
  "body_surface_m2",  # of the covariates below
]

[parameters.CL]
value = 2.0
unit = "L/h"
origin = "test"
covariates = [
  { law = "power", covariate = "weight_kg", coefficient = 0.75, reference = 70.0 },  # covariates = allometry
]

[parameters]
V = { value = 20.0, unit = "L", origin = "t", covariates = [{ law = "power", covariate = "body_surface_m2", \
coefficient = 1.0, reference = 1.8 }] }

  [[ covariates ]]  # kept
name = "weight_kg"
unit = "kg"
default = 70.0
[["covariates"]]
name = "height_cm"
unit = "cm"
default = 170.0

[[observables]]
analyte = "x"
unit = "mg/L"
error.kind = "normal"
error.proportional = 0.1
error.origin = "test"
"""
COMMENTS = ("# a model, as of schema 1", "# of the covariates below", "# covariates = allometry", "# kept")


def test_a_file_is_rewritten_with_its_comments() -> None:
    new = migrated_text(OLD, "old.toml")
    assert all(c in new for c in COMMENTS) and "schema = 2  # covariates = the first" in new
    assert '"covariates = [observables] # no comment"' in new and "  [[ covariate ]]  # kept" in new
    table = tomllib.loads(new)
    assert table["schema"] == 2 and len(table["covariate"]) == 2 and table["observable"][0]["error"]["kind"] == "normal"
    assert [len(p["covariate_effect"]) for p in table["parameters"].values()] == [1, 1]
    assert len(new.splitlines()) == len(OLD.splitlines())
    assert migrated_text(new, "old.toml") == new


def test_both_schemas_give_the_same_model() -> None:
    old, new = (parse_model(tomllib.loads(t)) for t in (OLD, migrated_text(OLD, "old.toml")))
    assert old == new
    at = {"weight_kg": 50.0, "height_cm": 180.0}
    blocks = [build_poppk(r) for r in (old, new)]
    assert [c.name for c in blocks[0].covariates] == list(at)
    first, second = (compose("old", {"old": b}).values(at) for b in blocks)
    assert np.array_equal(first, second)


def test_every_shipped_file_is_of_schema_2() -> None:
    paths = [p for p in sorted(FOLDER.rglob("*.toml")) if not p.name.endswith(CHECK)]
    assert len(paths) > 130
    old = [p.name for p in paths if tomllib.loads(p.read_text())["schema"] != 2]
    assert not old, old


def test_each_kind_is_told_by_its_tables() -> None:
    folders = {"poppk": FileKind.POPULATION, "qsp": FileKind.EFFECT, "antibodies": FileKind.ANTIBODY}
    folders |= {"drugs": FileKind.DRUG, "physiology": FileKind.SPECIES, ".": FileKind.SHARED}
    for folder, kind in folders.items():
        for path in (FOLDER / folder).glob("*.toml"):
            if not path.name.endswith(CHECK):
                assert kind_of(tomllib.loads(path.read_text())) is kind, path.name


def test_every_key_of_the_library_is_found_where_it_stands() -> None:
    """The scan agrees with the parser on every shipped file: the same set of paths."""

    def paths(value: object, at: tuple[str, ...]) -> set[tuple[str, ...]]:
        if isinstance(value, list):
            return set().union(*(paths(v, at) for v in value)) if value else set()
        if not isinstance(value, dict):
            return set()
        return set().union(*({(*at, k)} | paths(v, (*at, k)) for k, v in value.items())) if value else set()

    for path in sorted(FOLDER.rglob("*.toml")):
        text = path.read_text()
        keys = list(written_keys(text))
        assert {k.path for k in keys} == paths(tomllib.loads(text), ()), path.name
        assert all(text[k.start : k.end].strip("\"'") == k.path[-1] for k in keys), path.name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("schema = 1", "schema = 3"), ("schema: is 3", "known: 1, 2")),
        (("schema = 1", "schema = true"), ("schema: is True", "known: 1, 2")),
        (("[[observables]]", "[[observable]]\n[[observables]]"), ("observables: and observable are two spellings",)),
        (("schema = 1", "schema = 2"), ("observables: unknown key; did you mean 'observable'?", "covariates: unknown")),
    ],
)
def test_what_a_migration_cannot_decide_is_refused(change: tuple[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        parse_model(tomllib.loads(OLD.replace(*change)))
    assert all(w in refused.value.message for w in words), refused.value.message


def test_a_layout_that_cannot_be_kept_is_refused_and_left() -> None:
    awkward = OLD.replace('"covariates = [observables] # no comment"', '"""\n[[observables]]\n"""')
    assert '"""\n[[observables]]\n"""' in migrated_text(awkward, "old.toml")
    with pytest.raises(Refusal, match=r"no TOML"):
        migrated_text(OLD + "[[", "old.toml")


def test_a_drug_of_schema_1_keeps_its_therapeutic_range(tmp_path: Path) -> None:
    text = (FOLDER / "drugs" / "theophylline.toml").read_text()
    assert "[[therapeutic_range]]" in text
    path = tmp_path / "theophylline.toml"
    path.write_text(text.replace("schema = 2", "schema = 1").replace("[[therapeutic_range]]", "[[target]]"))
    library = load_library()
    assert load_drug(path, library) == library.drug("theophylline")
    said = [str(f) for f in check_paths([path])]
    assert any("schema: is 1 (target is now therapeutic_range)" in s and s.startswith("note") for s in said)


def test_correlated_effects_are_named_as_in_a_population() -> None:
    old = {"law": "x", "schema": 1, "correlation": [{"between": ["a", "b"], "covariance": 0.1}]}
    table, said = in_schema_2(old, FileKind.EFFECT, "qsp/x.toml")
    assert table["covariance"] == [{"between": ["a", "b"], "value": 0.1}] and len(said) == 1


def test_without_a_schema_the_words_decide() -> None:
    assert in_schema_2({"structure": {}, "observable": []}, FileKind.POPULATION, "x")[1] == []
    assert len(in_schema_2({"structure": {}, "observables": []}, FileKind.POPULATION, "x")[1]) == 1


def test_the_command_writes_in_place_and_says_so(tmp_path: Path) -> None:
    path, broken = tmp_path / "old.toml", tmp_path / "broken.toml"
    path.write_text(OLD)
    broken.write_text(OLD.replace("schema = 1", "schema = 7"))
    assert any("migrate-library old.toml" in str(f) for f in check_paths([path]))
    run = CliRunner().invoke(app, ["migrate-library", str(path), str(broken)])
    assert run.exit_code == 1 and "old.toml: now schema 2" in run.output and "schema: is 7" in run.output
    assert list(check_paths([path])) == []
    assert "schema = 7" in broken.read_text() and sorted(p.name for p in tmp_path.iterdir()) == [
        "broken.toml",
        "old.toml",
    ]
    again = CliRunner().invoke(app, ["migrate-library", str(path)])
    assert again.exit_code == 0 and "nothing to change" in again.output


def test_an_endpoint_means_the_same_in_either_kind_of_file() -> None:
    """The grade and a threshold relative to baseline used to be read past in a population file."""
    text = (
        migrated_text(OLD, "old.toml")
        + """
[[endpoint]]
id = "high"
grade = 2
output = "central"
unit = "1"
relative_to_baseline = true
comparison = "above"
threshold = 1.5
title = "level half again"
"""
    )
    (endpoint,) = build_poppk(parse_model(tomllib.loads(text))).endpoints
    assert (endpoint.grade, endpoint.relative_to_baseline, endpoint.serious) == (2, True, False)
    with pytest.raises(Refusal, match="'centrl' is unknown .*did you mean 'central'"):
        build_poppk(parse_model(tomllib.loads(text.replace('"central"', '"centrl"'))))
