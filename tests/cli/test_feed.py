"""`twin ingest`, `twin check-site` and `twin hl7` as a user types them, against a live service."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tests.clients.live import live_client
from tests.clients.test_ingest import bundle, lab, person
from twin_service.cli.app import app
from twin_service.demo.doors.messages import make_ward

RUN = CliRunner()


def test_ingest_tells_what_became_of_each_file_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.json").write_bytes(bundle(person("c1"), lab("c1", 0), {"resourceType": "Encounter", "id": "e"}))
    (folder / "bad.xml").write_text("<Bundle/>")
    with live_client(tmp_path) as client:
        said = ["ingest", str(folder), "--server", _address(client), "--tenant", "test", "--poppk", "vancomycin_goti"]
        first = RUN.invoke(app, [*said, "--json", str(tmp_path / "r.json")])
        second = RUN.invoke(app, said)
        report = json.loads((tmp_path / "r.json").read_text())
    assert first.exit_code == second.exit_code == 1, first.output  # one file was refused
    assert "1 twins made" in first.output and "0 twins made" in second.output and "XML" in first.output
    bad, good = report["files"]
    assert (good["entries"], good["taken"], good["ignored"], good["unaccounted"]) == (3, 2, 1, 0)
    assert bad["error"].startswith("it is XML") and sorted(p.name for p in folder.iterdir()) == ["bad.xml", "good.json"]


def _address(client: object) -> str:
    target = client._channel._channel.target()  # type: ignore[attr-defined]
    return str(target.decode()).removeprefix("dns:///")


def test_a_service_that_is_away_is_one_clear_line(tmp_path: Path) -> None:
    from twin_service.outcome import Refusal

    path = tmp_path / "a.json"
    path.write_bytes(bundle(person("c1"), lab("c1", 0)))
    missing = RUN.invoke(app, ["ingest", str(tmp_path / "none")])
    assert isinstance(missing.exception, Refusal) and "does not exist" in str(missing.exception)


def test_a_site_map_is_checked_with_all_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('id = "x"\nschema = 1\n[code]\nA = "creatinine"\n[units]\n"mg%" = 3\n')
    wrong = RUN.invoke(app, ["check-site", str(path)])
    assert wrong.exit_code == 1 and "did you mean 'codes'" in wrong.output and "2 errors" in wrong.output
    path.write_text('id = "x"\nschema = 1\n[codes]\nA = "creatinine"\n')
    right = RUN.invoke(app, ["check-site", str(path)])
    assert right.exit_code == 0 and "x: 1 words mapped" in right.output


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    from twin_service.outcome import Refusal

    found = RUN.invoke(app, ["hl7", "listen", "--tls-certificate", str(tmp_path / "c.pem")])
    assert isinstance(found.exception, Refusal) and "go together" in str(found.exception)


def test_listening_beyond_loopback_needs_tls_or_a_word() -> None:
    from twin_service.outcome import Refusal

    found = RUN.invoke(app, ["hl7", "listen", "--host", "0.0.0.0"])
    assert isinstance(found.exception, Refusal) and "beyond loopback" in str(found.exception)


def test_messages_are_explained_without_sending_them(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.hl7", tmp_path / "bad.hl7"
    good.write_bytes(make_ward(2, 2, 1).messages[1].replace(b"2160-0", b"11111-1"))
    bad.write_text("FHS|^~\\&|A")
    found = RUN.invoke(app, ["hl7", "check", str(good), str(bad)])
    assert found.exit_code == 1 and "its code is not mapped: 11111-1" in found.output
    assert "bad.hl7: refused (AR 101, MSH)" in found.output and "good.hl7: " in found.output
