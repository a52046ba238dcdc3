"""What became of every entry of every file: taken, held, refused, or of no concern; with reasons and remedies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

FATES = ("taken", "held", "refused", "ignored", "repeated", "nothing")


@dataclass
class FileReport:
    """One file. `fates` sum to `entries`; `error` is why the file as a whole was refused, "" when it was not.

    events   by what the service said: "taken", "known" (recorded before), "held", "refused"
    reasons  (reason, remedy) of what was held or refused, with how often
    notes    what was taken under a reading that the record does not spell out
    kinds    resources of kinds that say nothing to a twin, by kind
    """

    name: str
    entries: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    error: str = ""

    def refuse(self, error: str) -> None:
        """The whole file is refused: nothing of it is sent."""
        self.error, self.fates, self.reasons = error, Counter({"refused": self.entries}), Counter()

    @property
    def unaccounted(self) -> int:
        """Entries without a fate; 0 unless there is a defect."""
        return self.entries - sum(self.fates[f] for f in FATES)

    @property
    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "file": self.name,
            "entries": self.entries,
            **{f: self.fates[f] for f in FATES},
            "unaccounted": self.unaccounted,
            "events": dict(self.events),
            "ignored_kinds": dict(self.kinds),
            "error": self.error,
            "reasons": [{"reason": r, "remedy": m, "count": n} for (r, m), n in self.reasons.most_common()],
            "notes": [{"said": s, "count": n} for s, n in self.notes.most_common()],
        }


@dataclass(frozen=True)
class Report:
    """All files of a run, and how many twins were made."""

    files: tuple[FileReport, ...]
    twins_made: int

    @property
    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {"files": [f.as_json for f in self.files], "twins_made": self.twins_made}

    def total(self, fate: str) -> int:
        """Entries of all files with this fate."""
        return sum(f.fates[fate] for f in self.files)

    @property
    def unaccounted(self) -> int:
        """Entries of all files without a fate."""
        return sum(f.unaccounted for f in self.files)
