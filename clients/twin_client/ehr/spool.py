"""What was read from files, on disk until it is sent: a file larger than memory is read resource by resource.

The database is SQLite's private temporary one: it has no name, and it is gone when the process ends.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from twin_client.ehr.ledger import resource_name

_SCHEMA = """
CREATE TABLE resource (
    seq INTEGER PRIMARY KEY, file INTEGER, kind TEXT, name TEXT, url TEXT, subject TEXT, body TEXT, is_new INTEGER
);
CREATE INDEX by_subject ON resource (subject);
CREATE INDEX by_name ON resource (name);
CREATE INDEX by_url ON resource (url);
CREATE INDEX by_kind ON resource (kind, is_new);
"""
_COLUMNS = "seq, file, kind, name, url, subject, body, is_new"


@dataclass(frozen=True)
class Kept:
    """One resource as it was read: the file it came from, its full address, whom it is about ("" where not said).

    is_new   it was not sent yet
    """

    seq: int
    file: int
    kind: str
    name: str
    url: str
    subject: str
    body: str
    is_new: int

    @property
    def entry(self) -> dict[str, Any]:
        """As an entry of a bundle."""
        resource = json.loads(self.body)
        return {"fullUrl": self.url, "resource": resource} if self.url else {"resource": resource}


class Spool:
    """Resources of all files of one run; `close` lets them go."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.executescript(_SCHEMA)
        self._db.execute("PRAGMA cache_size = -16000")

    def close(self) -> None:
        self._db.close()

    def add(self, file: int, body: dict[str, Any], url: str) -> None:
        """Keep `body`, of the file numbered `file`."""
        name = resource_name(body) if body.get("id") else ""
        row = (file, str(body["resourceType"]), name, url, subject_of(body), json.dumps(body))
        self._db.execute(
            "INSERT INTO resource (file, kind, name, url, subject, body, is_new) VALUES (?, ?, ?, ?, ?, ?, 1)", row
        )

    def forget(self, file: int) -> None:
        """Leave out what a file said that turned out to be unreadable further on."""
        self._db.execute("DELETE FROM resource WHERE file = ?", (file,))

    def patients(self) -> list[Kept]:
        """Every Patient resource, in the order of reading."""
        return self._rows("kind = 'Patient' ORDER BY seq")

    def fresh_subjects(self) -> list[str]:
        """Whom resources that were not yet sent are about; "" for those that do not say."""
        found = self._db.execute("SELECT DISTINCT subject FROM resource WHERE is_new = 1 AND kind <> 'Medication'")
        return sorted(row[0] for row in found)

    def about(self, subjects: list[str]) -> Iterator[Kept]:
        """Resources about any of `subjects`, in the order of reading."""
        marks = ", ".join("?" * len(subjects))
        return iter(self._rows(f"subject IN ({marks}) AND kind <> 'Medication' ORDER BY seq", *subjects))

    def medications(self, references: list[str]) -> list[Kept]:
        """The Medications that `references` point to, by full address or by type and id."""
        found: dict[int, Kept] = {}
        for reference in references:
            short = "/".join(reference.split("/")[-2:])
            for kept in self._rows("kind = 'Medication' AND (url = ? OR name = ?) ORDER BY seq", reference, short):
                found[kept.seq] = kept
        return [found[k] for k in sorted(found)]

    def unused_medications(self, used: set[int]) -> list[Kept]:
        """Medications of this round that nothing pointed to."""
        return [k for k in self._rows("kind = 'Medication' AND is_new = 1 ORDER BY seq") if k.seq not in used]

    def sent(self) -> None:
        """All that is kept has been sent; it stays for what later files say of it."""
        self._db.execute("UPDATE resource SET is_new = 0 WHERE is_new = 1")

    def _rows(self, where: str, *values: str) -> list[Kept]:
        return [Kept(*row) for row in self._db.execute(f"SELECT {_COLUMNS} FROM resource WHERE {where}", values)]


def subject_of(body: dict[str, Any]) -> str:
    """Whom a resource is about, as the last two parts of its reference or its urn; a Patient is about itself."""
    if body["resourceType"] == "Patient":
        return f"Patient/{body.get('id')}"
    subject = body.get("subject")
    said = str(subject.get("reference") or "?") if isinstance(subject, dict) else ""
    target = said.split("/_history/")[0]
    return target if target.startswith("urn:") else "/".join(target.split("/")[-2:])
