"""`twin bench doors`: each door is a part that measures itself; a part is a module with `figures(tell, where)`.

A new door adds one line to PARTS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from twin_service.outcome import Refusal, RefusalCode

PARTS = {"ehr": "twin_service.demo.doors.ehr", "hl7": "twin_service.demo.doors.hl7"}


@dataclass(frozen=True)
class Where:
    """What parts may read: the folder of reference data (it may be absent), and a folder of further FHIR bundles."""

    reference: Path
    bundles: Path | None = None


def run(tell: Callable[[str], None], where: Where, parts: Sequence[str] = ()) -> dict[str, float]:
    """The figures of the named parts, of all when none is named. Raises Refusal for a name that is none."""
    chosen = list(parts) or list(PARTS)
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        said = f"{unknown[0]!r} is no door; known: {', '.join(PARTS)}"
        raise Refusal(RefusalCode.INVALID, said, field="--part")
    figures: dict[str, float] = {}
    for name in chosen:
        tell(f"measuring {name}")
        figures |= import_module(PARTS[name]).figures(tell, where)
    return figures
