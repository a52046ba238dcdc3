"""The MLLP listener: a message in, its events durable in the service, then the acknowledgement.

It keeps nothing of its own: killed at any moment, what was acknowledged is in the service and what was not is sent
again by its sender, which changes nothing where it had been recorded. What was held of a message that is acknowledged
is written to the held file, and on the disk, before the acknowledgement leaves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from twin_client.ehr.feed import NoTwinError, Sender
from twin_client.ehr.hl7v2.acknowledge import acknowledgement
from twin_client.ehr.hl7v2.message import INTERNAL, RejectedError, parse
from twin_client.ehr.hl7v2.read import Letter, check_header, read_message
from twin_client.ehr.ingest import Options
from twin_client.ehr.reading import Held
from twin_client.errors import ClientError

START, END = b"\x0b", b"\x1c\r"
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What a sender may cost: bytes of a message, seconds for one to arrive whole, idle seconds, connections."""

    message_bytes_max: int = 4 << 20
    message_s: float = 30.0
    idle_s: float = 3600.0
    connections_max: int = 64
    stray_bytes_max: int = 1024


@dataclass(frozen=True)
class Desk:
    """Where messages go: the sender of events, how they are read, and the file of what was held."""

    sender: Sender
    options: Options
    held_file: Path | None = None
    accept_tests: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def answer(self, block: bytes) -> bytes:
        """The acknowledgement to `block`: AA only when every event of it is durable or on the held file."""
        now = datetime.now(UTC)
        try:
            message = parse(block, self.options.site.character_set)
            check_header(message, accept_tests=self.accept_tests)
            letter = read_message(message, self.options)
            held = self._send(letter)
            self._write(message.header.text(10), held)
        except RejectedError as error:
            return self.counted("AR", acknowledgement(block, "AR", now, fault=(error.code, error.place, error.message)))
        except ClientError as error:
            said = f"the service did not take it ({error.code}); send it again"
            return self.counted("AE", acknowledgement(block, "AE", now, fault=(INTERNAL, "MSH", said)))
        except Exception as error:
            LOG.error("a message could not be read: %s", type(error).__name__, exc_info=error)
            said = "the message could not be read; its sender may try again, the operator finds the fault in the log"
            return self.counted("AE", acknowledgement(block, "AE", now, fault=(INTERNAL, "MSH", said)))
        return self.counted("AA", acknowledgement(block, "AA", now, held=held))

    def _send(self, letter: Letter) -> list[Held]:
        """Everything of the letter that did not become an event of the service."""
        held = list(letter.held)
        if not letter.events:
            return held
        try:
            answers = self.sender.send(letter.patient, letter.events, letter.origins)
        except NoTwinError as missing:
            return [*held, Held("PID-3", str(missing), "name a model, or create the twin, then send it again")]
        with self._lock:
            self.counts["events"] += sum(a.fate == "taken" and not a.is_known for a in answers.values())
        return held + [
            Held(letter.places.get(name, "PID"), a.reason, a.remedy) for name, a in answers.items() if a.fate != "taken"
        ]

    def _write(self, control_id: str, held: Sequence[Held]) -> None:
        """On the disk before the acknowledgement; no value and no patient, the sender's own id finds the message."""
        if not held or self.held_file is None:
            return
        lines = [
            json.dumps({"message": control_id, "place": h.resource, "reason": h.reason, "remedy": h.remedy})
            for h in held
        ]
        with self._lock, self.held_file.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def counted(self, code: str, answer: bytes) -> bytes:
        """`answer`, after counting its code."""
        with self._lock:
            self.counts[code] += 1
        return answer


class Listener:
    """Serves MLLP on one port. `start`, then `close`; `port` is known in between."""

    def __init__(self, desk: Desk, limits: Limits | None = None) -> None:
        self._desk, self._limits = desk, limits or Limits()
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="hl7")
        self._open: set[asyncio.StreamWriter] = set()
        self._busy: set[asyncio.Future[bytes]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen on `host` and `port` (0: a free one), encrypted when there is a `tls` context."""
        limit = self._limits.message_bytes_max
        self._server = await asyncio.start_server(self._serve, host, port, limit=limit, ssl=tls)

    async def close(self) -> None:
        """Stop listening; messages being taken are finished and acknowledged."""
        if self._server is not None:
            self._server.close()
        while self._busy:
            await asyncio.wait(self._busy)
            await asyncio.sleep(0)
        for writer in list(self._open):
            writer.close()
        self._pool.shutdown(wait=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= self._limits.connections_max:
            writer.close()
            return
        self._open.add(writer)
        try:
            while (block := await self._block(reader, writer)) is not None:
                future = asyncio.get_running_loop().run_in_executor(self._pool, self._desk.answer, block)
                self._busy.add(future)
                try:
                    await self._write(writer, await future)
                finally:
                    self._busy.discard(future)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            self._desk.counts["dropped"] += 1
        finally:
            self._open.discard(writer)
            writer.close()

    async def _block(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        """The next message between its marks, None when the sender is done. Half a message is never answered."""
        stray = 0
        while True:
            first = await asyncio.wait_for(reader.read(1), self._limits.idle_s)
            if not first:
                return None
            if first == START:
                break
            stray += 1
            if stray > self._limits.stray_bytes_max:
                raise TimeoutError
        try:
            block = await asyncio.wait_for(reader.readuntil(END), self._limits.message_s)
        except asyncio.LimitOverrunError:
            said = f"the message is larger than {self._limits.message_bytes_max} bytes"
            fault = (("102", "Data type error"), "MSH", said)
            await self._write(
                writer, self._desk.counted("AR", acknowledgement(b"", "AR", datetime.now(UTC), fault=fault))
            )
            return None
        return block[: -len(END)]

    async def _write(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        writer.write(START + answer + END)
        await asyncio.wait_for(writer.drain(), self._limits.message_s)


def tls_context(certificate: Path, key: Path, client_authority: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or later; with `client_authority` senders must present a certificate of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_authority is not None:
        context.load_verify_locations(client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
