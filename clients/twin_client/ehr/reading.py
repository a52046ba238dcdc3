"""What reading a record yields: events to send, characteristics of the patient, and what was held."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from twin_service.v1 import event_pb2


@dataclass(frozen=True)
class Held:
    """A resource that was not turned into an event: where it is, why, and what would make it usable."""

    resource: str
    reason: str
    remedy: str


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
class Reading:
    """events in clinical order; `ignored` counts resources of kinds that say nothing to a twin (an Organization)."""

    patient: Patient | None
    events: tuple[event_pb2.Event, ...]
    held: tuple[Held, ...]
    ignored: dict[str, int] = field(default_factory=dict)
