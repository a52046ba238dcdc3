"""Files of FHIR JSON, resource by resource: a Bundle of any type, one resource, or one resource a line (Bulk Data).

A Bundle is streamed: memory holds one entry at a time. What is no FHIR JSON is refused by name.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from twin_client.ehr.fhir import READ

DEPTH_MAX = 64
HEAD_BYTES = 1 << 16
SUFFIXES = (".json", ".ndjson", ".jsonl")


class FileRefusedError(Exception):
    """The file cannot be read; the sentence says why and what to send instead."""


@dataclass(frozen=True)
class Entry:
    """One entry of a file: its resource and full address; or why it is held; or only its kind when that is not read."""

    body: dict[str, Any] | None
    url: str = ""
    kind: str = ""
    reason: str = ""
    remedy: str = ""


def entries_of(stream: IO[bytes]) -> Iterator[Entry]:
    """Every entry of `stream`, in order. Raises FileRefusedError at the place where it stops being FHIR JSON."""
    head = stream.read(HEAD_BYTES)
    whole = _Rejoined(head, stream)
    _check_head(head)
    if _is_bundle(head):
        yield from _bundle(whole)
    else:
        yield from _values(whole)


def _check_head(head: bytes) -> None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise FileRefusedError("the file is empty; send a Bundle, a resource, or one resource a line")
    if start.startswith(b"<"):
        raise FileRefusedError("it is XML; send FHIR as JSON (Accept: application/fhir+json)")
    if start[:3] == b"MSH":
        raise FileRefusedError("it is HL7 v2; send it to the listener, `twin hl7 listen`")
    if not start.startswith(b"{"):
        raise FileRefusedError("it does not begin with {; send a Bundle, a resource, or one resource a line")


def _is_bundle(head: bytes) -> bool:
    """Whether the first object says that it is a Bundle, or has entries, before anything else could."""
    import ijson

    try:
        for prefix, event, value in ijson.parse(io.BytesIO(head.removeprefix(b"\xef\xbb\xbf")), multiple_values=True):
            if prefix == "resourceType":
                return bool(value == "Bundle")
            if prefix == "entry" and event == "start_array":
                return True
            if prefix == "" and event == "end_map":
                return False
    except ijson.JSONError:
        return False
    return False


def _bundle(stream: _Rejoined) -> Iterator[Entry]:
    import ijson

    try:
        for entry in ijson.items(stream, "entry.item", use_float=True):
            yield _entry(entry)
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        raise FileRefusedError(f"it is not JSON to its end ({_short(error)}); send the whole file") from None


def _values(stream: _Rejoined) -> Iterator[Entry]:
    """One resource, over several lines or not; or one a line."""
    import ijson

    try:
        for body in ijson.items(stream, "", multiple_values=True, use_float=True):
            if isinstance(body, dict) and body.get("resourceType") == "Bundle":
                inner = body.get("entry") or []
                for entry in inner if isinstance(inner, list) else [inner]:
                    yield _entry(entry)
            else:
                yield _entry({"resource": body})
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        raise FileRefusedError(f"it is not JSON to its end ({_short(error)}); send the whole file") from None


def _entry(entry: Any) -> Entry:
    if not isinstance(entry, dict):
        return Entry(None, reason="an entry that is no object", remedy="correct the entry")
    body = entry.get("resource")
    request = entry.get("request")
    if isinstance(request, dict) and request.get("method") == "DELETE":
        return Entry(None, reason="the entry deletes a resource", remedy="send the resource as entered-in-error")
    if not isinstance(body, dict) or not body.get("resourceType"):
        return Entry(None, reason="it holds no resource that is an object", remedy="correct the entry")
    kind = str(body["resourceType"])
    if kind == "Bundle":
        return Entry(None, reason="a Bundle inside a Bundle", remedy="send the inner Bundle as a file of its own")
    if kind not in READ:
        return Entry(None, kind=kind)
    if _depth(body) > DEPTH_MAX:
        return Entry(None, reason=f"{kind} nested deeper than {DEPTH_MAX}", remedy="correct the resource")
    return Entry(body, str(entry.get("fullUrl") or ""))


def _depth(value: Any) -> int:
    """How deep objects and lists lie in each other; it walks without calling itself."""
    deepest, left = 0, [(value, 1)]
    while left:
        at, depth = left.pop()
        deepest = max(deepest, depth)
        if depth > DEPTH_MAX:
            return depth
        inner = at.values() if isinstance(at, dict) else at if isinstance(at, list) else ()
        left += [(v, depth + 1) for v in inner if isinstance(v, dict | list)]
    return deepest


def _short(error: Exception) -> str:
    """The parser's own words without the text around the fault, which may name a person."""
    return str(error).splitlines()[0].split("(right here)")[0].strip()[:80] or type(error).__name__


class _Rejoined:
    """The head that was looked at, then the rest: a pipe cannot be read twice."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head.removeprefix(b"\xef\xbb\xbf"), rest

    def read(self, size: int = -1) -> bytes:
        if self._head:
            taken = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(taken) :]
            return taken + (self._rest.read() if size < 0 else b"")
        return self._rest.read(size)
