"""HL7 v2 through the door: a ward's messages in shuffled order with duplicates, the wire cut, the listener killed.

Every message is sent until it is acknowledged; then each twin must hold what the ward said in the end, once.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from twin_client import TwinClient
from twin_client.ehr.hl7v2.sender import MllpSender
from twin_service.demo.doors.messages import make_ward
from twin_service.demo.doors.run import Where
from twin_service.demo.doors.standing import differences, standing
from twin_service.demo.doors.trouble import Cutter
from twin_service.demo.process import free_port, running_server

MESSAGES, PATIENTS, SEED, AGAIN = 5000, 50, 7, 0.1
MEAN_BYTES, KILL_EVERY_S = 60_000.0, 8.0
SITE = 'id = "ward"\nschema = 1\n[patient]\nauthority = "HOSP"\n[twin]\npoppk = "vancomycin_goti"\n'
Tell = Callable[[str], None]


@dataclass
class Sabotage:
    """What went wrong on purpose."""

    kills: int = 0
    cuts: int = 0
    stop: threading.Event = field(default_factory=threading.Event)


def figures(tell: Tell, where: Where) -> dict[str, float]:
    """Figures hl7.*; nothing is read."""
    return measure(tell, MESSAGES)


def measure(tell: Tell, messages: int) -> dict[str, float]:
    """As `figures`, of at least so many messages."""
    ward = make_ward(SEED, messages, PATIENTS)
    rng = random.Random(SEED)
    order = [*ward.messages, *rng.sample(ward.messages, int(AGAIN * len(ward.messages)))]
    rng.shuffle(order)
    with tempfile.TemporaryDirectory(prefix="twin-hl7-") as folder:
        with running_server(Path(folder) / "server.log") as address:
            began, trouble = time.monotonic(), Sabotage()
            attempts = _send(address, Path(folder), order, trouble)
            spent = time.monotonic() - began
            with TwinClient(address, "default", timeout_s=120.0) as client:
                wrong = [differences(standing(client, p), stands) for p, stands in ward.stands.items()]
    lost, doubled = (sum(w[k] for w in wrong) for k in (0, 1))
    expected = sum(len(s) for s in ward.stands.values())
    tell(f"{len(order)} messages in {spent:.0f} s, {attempts} attempts, {trouble.cuts} cuts, {trouble.kills} kills")
    tell(f"{expected} findings expected, {lost} lost, {doubled} doubled")
    return {
        "hl7.messages": len(ward.messages),
        "hl7.sent": len(order),
        "hl7.attempts": attempts,
        "hl7.cuts": trouble.cuts,
        "hl7.kills": trouble.kills,
        "hl7.findings": expected,
        "hl7.lost": lost,
        "hl7.doubled": doubled,
        "hl7.messages_per_s": len(order) / spent,
    }


def _send(address: str, folder: Path, order: list[bytes], trouble: Sabotage) -> int:
    """Send all through a wire that is cut, to a listener that is killed; how many attempts it took."""
    port = free_port()
    with _killed_listener(address, folder, port, trouble):
        cutter = Cutter(lambda: ("127.0.0.1", port), MEAN_BYTES, SEED)
        try:
            with MllpSender(lambda: cutter.address, 20.0) as sender:
                done = [sender.send(m, m.split(b"|")[9].decode(), give_up_s=180.0) for m in order]
        finally:
            cutter.close()
            trouble.cuts = cutter.cuts
    refused = sum(a.code != "AA" for a in done)
    if refused:
        raise RuntimeError(f"{refused} messages were refused")
    return sum(a.attempts for a in done)


@contextmanager
def _killed_listener(address: str, folder: Path, port: int, trouble: Sabotage) -> Iterator[None]:
    """A listener process, killed without warning every few seconds and started again."""
    running = [_listener(address, folder, port)]

    def kill() -> None:
        rng = random.Random(SEED)
        while _is_listening(port, trouble.stop) and not trouble.stop.wait(rng.uniform(0.5, 1.5) * KILL_EVERY_S):
            running[0].send_signal(signal.SIGKILL)
            running[0].wait()
            trouble.kills += 1
            running[0] = _listener(address, folder, port)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        trouble.stop.set()
        thread.join()
        running[0].kill()
        running[0].wait()


def _is_listening(port: int, stop: threading.Event) -> bool:
    """True once the listener accepts connections: one that is still starting has nothing to lose."""
    while not stop.wait(0.1):
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return True
        except OSError:
            continue
    return False


def _listener(address: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    site = folder / "site.toml"
    site.write_text(SITE)
    held = folder / "held.ndjson"
    said = ["hl7", "listen", "--port", str(port), "--server", address, "--site", str(site), "--held", str(held)]
    return subprocess.Popen(
        [sys.executable, "-m", "twin_service", *said],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
