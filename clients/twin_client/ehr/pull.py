"""Polling a FHIR server: what was updated since the last round, into twins; the mark moves only when all was sent.

Rounds overlap: a resource seen twice changes nothing, one written while the last round ran is not missed.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from twin_client.ehr.backend import FhirServer, PullError
from twin_client.ehr.ingest import Ingest

KINDS = ("Patient", "Medication", "Observation", "MedicationAdministration", "MedicationRequest")
OVERLAP = timedelta(minutes=5)


@dataclass(frozen=True)
class Mark:
    """Up to when a server was read, in a file of one line; absent: from the beginning."""

    path: Path

    def read(self) -> datetime | None:
        """The mark. Raises PullError when the file says something else."""
        try:
            return datetime.fromisoformat(self.path.read_text().strip())
        except FileNotFoundError:
            return None
        except ValueError:
            raise PullError(f"{self.path} holds no time; remove it to read from the beginning") from None

    def write(self, when: datetime) -> None:
        """The new mark, whole or not at all."""
        beside = self.path.with_name(f"{self.path.name}.new")
        with beside.open("w") as file:
            file.write(when.isoformat() + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)


def pull(
    server: FhirServer,
    work: Ingest,
    mark: Mark,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    kinds: Sequence[str] = KINDS,
    page_size: int = 200,
) -> int:
    """One round: pages read. Raises PullError or ClientError; the mark is then where it was, and nothing is missed."""
    began, since = now(), mark.read()
    query = {"_count": str(page_size), "_sort": "_lastUpdated"}
    if since is not None:
        query["_lastUpdated"] = f"ge{(since - OVERLAP).astimezone(UTC).isoformat(timespec='seconds')}"
    pages = 0
    for kind in kinds:
        for number, page in enumerate(server.pages(kind, query)):
            work.read(f"{kind} page {number + 1}", io.BytesIO(json.dumps(page).encode()))
            pages += 1
    work.send()
    mark.write(began)
    return pages
