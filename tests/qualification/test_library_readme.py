"""The page on adding a drug is true: its example runs as it stands, and every key of a file is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin_service.cli import science
from twin_service.cli.app import app
from twin_service.library.files import FOLDER
from twin_service.model.pbpk import antibody, dosage_file, drug_file, drug_ways
from twin_service.model.pbpk.checks import RULES
from twin_service.qualification.library_files import check_paths

PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
REFERENCE = (FOLDER / "drugs" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    block = re.search(r"\n\n((?:       .*\n)+)", PAGE)
    assert block is not None
    path = tmp_path / "mydrug.toml"
    path.write_text("\n".join(line[7:] for line in block[1].splitlines()) + "\n", encoding="utf-8")
    return path


def test_the_example_is_a_sound_file_with_what_the_page_says_assumed(example: Path) -> None:
    said = list(check_paths([example]))
    assert not [f for f in said if f.is_error]
    places = ("gut wall", "blood:plasma ratio", "absorption.peff")
    assert len(said) == len(places) and all(any(p in f.text for f in said) for p in places)


def test_the_example_predicts_from_the_command_line(example: Path, tmp_path: Path) -> None:
    if not any(c.name == "predict" or c.callback.__name__ == "predict" for c in app.registered_commands if c.callback):
        import typer

        science.register(app, typer.Typer())
    told = [str(example), "--dose", "100", "--json", str(tmp_path / "out.json"), "--out", str(tmp_path / "report")]
    result = CliRunner().invoke(app, ["predict", *told])
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["figures"]
    assert figures["predict.clearance_l_h"] == pytest.approx(12.0, rel=1e-6)
    assert 0.0 < figures["predict.f"] < 1.0 and figures["predict.auc_inf_mg_h_l"] == pytest.approx(
        100.0 * figures["predict.f"] / 12.0, rel=0.03
    )
    assert (tmp_path / "report" / "report.html").exists() and (tmp_path / "report" / "course.csv").exists()
    words = "--person sex=female --person ckd=3a --fed --every 12 --count 4 --loading 200 --miss 3 --times 1,2,40"
    more = words.split()
    beside = ["--with", "fluconazole,dose=200,every=24,count=2", "--start", "12"]
    result = CliRunner().invoke(app, ["predict", str(example), "--dose", "100", *more, *beside])
    assert result.exit_code == 0, result.output
    assert re.search(r"predict\.auc_ratio\s+[1-9]", result.output)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (["--with", "fluconazole"], "dose is missing"),
        (["--with", "fluconazole,doze=3"], "'doze' is unknown; known: dose"),
        (["--person", "sex=woman"], "write sex=male or sex=female"),
        (["--person", "ckd=9"], "ckd stage '9' is unknown"),
        (["--person", "age_y"], "is no name=value"),
        (["--vary", "age_y=20", "--population", "4"], "is no range"),
        (["--vary", "age_y=60:20", "--population", "4"], "runs downwards"),
        (["--times", "1,two"], "'two' is no number"),
    ],
)
def test_words_of_the_command_line_are_refused_with_what_is_meant(example: Path, told: list[str], says: str) -> None:
    import typer

    from twin_service.cli.prediction import predict
    from twin_service.outcome import Refusal

    alone = typer.Typer()
    alone.command()(predict)
    result = CliRunner().invoke(alone, [str(example), "--dose", "1", *told])
    assert isinstance(result.exception, Refusal) and says in result.exception.message


def test_every_key_and_rule_is_in_the_pages() -> None:
    keys = {*drug_file._TOP, *drug_ways._CLEARANCE, *dosage_file._ABSORPTION}
    keys |= {k for section, units in antibody._UNITS.items() for k in (section, *units)}
    keys |= {"t50", "shape", "lag", "available", "radius", "kinact", "emax", "ec50", "cv", "occasion"}
    keys |= {"kp_scalar", "vss", "method", "kp", "permeability"}
    missing = sorted(k for k in keys if not re.search(rf"\b{k}\b", REFERENCE))
    assert not missing, missing
    assert all(re.search(rf"\b{rule}\b", PAGE) for rule in RULES)
    assert len(PAGE.splitlines()) <= 75 and len(REFERENCE.splitlines()) <= 70
