"""A running escalation as a fold over its events: what was given, what happened, what was said, and what follows.

Events are only ever appended. A correction or retraction names an earlier event; the state at a revision is the fold of
the first so many events, so that any past decision can be made again exactly as it was made, and a correction can say
which past decisions would have been others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.phase1.escalation_plan import EscalationPlan, with_dose


@dataclass(frozen=True)
class Dosed:
    """Patients given a dose on a day. `reason`: why it is not the recommended one."""

    id: str
    day: float
    dose: float
    patients: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class ObservedOutcome:
    """One patient's outcome on a day: toxic, or followed to the end of the window without."""

    id: str
    day: float
    patient: str
    toxic: bool


@dataclass(frozen=True)
class Withdrawn:
    """A patient left before the window ended and without toxicity: not evaluable."""

    id: str
    day: float
    patient: str
    reason: str = ""


@dataclass(frozen=True)
class DoseAdded:
    """An intermediate dose that the plan did not list."""

    id: str
    day: float
    dose: float
    reason: str


@dataclass(frozen=True)
class Corrected:
    """Event `of` was wrong: it reads as `to` from now on; None takes it back."""

    id: str
    day: float
    of: str
    to: Dosed | ObservedOutcome | Withdrawn | None
    reason: str


TrialEvent = Dosed | ObservedOutcome | Withdrawn | DoseAdded | Corrected


class TreatedPatient(NamedTuple):
    """One patient: dose, day given, outcome (None: pending), day of it, whether he left, cohort number from 1."""

    patient: str
    dose: float
    day: float
    toxic: bool | None
    outcome_day: float | None
    withdrawn: bool
    cohort: int


@dataclass(frozen=True)
class TrialState:
    """The trial after `revision` events: the plan with doses added, every patient, and the day of the last event."""

    plan: EscalationPlan
    revision: int
    day: float
    patients: tuple[TreatedPatient, ...]
    cohorts: int
    notes: tuple[str, ...]

    @property
    def current(self) -> float | None:
        """The dose given last; None before the first patient."""
        return max(self.patients, key=lambda p: p.cohort).dose if self.patients else None

    def is_late(self, p: TreatedPatient) -> bool:
        """Toxic after the window ended."""
        return bool(p.toxic) and p.outcome_day is not None and p.outcome_day > p.day + self.plan.conduct.window_days


def fold(plan: EscalationPlan, events: Sequence[TrialEvent]) -> TrialState:
    """The state after `events`. Raises Refusal at the first that contradicts the plan or those before it."""
    meant = _as_corrected(events)
    state = TrialState(plan, len(events), 0.0, (), 0, ())
    for k, event in enumerate(meant):
        try:
            state = state if event is None else _apply(state, event)
        except Refusal as refusal:
            raise refusal.at(f"events[{k}]") from None
    last = max((e.day for e in events), default=0.0)
    corrected = tuple(f"{e.of} corrected on day {e.day:g}: {e.reason}" for e in events if isinstance(e, Corrected))
    return replace(state, day=last, notes=(*state.notes, *corrected))


def append(plan: EscalationPlan, events: Sequence[TrialEvent], event: TrialEvent) -> tuple[TrialEvent, ...]:
    """The events with one more. Raises Refusal, and then nothing is recorded."""
    if any(e.id == event.id for e in events):
        raise _refuse("id", f"event {event.id!r} is recorded already; correct it instead of sending it again")
    longer = (*events, event)
    fold(plan, longer)
    return longer


def cohort(
    dose: float, patients: int, toxicities: int, day: float, *, events: Sequence[TrialEvent]
) -> list[TrialEvent]:
    """A whole cohort as single events: dosed on `day`, watched or toxic when the call is made. Raises Refusal for more
    toxicities than patients."""
    if not 0 <= toxicities <= patients or patients < 1:
        raise _refuse("toxicities", f"{toxicities} toxicities in {patients} patients; expected 0 to {patients}")
    number = 1 + sum(isinstance(e, Dosed) for e in events)
    names = tuple(f"c{number}p{k + 1}" for k in range(patients))
    found: list[TrialEvent] = [Dosed(f"c{number}", day, dose, names)]
    return found + [ObservedOutcome(f"{p}o", day, p, k < toxicities) for k, p in enumerate(names)]


def _as_corrected(events: Sequence[TrialEvent]) -> list[TrialEvent | None]:
    meant: list[TrialEvent | None] = [None if isinstance(e, Corrected) else e for e in events]
    places = {e.id: k for k, e in enumerate(events)}
    for k, event in enumerate(events):
        if not isinstance(event, Corrected):
            continue
        at = places.get(event.of)
        if at is None or at >= k or isinstance(events[at], Corrected):
            raise _refuse(f"events[{k}].of", f"event {event.of!r} was not recorded before; known: {', '.join(places)}")
        if not event.reason:
            raise _refuse(f"events[{k}].reason", "a correction says why")
        meant[at] = event.to
    return meant


def _apply(state: TrialState, event: TrialEvent) -> TrialState:
    if isinstance(event, Dosed):
        return _dosed(state, event)
    if isinstance(event, DoseAdded):
        if event.dose <= 0 or not event.reason:
            raise _refuse("dose", "an added dose is positive and says why")
        return replace(
            state,
            plan=with_dose(state.plan, event.dose),
            notes=(*state.notes, f"{event.dose:g} {state.plan.unit} added on day {event.day:g}: {event.reason}"),
        )
    assert isinstance(event, ObservedOutcome | Withdrawn)
    return _outcome(state, event)


def _dosed(state: TrialState, event: Dosed) -> TrialState:
    if event.dose not in state.plan.doses:
        near = min(state.plan.doses, key=lambda d: abs(d - event.dose))
        raise _refuse(
            "dose",
            f"{event.dose:g} {state.plan.unit} is not a planned dose; nearest: {near:g}. Add it first with a reason",
        )
    if not event.patients or len(set(event.patients)) != len(event.patients):
        raise _refuse("patients", "expected one or more patients, each once")
    again = {p.patient for p in state.patients} & set(event.patients)
    if again:
        raise _refuse("patients", f"{', '.join(sorted(again))} was dosed already; each patient counts once")
    number = state.cohorts + 1
    new = tuple(TreatedPatient(p, event.dose, event.day, None, None, False, number) for p in event.patients)
    notes = state.notes
    if event.reason:
        notes = (*notes, f"cohort {number} at {event.dose:g} {state.plan.unit}: {event.reason}")
    return replace(state, patients=state.patients + new, cohorts=number, notes=notes)


def _outcome(state: TrialState, event: ObservedOutcome | Withdrawn) -> TrialState:
    place = next((k for k, p in enumerate(state.patients) if p.patient == event.patient), None)
    if place is None:
        raise _refuse("patient", f"patient {event.patient!r} was never dosed; record the dose first")
    was = state.patients[place]
    if event.day < was.day:
        raise _refuse("day", f"day {event.day:g} lies before the dose on day {was.day:g}")
    if isinstance(event, Withdrawn):
        if was.toxic is not None:
            raise _refuse("patient", "the outcome is recorded already; correct it first")
        now = was._replace(withdrawn=True, outcome_day=event.day)
    else:
        if was.toxic:
            raise _refuse("patient", f"{event.patient!r} has a toxicity already; correct that event instead")
        if was.toxic is False and not event.toxic:
            raise _refuse("patient", f"{event.patient!r} was followed to the end already")
        now = was._replace(toxic=event.toxic, outcome_day=event.day, withdrawn=False)
    return replace(state, patients=(*state.patients[:place], now, *state.patients[place + 1 :]))


def _refuse(field: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{field}: {message}", field=field, reason="BAD_TRIAL_EVENT")
