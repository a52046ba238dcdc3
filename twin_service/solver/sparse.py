"""A fixed sparse LU factorization for one pattern: the order of pivots and where fill appears.

Pivots stay on the diagonal and follow Markowitz (1957, doi:10.1287/mnsc.3.3.255): each step takes the pivot with the
smallest product of the remaining row and column counts. The matrices are I/(gamma h) - J of compartmental models, whose
diagonal dominates; where that fails, the error estimate or a non-finite value shows it and a pivoted method takes over.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

Position = tuple[int, int]


class Factorization(NamedTuple):
    """Pattern of L + U.

    order    pivots, first to last
    slot     (row, column) -> place in the stored factors; diagonal places hold the reciprocal pivot
    lower    for each row the columns of L, in order of elimination
    upper    for each row the columns of U right of the diagonal
    """

    order: list[int]
    slot: dict[Position, int]
    lower: list[list[int]]
    upper: list[list[int]]


def factorization(n: int, pattern: Iterable[Position]) -> Factorization:
    """Order and pattern for a matrix of size `n` with nonzeros `pattern` and a full diagonal."""
    rows: list[set[int]] = [{i} for i in range(n)]
    columns: list[set[int]] = [{i} for i in range(n)]
    for i, j in pattern:
        rows[i].add(j)
        columns[j].add(i)
    left = [r.copy() for r in rows]
    order = _eliminate(rows, columns, left)
    place = {k: i for i, k in enumerate(order)}
    lower = [sorted((j for j in left[i] if place[j] < place[i]), key=place.__getitem__) for i in range(n)]
    upper = [sorted((j for j in left[i] if place[j] > place[i]), key=place.__getitem__) for i in range(n)]
    slot: dict[Position, int] = {}
    for i in order:
        for j in [*lower[i], i, *upper[i]]:
            slot[(i, j)] = len(slot)
    return Factorization(order, slot, lower, upper)


def _eliminate(rows: list[set[int]], columns: list[set[int]], left: list[set[int]]) -> list[int]:
    """The order of pivots; fill is added to `left`."""

    def cost(k: int) -> tuple[int, int, int]:
        r, c = len(rows[k]), len(columns[k])
        return ((r - 1) * (c - 1), r + c, k)

    heap = [cost(k) for k in range(len(rows))]
    heapq.heapify(heap)
    done: set[int] = set()
    order = []
    while heap:
        entry = heapq.heappop(heap)
        k = entry[2]
        if k in done or entry != cost(k):
            continue
        done.add(k)
        order.append(k)
        right, below = rows[k] - {k}, columns[k] - {k}
        for i in below:
            rows[i] |= right
            left[i] |= right
            rows[i].discard(k)
        for j in right:
            columns[j] |= below
            columns[j].discard(k)
        for m in right | below:
            heapq.heappush(heap, cost(m))
    return order
