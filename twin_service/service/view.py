"""A twin as of one revision: what every question about one patient is asked of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from twin_service.model.plausibility import Judgement, judge_events
from twin_service.record.person import Person
from twin_service.record.timeline import Timeline
from twin_service.store.held import HeldRow
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

    @cached_property
    def unusual(self) -> dict[str, Judgement]:
        """The events in force that are not usual, by id: what every answer that rests on them says."""
        return judge_events(self.timeline.effective, self.person.covariates)

    @property
    def last_us(self) -> int:
        """Clinical time of the last event in force; the epoch when there is none."""
        return max((e.time_us for e in self.timeline.effective), default=self.person.epoch_us)

    def clock_us(self, hour: float) -> int:
        """Clinical time of an hour of the course."""
        return self.folded.course.start_us + round(hour * 3.6e9)


@dataclass(frozen=True)
class AskedTwin:
    """The twin a question is asked of: its row as stored, the view that answers, and the events held from it."""

    row: TwinRow
    view: View
    held: tuple[HeldRow, ...] = ()
