"""Regimens and scores are read as tables write them; figures come out of what was run."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from twin_service.library.files import FOLDER
from twin_service.model.pbpk.library import load_library
from twin_service.outcome import Refusal
from twin_service.qualification.pbpk.children import Child, bias_removed, relative_clearances, single_clearances
from twin_service.qualification.pbpk.observed import in_plasma
from twin_service.qualification.pbpk.people import genotype_effects
from twin_service.qualification.pbpk.regimens import protocol_doses, shorthand_times
from twin_service.qualification.pbpk.run import qualify
from twin_service.qualification.pbpk.scores import gmfe, median, within


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("(S-0,T-24,R-4)", [0, 24, 48, 72]),
        ("S0-T12-R3", [0, 12, 24]),
        ("0-24-48", [0, 24, 48]),
        ("0-(S12-T12-R2)", [0, 12, 24]),
        ("(S0-T24-R2)-(S8-T24-R2)", [0, 8, 24, 32]),
        ("S0-(S0-T6-R3)-T24-R2", [0, 6, 12, 24, 30, 36]),
        ("0", [0]),
        ("every morning", []),
    ],
)
def test_shorthand(text: str, times: list[float]) -> None:
    assert shorthand_times(text) == times


def test_a_protocol_of_repeated_doses() -> None:
    parameters = [
        {"Name": "Start time", "Value": 0.0, "Unit": "h"},
        {"Name": "InputDose", "Value": 0.4, "Unit": "g"},
        {"Name": "End time", "Value": 48.0, "Unit": "h"},
    ]
    row = {
        "parameters_json": json.dumps(parameters),
        "schemas_json": '""',
        "application_type": "Oral",
        "dosing_interval": "DI_12_12",
    }
    doses = protocol_doses(row, 70.0)
    assert doses is not None
    assert [d[1] for d in doses] == [0.0, 12.0, 24.0, 36.0]
    assert {d[2] for d in doses} == {400.0}
    per_kg = [{"Name": "DosePerBodyWeight", "Value": 0.1, "Unit": "mg/kg"}]
    iv = {
        **row,
        "parameters_json": json.dumps(per_kg),
        "application_type": "IntravenousBolus",
        "dosing_interval": "Single",
    }
    assert protocol_doses(iv, 70.0) == [("iv", 0.0, pytest.approx(7.0), 0.0)]
    assert protocol_doses({**row, "application_type": "UserDefined"}, 70.0) is None


def test_scores_in_closed_form() -> None:
    assert gmfe([2.0, 0.5]) == pytest.approx(2.0)
    assert gmfe([1.0, 4.0]) == pytest.approx(2.0)
    assert within([0.4, 0.6, 1.9, 2.1], 2.0) == 0.5
    assert median([1.0, 9.0, 2.0, float("nan")]) == 2.0
    assert np.isnan(gmfe([]))


def test_genotypes_change_exposure_as_published() -> None:
    ratios = genotype_effects(FOLDER / "genotypes.check.toml", load_library())
    assert len(ratios) >= 6
    assert within([r.fold for r in ratios], 2.0) >= 0.9


def test_qualify_one_drug_without_reference_data(tmp_path: Path) -> None:
    figures = qualify(["theophylline"], reference_dir=tmp_path, report_dir=tmp_path / "report")
    assert figures["pbpk.drugs"] == 1.0
    assert figures["pbpk.check_pass_share"] == 1.0
    assert "pbpk.ddi_n" not in figures
    text = (tmp_path / "report" / "pbpk.html").read_text(encoding="utf-8")
    assert "theophylline" in text and "Check files" in text
    again = qualify(["theophylline"], reference_dir=tmp_path, report_dir=tmp_path / "report")
    assert again == figures
    assert "+0" in (tmp_path / "report" / "pbpk.html").read_text(encoding="utf-8")


def test_an_unknown_drug_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="'unobtainium' is unknown"):
        qualify(["unobtainium"], reference_dir=tmp_path)


@cache
def whole_library() -> dict[str, float]:
    folder = Path(os.environ.get("TWIN_REFERENCE_DIR", FOLDER.parents[2] / "shared" / "reference"))
    if not (folder / "pbpk").exists():
        pytest.skip("no reference data: set TWIN_REFERENCE_DIR")
    return qualify(reference_dir=folder)


@pytest.mark.slow
def test_the_library_meets_its_targets_on_reference_data() -> None:
    f = whole_library()
    assert f["pbpk.gmfe_concentration_median"] <= 1.5
    assert f["pbpk.auc_within_2fold"] >= 0.85
    assert f["pbpk.ddi_n"] >= 60
    assert f["pbpk.vss_rr_gmfe"] <= 3.03 and f["pbpk.vss_rr_gmfe_logp_below_4"] <= 2.62


@pytest.mark.slow
def test_peaks_and_interactions_are_within_twofold_as_often_as_wanted() -> None:
    f = whole_library()
    assert min(f["pbpk.cmax_within_2fold"], f["pbpk.ddi_within_2fold"]) >= 0.85 and f["pbpk.ddi_auc_gmfe"] <= 1.45


@pytest.mark.slow
def test_groups_of_children_clear_as_published_newborns_included() -> None:
    groups, singles = children()
    assert len(groups) >= 20 and len(singles) >= 40
    assert gmfe([r.fold for r in groups]) <= 1.35
    assert gmfe(bias_removed(groups + singles)) < gmfe([r.fold for r in groups + singles])


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    reason="1.352 over 74 rows: 1.31 over the 22 group means, 1.37 over 52 single children and small groups. With each "
    "drug's own bias divided out scatter between children alone leaves 1.29; digoxin (1.43) has hardly any: studies of "
    "the same ages differ up to twofold",
)
def test_children_clear_as_published() -> None:
    groups, singles = children()
    assert len(singles) >= 50
    assert gmfe([r.fold for r in groups + singles]) <= 1.35


@pytest.mark.slow
def test_children_clear_within_twofold() -> None:
    groups, singles = children()
    assert within([r.fold for r in groups + singles], 2.0) >= 0.93
    assert gmfe([r.fold for r in groups + singles]) <= 1.37


@cache
def children() -> tuple[list[Child], list[Child]]:
    folder = Path(os.environ.get("TWIN_REFERENCE_DIR", FOLDER.parents[2] / "shared" / "reference")) / "pbpk"
    if not folder.exists():
        pytest.skip("no reference data: set TWIN_REFERENCE_DIR")
    library = load_library()
    groups = relative_clearances(folder / "httk" / "johnson_v2.0.4.csv", library)
    return groups, single_clearances(folder / "osp" / "Pediatrics.csv", library)


def test_whole_blood_is_compared_as_the_plasma_it_stands_for() -> None:
    levels = np.array([3.0, 6.0])
    assert np.allclose(in_plasma(levels, "Whole Blood", 0.6), [5.0, 10.0])
    assert np.array_equal(in_plasma(levels, "Plasma", 0.6), levels)
    assert np.array_equal(in_plasma(levels, "Whole Blood", None), levels)
