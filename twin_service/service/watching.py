"""A stream of a twin's changes. Several changes may be told as one; none is told twice."""

from __future__ import annotations

from collections.abc import Iterator

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service import call as calls
from twin_service.service import paging
from twin_service.service.errors import DeadlinePassed
from twin_service.service.rooms import Rooms
from twin_service.service.twins import allowed_name, trouble
from twin_service.store.errors import StoreUnavailable
from twin_service.store.twins import find_twin
from twin_service.v1 import twin_pb2


def watch(rooms: Rooms, request: twin_pb2.WatchTwinRequest) -> Iterator[twin_pb2.WatchTwinResponse]:
    """Until the caller goes, the deadline passes, the server stops or the twin is erased."""
    name, deadline = allowed_name(request.name), calls.current().deadline
    seen = paging.place(request.resume_token, "watch", str(name))
    first = True
    changes = -1
    while not deadline.expired and rooms.engine.alive:
        row = rooms.store.read(lambda c: find_twin(c, name))
        if row is None or (row.erased_us and first and not seen):
            raise Refusal(RefusalCode.NOT_FOUND, "no such twin; create it first", field="name", reason="NO_SUCH_TWIN")
        first = False
        state = f"{row.spec_revision}.{row.timeline_revision}.{row.belief_revision}.{row.trouble != ''}.{row.erased_us}"
        if state != seen:
            seen = state
            yield twin_pb2.WatchTwinResponse(
                resume_token=paging.token(state, "watch", str(name)),
                timeline_revision=row.timeline_revision,
                belief_revision=row.belief_revision,
                belief_digest=row.belief_digest,
                trouble=trouble(row),
                deleted=bool(row.erased_us),
            )
        if row.erased_us:
            return
        changes = rooms.engine.wait(changes, min(deadline.remaining_s, rooms.settings.watch_poll_s))
    if deadline.expired:
        raise DeadlinePassed
    raise StoreUnavailable("STOPPING", "the server is stopping; resume with the last token")
