"""What reading a record yields: events to send, characteristics of the patient, and what was held."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

from twin_service.v1 import event_pb2


@dataclass(frozen=True)
class Held:
    """A resource that was not turned into an event: where it is, why, and what would make it usable."""

    resource: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Note:
    """What was taken under a reading that the record does not spell out: an ingredient by the product's name."""

    resource: str
    said: str


class HoldError(Exception):
    """Raised while reading one resource; becomes a `Held`."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True)
class Patient:
    """What the twin may know of a person: an opaque id, birth date for the age, sex. Never a name.

    birth_year   known also where the month and day of birth are not
    """

    id: str
    birth_date: date | None
    female: bool | None
    birth_year: int | None = None


@dataclass(frozen=True)
class Origin:
    """The entry an event comes from, when the source issued what it says, and whether it says that it corrects."""

    entry: int
    issued: datetime | None = None
    is_corrected: bool = False


@dataclass(frozen=True)
class Reading:
    """What a record says, and what became of each of its resources.

    events   in clinical order
    ignored  how many resources of kinds that say nothing to a twin (an Organization)
    notes    what was taken under a reading that the record does not spell out
    marks    what became of each entry: "taken", "held", "ignored", "repeated", or it says that "nothing" happened
    origins  by event id: the entry it comes from, and when that came to say so, where it says
    """

    patient: Patient | None
    events: tuple[event_pb2.Event, ...]
    held: tuple[Held, ...]
    ignored: dict[str, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    marks: tuple[str, ...] = ()
    origins: dict[str, Origin] = field(default_factory=dict)

    @property
    def fates(self) -> dict[str, int]:
        """How many entries met each fate; the sum is the number of entries."""
        return dict(Counter(self.marks))
