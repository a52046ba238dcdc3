"""One HL7 v2 message: its text out of bytes, its segments, and its fields as plain text.

HL7 v2.5.1 chapter 2: delimiters (MSH-1, MSH-2), escape sequences, repetitions, character sets (MSH-18, table 0211).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CHARACTER_SETS = {
    "ASCII": "ascii",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    **{f"8859/{n}": f"iso8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "ISO IR14": "iso2022_jp",
    "ISO IR87": "iso2022_jp",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
}
_HEAD = re.compile(rb"^MSH(.)(.)(.)(.)(.)")
_SEGMENT = re.compile(r"^[A-Z][A-Z0-9]{2}(?=$|[^A-Za-z0-9])")
NULL = '""'
# Errors of table 0357
MISSING, TYPE, KEY = ("101", "Required field missing"), ("102", "Data type error"), ("204", "Unknown key identifier")
UNSUPPORTED, EVENT = ("200", "Unsupported message type"), ("201", "Unsupported event code")
PROCESSING, VERSION = ("202", "Unsupported processing id"), ("203", "Unsupported version id")
INTERNAL = ("207", "Application internal error")


class RejectedError(Exception):
    """A message that is not taken at all. `code` of table 0357; the sentence names no patient."""

    def __init__(self, code: tuple[str, str], message: str, place: str = "MSH") -> None:
        super().__init__(message)
        self.code, self.message, self.place = code, message, place


@dataclass(frozen=True)
class Segment:
    """One segment; `at` is its place among those of its name, from 1."""

    name: str
    at: int
    _raw: Any
    _message: Any

    @property
    def place(self) -> str:
        """Where it is, for reports: OBX[3]."""
        return f"{self.name}[{self.at}]"

    def text(self, field: int, component: int = 1, *, repetition: int = 0, part: int = 1) -> str:
        """A component of a field, escapes undone; "" where it is absent or null."""
        found = self._repetitions(field)
        if repetition >= len(found):
            return ""
        value = _pick(found[repetition], component - 1, 1)
        value = _pick(value, part - 1, 2)
        text = str(value)
        return "" if text == NULL else str(self._message.unescape(text)).strip()

    def count(self, field: int) -> int:
        """How many repetitions of a field say something."""
        return sum(bool(str(r)) for r in self._repetitions(field))

    def is_null(self, field: int) -> bool:
        """Whether the field says that its value is to be deleted."""
        return [str(r) for r in self._repetitions(field)] == [NULL]

    def _repetitions(self, field: int) -> list[Any]:
        if field >= len(self._raw):
            return []
        return list(self._raw[field])


def _pick(value: Any, index: int, level: int) -> Any:
    """Part `index` of a container; of plain text only the first part exists."""
    if isinstance(value, str):
        return value if index == 0 else ""
    return value[index] if index < len(value) else ""


@dataclass(frozen=True)
class Message:
    """A parsed message: its segments in order."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def all(self, name: str) -> Iterator[Segment]:
        """Segments of one name, in order."""
        return (s for s in self.segments if s.name == name)

    def first(self, name: str) -> Segment | None:
        return next(self.all(name), None)


def parse(block: bytes, default: str = "") -> Message:
    """The message in `block`, the bytes between the marks of MLLP. Raises RejectedError.

    default   character set of a message that names none (a name of CHARACTER_SETS); without it ASCII or UTF-8
    """
    import hl7

    head = _HEAD.match(block.lstrip())
    if head is None:
        raise RejectedError(MISSING, "it does not begin with MSH and its delimiters")
    marks = [m.decode("latin-1") for m in head.groups()]
    if len(set(marks)) < 5 or any(m.isalnum() or m.isspace() for m in marks):
        raise RejectedError(TYPE, "the delimiters of MSH-1 and MSH-2 are not five different signs", "MSH-2")
    text = _decoded(block, marks[0], default)
    try:
        raw = hl7.parse("\r".join(_segments(text)))
        counts: dict[str, int] = {}
        found = []
        for part in raw:
            name = str(part[0])
            counts[name] = counts.get(name, 0) + 1
            found.append(Segment(name, counts[name], part, raw))
        return Message(tuple(found))
    except (hl7.HL7Exception, IndexError, KeyError, ValueError, RecursionError):
        raise RejectedError(TYPE, "its segments cannot be read") from None


def _decoded(block: bytes, separator: str, default: str) -> str:
    line = re.split(rb"[\r\n]", block.lstrip(), maxsplit=1)[0].split(separator.encode("latin-1"))
    named = line[17].decode("latin-1").split(line[1].decode("latin-1")[1])[0] if len(line) > 17 else ""
    said = (named.split("~")[0] or default).strip().upper()
    if said and said not in CHARACTER_SETS:
        raise RejectedError(TYPE, f"character set {said[:20]!r} is not known; send UNICODE UTF-8 or 8859/1", "MSH-18")
    try:
        return block.decode(CHARACTER_SETS[said] if said else "utf-8").strip("\r\n\v\x1c ")
    except UnicodeDecodeError:
        what = f"it is not {said}" if said else "it names no character set and is neither ASCII nor UTF-8"
        raise RejectedError(TYPE, f"{what}; name the one it is in", "MSH-18") from None


def _segments(text: str) -> Iterator[str]:
    """Segments end in CR; LF and CRLF are met in files. A line that begins no segment goes on with the one before."""
    held = ""
    for line in re.split(r"\r\n|\r|\n", text):
        if _SEGMENT.match(line):
            if held:
                yield held
            held = line
        elif line.strip():
            held += f" {line.strip()}"
    if held:
        yield held
