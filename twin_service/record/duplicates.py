"""The same dose or laboratory value said again under another id, close in time: likely one thing told twice."""

from __future__ import annotations

from collections.abc import Iterable

from twin_service.record.events import DoseGiven, Event, ImageMeasured, LabMeasured

MICROSECONDS_PER_MINUTE = 60_000_000


def likely_duplicate(event: Event, others: Iterable[Event], minutes: float) -> Event | None:
    """The first of `others` that says what `event` says, under another id and within `minutes` of it; None: none does.

    Two doses say the same when drug, route, amount and duration agree; two measurements when analyte, value, lesion
    and the place relative to a dose do. Formulation, method and unit may differ: two systems write them differently.
    """
    content = _content(event)
    if content is None:
        return None
    span = minutes * MICROSECONDS_PER_MINUTE
    for other in others:
        if other.id != event.id and abs(other.time_us - event.time_us) <= span and _content(other) == content:
            return other
    return None


def asked_about(event: Event) -> bool:
    """Whether an event of this kind can be one thing told twice."""
    return _content(event) is not None


def _content(event: Event) -> tuple[object, ...] | None:
    p = event.payload
    if isinstance(p, DoseGiven):
        return "dose", p.drug, p.route, p.amount_mg, p.duration_h
    if isinstance(p, LabMeasured):
        return "lab", p.analyte, p.value, p.censoring, p.after_dose
    if isinstance(p, ImageMeasured):
        return "image", p.analyte, p.value, p.lesion
    return None
