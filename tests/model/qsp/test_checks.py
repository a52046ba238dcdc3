"""The check runner itself: it must be able to fail, and says what is wrong with a check file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from twin_service.model.qsp.checks import check_block
from twin_service.model.qsp.record import block_files
from twin_service.outcome import Refusal


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    source = block_files()["qt_linear"]
    for p in (source, source.with_suffix("").with_suffix(".check.toml")):
        shutil.copy(p, tmp_path / p.name)
    return tmp_path / "qt_linear.toml"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_moved_parameter_is_found(copied: Path) -> None:
    assert all(f.ok for f in check_block(copied))
    edit(copied, "value = 11.73", "value = 14.0")
    failed = [f for f in check_block(copied) if not f.ok]
    assert {f.check for f in failed} == {"therapeutic", "equilibration"}
    assert failed[0].expected == 472.4 and failed[0].got == pytest.approx(429.5 + 14.0 * 3.78, rel=1e-4)


def test_a_finding_names_block_check_measure_rung_and_source(copied: Path) -> None:
    first = check_block(copied)[0]
    assert (first.block, first.check, first.rung) == ("qt_linear", "subtherapeutic", "published")
    assert first.measure == "qtc value at 24 h" and "Mathis" in first.source


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('rung = "published"', 'rung = "rumored"', "rung: 'rumored' is unknown"),
        ('source = "Mathis', 'source_of = "Mathis', "did you mean 'source'"),
    ],
)
def test_a_check_without_provenance_is_refused(copied: Path, old: str, new: str, said: str) -> None:
    edit(copied.with_suffix("").with_suffix(".check.toml"), old, new)
    with pytest.raises(Refusal, match=said):
        check_block(copied)


def test_a_block_without_checks_is_refused(copied: Path) -> None:
    sibling = copied.with_suffix("").with_suffix(".check.toml")
    sibling.write_text("")
    with pytest.raises(Refusal, match="check: is missing"):
        check_block(copied)
    sibling.unlink()
    with pytest.raises(Refusal, match="is missing"):
        check_block(copied)


def test_every_block_has_a_check_above_our_own_numbers_or_says_so() -> None:
    """Each file's checks carry a rung; the library as a whole rests on published and independent figures."""
    rungs: dict[str, int] = {}
    for path in block_files().values():
        for line in path.with_suffix("").with_suffix(".check.toml").read_text().splitlines():
            if line.startswith("rung = "):
                rungs[line[8:-1]] = rungs.get(line[8:-1], 0) + 1
    assert rungs["published"] >= 10 and rungs["reference_run"] >= 15 and rungs["closed_form"] >= 10
