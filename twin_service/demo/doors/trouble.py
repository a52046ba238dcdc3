"""A network that fails: connections cut after a random number of bytes, in either direction."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable


class Cutter:
    """A proxy on loopback that cuts each connection after a random count of bytes, about `mean_bytes`.

    target   where the connection goes on to, asked for each
    """

    def __init__(self, target: Callable[[], tuple[str, int]], mean_bytes: float, seed: int) -> None:
        self._target, self._mean, self._rng = target, mean_bytes, random.Random(seed)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.cuts = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.getsockname()[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Accept no more."""
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target(), 5.0)
            except OSError:
                near.close()
                continue
            left = [max(1, int(self._rng.expovariate(1.0 / self._mean)))]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(a, b, left), daemon=True).start()

    def _carry(self, a: socket.socket, b: socket.socket, left: list[int]) -> None:
        """Bytes of `a` to `b` until what is left for both directions is used up; the last part is cut short."""
        try:
            while data := a.recv(4096):
                part = data[: left[0]]
                left[0] -= len(part)
                b.sendall(part)
                if left[0] <= 0:
                    self.cuts += 1
                    break
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
