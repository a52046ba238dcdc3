"""The seat is taken on arrival: each lane has its own threads and a bounded queue, and what does not fit is refused.

gRPC hands every call of a lane to the lane's executor. Its load (running and queued) is known before a thread is
taken, so that overload is answered at once, waits stay short, and one kind of work cannot starve another. A seat is
held by the executor's task, not by the handler: a call that is cancelled in the queue gives its seat back too.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from twin_service.service.door.lane import Lane
from twin_service.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


class LanePool(ThreadPoolExecutor):
    """Threads of one lane with `queue_max` places to wait."""

    def __init__(self, lane: Lane, threads: int, queue_max: int) -> None:
        super().__init__(threads, thread_name_prefix=f"rpc-{lane.value}")
        self.lane = lane
        self._seats_max = threads + queue_max
        self._load = 0
        self._callers: Counter[str] = Counter()
        self._next_caller = ""
        self._state = threading.Lock()

    @property
    def load(self) -> int:
        """Calls that run or wait."""
        return self._load

    def admits(self, caller: str, share_max: float) -> bool:
        """Whether a call may take a seat now.

        One caller holds at most `share_max` of the seats, so that a seat is left for the others.
        """
        with self._state:
            if self._load >= self._seats_max:
                return False
            return self._callers[caller] < max(1.0, share_max * self._seats_max)

    def expect(self, caller: str) -> None:
        """The next task is a call of `caller`. gRPC looks up and submits a call on one thread, one after the other."""
        self._next_caller = caller

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        caller = self._next_caller
        with self._state:
            self._load += 1
            self._callers[caller] += 1
        try:
            future = super().submit(fn, *args, **kwargs)
        except RuntimeError:
            self._leave(caller)
            raise
        future.add_done_callback(lambda done: self._leave(caller))
        return future

    def _leave(self, caller: str) -> None:
        with self._state:
            self._load -= 1
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]


class LanePools:
    """The pools of one server, and one thread that only refuses."""

    def __init__(self, settings: Settings) -> None:
        s = settings
        sizes = {
            Lane.READ: (s.read_threads, s.read_queue_max),
            Lane.WRITE: (s.write_threads, s.write_waiting_max),
            Lane.SIMULATION: (s.simulation_threads, s.simulation_queue_max),
            Lane.LONG: (s.long_threads, 0),
            Lane.WATCH: (s.watch_streams_max, 0),
            Lane.INGEST: (s.ingest_streams_max, 0),
        }
        self._pools = {lane: LanePool(lane, *size) for lane, size in sizes.items()}
        self.refusing = ThreadPoolExecutor(1, thread_name_prefix="rpc-refuse")

    def pool(self, lane: Lane) -> LanePool:
        return self._pools[lane]

    def loads(self) -> dict[Lane, int]:
        return {lane: pool.load for lane, pool in self._pools.items()}

    def close(self) -> None:
        for pool in (*self._pools.values(), self.refusing):
            pool.shutdown(wait=False, cancel_futures=True)
