"""Sends messages over MLLP and keeps on until each is acknowledged: a message without an answer is sent again."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

_ANSWER = re.compile(rb"MSA\|(A[AER])\|([^|\r]*)")


@dataclass(frozen=True)
class Acknowledged:
    """What the receiver said ("AA", "AE", "AR"), the whole answer, and how often the message was sent."""

    code: str
    answer: bytes
    attempts: int


class MllpSender:
    """One connection at a time to host and port, opened again when it breaks.

    where      asked before each attempt, so that a receiver may move
    timeout_s  of a connection, and of an answer
    """

    def __init__(self, where: Callable[[], tuple[str, int]], timeout_s: float = 20.0) -> None:
        self._where, self._timeout_s = where, timeout_s
        self._socket: socket.socket | None = None

    def __enter__(self) -> MllpSender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if any."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, message: bytes, control_id: str, *, give_up_s: float = 120.0) -> Acknowledged:
        """Send until the receiver takes or refuses the message. Raises TimeoutError after `give_up_s`."""
        end, attempts, pause, last = time.monotonic() + give_up_s, 0, 0.02, "no answer"
        while time.monotonic() < end:
            attempts += 1
            try:
                answer = self._exchange(message)
                found = _ANSWER.search(answer)
                if found is not None and found[2].decode("latin-1") == control_id and found[1] != b"AE":
                    return Acknowledged(found[1].decode(), answer, attempts)
                last = answer.decode("utf-8", "replace").partition("MSA|")[2][:200]
            except OSError as error:
                last = str(error)
            self.close()
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
        raise TimeoutError(f"message {control_id} was not acknowledged in {attempts} attempts; last: {last}")

    def _exchange(self, message: bytes) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection(self._where(), self._timeout_s)
        self._socket.sendall(b"\x0b" + message + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionResetError("the connection ended before the answer did")
            answer += part
        return answer
