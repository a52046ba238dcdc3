"""Events the service held back, kept until somebody confirms or drops them.

The service records nothing of a held event: its sender is told, and whoever sent through this door finds it here with
the reason. Kept in this process, bounded; a restart loses the list, never a record, since nothing held was acknowledged
as recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.message import Message

from twin_service.v1 import event_pb2, twin_pb2

PER_PATIENT_MAX = 200
PATIENTS_MAX = 5_000


@dataclass(frozen=True)
class HeldEvent:
    """One event and why it was not recorded."""

    event: event_pb2.Event
    faults: tuple[twin_pb2.EventFault, ...]


class HeldEvents:
    """By twin and event id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, HeldEvent]] = {}

    def of(self, twin: str) -> tuple[HeldEvent, ...]:
        with self._lock:
            return tuple(self._kept.get(twin, {}).values())

    def find(self, twin: str, event_id: str) -> HeldEvent | None:
        with self._lock:
            return self._kept.get(twin, {}).get(event_id)

    def note(self, twin: str, events: Iterable[event_pb2.Event], receipts: Iterable[twin_pb2.EventReceipt]) -> None:
        """Keep what was held, forget what was taken."""
        with self._lock:
            mine = self._kept.setdefault(twin, {})
            for event, receipt in zip(events, receipts, strict=False):
                if receipt.state == twin_pb2.EVENT_STATE_HELD and len(mine) < PER_PATIENT_MAX:
                    mine[event.id] = HeldEvent(event, tuple(receipt.faults))
                elif receipt.state == twin_pb2.EVENT_STATE_TAKEN:
                    mine.pop(event.id, None)
            if not mine:
                del self._kept[twin]
            while len(self._kept) > PATIENTS_MAX:
                del self._kept[next(iter(self._kept))]

    def drop(self, twin: str, event_id: str) -> None:
        with self._lock:
            self._kept.get(twin, {}).pop(event_id, None)

    def watch(self, request: Message, answer: Message) -> None:
        """Note what went through the JSON door."""
        if isinstance(request, twin_pb2.RecordEventsRequest) and isinstance(answer, twin_pb2.RecordEventsResponse):
            if not request.validate_only:
                self.note(request.name, request.events, answer.receipts)
