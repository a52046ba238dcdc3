"""The acknowledgement of a message: AA when all of it is durable or held, AE to send it again, AR when never taken.

HL7 v2.5.1 chapter 2: MSA-1 of table 0008; ERR-3 of table 0357; ERR-4 E or W. Texts name no patient.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from twin_client.ehr.reading import Held

TEXT_MAX = 200
ERRORS_MAX = 20


def acknowledgement(
    block: bytes,
    code: str,
    now: datetime,
    *,
    fault: tuple[tuple[str, str], str, str] | None = None,
    held: Sequence[Held] = (),
) -> bytes:
    """The ACK to the message in `block`, readable or not.

    code    AA, AE or AR
    fault   (code of table 0357, place, sentence) of what was not taken at all
    held    what was left out of a message that was taken: a warning each
    """
    head = _fields(block)
    kind = head(8).split("^")[1] if head(8).count("^") else ""
    stamp = now.strftime("%Y%m%d%H%M%S%z")
    answer = f"ACK^{kind}^ACK" if kind else "ACK"
    ends = f"{head(4)}|{head(5)}|{head(2)}|{head(3)}"
    last = f"{head(9)[:18]}|{head(10) or 'P'}|{head(11) or '2.5.1'}"
    lines = [f"MSH|^~\\&|{ends}|{stamp}||{answer}|{last}", f"MSA|{code}|{head(9)}"]
    if fault is not None:
        (number, text), place, said = fault
        lines.append(f"ERR||{_place(place)}|{number}^{text}^HL70357|E||||{_escaped(said)}")
    for one in held[:ERRORS_MAX]:
        sentence = f"{one.reason}; {one.remedy}"
        lines.append(f"ERR||{_place(one.resource)}|207^Application internal error^HL70357|W||||{_escaped(sentence)}")
    return ("\r".join(lines) + "\r").encode("utf-8")


def _fields(block: bytes) -> Callable[[int], str]:
    """Fields of a header that may not be readable, by number less one; nothing that would break the answer."""
    line = re.split(rb"[\r\n]", block.lstrip(), maxsplit=1)[0].decode("latin-1")
    parts = line.split(line[3]) if line.startswith("MSH") and len(line) > 4 else []

    def field(at: int) -> str:
        text = parts[at] if at < len(parts) else ""
        return text.replace("|", "").replace("\x1c", "").replace("\x0b", "")[:60]

    return field


def _place(place: str) -> str:
    """OBX[3] as segment and sequence, MSH-9 as segment, sequence and field (ERL)."""
    found = re.fullmatch(r"([A-Z0-9]{3})(?:\[(\d+)\])?(?:-(\d+))?", place)
    return f"{found[1]}^{found[2] or 1}" + (f"^{found[3]}" if found[3] else "") if found else ""


def _escaped(text: str) -> str:
    for sign, escape in (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\")):
        text = text.replace(sign, escape)
    return re.sub(r"[\r\n\x0b\x1c]", " ", text)[:TEXT_MAX]
