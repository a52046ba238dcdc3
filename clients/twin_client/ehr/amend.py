"""Records that change under their id: a result amended in the chart becomes a correction of the event it once was."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime

from twin_client.client import TwinClient
from twin_client.errors import ClientError
from twin_client.events import correction
from twin_service.v1 import event_pb2, twin_pb2

_AT = re.compile(r"events\[(\d+)\]\.id$")
REUSED = "EVENT_ID_REUSED"


def record_amended(
    client: TwinClient, patient: str, events: Iterable[event_pb2.Event], *, issued: datetime
) -> twin_pb2.RecordEventsResponse:
    """Record `events`, all or none; one whose id is known with other content is sent as its correction.

    `issued` is when the chart said so: of several corrections of one event the one issued last holds. Sending the same
    events again changes nothing; a value set back to the very first one needs a correction by hand, since its event is
    already known. Raises ClientError as `TwinClient.record` does.
    """
    said = list(events)
    for _ in range(len(said) + 1):
        try:
            return client.record(patient, said)
        except ClientError as error:
            at = next((int(m[1]) for f in error.faults if (m := _AT.search(f.path))), None)
            if error.reason != REUSED or at is None or said[at].WhichOneof("payload") in ("correction", "retraction"):
                raise
            said[at] = _correcting(said[at], issued)
    raise AssertionError("each round turns one event into a correction")


def _correcting(event: event_pb2.Event, issued: datetime) -> event_pb2.Event:
    content = hashlib.sha256(event.SerializeToString(deterministic=True)).hexdigest()[:12]
    return correction(f"{event.id[:100]}+{content}", issued, event.id, event, source=event.source)
