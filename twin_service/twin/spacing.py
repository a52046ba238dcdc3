"""Which anchors of a long fold are worth storing: all of the last ones, and ever fewer of those before.

A late event goes back to the last anchor before it and folds on from there. Anchors at distances that grow with the
distance itself make that at most a quarter more than the events after it, and there are about 4 log2(n) of them:

    kept at distance d from the end: the first anchor of every block of 2^(floor(log2 d) - 2) samples

A block is made of two of the finer ones, so what is dropped is never wanted again.
"""

from __future__ import annotations

from twin_service.twin.course import Course
from twin_service.twin.fold import Anchor

PER_DOUBLING = 4


def spaced(course: Course, anchors: tuple[Anchor, ...], most: int) -> tuple[Anchor, ...]:
    """The anchors to store, by time; the last `most` of them."""
    end, before, kept = len(course.samples), 0, list[Anchor]()
    for anchor in anchors:
        count = course.samples_until(anchor.time_h)
        block = max(1 << max((end - count).bit_length() - 1, 0), PER_DOUBLING) // PER_DOUBLING
        # counted from 0: the samples before it, and before the anchor that precedes it
        if (count - 1) // block != (before - 1) // block or not kept:
            kept.append(anchor)
        before = count
    return tuple(kept[max(len(kept) - most, 0) :]) if most else ()
