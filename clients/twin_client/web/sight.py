"""What the page knows of one patient: everything read from the service, in as many calls at once as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from twin_client import TwinClient
from twin_client.web import words
from twin_service.v1 import event_pb2, library_pb2, twin_pb2

LIVE_DAYS = 14.0
HORIZON_MIN_H, HORIZON_MAX_H = 72.0, 2016.0


@dataclass(frozen=True)
class TargetRange:
    """Where an output should be, as its model says with its source; None: no bound on that side."""

    output: str
    unit: str
    low: float | None
    high: float | None
    titles: tuple[str, ...]

    @property
    def both(self) -> bool:
        return self.low is not None and self.high is not None and self.low < self.high

    def outside(self, value: float) -> str:
        """On which side a value lies: "below" or "above"; "" when inside."""
        if self.low is not None and value < self.low:
            return "below"
        return "above" if self.high is not None and value > self.high else ""


@dataclass(frozen=True)
class CurrentDosing:
    """What was last given of one drug; `interval_h` 0: given once so far."""

    drug: str
    route: str
    mg: float
    interval_h: float
    over_h: float
    last: datetime


@dataclass(frozen=True)
class Sight:
    """One patient as recorded and believed. `now` is where the future begins."""

    patient: str
    twin: twin_pb2.GetTwinResponse
    model: library_pb2.DescribeModelResponse
    events: tuple[event_pb2.RecordedEvent, ...]
    forecasts: tuple[twin_pb2.Forecast, ...]
    now: datetime
    live: bool

    @property
    def epoch(self) -> datetime:
        first = [words.moment(e.event.time) for e in self.events if e.in_force]
        if self.twin.twin.spec.HasField("epoch_time"):
            first.append(words.moment(self.twin.twin.spec.epoch_time))
        return min(first, default=self.now - timedelta(days=1))

    @property
    def outputs(self) -> tuple[library_pb2.OutputInfo, ...]:
        """What can be measured, drugs first."""
        given = {d.drug for d in self.dosing}
        measured = [o for o in self.model.outputs if o.analyte]
        return tuple(sorted(measured, key=lambda o: o.analyte not in given))

    def range_of(self, output: str) -> TargetRange:
        return range_of(self.model, output)

    @property
    def dosing(self) -> tuple[CurrentDosing, ...]:
        return current_dosing(self.events)


def look(
    client: TwinClient, patient: str, pool: ThreadPoolExecutor, known: twin_pb2.GetTwinResponse | None = None
) -> Sight:
    """Read one patient; `known` is its twin where that was just read. Raises ClientError."""
    events = pool.submit(lambda: tuple(client.events(patient)))
    forecasts = pool.submit(lambda: tuple(client.forecasts(patient)))
    twin = known if known is not None else client.twin(patient)
    spec = twin.twin.spec.model
    model = client.describe(drugs=spec.drugs, poppk=spec.poppk, effects=spec.effects)
    recorded = events.result()
    now, live = view_time(recorded, datetime.now(UTC).replace(second=0, microsecond=0))
    return Sight(patient, twin, model, recorded, forecasts.result(), now, live)


def view_time(events: Sequence[event_pb2.RecordedEvent], clock: datetime) -> tuple[datetime, bool]:
    """Where the future begins: the clock while the record is alive (fourteen days), else the record's end."""
    last = max((words.moment(e.event.time) for e in events if e.in_force and _happened(e)), default=clock)
    live = last >= clock - timedelta(days=LIVE_DAYS)
    return (max(last, clock) if live else last), live


def _happened(recorded: event_pb2.RecordedEvent) -> bool:
    """A correction carries the time of its issue, which says nothing of the patient."""
    return recorded.event.WhichOneof("payload") not in ("correction", "retraction")


def range_of(model: library_pb2.DescribeModelResponse, output: str) -> TargetRange:
    """The highest "below" threshold and the lowest "above" threshold in the output's own unit."""
    info = next((o for o in model.outputs if o.name == output), None)
    unit = info.unit if info is not None else ""
    mine = [e for e in model.endpoints if e.output == output and e.threshold.unit == unit]
    low = max((e.threshold.value for e in mine if e.comparison == "below"), default=None)
    high = min((e.threshold.value for e in mine if e.comparison == "above"), default=None)
    return TargetRange(output, unit, low, high, tuple(e.title for e in mine))


def current_dosing(events: Sequence[event_pb2.RecordedEvent]) -> tuple[CurrentDosing, ...]:
    """By drug, the last dose in force and its interval: said with it, or the time since the one before."""
    by_drug: dict[str, list[event_pb2.RecordedEvent]] = {}
    for e in events:
        if e.in_force and e.event.HasField("dose"):
            by_drug.setdefault(e.event.dose.drug, []).append(e)
    return tuple(_of_drug(sorted(d, key=lambda e: words.moment(e.event.time))) for d in by_drug.values())


def _of_drug(given: list[event_pb2.RecordedEvent]) -> CurrentDosing:
    last = given[-1]
    dose, when = last.event.dose, words.moment(last.event.time)
    interval = _hours(dose.steady_interval.value, dose.steady_interval.unit) if dose.HasField("steady_interval") else 0
    if not interval and len(given) > 1:
        interval = round((when - words.moment(given[-2].event.time)).total_seconds() / 3600, 1)
    over = _hours(dose.duration.value, dose.duration.unit) if dose.HasField("duration") else 0.0
    mg = last.canonical_value.value if last.canonical_value.unit == "mg" else dose.amount.value
    return CurrentDosing(dose.drug, dose.route, mg, interval, over, when)


def _hours(value: float, unit: str) -> float:
    """Hours of a UCUM time; a unit not listed here gives 0, which the page shows as unknown."""
    return value * {"h": 1.0, "min": 1 / 60, "d": 24.0, "s": 1 / 3600, "wk": 168.0}.get(unit, 0.0)


def horizon_h(dosing: Sequence[CurrentDosing], interval_h: float = 0.0) -> float:
    """How far to look: three days, or two intervals (of what is given or of `interval_h`) where that is longer."""
    longest = 2 * max([interval_h, *(d.interval_h for d in dosing)])
    return min(max(HORIZON_MIN_H, longest), HORIZON_MAX_H)
