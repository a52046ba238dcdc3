"""The course of one output: past and future, both bands, the levels, the doses and the target, as shapes to draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from twin_client.web import axes, words
from twin_client.web.axes import TimeAxis, ValueAxis
from twin_client.web.sight import Sight, TargetRange
from twin_service.v1 import common_pb2, event_pb2, library_pb2, simulation_pb2, twin_pb2

RUG = 22.0


@dataclass(frozen=True)
class Mark:
    """A measured value."""

    x: float
    y: float
    kind: str
    words: str


@dataclass(frozen=True)
class Stroke:
    """A path with the words at its end."""

    path: str
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class RugTick:
    """A dose: its place, its height, and whether it is only planned."""

    x: float
    height: float
    drug: int
    planned: bool


@dataclass(frozen=True)
class AxisTick:
    """A place on an axis with what is written at it; `below` is a second line."""

    at: float
    label: str
    below: str = ""


@dataclass(frozen=True)
class CoursePicture:
    """One output over time; every coordinate is in the pixels of `axes`."""

    title: str
    summary: str
    note: str
    curve: str
    reading: str
    median: str
    others: tuple[Stroke, ...]
    marks: tuple[Mark, ...]
    rug: tuple[RugTick, ...]
    target: tuple[float, float, str] | None
    limits: tuple[tuple[float, str], ...]
    times: tuple[AxisTick, ...]
    values: tuple[AxisTick, ...]
    x_now: float
    now: str
    has_reading: bool
    width: float = axes.WIDTH
    height: float = axes.HEIGHT
    left: float = axes.LEFT
    right: float = axes.WIDTH - axes.RIGHT
    top: float = axes.TOP
    floor: float = axes.HEIGHT - axes.BOTTOM


@dataclass(frozen=True)
class Future:
    """The plans compared, the chosen one first, and the hours they are looked at."""

    answer: simulation_pb2.SimulateResponse
    chosen: str
    horizon_h: float
    log: bool


def draw(
    sight: Sight, output: library_pb2.OutputInfo, past: twin_pb2.GetTrajectoryResponse, future: Future
) -> CoursePicture:
    """The picture of `output`; `past` and `future` meet at `sight.now`."""
    start = words.moment(past.bands.origin_time) + timedelta(hours=past.bands.times_h[0])
    time = TimeAxis(_hours(start, sight.now), 0.0, future.horizon_h)
    chosen = next(w for w in future.answer.what_ifs if w.name == future.chosen)
    parts = [_Part(past.bands, output.name, sight.now), _Part(chosen.bands, output.name, sight.now)]
    marks = [f for f in sight.forecasts if f.analyte == output.analyte and _when(f, sight) >= time.start]
    found = sight.range_of(output.name)
    value = axes.value_axis(_values(parts, marks, found), log=future.log)
    title = f"{words.name(output.analyte).capitalize()}, {words.unit(output.unit) or 'number'}"
    return CoursePicture(
        title,
        _summary(sight, output, parts[1], future),
        _note(time),
        *(_bands(parts, time, value)),
        tuple(_others(future, output.name, sight.now, time, value)),
        tuple(_marks(marks, sight, time, value)),
        tuple(_rug(sight, chosen.regimen, time)),
        _target(found, value),
        tuple(_limits(found, value)),
        tuple(_time_ticks(time, sight.now)),
        tuple(AxisTick(value.y(v), words.number(v)) for v in value.ticks()),
        time.x_now,
        f"{'now' if sight.live else 'end of the record'}, {words.clock(sight.now)}",
        all(bool(p.reading) for p in parts),
    )


class _Part:
    """One output of some bands, times in hours from now."""

    def __init__(self, bands: common_pb2.Bands, output: str, now: datetime) -> None:
        shift = _hours(words.moment(bands.origin_time), now)
        series = next(s for s in bands.series if s.output == output)
        self.hours = [shift + h for h in bands.times_h]
        self.median = list(series.median)
        self.curve = _outer(series.quantiles)
        self.reading = _outer(series.reading_quantiles)


def _outer(quantiles: Sequence[common_pb2.QuantileSeries]) -> tuple[list[float], list[float]] | None:
    """The 5 % and 95 % curves."""
    by_level = {round(q.level, 4): list(q.values) for q in quantiles}
    return (by_level[0.05], by_level[0.95]) if {0.05, 0.95} <= by_level.keys() else None


def _values(parts: list[_Part], marks: list[twin_pb2.Forecast], found: TargetRange) -> Iterator[float]:
    for part in parts:
        yield from part.median
        for band in (part.curve, part.reading):
            if band is not None:
                yield from band[1]
    yield from (m.observed for m in marks)
    yield from (v for v in (found.low, found.high) if v is not None)


def _bands(parts: list[_Part], time: TimeAxis, value: ValueAxis) -> tuple[str, str, str]:
    """Paths of the patient's curve, of the next level, and of the median."""
    curve, reading, median = "", "", ""
    for part in parts:
        shown = [k for k, h in enumerate(part.hours) if time.inside(h)]
        xs = [time.x(part.hours[k]) for k in shown]
        if not xs:
            continue
        for_band = [b and tuple([value.y(side[k]) for k in shown] for side in b) for b in (part.curve, part.reading)]
        curve += axes.ribbon(xs, *for_band[0]) if for_band[0] else ""
        reading += axes.ribbon(xs, *for_band[1]) if for_band[1] else ""
        median += axes.line(xs, [value.y(part.median[k]) for k in shown])
    return curve, reading, median


def _others(future: Future, output: str, now: datetime, time: TimeAxis, value: ValueAxis) -> Iterator[Stroke]:
    taken: list[float] = []
    for other in future.answer.what_ifs:
        part = _Part(other.bands, output, now)
        ys = [value.y(v) for v in part.median]
        label = ys[-1]
        while any(abs(label - t) < 15 for t in taken):
            label -= 15
        taken.append(label)
        xs = [time.x(h) for h in part.hours]
        yield Stroke("" if other.name == future.chosen else axes.line(xs, ys), other.name, xs[-1] + 6, label + 4)


def _marks(points: list[twin_pb2.Forecast], sight: Sight, time: TimeAxis, value: ValueAxis) -> Iterator[Mark]:
    simulated = {e.event.id for e in sight.events if e.event.HasField("image") and e.event.image.simulated}
    for p in points:
        kind = "simulated" if p.event_id in simulated else "doubtful" if p.surprising else "measured"
        bound = {event_pb2.CENSORING_BELOW: "below ", event_pb2.CENSORING_ABOVE: "above "}.get(p.censoring, "")
        said = f"{bound}{words.amount(p.observed, p.unit)}, {words.clock(words.moment(p.time))}, {kind}"
        yield Mark(time.x(_when(p, sight)), value.y(p.observed), kind, said)


def _when(forecast: twin_pb2.Forecast, sight: Sight) -> float:
    return _hours(words.moment(forecast.time), sight.now)


def _rug(sight: Sight, plan: simulation_pb2.Regimen, time: TimeAxis) -> Iterator[RugTick]:
    given = [
        (_hours(words.moment(e.event.time), sight.now), e.canonical_value.value, e.event.dose.drug, False)
        for e in sight.events
        if e.in_force and e.event.HasField("dose")
    ]
    for d in plan.doses:
        given += [
            (d.delay.value + k * d.interval.value, d.amount.value, d.drug, True)
            for k in range(d.count)
            if d.delay.value + k * d.interval.value <= time.end
        ]
    drugs = sorted({drug for _, _, drug, _ in given})
    most = {drug: max(a for _, a, dr, _ in given if dr == drug) or 1.0 for drug in drugs}
    for hour, amount, drug, is_planned in given:
        if time.inside(hour):
            yield RugTick(time.x(hour), 6 + RUG * 0.7 * amount / most[drug], drugs.index(drug) % 4, is_planned)


def _target(found: TargetRange, value: ValueAxis) -> tuple[float, float, str] | None:
    if not found.both or found.low is None or found.high is None:
        return None
    top, bottom = value.y(found.high), value.y(found.low)
    return top, bottom - top, f"target {found.low:g} to {found.high:g}"


def _limits(found: TargetRange, value: ValueAxis) -> Iterator[tuple[float, str]]:
    if found.both:
        return
    for bound, side in ((found.low, "below"), (found.high, "above")):
        if bound is not None:
            yield value.y(bound), f"harm {side} {bound:g}"


def _time_ticks(time: TimeAxis, now: datetime) -> Iterator[AxisTick]:
    last_x = -100.0
    for hour in axes.time_ticks(time):
        x = time.x(hour)
        if x - last_x < 46:
            continue
        last_x = x
        days = abs(hour) >= 48 and hour % 24 == 0
        size = f"{hour / 24:+g} d" if days else f"{hour:+g} h"
        when = now + timedelta(hours=hour)
        yield AxisTick(x, "0" if hour == 0 else size, f"{when.day} {when:%b}")


def _note(time: TimeAxis) -> str:
    if 0.9 < time.compression < 1.1:
        return "hours before and after, dates below"
    ratio, way = (time.compression, "narrower") if time.compression > 1 else (1 / time.compression, "wider")
    return f"hours before and after, dates below; the past is drawn {ratio:.2g} times {way} than the future"


def _summary(sight: Sight, output: library_pb2.OutputInfo, part: _Part, future: Future) -> str:
    """What the picture says, for those who do not see it."""
    middle = words.amount(part.median[-1], output.unit)
    band = ""
    if part.curve is not None:
        band = f", 90 % {words.number(part.curve[0][-1])} to {words.number(part.curve[1][-1])}"
    return (
        f"{words.name(output.analyte)}: {future.chosen.lower()}, expected {middle}{band} "
        f"after {words.length(future.horizon_h)}"
    )


def _hours(then: datetime, now: datetime) -> float:
    """Hours of `then` after `now`."""
    return (then - now).total_seconds() / 3600
