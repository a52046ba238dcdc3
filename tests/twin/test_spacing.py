"""Stored anchors: few, never wanted again once dropped, and whatever is left the fold comes to the same bits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.twin.one_compartment import at, dose, level, one_compartment, person, weight
from twin_service.record.events import Correction, DoseGiven, Event, Retraction
from twin_service.record.snapshot import from_bytes, to_bytes
from twin_service.record.timeline import Timeline
from twin_service.twin.fold import Anchor, Folded, fold, from_snapshot, to_snapshot
from twin_service.twin.reading import read_course
from twin_service.twin.spacing import spaced

MODEL = one_compartment()


def of(count: int, hours: list[int]) -> list[int]:
    """Which of the anchors at these hours are kept when `count` samples were drawn, one an hour from hour 1."""
    course = SimpleNamespace(samples=range(count), samples_until=lambda h: int(h))
    anchors = tuple(Anchor(float(h), "", None) for h in hours)  # type: ignore[arg-type]
    return [int(a.time_h) for a in spaced(course, anchors, 10_000)]  # type: ignore[arg-type]


def test_what_is_dropped_is_never_wanted_again() -> None:
    """Kept anchors grow from kept ones, and are those that all anchors would give; about 4 log2(n) of them."""
    kept: list[int] = []
    for count in range(1, 1500):
        kept = of(count, [*kept, count])
        assert kept[-8:] == list(range(max(1, count - 7), count + 1))
        if count % 97 == 0:
            assert kept == of(count, list(range(1, count + 1)))
    assert len(kept) < 4 * np.log2(1500) + 8
    gaps = np.diff([0, *kept])
    assert np.all(gaps <= np.maximum(1.0, 0.5 * (1500.0 - np.array([0, *kept[:-1]]))))


def test_no_more_than_wanted_and_the_last_ones_first() -> None:
    course = SimpleNamespace(samples=range(20), samples_until=lambda h: int(h))
    anchors = tuple(Anchor(float(h), "", None) for h in range(1, 21))  # type: ignore[arg-type]
    found = spaced(course, anchors, 3)  # type: ignore[arg-type]
    assert [a.time_h for a in found] == [18.0, 19.0, 20.0]
    assert spaced(course, anchors, 0) == ()  # type: ignore[arg-type]


def record(seed: int, count: int) -> list[Event]:
    """Doses and levels, a corrected dose, a retracted level and a changed weight."""
    rng = np.random.default_rng(seed)
    events = [weight(70.0, 0.0, "w"), weight(77.0, 12.0 * count / 2 + 3.0, "w2")]
    for i in range(count):
        events.append(dose(100.0, 12.0 * i + 1.0, f"d{i}"))
        events.append(level(float(2.0 * np.exp(0.2 * rng.standard_normal())), 12.0 * i + 9.0, f"l{i}"))
    right = Correction("d3", DoseGiven("drugx", 50.0, "iv"), at(12.0 * 3 + 1.5))
    return [*events, Event("c", at(500.0), right), Event("r", at(501.0), Retraction("l5"))]


def restarted(folded: Folded, timeline: Timeline) -> Folded:
    """What a server knows after a restart: the stored anchors and forecasts."""
    bodies = [to_bytes(to_snapshot(MODEL, folded.course, a)) for a in spaced(folded.course, folded.anchors, 64)]
    course = read_course(MODEL, person(), timeline)
    anchors = tuple(from_snapshot(MODEL, course, from_bytes(b)) for b in bodies)
    return replace(folded, course=course, anchors=anchors)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_arrival_with_restarts_between_gives_the_bits_of_the_whole_fold(seed: int) -> None:
    events = record(1, 14 if seed else 45)
    whole = fold(MODEL, person(), Timeline.of(events))
    rng = np.random.default_rng(seed)
    order = [events[0], *(events[1:][i] for i in rng.permutation(len(events) - 1))]
    cuts = sorted({1, len(order), *rng.integers(2, len(order), 4 if seed else 2).tolist()})
    folded: Folded | None = None
    for cut in cuts:
        timeline = Timeline.of(order[:cut])
        previous = None if folded is None else folded if rng.random() < 0.4 else restarted(folded, timeline)
        folded = fold(MODEL, person(), timeline, previous=previous)
    assert folded is not None and folded.state_digest == whole.state_digest
    assert folded.forecasts == whole.forecasts
