"""The ward's page over a running service: for `twin demo --serve`, and as figures for `twin bench doors`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from google.protobuf import json_format

from twin_client import TwinClient, dose
from twin_client.web.app import create_app
from twin_client.web.serve import key_of
from twin_client.web.ward import WebSettings
from twin_service.demo.cases import HOUR_ZERO, quinidine
from twin_service.demo.process import free_port, running_server
from twin_service.demo.questions import send_oncology
from twin_service.demo.stream import stream
from twin_service.v1 import event_pb2

if TYPE_CHECKING:
    from twin_service.demo.walk import Walked

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
READY_S = 20.0
PATIENTS = 6


@contextmanager
def running_page(server: str, tenant: str, port: int = 0) -> Iterator[str]:
    """The page's address, served from a thread of this process without signing in."""
    port = port or free_port()
    settings = WebSettings(server, key_of(None), open_tenant=tenant)
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, access_log=False, log_level="warning")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    end = time.monotonic() + READY_S
    while not served.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise RuntimeError(f"the page did not start on port {port}")
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        served.should_exit = True
        thread.join(READY_S)


def send_again(client: TwinClient, page: str, patient: str) -> str:
    """Send the last dose of `patient` once more under another id, by JSON: the service holds it. Returns its id."""
    last = [e.event for e in client.events(patient) if e.in_force and e.event.HasField("dose")][-1]
    again = dose(
        f"pharmacy-{last.id}",
        last.time.ToDatetime(HOUR_ZERO.tzinfo) + timedelta(minutes=5),
        last.dose.drug,
        last.dose.amount,
        route=last.dose.route,
        source="pharmacy",
    )
    _post_event(page, client.name_of(patient), again)
    return again.id


def _post_event(page: str, twin: str, event: event_pb2.Event) -> None:
    body = {
        "name": twin,
        "events": [json_format.MessageToDict(event)],
        "requestId": str(uuid.uuid4()),
        "acceptance": "ACCEPTANCE_POSSIBLE",
    }
    request = urllib.request.Request(
        f"{page}/twin_service.v1.TwinService/RecordEvents",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        state = json.load(answer)["receipts"][0]["state"]
    if state != "EVENT_STATE_HELD":
        raise RuntimeError(f"a dose sent twice was not held but {state}")


def figures(out: Path | None = None, axe: Path | None = None) -> dict[str, float]:
    """Walk the page in Chromium: paints, what-ifs and accessibility; pictures of each state go to `out`.

    axe     axe.min.js of the npm package axe-core; None: fetched with npm, and without it no `page.axe_serious`
    Raises RuntimeError where this machine has no Chromium.
    """
    from twin_service.demo.walk import walk

    with tempfile.TemporaryDirectory(prefix="twin-page-") as folder:
        with running_server(Path(folder) / "server.log") as server, TwinClient(server, "page", timeout_s=120) as client:
            streamed = stream(client, quinidine(PATIENTS), lambda n: None)
            _, revision = send_oncology(client)
            client.twin("oncology-1", min_revision=revision)
            patient = max(streamed, key=lambda s: s.case.levels).case.patient
            with running_page(server, "page") as page:
                send_again(client, page, patient)
                found = walk(page, patient, chromium(), axe or fetched_axe(Path(folder)), out)
    return page_figures(found)


def pictures(page: str, patients: Sequence[str], out: Path) -> list[Path]:
    """The work list and some patients as they look in this machine's Chromium; nothing where there is none."""
    program = next((p for p in map(shutil.which, CHROMIUM) if p), None)
    if program is None:
        return []
    with urllib.request.urlopen(page, timeout=60) as answer:
        listed = answer.read().decode()
    links = {"page-work-list": "/"}
    for patient in patients:
        found = re.search(rf'href="(/p/[^"]+)">{re.escape(patient)}<', listed)
        links |= {f"page-{patient}": found[1]} if found else {}
    return [_shot(program, page + link, out / f"{name}.png") for name, link in links.items()]


def _shot(program: str, url: str, to: Path) -> Path:
    with tempfile.TemporaryDirectory(prefix="twin-chromium-") as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        size = ["--window-size=1280,2400", "--hide-scrollbars", f"--user-data-dir={profile}", f"--screenshot={to}"]
        subprocess.run([program, *flags, *size, url], capture_output=True, timeout=120, check=True)
    return to


def page_figures(found: Walked) -> dict[str, float]:
    waits = sorted(found.what_if_ms)
    told = {
        "page.fcp_ms": max(found.paint_ms),
        "page.what_if_p50_ms": waits[len(waits) // 2],
        "page.what_if_p95_ms": waits[int(0.95 * (len(waits) - 1))],
        "page.what_ifs": float(len(waits)),
        "page.course_changed": float(found.course_changed),
        "page.console_errors": float(len(found.console)),
    }
    return told | ({} if found.serious is None else {"page.axe_serious": float(len(found.serious))})


def chromium() -> str:
    found = next((p for p in map(shutil.which, CHROMIUM) if p), None)
    if found is None:
        raise RuntimeError("no Chromium on this machine: apt-get install chromium")
    return found


def fetched_axe(folder: Path) -> Path | None:
    """axe-core by npm; None without npm or network."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    got = subprocess.run([npm, "pack", "axe-core@4", "--silent"], cwd=folder, capture_output=True, timeout=120)
    packed = next(folder.glob("axe-core-*.tgz"), None)
    if got.returncode or packed is None:
        return None
    shutil.unpack_archive(packed, folder / "axe", filter="data")
    return folder / "axe" / "package" / "axe.min.js"
