"""Which events of a batch are taken, and which wait until someone confirms them.

Each is judged beside what the record holds and what the batch says before it. What is confirmed is taken; an amendment
of a held event takes the event with it into the record, where the amendment decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from twin_service.model.plausibility import Judgement, judge_event
from twin_service.record.chart import Chart
from twin_service.record.events import MICROSECONDS_PER_HOUR, Correction, Event, Retraction, to_json
from twin_service.record.person import Person
from twin_service.record.timeline import order_key
from twin_service.service.wire.held import why_held
from twin_service.store.held import HeldRow, Waits, save_held
from twin_service.store.known import KnownTwin
from twin_service.store.twins import Act, TwinRow, save_twin


@dataclass
class Sorted:
    """By place in the batch: what is taken, what is held, and how each that is not usual was judged.

    released   held events that enter the record before the batch, because it confirms or amends them
    settled    the rows of held events that wait no more
    """

    taken: list[int] = field(default_factory=list)
    held: dict[int, HeldRow] = field(default_factory=dict)
    judged: dict[int, Judgement] = field(default_factory=dict)
    released: list[Event] = field(default_factory=list)
    settled: dict[str, HeldRow] = field(default_factory=dict)

    @property
    def new_rows(self) -> dict[str, HeldRow]:
        """Rows to keep: those settled, and those that wait from now on or with other words than before."""
        return self.settled | {row.event_id: row for row in self.held.values()}


def sort_out(
    events: Sequence[Event | None], confirmed: frozenset[int], known: KnownTwin, person: Person, *, window_h: float
) -> Sorted:
    """Judge what is new in a batch, in clinical order whatever its own order is."""
    done, fresh = Sorted(), Chart()
    places = sorted((i for i, e in enumerate(events) if e is not None), key=lambda i: order_key(_said(events[i])))
    for i in places:
        event = _said(events[i])
        if event.id not in known.ids:
            done.judged[i] = judged = _judged(event, known.chart, fresh, person, window_h)
            if judged.is_held and i not in confirmed or _is_withdrawn(event, known) and i not in confirmed:
                done.held[i] = _row(event, known, judged)
                continue
        done.taken.append(i)
        fresh.add(event)
        _settle(event, known, done)
        _take_target(event, events, done)
    done.taken.sort()
    return done


def keep_held(connection: Connection, known: KnownTwin, rows: Mapping[str, HeldRow], act: Act) -> TwinRow:
    """Keep what changed of the held events, with an audit row; the twin's row after it."""
    changed = {i: row for i, row in rows.items() if known.held.get(i) != row}
    if changed:
        waiting = sum(row.is_waiting for row in changed.values())
        detail = f"{waiting} events held, {len(changed) - waiting} settled"
        known.row = save_twin(connection, known.row, known.row, replace(act, action="hold", detail=detail))
        save_held(connection, known.row.name, changed.values())
        known.held = known.held | changed
    return known.row


def _said(event: Event | None) -> Event:
    assert event is not None
    return event


def _judged(event: Event, chart: Chart, fresh: Chart, person: Person, window_h: float) -> Judgement:
    after_us = round(window_h * MICROSECONDS_PER_HOUR)
    recorded, said = chart.beside(event, after_us=after_us), fresh.beside(event, after_us=after_us)
    beside = sorted([*recorded, *said], key=order_key) if recorded and said else recorded or said
    known: Mapping[str, float] = {
        **person.covariates,
        **chart.covariates_at(event.time_us),
        **fresh.covariates_at(event.time_us),
    }
    return judge_event(event, beside, known, duplicate_within_h=window_h)


def _is_withdrawn(event: Event, known: KnownTwin) -> bool:
    row = known.held.get(event.id)
    return row is not None and row.state == Waits.WITHDRAWN and row.body == to_json(event).encode()


def _row(event: Event, known: KnownTwin, judged: Judgement) -> HeldRow:
    """The row to keep; one that says the same already stays as it is, withdrawn or waiting."""
    old, body = known.held.get(event.id), to_json(event).encode()
    if old is not None and old.body == body and old.state != Waits.RELEASED:
        return old
    tenant, patient = known.row.tenant, known.row.patient
    return HeldRow(
        tenant, patient, event.id, event.time_us, event.arrival_us, Waits.WAITING, body, why_held(event, judged)
    )


def _settle(event: Event, known: KnownTwin, done: Sorted) -> None:
    """A held event that is taken, corrected or retracted waits no more."""
    payload = event.payload
    row = known.held.get(event.id)
    if row is not None and row.state != Waits.RELEASED:
        done.settled[row.event_id] = replace(row, state=Waits.RELEASED)
    if not isinstance(payload, Correction | Retraction) or payload.target in known.ids:
        return
    target = known.held.get(payload.target)
    if target is not None and target.is_waiting and target.event_id not in done.settled:
        done.released.append(target.event)
        state = Waits.WITHDRAWN if isinstance(payload, Retraction) else Waits.RELEASED
        done.settled[target.event_id] = replace(target, state=state)


def _take_target(event: Event, events: Sequence[Event | None], done: Sorted) -> None:
    """What the batch itself amends is taken with its amendment."""
    if isinstance(event.payload, Correction | Retraction):
        for place in [i for i in done.held if _said(events[i]).id == event.payload.target]:
            del done.held[place]
            done.taken.append(place)
