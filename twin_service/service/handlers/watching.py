"""A stream of a twin's changes. Several changes may be told as one; none is told twice."""

from __future__ import annotations

from collections.abc import Iterator

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door import call as calls
from twin_service.service.door.status import DeadlinePassed
from twin_service.service.handlers.context import Service, allowed_twin
from twin_service.service.handlers.route import stream
from twin_service.service.wire import paging
from twin_service.service.wire.rpc import rpc
from twin_service.service.wire.twin import WatchTwinRequest, WatchTwinResponse, watched
from twin_service.service.work.keeping import trouble_of
from twin_service.store.errors import StoreUnavailable
from twin_service.store.twins import find_twin


def watch(service: Service, request: WatchTwinRequest) -> Iterator[WatchTwinResponse]:
    """Until the caller goes, the deadline passes, the server stops or the twin is erased."""
    name, deadline = allowed_twin(request.name), calls.current().deadline
    seen = paging.place(request.resume_token, "watch", str(name))
    first = True
    changes = -1
    while not deadline.expired and service.engine.alive:
        row = service.store.read(lambda c: find_twin(c, name))
        if row is None or (row.erased_us and first and not seen):
            raise Refusal(RefusalCode.NOT_FOUND, "no such twin; create it first", field="name", reason="NO_SUCH_TWIN")
        first = False
        state = f"{row.spec_revision}.{row.timeline_revision}.{row.belief_revision}.{row.trouble != ''}.{row.erased_us}"
        if state != seen:
            seen = state
            yield watched(row, paging.token(state, "watch", str(name)), trouble_of(row.trouble))
        if row.erased_us:
            return
        changes = service.engine.wait(changes, min(deadline.remaining_s, service.settings.watch_poll_s))
    if deadline.expired:
        raise DeadlinePassed
    raise StoreUnavailable("STOPPING", "the server is stopping; resume with the last token")


ROUTES = (stream(rpc(WatchTwinRequest, WatchTwinResponse), watch),)
