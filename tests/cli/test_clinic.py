"""`twin treat` and `twin toxicity`: files in, figures, pictures and one-line refusals out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from twin_service.cli.app import app
from twin_service.cli.treatment import read_protocol, treated
from twin_service.outcome import Refusal

PROTOCOL = """
model = "phenobarbital_neonate"
horizon_h = 72.0
members = 64
[covariates]
weight_kg = 1.4
[visits]
every_h = 12.0
held = "omitted"
[[plan]]
drug = "phenobarbital"
route = "iv"
dose_mg = 5.0
every_h = 12.0
count = 6
[[rule]]
id = "high"
output = "phenobarbital"
above = 22.0
do = "hold"
[[rule]]
id = "low"
output = "phenobarbital"
below = 15.0
do = "rescue"
times_max = 1
rescue = { drug = "phenobarbital", route = "iv", dose_mg = 10.0 }
[[target]]
output = "phenobarbital"
metric = "trough"
low = 15.0
high = 40.0
[[given]]
drug = "phenobarbital"
route = "iv"
dose_mg = 25.0
time_h = 0.0
[[reading]]
analyte = "phenobarbital"
value = 17.3
time_h = 2.0
"""


def write(folder: Path, text: str = PROTOCOL) -> Path:
    path = folder / "neonate.toml"
    path.write_text(text)
    return path


def run(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, list(words), standalone_mode=False)
    if isinstance(found.exception, Exception):
        raise found.exception
    return found.exit_code, found.output


@pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib.*", "ignore::PendingDeprecationWarning")
def test_a_protocol_file_is_followed_and_told(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (extra `demo`) is not installed")
    out = tmp_path / "out"
    code, said = run("treat", str(write(tmp_path)), "--json", str(out / "f.json"), "--out", str(out))
    table = json.loads((out / "f.json").read_text())
    figures, members = table["figures"], table["members"]
    assert code == 0 and "by rule" in said and (out / "protocol.png").stat().st_size > 10_000
    assert len(members) == 64 == figures["treat.members"]
    assert figures["treat.held_share"] == np.mean([m["holds"] > 0 for m in members])
    assert figures["treat.rescued_share"] == np.mean([m["rescues"] > 0 for m in members]) == table["rules"]["low"]
    for m in members:
        assert m["given_mg"]["phenobarbital"] == pytest.approx(30.0 - 5.0 * m["holds"])
    assert {"treat.plan.toxic", "treat.ruled.toxic", "treat.ruled.trough of phenobarbital"} <= set(figures)


def test_the_history_of_a_protocol_file_is_believed(tmp_path: Path) -> None:
    """The reading moves the belief, and treatment starts after it."""
    question = read_protocol(write(tmp_path))
    assert question.start_h == 2.0 and len(question.twin.forecasts) == 1 and len(question.twin.course.doses) == 1
    ruled, plain = treated(question)
    assert ruled.what_if.bands.times_h[-1] == 72.0 and plain.outcome.ok


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("every_h = 12.0\nheld", "every = 12.0\nheld", "visits"),
        ('do = "hold"', 'do = "pray"', "rule[0].do"),
        ("above = 22.0", "", "rule[0]"),
        ("dose_mg = 5.0", "", "plan[0].dose_mg"),
        ('held = "omitted"', 'held = "lost"', "visits.held"),
        ("weight_kg = 1.4", "shoe_size = 40", "covariates.shoe_size"),
        ('analyte = "phenobarbital"', 'analyte = "glucose"', "reading[0].analyte"),
        ("horizon_h = 72.0", "", "neonate.toml.horizon_h"),
        ("[visits]", "[visits", "file"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, field: str) -> None:
    assert old in PROTOCOL
    with pytest.raises(Refusal) as refused:
        read_protocol(write(tmp_path, PROTOCOL.replace(old, new, 1)))
    assert refused.value.field == field


@pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib.*", "ignore::PendingDeprecationWarning")
def test_a_panel_is_told_in_text_figures_and_a_page(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (extra `demo`) is not installed")
    out = tmp_path / "out"
    code, said = run(
        "toxicity",
        "quinidine",
        "--dose",
        "300",
        "--every",
        "8",
        "--count",
        "6",
        "--patients",
        "60",
        "--json",
        str(out / "f.json"),
        "--out",
        str(out),
    )
    table = json.loads((out / "f.json").read_text())
    assert code == 0 and "not known" in said
    assert table["figures"]["toxicity.known"] == 1 and 0 < table["figures"]["toxicity.qt.qtc_above_500"] < 1
    assert table["mechanisms"]["bleeding"]["state"] == "not known" and table["mechanisms"]["bleeding"]["risks"] is None
    assert not any(k.startswith("toxicity.bleeding") for k in table["figures"]), "what is not known is never 0"
    page = (out / "toxicity.html").read_text()
    assert "<svg" in page and "not known" in page and "margin" in page


def test_an_unknown_drug_is_refused() -> None:
    with pytest.raises(Refusal, match="no model of the library carries"):
        run("toxicity", "unobtainium", "--dose", "1")
