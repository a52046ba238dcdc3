"""Which twin is worked on next: each at most once in the queue and never by two workers at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from prometheus_client import Gauge

from twin_service.record.person import TwinName


class TwinQueue:
    """Calls `step(name)` for every added twin, again while it returns True or the twin was added meanwhile."""

    def __init__(self, step: Callable[[TwinName], bool], workers: int, waiting: Gauge) -> None:
        self._step = step
        self._waiting_gauge = waiting
        self._state = threading.Condition()
        self._waiting: OrderedDict[TwinName, None] = OrderedDict()
        self._busy: set[TwinName] = set()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"assimilate-{i}", daemon=True) for i in range(workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each worker finish the twin it has; what waits is caught up with at the next start."""
        with self._state:
            self._stopped = True
            self._state.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def alive(self) -> bool:
        return all(t.is_alive() for t in self._threads)

    def add(self, name: TwinName) -> None:
        with self._state:
            self._waiting[name] = None
            self._waiting_gauge.set(len(self._waiting))
            self._state.notify()

    def _run(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._stopped or self._next() is not None)
                if self._stopped:
                    return
                name = self._next()
                assert name is not None
                del self._waiting[name]
                self._waiting_gauge.set(len(self._waiting))
                self._busy.add(name)
            self._work(name)

    def _work(self, name: TwinName) -> None:
        more = False
        try:
            more = self._step(name)
        finally:
            with self._state:
                self._busy.discard(name)
                if more:
                    self._waiting[name] = None
                self._state.notify_all()

    def _next(self) -> TwinName | None:
        return next((n for n in self._waiting if n not in self._busy), None)
