"""Accepting an event and understanding it are different speeds: this is the second one.

Each twin's events are folded by one worker at a time, different twins in parallel. Compute runs outside any
transaction: read at revision r, fold, keep the result unless a later one is kept already. Readers take what is known
or wait for a revision.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.service.door import logs
from twin_service.service.door.metrics import ServerMeters
from twin_service.service.door.status import DeadlinePassed
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire import spec
from twin_service.service.work import keeping
from twin_service.service.work.queue import TwinQueue
from twin_service.settings import Settings
from twin_service.solver.tolerances import Deadline
from twin_service.store.errors import StoreUnavailable
from twin_service.store.held import HeldRow, read_held
from twin_service.store.repository import Assimilated, read_events, read_forecasts, read_snapshots, save_belief
from twin_service.store.specs import SpecOfThen, with_spec
from twin_service.store.twins import TwinRow, behind, behind_at, get_twin, troubled
from twin_service.store.unit_of_work import Store
from twin_service.twin.fold import Folded, fold


class Engine:
    """Folds twins and hands them to readers."""

    def __init__(self, store: Store, settings: Settings, metrics: ServerMeters) -> None:
        self._store, self._settings, self._metrics = store, settings, metrics
        self._views: OrderedDict[TwinName, View] = OrderedDict()
        self._unfinished: dict[TwinName, View] = {}
        self._stored: dict[TwinName, tuple[int, int]] = {}
        self._held: OrderedDict[TwinName, tuple[str, tuple[HeldRow, ...]]] = OrderedDict()
        self._changed = threading.Condition()
        self._changes = 0
        self._running: set[Deadline] = set()
        self._stopping = False
        self.budget: Callable[[], Deadline] = lambda: Deadline(settings.assimilation_budget_s)
        self._swept = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="sweep", daemon=True)
        self._queue = TwinQueue(self._assimilate, settings.assimilation_workers, metrics.waiting)

    def start(self) -> None:
        """Start the workers and let them catch up with what was recorded but not assimilated."""
        self._queue.start()
        for name in self._store.read(behind):
            self._queue.add(name)
        for name, trouble in self._store.read(troubled):
            if keeping.is_defect(trouble):
                self._queue.add(name)
        self._sweeper.start()

    def stop(self) -> None:
        """Break off what is being folded: it is recorded, and folded at the next start."""
        self._stopping = True
        self._swept.set()
        for deadline in tuple(self._running):
            deadline.cancel()
        self._queue.stop()
        self.tell()

    def _sweep(self) -> None:
        """Take up twins that stay behind: their server died, or the store was away when they were recorded.

        A twin is taken up when two looks in a row find it behind at the same revision, so that a living server's work
        is left to it.
        """
        seen: set[tuple[TwinName, int]] = set()
        while not self._swept.wait(self._settings.sweep_s):
            try:
                found = set(self._store.read(behind_at))
            except (StoreUnavailable, SQLAlchemyError) as trouble:
                logs.log().warning("sweep", trouble=type(trouble).__name__)
                continue
            for name, _ in found & seen:
                self._queue.add(name)
            seen = found

    @property
    def alive(self) -> bool:
        return self._queue.alive

    def recorded(self, name: TwinName) -> None:
        """The record or the spec of `name` changed: assimilate it, and wake who watches."""
        self._queue.add(name)
        self.tell()

    def forget(self, name: TwinName) -> None:
        with self._changed:
            self._views.pop(name, None)
            self._unfinished.pop(name, None)
            self._held.pop(name, None)
            self._stored.pop(name, None)
        self.tell()

    def tell(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait(self, changes: int, seconds: float) -> int:
        """Wait until something changed since the count `changes`, at most `seconds`; the present count."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes != changes, timeout=seconds)
            return self._changes

    def row(self, name: TwinName) -> TwinRow:
        return self._store.read(lambda c: get_twin(c, name))

    def held(self, row: TwinRow) -> tuple[HeldRow, ...]:
        """The events that are held from a twin, in clinical order. Holding one leaves an audit row."""
        with self._changed:
            known = self._held.get(row.name)
        if known is None or known[0] != row.audit_digest:
            found = self._store.read(lambda c: read_held(c, row.name))
            known = row.audit_digest, tuple(r for r in found.values() if r.is_waiting)
            with self._changed:
                self._held[row.name] = known
                while len(self._held) > self._settings.twins_in_memory_max:
                    self._held.popitem(last=False)
        return known[1]

    def asked(self, row: TwinRow, view: View) -> AskedTwin:
        """The twin a question is asked of."""
        return AskedTwin(row, view, self.held(row))

    def current(self, name: TwinName, min_revision: int, deadline: Deadline) -> tuple[TwinRow, View]:
        """The newest belief, resting on at least `min_revision` events.

        Raises Refusal when the twin has fewer events or its events cannot be assimilated, DeadlinePassed.
        """
        while True:
            changes = self._changes
            row = self.row(name)
            if min_revision > row.timeline_revision:
                raise _no_such_revision("min_revision", min_revision, row)
            view = self._view(name)
            wanted = max(min_revision, row.belief_revision)
            if view is not None and view.spec_revision == row.spec_revision and view.revision >= wanted:
                return row, view
            if row.trouble and not min_revision and row.belief_revision:
                return row, self.as_of(name, deadline, revision=row.belief_revision)[1]
            if row.trouble:
                raise _of_trouble(row.trouble)
            self._queue.add(name)
            if deadline.expired:
                raise DeadlinePassed
            self.wait(changes, min(deadline.remaining_s, self._settings.watch_poll_s))

    def as_of(
        self,
        name: TwinName,
        deadline: Deadline,
        *,
        revision: int | None = None,
        time_us: int | None = None,
        said: SpecOfThen | None = None,
    ) -> tuple[TwinRow, View]:
        """The twin with its first `revision` events only (None: all), and of them those up to `time_us`; under the
        spec of an earlier answer where `said` names it, else under the present one."""
        row = self.row(name)
        if revision is not None and revision > row.timeline_revision:
            raise _no_such_revision("as_of_revision", revision, row)
        if said is not None:
            row = self._store.read(partial(with_spec, row=row, then=said))
        model, person = self.person(row)
        stored = self._store.read(lambda c: read_events(c, name, until_revision=revision))
        events = [s.event for s in stored if time_us is None or s.event.time_us <= time_us]
        timeline = Timeline.of(events)
        folded = fold(model, person, timeline, deadline=deadline)
        if deadline.expired:
            raise DeadlinePassed
        return row, View(row.spec_revision, len(stored), person, timeline, folded)

    def person(self, row: TwinRow) -> tuple[PatientModel, Person]:
        """The model and person of a stored twin."""
        assert row.spec is not None
        return spec.stored(row.name, row.spec)

    def _view(self, name: TwinName) -> View | None:
        with self._changed:
            view = self._views.get(name)
            if view is not None:
                self._views.move_to_end(name)
            return view

    def _keep(self, name: TwinName, view: View) -> None:
        with self._changed:
            self._views[name] = view
            self._views.move_to_end(name)
            while len(self._views) > self._settings.twins_in_memory_max:
                self._stored.pop(self._views.popitem(last=False)[0], None)
            self._metrics.in_memory.set(len(self._views))
        self.tell()

    def _assimilate(self, name: TwinName) -> bool:
        """Fold what is recorded; whether there may be more. Never raises.

        A backlog of more than one budget is folded in turns with the other twins; readers keep the belief they had.
        """
        try:
            row = self.row(name)
        except (Refusal, StoreUnavailable):
            self.forget(name)
            return False
        view = self._view(name)
        if view is not None and (view.spec_revision, view.revision) == (row.spec_revision, row.timeline_revision):
            return False
        try:
            with self._metrics.assimilate_seconds.time():
                view = self._folded(row, view)
            if view.folded.pending:
                self._metrics.assimilated.labels("partly").inc()
                self._set_unfinished(name, view)
                return True
            self._set_unfinished(name, None)
            self._metrics.assimilated.labels("ok").inc()
        except Refusal as refusal:
            if self._stopping:
                return False
            self._set_unfinished(name, None)
            self._metrics.assimilated.labels(refusal.reason).inc()
            return self._stuck(row, refusal.reason, refusal.message, refusal.field)
        except StoreUnavailable:
            self._metrics.assimilated.labels("STORE").inc()
            return False
        except Exception as error:
            return self._incident(row, error)
        before = self._view(name)
        whole = before is not None and self._stored.get(name) == (before.spec_revision, before.revision)
        self._keep(name, view)
        kept = keeping.to_store(
            view.folded,
            view.revision,
            snapshots_kept=self._settings.snapshots_kept,
            before=before.folded if whole and before is not None else None,
        )
        self._stored.pop(name, None)
        return self._store_belief(name, kept, view)

    def _folded(self, row: TwinRow, view: View | None) -> View:
        name = row.name
        model, person = self.person(row)
        with self._changed:
            begun = self._unfinished.get(name)
        if begun is not None and begun.spec_revision == row.spec_revision:
            view = begun
        same = view is not None and view.spec_revision == row.spec_revision
        known = view.revision if view is not None else 0
        stored = self._store.read(lambda c: read_events(c, name, after_revision=known))
        events = [s.event for s in stored]
        timeline = view.timeline.with_events(events) if view is not None else Timeline.of(events)
        if view is not None and same:
            previous: Folded = view.folded
        else:
            forecasts, anchors = self._store.read(lambda c: (read_forecasts(c, name), read_snapshots(c, name)))
            previous = keeping.remembered(
                person, model, timeline, forecasts=forecasts, anchors=[body for _, body in anchors]
            )
        folded = self._within_budget(
            lambda deadline: fold(model, person, timeline, previous=previous, deadline=deadline), previous
        )
        for forecast in folded.forecasts[len(previous.forecasts) :]:
            self._metrics.nis.observe(forecast.nis if forecast.nis == forecast.nis else 0.0)
            self._metrics.verdicts.labels(forecast.outcome.verdict.name).inc()
        return View(row.spec_revision, known + len(stored), person, timeline, folded)

    def _set_unfinished(self, name: TwinName, view: View | None) -> None:
        with self._changed:
            if view is not None:
                self._unfinished[name] = view
            else:
                self._unfinished.pop(name, None)

    def _within_budget(self, work: Callable[[Deadline], Folded], previous: Folded) -> Folded:
        """`work`, as far as it gets in one budget; none when the server stops, or when not one instant was folded."""
        deadline = self.budget()
        self._running.add(deadline)
        try:
            folded = work(deadline)
        finally:
            self._running.discard(deadline)
        came_further = any(all(a is not b for b in previous.anchors) for a in folded.anchors[-1:])
        if self._stopping or (folded.pending and not came_further):
            said = f"one instant's measurements took longer than {self._settings.assimilation_budget_s:g} s"
            raise Refusal(RefusalCode.CANCELLED, said, reason="ASSIMILATION_BUDGET")
        return folded

    def _store_belief(self, name: TwinName, kept: Assimilated, view: View | None = None) -> bool:
        """Keep it; whether there may be more. `view`: what is then stored as a whole."""

        def save(connection: Connection) -> bool:
            return save_belief(connection, name, kept)

        try:
            if self._store.write(save) and view is not None:
                self._stored[name] = (view.spec_revision, view.revision)
            self.tell()
            return self.row(name).timeline_revision > kept.revision
        except (Refusal, StoreUnavailable):
            return False

    def _stuck(self, row: TwinRow, reason: str, message: str, field: str) -> bool:
        """Tell readers why this twin cannot go on; the next event or a new spec tries again."""
        text = keeping.trouble_text(reason, message, field, row.timeline_revision)
        return self._store_belief(row.name, Assimilated(row.timeline_revision, "", {}, (), text))

    def _incident(self, row: TwinRow, error: Exception) -> bool:
        incident = str(uuid.uuid4())
        self._metrics.incidents.inc()
        self._metrics.assimilated.labels(keeping.DEFECT).inc()
        logs.log().error(
            "incident",
            incident=incident,
            twin=logs.pseudonym(row.name),
            error=logs.where(error),
            trace=logs.trace(error),
        )
        return self._stuck(row, keeping.DEFECT, f"a defect of the service met by these events; incident {incident}", "")


def _of_trouble(text: str) -> Refusal:
    trouble = keeping.trouble_of(text)
    assert trouble is not None
    code = RefusalCode.OUT_OF_RANGE if trouble.reason == "OUTSIDE_DOMAIN" else RefusalCode.PRECONDITION
    said = f"the recorded events cannot be assimilated: {trouble.message}"
    return Refusal(code, said, field=trouble.field, reason=trouble.reason)


def _no_such_revision(field: str, asked: int, row: TwinRow) -> Refusal:
    return Refusal(
        RefusalCode.OUT_OF_RANGE,
        f"{asked} is asked for, the twin has {row.timeline_revision} events",
        field=field,
        reason="NO_SUCH_REVISION",
    )
