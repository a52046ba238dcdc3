"""All that is known of one patient, ordered by clinical time. The timeline is the truth; the twin is a fold over it.

Order of arrival decides nothing: of several corrections and retractions of one event, the one issued last wins
(ties by id), and a correction that arrives before its target waits for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from twin_service.record.events import Correction, DoseGiven, Event, ImageMeasured, LabMeasured, Retraction, to_json


def order_key(event: Event) -> tuple[int, int, str]:
    """Clinical time; at one instant characteristics come first, then measurements (a level drawn at the time of a
    dose is a trough), then doses, then measurements said to follow the dose."""
    payload = event.payload
    if isinstance(payload, DoseGiven):
        rank = 2
    elif isinstance(payload, LabMeasured):
        rank = 3 if payload.after_dose else 1
    elif isinstance(payload, ImageMeasured):
        rank = 1
    else:
        rank = 0
    return event.time_us, rank, event.id


@dataclass(frozen=True)
class Timeline:
    """Events by id, as recorded. `effective` is what they amount to."""

    events: tuple[Event, ...] = ()

    @classmethod
    def of(cls, events: Iterable[Event]) -> Timeline:
        """The timeline of `events` in any order; the same id twice with one content counts once.

        Raises ValueError when one id comes with two contents.
        """
        by_id: dict[str, Event] = {}
        for event in events:
            if by_id.setdefault(event.id, event) != event:
                raise ValueError(f"event {event.id}: recorded twice with different content")
        return cls(tuple(sorted(by_id.values(), key=order_key)))

    def with_events(self, events: Iterable[Event]) -> Timeline:
        return Timeline.of((*self.events, *events))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical text of every event in order of id: equal in any order of arrival."""
        h = hashlib.sha256()
        for event in sorted(self.events, key=lambda e: e.id):
            h.update(to_json(event).encode())
            h.update(b"\n")
        return h.hexdigest()

    @cached_property
    def effective(self) -> tuple[Event, ...]:
        """Findings in force, corrected and without the retracted ones, in clinical order."""
        last = _last_amendments(self.events)
        found: list[Event] = []
        for event in self.events:
            if isinstance(event.payload, Correction | Retraction):
                continue
            amendment = last.get(event.id)
            if amendment is None:
                found.append(event)
            elif isinstance(amendment.payload, Correction):
                change = amendment.payload
                found.append(replace(event, payload=change.replacement, time_us=change.replacement_time_us))
        return tuple(sorted(found, key=order_key))

    @cached_property
    def waiting(self) -> tuple[Event, ...]:
        """Corrections and retractions whose target has not arrived."""
        known = {e.id for e in self.events}
        return tuple(
            e for e in self.events if isinstance(e.payload, Correction | Retraction) and e.payload.target not in known
        )


def earliest_touched_us(before: Timeline, after: Timeline) -> int | None:
    """Earliest clinical time at which the effective findings of two timelines differ; None when they do not."""
    differing = set(before.effective) ^ set(after.effective)
    return min((e.time_us for e in differing), default=None)


def _last_amendments(events: Iterable[Event]) -> dict[str, Event]:
    """For each target the correction or retraction in force. An amendment that was itself retracted does not count;
    amendments are considered latest first, so that each is judged by what was said after it."""
    amendments = sorted(
        (e for e in events if isinstance(e.payload, Correction | Retraction)),
        key=lambda e: (e.time_us, e.id),
        reverse=True,
    )
    last: dict[str, Event] = {}
    withdrawn: set[str] = set()
    for event in amendments:
        payload = event.payload
        assert isinstance(payload, Correction | Retraction)
        if event.id in withdrawn:
            continue
        if isinstance(payload, Retraction):
            withdrawn.add(payload.target)
        last.setdefault(payload.target, event)
    return last
