"""The SBML semantic test suite, where it is present: what passed once must pass for ever, and nothing may be wrong.

`passing.txt` holds the ids of the cases that pass; it may only grow. A new pass fails the test until it is entered.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

pytest.importorskip("libsbml", reason="python-libsbml is the extra `sbml`")

from twin_service.qualification.bench.sbml import SbmlCase, run

PASSING = frozenset((Path(__file__).parent / "passing.txt").read_text().split())
ARCHIVE = "sbml/semantic_cases_odd.tar.xz"
SLICE = 15


@pytest.fixture(scope="module")
def cases(reference_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = reference_dir / ARCHIVE
    if not archive.is_file():
        pytest.skip(f"no {ARCHIVE} in the reference data")
    folder = tmp_path_factory.mktemp("suite")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


def checked(folder: Path, only: set[str] | None, workers: int) -> dict[str, float]:
    seen: list[SbmlCase] = []
    figures = run(folder, seen.append, workers, only=only)
    passed = {c.id for c in seen if c.result == "passed"}
    assert [c for c in seen if c.result == "wrong"] == []
    assert sorted((PASSING & {c.id for c in seen}) - passed) == []
    assert sorted(passed - PASSING) == [], "enter these in passing.txt"
    for case in seen:
        if case.result == "refused":
            assert case.id in case.detail, "a refusal names its file"
    return figures


def test_a_slice_of_the_suite(cases: Path) -> None:
    ids = sorted(p.name.split("-")[0] for p in cases.rglob("*-settings.txt"))[::SLICE]
    figures = checked(cases, set(ids), 1)
    assert figures["sbml.cases"] == len(ids) >= 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_suite(cases: Path) -> None:
    figures = checked(cases, None, 2)
    assert figures["sbml.cases"] == 911
    assert figures["sbml.passed"] / figures["sbml.cases"] >= 0.85
    assert figures["sbml.wrong"] == 0
    assert figures["sbml.passed"] + figures["sbml.refused"] == figures["sbml.cases"]


def test_the_table_of_passes_is_sorted_ids() -> None:
    lines = (Path(__file__).parent / "passing.txt").read_text().split()
    assert lines == sorted(set(lines)) and all(len(i) == 5 and i.isdigit() for i in lines)
