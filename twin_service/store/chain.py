"""Digests of what is stored: of one row, of one body, and of a chain of rows."""

from __future__ import annotations

import hashlib

START = "0" * 64


def digest(*parts: object) -> str:
    """SHA-256 over the parts, each preceded by its kind and length, so that no two lists of parts look alike."""
    h = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else b"" if part is None else str(part).encode()
        h.update(f"{type(part).__name__}:{len(data)}:".encode())
        h.update(data)
    return h.hexdigest()


def body_digest(salt: bytes, body: bytes) -> str:
    """Salted, because a record such as "weight 70 kg" could be guessed from a bare digest."""
    return hashlib.sha256(salt + body).hexdigest()


def next_event(previous: str, revision: int, body: str, arrival_us: int) -> str:
    """Link of event `revision`, whose body digest is `body`, to the chain that ends in `previous`."""
    return digest("event", previous, revision, body, arrival_us)
