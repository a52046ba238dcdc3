"""Independent tasks over processes that share what was built before them.

Models hold closures, which do not pickle: workers are forked and inherit the task; only numbers go in and results come
out. Where the platform cannot fork, one process does all. Results are in order and the same whatever `workers` is.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

R = TypeVar("R")
_INHERITED: list[Callable[[int], Any]] = []


def shared_out(
    task: Callable[[int], R], count: int, *, workers: int, say: Callable[[str], None] = lambda line: None
) -> list[R]:
    """`[task(0), ..., task(count - 1)]`; `say` hears about every tenth of it."""
    tenth = max(1, count // 10)

    def told(k: int, result: R) -> R:
        if (k + 1) % tenth == 0:
            say(f"{k + 1} of {count}")
        return result

    if workers <= 1 or count < 2 or "fork" not in multiprocessing.get_all_start_methods():
        return [told(k, task(k)) for k in range(count)]
    first = task(0)  # compiled once, inherited by all
    _INHERITED.append(task)
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            found = pool.map(_run, range(1, count), chunksize=max(1, min(25, count // (8 * workers))))
            return [told(0, first), *(told(k, r) for k, r in enumerate(found, start=1))]
    finally:
        _INHERITED.pop()


def _run(k: int) -> Any:
    return _INHERITED[-1](k)
