"""No study both gives a parameter of a drug file and verifies it."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from twin_service.library.files import FOLDER
from twin_service.model.pbpk.library import drug_files, load_library
from twin_service.model.pbpk.studies import Treatment
from twin_service.qualification.pbpk.building import building_publications, cited, gave_a_value, publication
from twin_service.qualification.pbpk.courses import _same
from twin_service.qualification.pbpk.observed import ObservedStudy, observed_studies

FILES = drug_files()
OSP = Path(os.environ.get("TWIN_REFERENCE_DIR", FOLDER.parents[2] / "shared" / "reference")) / "pbpk" / "osp"


def tables(drug: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    check = FILES[drug].with_suffix("").with_suffix(".check.toml")
    return tomllib.loads(FILES[drug].read_text(encoding="utf-8")), tomllib.loads(check.read_text(encoding="utf-8"))[
        "check"
    ]


@pytest.mark.parametrize("drug", FILES)
def test_no_check_is_a_building_study(drug: str) -> None:
    table, checks = tables(drug)
    fitted = table.get("fitted", [])
    twice = [c["study"] for c in checks for f in fitted if c["study"].startswith(f) or f.startswith(c["study"])]
    assert not twice, f"{drug}: {twice} gave a parameter; verify on another study"


@pytest.mark.parametrize("drug", FILES)
def test_no_check_gave_a_value_that_an_origin_cites(drug: str) -> None:
    table, checks = tables(drug)
    words = [(set(re.findall(r"[\w'’\-]+", c["study"].lower())), c["study"]) for c in checks]
    twice = [name for said, name in words for author, year in cited(table) if {author, year} <= said]
    assert not twice, f"{drug}: {twice} gave a value of the file; verify on another study"


@pytest.mark.parametrize("drug", FILES)
def test_a_fitted_value_names_its_studies(drug: str) -> None:
    text = FILES[drug].read_text(encoding="utf-8")
    if 'method = "fitted"' in text:
        assert tomllib.loads(text)["fitted"], f"{drug}: a value is fitted, and no study is named"


def a_study(name: str, route: str = "oral", *, others: tuple[str, ...] = (), age: float = 30.0) -> ObservedStudy:
    import numpy as np

    given = tuple(Treatment(d, route, 1.0) for d in ("x", *others))
    return ObservedStudy(name, name, "x", given, {"age_y": age}, {}, np.arange(5.0), np.ones(5), 1.0)


def test_every_third_publication_of_a_route_is_building() -> None:
    names = ["Abe 1990", "Bohr 2000", "Cech 1999, 2 mg", "Cech 1999, 4 mg", "Dirac_2001", "Earl (1995)"]
    studies = [a_study(n) for n in names] + [a_study("Fermi 1988", "iv"), a_study("Gauss 1980", "iv")]
    studies += [a_study("Aaa 1970", others=("y",)), a_study("Aab 1970", age=5.0)]
    assert building_publications(studies) == {("abe", "1990"), ("dirac", "2001"), ("fermi", "1988")}
    assert building_publications(studies[:3]) == set()
    assert publication(studies[2]) == publication(studies[3]) == ("cech", "1999")
    assert gave_a_value(a_study("van Harten et al. 1991"), {("harten", "1991")})


@pytest.mark.slow
@pytest.mark.skipif(not OSP.exists(), reason="no reference data: the split of observed studies was not checked")
@pytest.mark.parametrize("drug", FILES)
def test_fitted_files_follow_the_rule(drug: str) -> None:
    """Every building publication is named in `fitted`, and none that gave a value is scored as verification."""
    table, _ = tables(drug)
    studies = observed_studies(OSP, load_library(), {drug})
    fitted = table.get("fitted", [])
    building = building_publications(studies)
    unnamed = [
        s.study
        for s in studies
        if (publication(s) in building or gave_a_value(s, cited(table))) and not any(_same(s, f) for f in fitted)
    ]
    if 'method = "fitted"' in FILES[drug].read_text(encoding="utf-8") or any(
        gave_a_value(s, cited(table)) for s in studies
    ):
        assert not unnamed, f"{drug}: {sorted(set(unnamed))} are building by the rule and scored as verification"
