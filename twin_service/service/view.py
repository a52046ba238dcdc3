"""A twin as of one revision: what every question about one patient is asked of."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.record.person import Person
from twin_service.record.timeline import Timeline
from twin_service.store.twins import TwinRow
from twin_service.twin.fold import Folded


@dataclass(frozen=True)
class View:
    """The record up to `revision` and what is believed on it, under revision `spec_revision` of what was said."""

    spec_revision: int
    revision: int
    person: Person
    timeline: Timeline
    folded: Folded

    @property
    def last_us(self) -> int:
        """Clinical time of the last event in force; the epoch when there is none."""
        return max((e.time_us for e in self.timeline.effective), default=self.person.epoch_us)

    def clock_us(self, hour: float) -> int:
        """Clinical time of an hour of the course."""
        return self.folded.course.start_us + round(hour * 3.6e9)


@dataclass(frozen=True)
class AskedTwin:
    """The twin a question is asked of: its row as stored, and the view that answers."""

    row: TwinRow
    view: View
