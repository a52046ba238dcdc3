"""The access trail: who asked for what of whose data, written beside the answers in groups.

A write of patient data has its own audit row in the transaction that applies it. Reads, refusals and what was tried
come here: an entry waits at most `audit_flush_s` for its commit (`audit_wait`: the answer waits for it too). While the
store cannot write, entries wait in memory; the log line of each call is written at once in any case.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from twin_service.outcome import Refusal
from twin_service.service.door import logs
from twin_service.service.door.call import Call
from twin_service.service.door.metrics import ServerMeters
from twin_service.settings import Settings
from twin_service.store.accesses import Access, append_accesses
from twin_service.store.errors import StoreUnavailable
from twin_service.store.unit_of_work import Store

GROUP_MAX = 1000


class AccessTrail:
    """One stream of entries: of this process, from its start to its end."""

    def __init__(self, store: Store, settings: Settings, metrics: ServerMeters) -> None:
        self._store, self._settings, self._metrics = store, settings, metrics
        self._stream = uuid.uuid4().hex
        self._changed = threading.Condition()
        self._waiting: list[Access] = []
        self._told = self._kept = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="access-trail", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(self._settings.write_timeout_s)

    def tell(self, call: Call, outcome: str) -> None:
        """Enter a call once for each patient it touched; one that touched none, under its tenant."""
        named = {tenant for tenant, patient in call.touched if patient}
        touched = sorted(t for t in call.touched if t[1] or t[0] not in named) or [(call.tenant or "", "")]
        entries = [
            Access(call.now_us, tenant, patient, call.actor, call.method, outcome, call.id, call.purpose)
            for tenant, patient in touched
        ]
        with self._changed:
            room = self._settings.audit_backlog_max - len(self._waiting)
            if len(entries) > room:
                self._metrics.audit_lost.inc(len(entries) - max(room, 0))
                entries = entries[: max(room, 0)]
            self._waiting += entries
            self._told += len(entries)
            mine = self._told
            self._changed.notify_all()
            if self._settings.audit_wait and not self._stopping:
                self._changed.wait_for(lambda: self._kept >= mine, timeout=self._settings.write_timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                if not self._settings.audit_wait and not self._stopping:
                    self._changed.wait_for(lambda: self._stopping, timeout=self._settings.audit_flush_s)
                group = self._waiting[:GROUP_MAX]
            if not self._written(group) and self._pause():
                return

    def _written(self, group: Sequence[Access]) -> bool:
        try:
            self._store.write(lambda c: append_accesses(c, self._stream, group))
        except (StoreUnavailable, Refusal, SQLAlchemyError) as trouble:
            logs.log().warning("audit", trouble=type(trouble).__name__, waiting=len(group))
            return False
        with self._changed:
            del self._waiting[: len(group)]
            self._kept += len(group)
            self._metrics.audit_waiting.set(len(self._waiting))
            self._changed.notify_all()
        self._metrics.audit_entries.inc(len(group))
        return True

    def _pause(self) -> bool:
        """Wait before trying again; whether there is no time to."""
        with self._changed:
            self._metrics.audit_waiting.set(len(self._waiting))
            self._changed.wait_for(lambda: self._stopping, timeout=1.0)
            if self._stopping:
                self._metrics.audit_lost.inc(len(self._waiting))
                logs.log().error("audit_lost", entries=len(self._waiting))
            return self._stopping
