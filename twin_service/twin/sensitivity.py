"""What an answer owes to readings that were not expected: the same twin without them."""

from __future__ import annotations

from collections.abc import Collection

from twin_service.record.timeline import Timeline
from twin_service.solver.simulate import Deadline
from twin_service.twin.fold import Folded, fold


def surprising_ids(folded: Folded) -> tuple[str, ...]:
    """Event ids of the readings beyond the gate, in clinical order."""
    return tuple(f.sample.event_id for f in folded.forecasts if f.surprising)


def without_events(
    folded: Folded, timeline: Timeline, ids: Collection[str], *, deadline: Deadline | None = None
) -> Folded:
    """The twin of the same record had the events `ids` never been sent."""
    kept = [e for e in timeline.effective if e.id not in ids]
    return fold(folded.model, folded.person, Timeline.of(kept), deadline=deadline)
