"""What became of each entry of a bundle: exactly one mark, so that taken, held and the rest sum to what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from twin_client.ehr.fields import Body
from twin_client.ehr.reading import Held, HoldError, Origin
from twin_service.v1 import event_pb2

CORRECTED = ("amended", "corrected")


def body_of(entry: Any) -> dict[str, Any] | None:
    """The resource of a bundle entry, {} where it has none, None where it is no object."""
    body = (entry.get("resource") or {}) if isinstance(entry, dict) and entry.get("resource") != [] else None
    return body if isinstance(body, dict) else None


def resource_name(r: Body) -> str:
    """Type and id, as a reference says them."""
    return f"{r['resourceType']}/{r.get('id')}"


def held_of(r: Body, hold: HoldError) -> Held:
    """The report of a resource that is held."""
    return Held(resource_name(r), hold.reason, hold.remedy)


class Ledger:
    """The marks of one reading, filled in while its resources are read. Resources are known by identity."""

    def __init__(self, entries: Sequence[Any]) -> None:
        self.marks = [""] * len(entries)
        self.held: list[Held] = []
        self.origins: dict[str, Origin] = {}
        self._place: dict[int, int] = {}
        for i, body in enumerate(map(body_of, entries)):
            if body and self._place.setdefault(id(body), i) != i:
                self.marks[i] = "repeated"

    def mark(self, r: Body, fate: str) -> None:
        self.marks[self._place[id(r)]] = fate

    def hold(self, r: Body, hold: HoldError) -> None:
        """`r` is held as `hold` says."""
        self.held.append(held_of(r, hold))
        self.mark(r, "held")

    def hold_entry(self, i: int, kind: str, reason: str, remedy: str) -> None:
        """Entry `i`, which is no valid resource, is held."""
        self.held.append(Held(f"entry[{i}] {kind}".strip(), reason, remedy))
        self.marks[i] = "held"

    def took(self, r: Body, events: Iterable[event_pb2.Event], *, is_context: bool) -> None:
        """`r` became `events`; one without any says that nothing happened, unless it is read for others."""
        updated = (r.get("meta") or {}).get("lastUpdated") or r.get("issued")
        when = datetime.fromisoformat(str(updated)) if updated else None
        origin = Origin(self._place[id(r)], when, r.get("status") in CORRECTED)
        own = {e.id: origin for e in events}
        self.origins |= own
        self.mark(r, "taken" if own or is_context else "nothing")

    def lesions(self, resources: Sequence[Body], unread: Sequence[Held]) -> None:
        """Lesions are parts of the sums of their days, or held."""
        self.held += unread
        missing = {h.resource for h in unread}
        for r in resources:
            self.mark(r, "held" if resource_name(r) in missing else "taken")
