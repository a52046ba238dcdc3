"""What one process keeps of models it has met: forms, machine code, plans. One owner, that can be told and cleared.

Everything kept is a function of its key (digests of systems and schedules): it can be dropped at any time and comes
back the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class Workspace:
    """Bounded caches by name; the least recently used leaves first. Safe for threads: one makes, others wait."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._kept: dict[str, LRUCache[Hashable, Any]] = {}

    def kept(self, name: str, key: Hashable, make: Callable[[], T], *, most: int) -> T:
        """What stands under `key` in the cache `name` of at most `most` entries; made by `make` where it does not."""
        with self.lock:
            cache = self._kept.get(name)
            if cache is None:
                cache = self._kept[name] = LRUCache(most)
            if key not in cache:
                made = make()
                cache[key] = made
                return made
            found: T = cache[key]
            return found

    def sizes(self) -> dict[str, int]:
        """Entries of every cache."""
        with self.lock:
            return {name: len(cache) for name, cache in self._kept.items()}

    def clear(self) -> None:
        """Forget everything; what runs keeps what it holds."""
        with self.lock:
            self._kept.clear()


PROCESS: Final = Workspace()
