"""What takes longer than a call: accepted in the store, worked on one after the other, found again after a restart.

An operation is a request with a state. It is recorded in the same transaction that answers the caller; a server that
stops or dies leaves it waiting, and the next start begins it again from its request. Its end is written once.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from twin_service.outcome import Refusal, RefusalCode, missing_extra
from twin_service.service.door import call as calls
from twin_service.service.door import logs
from twin_service.service.door.metrics import ServerMeters
from twin_service.service.door.status import STATUS
from twin_service.settings import Settings
from twin_service.solver.tolerances import Deadline
from twin_service.store.errors import StoreUnavailable
from twin_service.store.leases import claim, give_up, renew
from twin_service.store.operations import (
    CANCELLED,
    DONE,
    FAILED,
    WAITING,
    OperationRow,
    end_operation,
    get_operation,
    waiting_operations,
)
from twin_service.store.unit_of_work import Store

INTERNAL_CODE = 13
POLL_S = 1.0


class Finished(NamedTuple):
    """What an operation comes to: the bytes of its response, and what is written with its end."""

    response: bytes
    keep: Callable[[Connection], None] = lambda connection: None


class Progress(NamedTuple):
    """How long the work may take, and who hears of the share that is done."""

    deadline: Deadline
    tell: Callable[[float], None]


Work = Callable[[OperationRow, Progress], Finished]
"""What an operation comes to; raises Refusal."""
Key = tuple[str, str]


class Operations:
    """The workers of one server."""

    def __init__(self, store: Store, settings: Settings, metrics: ServerMeters, clock: calls.Clock) -> None:
        self._store, self._settings, self._metrics, self._clock = store, settings, metrics, clock
        self._kinds: Mapping[str, Work] = {}
        self._waiting: deque[Key] = deque()
        self._running: dict[Key, Deadline] = {}
        self._shares: dict[Key, float] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._owner = uuid.uuid4().hex
        self._fences: dict[Key, int] = {}
        self._threads: list[threading.Thread] = []

    def start(self, kinds: Mapping[str, Work]) -> None:
        """Start the workers; what was accepted before a restart is begun again."""
        self._kinds = kinds
        for row in self._store.read(waiting_operations):
            self.accept((row.tenant, row.operation))
        for k in range(self._settings.operation_workers):
            thread = threading.Thread(target=self._work, name=f"operation-{k}", daemon=True)
            thread.start()
            self._threads.append(thread)
        sweeper = threading.Thread(target=self._sweep, name="operation-sweep", daemon=True)
        sweeper.start()
        self._threads.append(sweeper)

    def stop(self) -> None:
        """Break off what runs; it stays accepted and is begun again at the next start."""
        with self._changed:
            self._stopping = True
            for deadline in self._running.values():
                deadline.cancel()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def accept(self, key: Key) -> None:
        """Work on an operation that is in the store; the same one again changes nothing."""
        with self._changed:
            if key not in self._running and key not in self._waiting:
                self._waiting.append(key)
                self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Operations that are accepted and not yet begun."""
        return len(self._waiting)

    def find(self, key: Key) -> OperationRow:
        """Raises Refusal (NOT_FOUND)."""
        return self._store.read(lambda c: get_operation(c, *key))

    def share(self, key: Key) -> float:
        """How much of an unfinished operation is done, 0 to 1."""
        return self._shares.get(key, 0.0)

    def cancel(self, key: Key) -> OperationRow:
        """Ask it to stop; one that ended stays as it ended. Raises Refusal (NOT_FOUND)."""
        row = self.find(key)
        if row.state == WAITING:
            self._end(
                row,
                state=CANCELLED,
                error_code=STATUS[RefusalCode.CANCELLED].value[0],
                error_message="cancelled by its caller",
            )
            with self._changed:
                if key in self._running:
                    self._running[key].cancel()
        return self.find(key)

    def wait(self, key: Key, deadline: Deadline) -> OperationRow:
        """The operation once it ended, or as it is when the deadline passes."""
        while True:
            row = self.find(key)
            if row.state != WAITING or deadline.expired or self._stopping:
                return row
            with self._changed:
                self._changed.wait(timeout=min(POLL_S, deadline.remaining_s))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._stopping)
                if self._stopping:
                    return
                key = self._waiting.popleft()
                deadline = self._running[key] = Deadline(self._settings.operation_budget_s)
            try:
                self._run(key, deadline)
            finally:
                with self._changed:
                    self._running.pop(key, None)
                    self._fences.pop(key, None)
                    self._shares.pop(key, None)
                    self._changed.notify_all()

    def _claimed(self, key: Key) -> bool:
        """Whether this server may work on it: nobody else does, or did and died."""
        now_us = self._clock()
        until_us = now_us + round(self._settings.lease_s * 1e6)
        fence = self._store.write(lambda c: claim(c, _lease(*key), self._owner, now_us=now_us, until_us=until_us))
        if fence is not None:
            self._fences[key] = fence
        return fence is not None

    def _sweep(self) -> None:
        """Hold on to what runs here, and take up what others left waiting."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, timeout=self._settings.sweep_s)
                if self._stopping:
                    return
                held = dict(self._fences)
            try:
                for key, fence in held.items():
                    self._renew(key, fence)
                for row in self._store.read(waiting_operations):
                    self.accept((row.tenant, row.operation))
            except (StoreUnavailable, Refusal, SQLAlchemyError) as trouble:
                logs.log().warning("sweep", trouble=type(trouble).__name__)

    def _leave(self, key: Key) -> None:
        """Let another server, or the next start, take it up at once."""
        fence = self._fences.get(key)
        if fence is not None:
            with suppress(StoreUnavailable):
                self._store.write(lambda c: give_up(c, _lease(*key), fence))

    def _renew(self, key: Key, fence: int) -> None:
        until_us = self._clock() + round(self._settings.lease_s * 1e6)
        if not self._store.write(lambda c: renew(c, _lease(*key), fence, until_us)):
            with self._changed:
                if key in self._running:
                    self._running[key].cancel()

    def _run(self, key: Key, deadline: Deadline) -> None:
        """Work on one operation and write how it ended. Never raises."""
        try:
            row = self.find(key)
            if row.state != WAITING or not self._claimed(key):
                return
            finished = self._kinds[row.kind](row, Progress(deadline, lambda share: self._tell(key, share)))
            self._end(row, finished.keep, state=DONE, response=finished.response)
            self._metrics.operations.labels(row.kind, DONE).inc()
        except Refusal as refusal:
            if self._stopping:
                self._leave(key)
                return
            self._fail(row, STATUS[refusal.code].value[0], f"{refusal.field}: {refusal.message}".removeprefix(": "))
        except StoreUnavailable as trouble:
            logs.log().error("operation", trouble=trouble.reason)
        except Exception as error:
            if (absent := missing_extra(error)) is not None:
                self._fail(row, STATUS[absent.code].value[0], absent.message)
                return
            incident = str(uuid.uuid4())
            self._metrics.incidents.inc()
            logs.log().error("incident", incident=incident, error=logs.where(error), trace=logs.trace(error))
            self._fail(row, INTERNAL_CODE, f"a defect of the service; incident {incident}")

    def _fail(self, row: OperationRow, code: int, message: str) -> None:
        try:
            self._end(row, state=FAILED, error_code=code, error_message=message)
            self._metrics.operations.labels(row.kind, FAILED).inc()
        except StoreUnavailable as trouble:
            logs.log().error("operation", trouble=trouble.reason)

    def _end(
        self, row: OperationRow, keep: Callable[[Connection], None] = lambda connection: None, **changes: object
    ) -> None:
        fence = self._fences.get((row.tenant, row.operation))

        def write(connection: Connection) -> None:
            if fence is not None and not give_up(connection, _lease(row.tenant, row.operation), fence):
                return  # another server has taken it over since
            if end_operation(connection, row, ended_us=self._clock(), **changes):
                keep(connection)

        self._store.write(write)
        with self._changed:
            self._changed.notify_all()

    def _tell(self, key: Key, share: float) -> None:
        self._shares[key] = share


def _lease(tenant: str, operation: str) -> str:
    return f"operation/{tenant}/{operation}"
