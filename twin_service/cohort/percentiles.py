"""Percentiles of a stream of blocks in constant memory: counts in cells of the binary logarithm.

A positive double falls into the cell of its exponent and its first 7 binary places, so that a cell is at most 1/128 of
its value wide and a percentile is exact to 0.4 %. Counts add: the result depends neither on the order of the blocks nor
on who counted them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PLACES = 7
LOWEST, OCTAVES = -40, 64
CELLS = OCTAVES << PLACES
_SHIFT, _BASE = 52 - PLACES, (1023 + LOWEST) << PLACES


@njit(nogil=True, cache=True)
def _count(bits: NDArray[np.int64], counts: NDArray[np.uint32], shift: int, base: int) -> None:
    cells = counts.shape[1] - 1
    for i in range(bits.shape[0]):
        for j in range(bits.shape[1]):
            place = (bits[i, j] >> shift) - base + 1
            counts[j, min(max(place, 0), cells)] += np.uint32(1)


@dataclass(frozen=True)
class StreamedPercentiles:
    """counts (columns, CELLS + 1); cell 0 holds what is at most 2^LOWEST; `failed` counts rows without values."""

    counts: NDArray[np.uint32]
    failed: int = 0

    @classmethod
    def like(cls, values: Floats) -> StreamedPercentiles:
        """Empty counts for the columns of `values` (n, columns)."""
        return cls(np.zeros((values.shape[1], CELLS + 1), np.uint32))

    def add(self, values: Floats) -> StreamedPercentiles:
        """With the rows of `values` counted; the counts are updated in place."""
        good = np.isfinite(values).all(1)
        rows = np.ascontiguousarray(values if good.all() else values[good])
        _count(rows.view(np.int64), self.counts, _SHIFT, _BASE)
        return StreamedPercentiles(self.counts, self.failed + int((~good).sum()))

    def merged(self, other: StreamedPercentiles) -> StreamedPercentiles:
        return StreamedPercentiles(self.counts + other.counts, self.failed + other.failed)

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """(levels, columns); NaN where nothing was counted, 0 for what is too small to tell from it."""
        total, running = self.counts.sum(1), self.counts.cumsum(1)
        found = np.full((len(levels), len(self.counts)), np.nan)
        for i, level in enumerate(levels):
            cell = (running >= np.maximum(1, np.ceil(level * total))[:, None]).argmax(1)
            low = (np.maximum(cell, 1).astype(np.int64) - 1 + _BASE) << _SHIFT
            value = low.view(np.float64) * (1.0 + 0.5 / (1 << PLACES))
            found[i] = np.where(total == 0, np.nan, np.where(cell == 0, 0.0, value))
        return found
