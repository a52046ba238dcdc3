"""What a store can fail with, besides refusing: it is out of space, out of reach, or someone else was faster."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError


class StoreUnavailable(Exception):
    """The store cannot serve now; nothing of the request was applied. `reason` is stable and for programs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Conflict(Exception):
    """Another writer changed the row since it was read; the transaction must be tried again."""


def unavailable(error: DBAPIError) -> StoreUnavailable | None:
    """What `error` says about the store itself; None for a mistake in a statement or a conflict of two writers."""
    text = str(error.orig).lower()
    for words, reason, message in (
        (("disk is full", "no space left", "could not extend"), "STORE_FULL", "the store is out of space"),
        (("readonly", "read-only"), "STORE_READ_ONLY", "the store can only be read"),
        (("disk i/o error", "fsync", "could not write"), "STORE_IO", "the store failed to write; verify it"),
        (("is locked", "busy"), "STORE_BUSY", "the store is busy"),
        (("malformed", "not a database"), "STORE_DAMAGED", "the store is damaged; restore and verify it"),
        (("unable to open",), "STORE_UNREACHABLE", "the store cannot be opened"),
    ):
        if any(w in text for w in words):
            return StoreUnavailable(reason, message)
    state = getattr(error.orig, "sqlstate", "") or ""
    lost = isinstance(error.orig, psycopg.OperationalError) and (not state or state[:2] in ("08", "53", "57"))
    if error.connection_invalidated or lost:
        return StoreUnavailable("STORE_UNREACHABLE", "the store cannot be reached")
    return None


def is_conflict(error: DBAPIError) -> bool:
    """Whether another writer was faster: a key taken meanwhile, a deadlock, a serialization failure."""
    state = getattr(error.orig, "sqlstate", "") or ""
    return state in ("23505", "40001", "40P01") or "UNIQUE constraint failed" in str(error.orig)
