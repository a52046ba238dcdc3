"""All writes go through one thread: what waits is committed together, and acknowledged once it is durable."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store import tally
from twin_service.store.errors import Conflict, StoreUnavailable, is_conflict, unavailable
from twin_service.store.prepared import Prepared

_BEGIN, _BACK, _END = (Prepared(f"{word} job") for word in ("SAVEPOINT", "ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT"))
T = TypeVar("T")
ATTEMPTS = 20
Watch = Callable[[int, StoreUnavailable | None], None]


class _Job(NamedTuple):
    work: Callable[[Connection], Any]
    promise: Future[Any]
    outside: bool = False


class GroupWriter:
    """Group commit over one connection.

    A job is a function of the connection. It may be run again (a conflict, a failed group), so it must read all it
    decides on inside the transaction. Jobs that raise are rolled back alone. `watch(size, trouble)` hears of each
    commit.
    """

    def __init__(self, engine: Engine, *, group_max: int, queue_max: int, watch: Watch | None = None) -> None:
        self._engine = engine
        self._group_max = group_max
        self._queue: queue.Queue[_Job | None] = queue.Queue(queue_max)
        self._watch = watch or (lambda size, trouble: None)
        self._connection: Connection | None = None
        self._trouble: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """The future result of `work`, set when it is durable. Raises Refusal when too many writes wait."""
        promise: Future[T] = Future()
        if self._closed:
            raise StoreUnavailable("STORE_CLOSED", "the store is closed")
        try:
            self._queue.put_nowait(_Job(work, promise))
        except queue.Full:
            raise Refusal(
                RefusalCode.TOO_MUCH, "too many writes wait for the disk; try again later", reason="WRITE_QUEUE_FULL"
            ) from None
        return promise

    def outside(self, work: Callable[[Connection], object]) -> None:
        """Run `work` on the writing connection between two transactions, and wait for it (a checkpoint)."""
        promise: Future[Any] = Future()
        self._queue.put(_Job(work, promise, outside=True))
        promise.result()

    def close(self) -> None:
        """Finish what waits, then stop."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            jobs, last = self._next_group()
            try:
                self._settle(jobs)
            except Exception as bug:  # whatever it is, nobody may wait for ever and the next group must run
                for job in jobs:
                    if not job.promise.done():
                        job.promise.set_exception(bug)
        self._disconnect()

    def _next_group(self) -> tuple[list[_Job], bool]:
        """The first job that comes and all that wait behind it; whether the writer is to stop."""
        jobs: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) >= self._group_max:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _settle(self, jobs: list[_Job]) -> None:
        """Commit the group; when that fails, each job alone, so that one cannot spoil the others."""
        for job in [j for j in jobs if j.outside]:
            job.promise.set_result(job.work(self._connected()))
        jobs = [j for j in jobs if not j.outside]
        if not jobs:
            return
        results = self._attempt(jobs)
        if results is None and len(jobs) > 1:
            for job in jobs:
                self._settle([job])
            return
        if results is None:
            results = [self._alone(jobs[0])]
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, BaseException):
                job.promise.set_exception(result)
            else:
                job.promise.set_result(result)

    def _alone(self, job: _Job) -> Any:
        """Try again while others are faster; anything else that failed is told after a second try."""
        failures = 0
        for _ in range(ATTEMPTS):
            results = self._attempt([job])
            if results is not None:
                return results[0]
            failures += self._trouble is not None
            if failures == 2:
                break
        if self._trouble is None:
            return Refusal(
                RefusalCode.CONFLICT, "others change this twin at the same time; try again", reason="CONFLICT"
            )
        return self._trouble

    def _attempt(self, jobs: list[_Job]) -> list[Any] | None:
        """Results (or exceptions to hand on) of one committed transaction; None when it was rolled back."""
        self._trouble = None
        try:
            connection = self._connected()
            results = self._committed(connection, jobs)
        except Conflict:
            return None
        except DBAPIError as error:
            if is_conflict(error):
                return None
            self._trouble = unavailable(error) or error
            self._disconnect()
            self._watch(0, self._trouble if isinstance(self._trouble, StoreUnavailable) else None)
            return None
        self._watch(len(jobs), None)
        return results

    def _committed(self, connection: Connection, jobs: list[_Job]) -> list[Any]:
        """The results of the jobs in one transaction; of a job that raised, what it raised.

        An error of the database ends the transaction (a full SQLite has left it already), so no savepoint is gone
        back to then.
        """
        with connection.begin() as transaction:
            tally.begin(connection)
            if len(jobs) == 1:
                try:
                    results = [jobs[0].work(connection)]
                except (Conflict, DBAPIError):
                    raise
                except Exception as error:  # a refusal or a bug of this job alone; it goes to whoever asked
                    transaction.rollback()
                    return [error]
            else:
                results = [self._in_savepoint(connection, job) for job in jobs]
            tally.settle(connection)
            return results

    def _in_savepoint(self, connection: Connection, job: _Job) -> Any:
        place = tally.mark(connection)
        _BEGIN.run(connection)
        try:
            result = job.work(connection)
        except (Conflict, DBAPIError):
            raise
        except Exception as error:
            _BACK.run(connection)
            tally.back_to(connection, place)
            result = error
        _END.run(connection)
        return result

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.close()
        except DBAPIError:
            self._connection.invalidate()
        self._connection = None
