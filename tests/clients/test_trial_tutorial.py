"""The tutorial of the sponsor's desk runs as it is printed, against a live server."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.house.source import ROOT
from twin_client.errors import ClientError
from twin_client.sponsor import Sponsor, content_of
from twin_service.service.server import Server
from twin_service.settings import Settings

FOLDER = ROOT / "clients" / "tutorials" / "trial"
BLOCKS = re.findall(r"^```python\n(.*?)^```", (FOLDER / "README.md").read_text(), flags=re.S | re.M)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/twin.db"
    server = Server(Settings(database_url=url, listen="127.0.0.1:0", metrics_port=-1))
    server.start()
    yield f"127.0.0.1:{server.port}"
    server.stop(0)


def test_the_survival_trial_and_its_package(address: str, tmp_path: Path) -> None:
    exec(compile(BLOCKS[0], "tutorial", "exec"), {"ADDRESS": address, "FOLDER": FOLDER, "OUT": tmp_path})
    made = {p.name for p in (tmp_path / "pbc").iterdir()}
    assert {"report.html", "adsl.xpt", "adtte.xpt", "adtte.json", "define.xml", "analysis_log.json"} <= made
    assert "D-penicillamine" in (tmp_path / "pbc" / "report.html").read_text()


def test_trials_of_others(address: str, reference_dir: Path) -> None:
    names: dict[str, object] = {"ADDRESS": address, "FOLDER": FOLDER, "DATA": reference_dir / "trials"}
    exec("from twin_client.sponsor import Sponsor", names)
    assert len(BLOCKS) == 3
    for block in BLOCKS[1:]:
        exec(compile(block, "tutorial", "exec"), names)


def pbc() -> tuple[str, pd.DataFrame]:
    rows = {
        "id": range(40),
        "arm": ["placebo", "D-penicillamine"] * 20,
        "time": range(5, 45),
        "death": [0, 1, 1, 1] * 10,
    }
    text = (FOLDER / "pbc.toml").read_text()
    start = text.index("covariates = ")
    return text[:start] + text[text.index("\n", start) + 1 :], pd.DataFrame(rows)


def refused(address: str, protocol: str, tables: dict[str, pd.DataFrame], step: str = "adjust") -> ClientError:
    with Sponsor(address, "acme") as desk, pytest.raises(ClientError) as told:
        desk.run(protocol, step, tables)
    return told.value


def test_what_is_wrong_is_said_before_or_after_the_work(address: str) -> None:
    protocol, table = pbc()
    with Sponsor(address, "acme") as desk:
        first = desk.run(protocol, "adjust", {"pbc.csv": table})
        again = desk.result(first.operation)
    assert first == again and "D-penicillamine" in first.page
    missing = refused(address, protocol, {})
    assert missing.code == "INVALID_ARGUMENT" and "'pbc.csv', which is not among the files" in missing.message
    assert "not named by the protocol" in refused(address, protocol, {"pbc.csv": table, "more.csv": table}).message
    assert "did you mean 'control'" in refused(address, protocol.replace("control =", "controls ="), {}).message
    late = refused(address, protocol, {"pbc.csv": table.assign(arm="placebo")})
    assert late.code == "INVALID_ARGUMENT" and "nobody is in arm 'D-penicillamine'" in late.message
    section = refused(address, protocol, {"pbc.csv": table}, "interim")
    assert section.code == "FAILED_PRECONDITION" and "[interim]" in section.message


def test_tables_are_frames_bytes_or_paths(tmp_path: Path) -> None:
    _, table = pbc()
    raw = content_of("pbc.csv", table)
    (tmp_path / "x.csv").write_bytes(raw)
    assert content_of("a", raw) == content_of("a", tmp_path / "x.csv") == raw
    assert pd.read_csv(io.BytesIO(raw)).equals(table)
    with pytest.raises(ValueError, match="sent as CSV"):
        content_of("pbc.xpt", table)
