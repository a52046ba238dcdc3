"""The MLLP listener and a live service: acknowledged is durable, nothing lost or doubled, bad senders bounded."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.clients.live import live_client
from twin_client import ClientError, TwinClient
from twin_client.ehr.feed import Sender
from twin_client.ehr.hl7v2.listener import Desk, Limits, Listener, tls_context
from twin_client.ehr.hl7v2.sender import Acknowledged, MllpSender
from twin_client.ehr.ingest import Options
from twin_client.ehr.site import Site, TwinModel
from twin_service.demo.doors.messages import Ward, make_ward
from twin_service.demo.doors.standing import differences, digest, standing
from twin_service.demo.doors.trouble import Cutter
from twin_service.service.server import Server
from twin_service.settings import Settings

MODEL = TwinModel(poppk="vancomycin_goti")
SITE = Site(authority="HOSP")


def control(message: bytes) -> str:
    return message.split(b"|")[9].decode()


@contextmanager
def listening(desk: Desk, limits: Limits | None = None, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, int]]:
    """A listener in a thread of its own."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    listener = Listener(desk, limits)

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(listener.start("127.0.0.1", 0, tls))
        ready.set()
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield "127.0.0.1", listener.port
    finally:
        asyncio.run_coroutine_threadsafe(listener.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinClient]:
    with live_client(tmp_path_factory.mktemp("hl7")) as client:
        yield client


def desk(client: TwinClient, folder: Path, **more: object) -> Desk:
    return Desk(Sender(client, MODEL), Options(SITE), folder / "held.ndjson", **more)  # type: ignore[arg-type]


def send_all(where: tuple[str, int], messages: list[bytes]) -> list[Acknowledged]:
    with MllpSender(lambda: where) as sender:
        return [sender.send(m, control(m)) for m in messages]


def check(client: TwinClient, ward: Ward) -> str:
    """The digest of what stands, patients under their numbers; every difference from what was expected fails."""
    states = [(p[1:], standing(client, p)) for p in ward.stands]
    wrong = {p: differences(found, ward.stands[q]) for (p, found), q in zip(states, ward.stands, strict=True)}
    assert set(wrong.values()) == {(0, 0)}, wrong
    return digest(states)


@pytest.mark.parametrize("count", [120, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])])
def test_any_order_and_duplicates_end_in_the_same_state(served: TwinClient, tmp_path: Path, count: int) -> None:
    ward = make_ward(7, count, max(4, count // 100))
    shuffled = ward.messages * 2 if count < 1000 else ward.messages + random.Random(3).sample(ward.messages, count // 5)
    random.Random(5).shuffle(shuffled)
    digests = set()
    for prefix, messages in ((f"A{count}", ward.messages), (f"B{count}", shuffled)):
        order = [m.replace(b"|P0", f"|{prefix}0".encode()) for m in messages]
        with listening(desk(served, tmp_path)) as where:
            codes = {a.code for a in send_all(where, order)}
        assert codes == {"AA"}
        found = [(p[len(prefix) :], standing(served, p)) for p in named_patients(ward, prefix)]
        expected = [ward.stands[p] for p in ward.stands]
        assert [differences(f, e) for (_, f), e in zip(found, expected, strict=True)] == [(0, 0)] * len(expected)
        digests.add(digest(found))
    assert len(digests) == 1


def named_patients(ward: Ward, prefix: str) -> list[str]:
    return [f"{prefix}{p[1:]}" for p in ward.stands]


def test_nothing_is_acknowledged_while_the_service_is_away(tmp_path: Path) -> None:
    ward = make_ward(1, 3, 1)
    with TwinClient("127.0.0.1:1", "test", timeout_s=0.5) as away, listening(desk(away, tmp_path)) as where:
        with MllpSender(lambda: where) as sender, pytest.raises(TimeoutError):
            sender.send(ward.messages[0], control(ward.messages[0]), give_up_s=2.0)


def test_what_is_held_is_on_the_file_before_the_answer_and_names_no_patient(served: TwinClient, tmp_path: Path) -> None:
    message = make_ward(2, 2, 1).messages[1].replace(b"2160-0", b"11111-1").replace(b"|P0", b"|H0")
    with listening(desk(served, tmp_path)) as where:
        (answer,) = send_all(where, [message])
    line = json.loads((tmp_path / "held.ndjson").read_text().splitlines()[0])
    assert answer.code == "AA" and b"ERR||OBX^" in answer.answer
    assert line["message"] == control(message) and "not mapped" in line["reason"]
    assert b"H00000" not in answer.answer and "H00000" not in (tmp_path / "held.ndjson").read_text()


def test_a_patient_without_twin_is_held_when_no_model_is_named(served: TwinClient, tmp_path: Path) -> None:
    plain = Desk(Sender(served), Options(SITE), tmp_path / "held.ndjson")
    with listening(plain) as where:
        (answer,) = send_all(where, [make_ward(2, 1, 1).messages[0].replace(b"|P0", b"|NOBODY0")])
    assert answer.code == "AA" and b"has no twin" in answer.answer
    with pytest.raises(ClientError):
        served.twin("NOBODY0000")


# Bad senders


def test_half_a_message_a_slow_one_and_an_oversized_one_are_bounded(served: TwinClient, tmp_path: Path) -> None:
    message = make_ward(3, 1, 1).messages[0]
    limits = Limits(message_bytes_max=20_000, message_s=0.5, idle_s=2.0, connections_max=3)
    with listening(desk(served, tmp_path), limits) as where:
        with socket.create_connection(where) as half:
            half.sendall(b"\x0b" + message[: len(message) // 2])
        with socket.create_connection(where) as slow:
            slow.settimeout(5)
            slow.sendall(b"\x0b" + message[:50])
            assert slow.recv(10) == b""  # closed without an answer
        with socket.create_connection(where) as large:
            large.settimeout(5)
            large.sendall(b"\x0b" + b"x" * 60_000)
            assert b"MSA|AR|" in large.recv(4096)
        with socket.create_connection(where) as noise:
            noise.settimeout(5)
            noise.sendall(b"GET / HTTP/1.1\r\n" * 200)
            assert noise.recv(10) == b""
        assert send_all(where, [message])[0].code == "AA"


def test_junk_between_the_marks_is_refused_and_the_connection_goes_on(served: TwinClient, tmp_path: Path) -> None:
    rng = random.Random(11)
    good = make_ward(4, 1, 1).messages[0]
    with listening(desk(served, tmp_path)) as where, socket.create_connection(where) as s:
        s.settimeout(10)
        for k in range(60):
            junk = bytearray(good)
            for _ in range(rng.randrange(1, 30)):
                junk[rng.randrange(len(junk))] = rng.choice(b"|^~\\&\rXZ09\x00\xff")
            block = bytes(junk[: rng.randrange(1, len(junk))]) if k % 2 else bytes(junk)
            s.sendall(b"\x0b" + block.replace(b"\x1c", b"") + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                part = s.recv(65536)
                assert part
                answer += part
            assert b"MSA|A" in answer and b"MSA|AE" not in answer, (block, answer)


def test_tls_with_client_certificates(served: TwinClient, tmp_path: Path) -> None:
    authority = trustme.CA()
    for name, cert in (("server", authority.issue_cert("127.0.0.1")), ("client", authority.issue_cert("sender"))):
        cert.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        (tmp_path / f"{name}.pem").write_bytes(b"".join(c.bytes() for c in cert.cert_chain_pems))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = tls_context(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem")
    message = make_ward(5, 1, 1).messages[0].replace(b"|P0", b"|T0")
    ours = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with listening(desk(served, tmp_path), tls=context) as where:
        with pytest.raises((ssl.SSLError, OSError)), socket.create_connection(where) as bare:
            with ours.wrap_socket(bare, server_hostname="127.0.0.1") as nobody:
                nobody.sendall(b"\x0b" + message + b"\x1c\r")
                if not nobody.recv(10):
                    raise OSError("closed")
        ours.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
        with socket.create_connection(where) as bare, ours.wrap_socket(bare, server_hostname="127.0.0.1") as known:
            known.sendall(b"\x0b" + message + b"\x1c\r")
            assert b"MSA|AA|" in known.recv(4096)


# Death and broken wires


@pytest.mark.parametrize(
    ("count", "kills"), [(60, 4), pytest.param(1500, 30, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])]
)
def test_kill_9_of_the_listener_and_cut_wires_lose_and_double_nothing(tmp_path: Path, count: int, kills: int) -> None:
    """The listener is a process, killed again and again; the wire is cut after a random number of bytes."""
    settings = Settings(listen="127.0.0.1:0", metrics_port=-1, database_url=f"sqlite:///{tmp_path}/twin.db")
    server = Server(settings)
    server.start()
    port = free_port()
    ward = make_ward(9, count, 4)
    process = [start_listener(server.port, port, tmp_path)]
    stop = threading.Event()

    def kill() -> None:
        rng = random.Random(1)
        for _ in range(kills):
            if not until_listening(port) or stop.wait(rng.uniform(0.3, 1.5)):
                return
            process[0].send_signal(signal.SIGKILL)
            process[0].wait()
            process[0] = start_listener(server.port, port, tmp_path)

    killer = threading.Thread(target=kill)
    cutter = Cutter(lambda: ("127.0.0.1", port), 3000.0, 2)
    try:
        killer.start()
        with MllpSender(lambda: cutter.address, 10.0) as sender:
            answers = [sender.send(m, control(m)) for m in ward.messages]
        assert {a.code for a in answers} == {"AA"} and cutter.cuts > 3
        assert sum(a.attempts for a in answers) > len(answers)
        with TwinClient(f"127.0.0.1:{server.port}", "default") as client:
            check(client, ward)
    finally:
        stop.set()
        killer.join(30)
        cutter.close()
        process[0].kill()
        process[0].wait()
        server.stop(0.5)


def start_listener(server_port: int, port: int, folder: Path) -> subprocess.Popen[bytes]:
    site = folder / "site.toml"
    site.write_text('id = "t"\nschema = 1\n[patient]\nauthority = "HOSP"\n[twin]\npoppk = "vancomycin_goti"\n')
    args = ["hl7", "listen", "--port", str(port), "--server", f"127.0.0.1:{server_port}", "--site", str(site)]
    return subprocess.Popen(
        [sys.executable, "-m", "twin_service", *args, "--held", str(folder / "held.ndjson")],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def until_listening(port: int) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_a_listener_told_to_stop_ends_well(tmp_path: Path) -> None:
    port = free_port()
    process = start_listener(1, port, tmp_path)
    assert until_listening(port)
    process.terminate()
    assert process.wait(20) == 0
