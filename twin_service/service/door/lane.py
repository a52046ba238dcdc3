"""What kind of work a call is, and what its caller must be allowed: said once, beside each handler."""

from __future__ import annotations

import enum


class Lane(enum.Enum):
    """Calls of one lane share seats, so that one kind of work cannot starve another."""

    READ = "read"
    WRITE = "write"
    SIMULATION = "simulation"
    LONG = "long"
    WATCH = "watch"
    INGEST = "ingest"

    @property
    def endless(self) -> bool:
        """A stream that lasts as long as its caller wants."""
        return self in (Lane.WATCH, Lane.INGEST)


class CallerScope(enum.Enum):
    """What a caller may do with patient data."""

    PATIENT_READ = "patient.read"
    PATIENT_WRITE = "patient.write"
    PATIENT_ERASE = "patient.erase"
    TRIAL = "trial.run"
    LIBRARY = "library.read"
    OPERATION = "operation.run"
    AUDIT = "audit.read"
