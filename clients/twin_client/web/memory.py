"""What need not be asked twice while a patient's record stands still: the record, and the past the sliders do not move.

Every use asks the service for the twin first, so rights and revisions are checked each time; a change forgets.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from twin_client import TwinClient
from twin_client.web.sight import Sight, look, view_time
from twin_service.v1 import twin_pb2

KEPT_MAX = 128
T = TypeVar("T")


@dataclass(frozen=True)
class _Past:
    """A trajectory and what it was asked for."""

    key: tuple[object, ...]
    found: twin_pb2.GetTrajectoryResponse


class SightMemory:
    """The last sights of one visitor's tenant, at most `KEPT_MAX`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sights: dict[str, Sight] = {}
        self._pasts: dict[str, _Past] = {}

    def look(self, client: TwinClient, patient: str, pool: ThreadPoolExecutor) -> Sight:
        """The patient as recorded now; raises ClientError."""
        twin = client.twin(patient)
        with self._lock:
            seen = self._sights.get(patient)
        if seen is not None and state_of(seen.twin) == state_of(twin):
            now, live = view_time(seen.events, datetime.now(UTC).replace(second=0, microsecond=0))
            return replace(seen, twin=twin, now=now, live=live)
        found = look(client, patient, pool, twin)
        self._keep(self._sights, patient, found)
        return found

    def past(
        self, client: TwinClient, sight: Sight, start: datetime, outputs: Sequence[str]
    ) -> twin_pb2.GetTrajectoryResponse:
        """The course from `start` to now; raises ClientError."""
        key = (state_of(sight.twin), start, sight.now, tuple(outputs))
        with self._lock:
            seen = self._pasts.get(sight.patient)
        if seen is not None and seen.key == key:
            return seen.found
        found = client.trajectory(sight.patient, start, sight.now, outputs=outputs)
        self._keep(self._pasts, sight.patient, _Past(key, found))
        return found

    def _keep(self, kept: dict[str, T], patient: str, what: T) -> None:
        with self._lock:
            kept.pop(patient, None)
            while len(kept) >= KEPT_MAX:
                kept.pop(next(iter(kept)))
            kept[patient] = what


def state_of(twin: twin_pb2.GetTwinResponse) -> tuple[str, int, int, str, str]:
    """What changes whenever the twin does."""
    meta = twin.twin.meta
    basis = twin.basis
    return meta.etag, meta.timeline_revision, meta.belief_revision, basis.timeline_digest, basis.belief_digest
