"""A patient's effective findings by what they are about, kept up to date event by event.

Judging a new event looks at the few beside it: the same drug within a day, the same analyte close in time, the weight
then. Sorting a whole timeline for that would make recording cost more with every event recorded.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from operator import itemgetter

from twin_service.record.events import (
    MICROSECONDS_PER_HOUR,
    Correction,
    CovariateMeasured,
    DoseGiven,
    Event,
    ImageMeasured,
    LabMeasured,
    Payload,
    Retraction,
)
from twin_service.record.timeline import Timeline

Subject = tuple[str, str]
DAY_US = 24 * MICROSECONDS_PER_HOUR
_TIME = itemgetter(0)
_PLACE = itemgetter(0, 1)


class Chart:
    """Findings in force. It grows; what a correction or retraction changes is read anew when it is next asked."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._events: list[Event] = []
        self._by_subject: dict[Subject, list[tuple[int, str, Event]]] = {}
        self._targets: set[str] = set()
        self._amended = False
        for event in events:
            self.add(event)

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event) -> None:
        """Take up a recorded event; each id once."""
        self._events.append(event)
        if isinstance(event.payload, Correction | Retraction):
            self._targets.add(event.payload.target)
            self._amended = True
        elif event.id in self._targets:
            self._amended = True
        elif not self._amended:
            self._place(event)

    def beside(self, event: Event, *, before_us: int = DAY_US, after_us: int = MICROSECONDS_PER_HOUR) -> list[Event]:
        """Findings about the same drug or analyte from `before_us` before to `after_us` after `event`, by time, and
        before them the last earlier one."""
        subject, time_us = subject_of(event.payload), _time_us(event)
        rows = self._rows(subject)
        low = bisect_left(rows, time_us - before_us, key=_TIME)
        high = bisect_right(rows, time_us + after_us, key=_TIME)
        return [row[2] for row in rows[max(low - 1, 0) : high]]

    def covariates_at(self, time_us: int) -> dict[str, float]:
        """Characteristics last measured by then, or else measured first."""
        self._read_anew()
        found: dict[str, float] = {}
        for (kind, name), rows in self._by_subject.items():
            if kind == CovariateMeasured.kind:
                p = rows[max(bisect_right(rows, time_us, key=_TIME) - 1, 0)][2].payload
                assert isinstance(p, CovariateMeasured)
                found[name] = p.value
        return found

    def _rows(self, subject: Subject) -> list[tuple[int, str, Event]]:
        self._read_anew()
        return self._by_subject.get(subject, [])

    def _read_anew(self) -> None:
        if not self._amended:
            return
        self._by_subject, self._amended = {}, False
        for event in Timeline.of(self._events).effective:
            self._place(event)

    def _place(self, event: Event) -> None:
        rows = self._by_subject.setdefault(subject_of(event.payload), [])
        if not rows or rows[-1][:2] <= (event.time_us, event.id):
            rows.append((event.time_us, event.id, event))
        else:
            insort(rows, (event.time_us, event.id, event), key=_PLACE)


def subject_of(payload: Payload) -> Subject:
    """What an event is about: kind, and drug, analyte or characteristic; a correction is about its replacement."""
    match payload:
        case Correction():
            return subject_of(payload.replacement)
        case DoseGiven():
            return payload.kind, payload.drug
        case LabMeasured() | ImageMeasured():
            return payload.kind, payload.analyte
        case CovariateMeasured():
            return payload.kind, payload.name
        case _:
            return payload.kind, ""


def _time_us(event: Event) -> int:
    return event.payload.replacement_time_us if isinstance(event.payload, Correction) else event.time_us
