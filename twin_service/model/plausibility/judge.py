"""An event against what is usual, what is possible, and what the chart holds already.

Outside the usual it is taken with a warning; beyond the absolute, or as the likely double of another, it is held until
someone confirms it. A pure function: the door asks it for the receipt, and an answer asks it again for its warnings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from twin_service import units
from twin_service.model.plausibility.ranges import Range, Ranges, load_ranges
from twin_service.model.plausibility.slips import (
    DOSE_SLIPS,
    HEIGHT_SLIPS,
    READING_SLIPS,
    WEIGHT_SLIPS,
    Slip,
    likely_slips,
    molar_slips,
)
from twin_service.record.chart import Chart
from twin_service.record.events import (
    MICROSECONDS_PER_HOUR,
    Censoring,
    Correction,
    CovariateMeasured,
    DoseGiven,
    Event,
    GenotypeFound,
    ImageMeasured,
    LabMeasured,
    Retraction,
)

# Two records of one dose or sample differ by how they were charted; two true ones of the same amount are rarer.
DUPLICATE_WITHIN_H: Final = 1.0
SAME: Final = 0.005
# A dose this far from the person's own last ones is asked about though others take it; a weight changes less.
OWN_FOLD, OWN_WEIGHT_FOLD = 8.0, 1.3


class Standing(Enum):
    """What becomes of an event."""

    USUAL = "taken"
    UNUSUAL = "taken with a warning"
    HELD = "held until confirmed"


@dataclass(frozen=True)
class Judgement:
    """`reasons` are sentences for the receipt and for later answers; `slips` likeliest first; `duplicate_of` an id."""

    event_id: str
    standing: Standing = Standing.USUAL
    reasons: tuple[str, ...] = ()
    slips: tuple[Slip, ...] = ()
    duplicate_of: str = ""

    @property
    def is_held(self) -> bool:
        return self.standing is Standing.HELD


def judge_event(
    event: Event,
    before: Sequence[Event] = (),
    person: Mapping[str, float] | None = None,
    *,
    ranges: Ranges | None = None,
    duplicate_within_h: float = DUPLICATE_WITHIN_H,
) -> Judgement:
    """How `event` stands beside the effective events `before` of the chart and the person's covariates.

    before   by time; of a chart only what `Chart.beside` gives matters
    person   covariates known at the time (`weight_kg` scales doses); a corrected event is judged as its replacement,
             without the event it replaces
    duplicate_within_h   how close in time the same under another id is asked about
    """
    payload, time_us = event.payload, event.time_us
    if isinstance(payload, Correction):
        before = [e for e in before if e.id != payload.target]
        event = Event(event.id, payload.replacement_time_us, payload.replacement)
        payload, time_us = event.payload, event.time_us
    others = [e for e in before if e.id != event.id]  # by time, as the helpers below read it from its end
    known, ranges = person or {}, ranges or load_ranges()
    match payload:
        case DoseGiven():
            found = _dose(event.id, payload, (time_us, others), known, ranges)
        case LabMeasured() | ImageMeasured():
            found = _reading(event.id, payload, ranges)
        case CovariateMeasured():
            found = _covariate(event.id, payload, known, ranges)
        case GenotypeFound() | Retraction() | Correction():
            return Judgement(event.id)
        case _:
            return Judgement(event.id)
    return _with_duplicate(found, event, others, duplicate_within_h)


def judge_events(
    events: Iterable[Event],
    person: Mapping[str, float] | None = None,
    *,
    ranges: Ranges | None = None,
    duplicate_within_h: float = DUPLICATE_WITHIN_H,
) -> dict[str, Judgement]:
    """Every event of a chart that is not usual, each beside those before it: the warnings of an answer."""
    known, chart, found = dict(person or {}), Chart(), dict[str, Judgement]()
    ranges = ranges or load_ranges()
    for event in events:
        before = chart.beside(event)
        said = judge_event(event, before, known, ranges=ranges, duplicate_within_h=duplicate_within_h)
        if said.standing is not Standing.USUAL:
            found[event.id] = said
        if isinstance(event.payload, CovariateMeasured) and not said.is_held:
            known[event.payload.name] = event.payload.value
        chart.add(event)
    return found


def _dose(
    event_id: str, dose: DoseGiven, chart: tuple[int, Sequence[Event]], person: Mapping[str, float], ranges: Ranges
) -> Judgement:
    span = ranges.dose(dose.drug, dose.route, person.get("weight_kg") or None)
    if span is None or dose.amount_mg == 0.0:
        return Judgement(event_id)
    said = _against(f"{dose.drug} {{}} by {dose.route}", dose.amount_mg, "mg", span)
    reasons, standing = list(said[1]), said[0]
    expected, last = (span.low, span.high), _last_own(dose, *chart)
    if last > 0.0:
        expected = (0.5 * last, 2.0 * last)
        fold = dose.amount_mg / last
        if not 1.0 / OWN_FOLD < fold < OWN_FOLD:
            reasons.append(f"it is {fold:.3g} times the dose before it ({last:g} mg)")
            standing = Standing.UNUSUAL if standing is Standing.USUAL else standing
    day = ranges.per_day(dose.drug, dose.route)
    total = dose.amount_mg if day is None else dose.amount_mg + _within_a_day(dose.drug, *chart)
    if day is not None and total > day:
        reasons.append(f"{dose.drug} {total:g} mg within 24 h; usual is up to {day:g} mg")
        standing = Standing.UNUSUAL if standing is Standing.USUAL else standing
    slips = likely_slips(dose.amount_mg, expected, DOSE_SLIPS) if standing is not Standing.USUAL else ()
    return _judged(event_id, standing, reasons, slips)


def _last_own(dose: DoseGiven, time_us: int, others: Sequence[Event]) -> float:
    """The person's last dose before by the same route, mg; 0 where there is none."""
    for e in reversed(others):
        p = e.payload
        if e.time_us <= time_us and isinstance(p, DoseGiven) and (p.drug, p.route) == (dose.drug, dose.route):
            return p.amount_mg
    return 0.0


def _within_a_day(drug: str, time_us: int, others: Sequence[Event]) -> float:
    """What was given of the drug in the 24 h before, mg."""
    total, since_us = 0.0, time_us - 24 * MICROSECONDS_PER_HOUR
    for e in reversed(others):
        if e.time_us <= since_us:
            break
        if e.time_us <= time_us and isinstance(p := e.payload, DoseGiven) and p.drug == drug:
            total += p.amount_mg
    return total


def _reading(event_id: str, reading: LabMeasured | ImageMeasured, ranges: Ranges) -> Judgement:
    span = ranges.reading(reading.analyte)
    censored = isinstance(reading, LabMeasured) and reading.censoring is not Censoring.NONE
    if span is None or censored:
        return Judgement(event_id)
    known = units.analytes()[reading.analyte]
    if known.kind == "drug" and reading.value == 0.0:
        why = f"{reading.analyte} of exactly 0 {reading.unit} is no reading; send it as below the limit of the assay"
        return Judgement(event_id, Standing.HELD, (why,))
    standing, reasons = _against(f"{reading.analyte} {{}}", reading.value, reading.unit, span)
    if standing is Standing.USUAL:
        return Judgement(event_id)
    slips = (*READING_SLIPS, *molar_slips(known.molar_mass))
    return _judged(event_id, standing, list(reasons), likely_slips(reading.value, (span.low, span.high), slips))


def _covariate(event_id: str, said: CovariateMeasured, person: Mapping[str, float], ranges: Ranges) -> Judgement:
    span = ranges.reading(said.name)
    if span is None:
        return Judgement(event_id)
    standing, reasons = _against(f"{said.name} {{}}", said.value, said.unit, span)
    expected, before = (span.low, span.high), person.get(said.name, 0.0)
    slips = {"weight_kg": WEIGHT_SLIPS, "height_cm": HEIGHT_SLIPS}.get(said.name, ())
    if slips and before > 0.0:
        expected = (before / OWN_WEIGHT_FOLD, before * OWN_WEIGHT_FOLD)
        if not expected[0] <= said.value <= expected[1]:
            reasons = (*reasons, f"{said.name} was {before:g} {said.unit} before")
            standing = Standing.UNUSUAL if standing is Standing.USUAL else standing
    return _judged(event_id, standing, list(reasons), likely_slips(said.value, expected, slips))


def _against(what: str, value: float, unit: str, span: Range) -> tuple[Standing, tuple[str, ...]]:
    if span.is_possible(value) and span.is_usual(value):
        return Standing.USUAL, ()
    what = what.format(f"{value:g} {unit}")
    if not span.is_possible(value):
        edge = f"more than {span.most:.4g}" if value > span.most else f"less than {span.least:.4g}"
        return Standing.HELD, (f"{what} is {edge} {span.unit}, beyond all that is given or seen ({span.origin})",)
    said = f"{what} is outside the usual {span.low:.4g} to {span.high:.4g} {span.unit} ({span.origin})"
    return Standing.UNUSUAL, (said,)


def _judged(event_id: str, standing: Standing, reasons: list[str], slips: tuple[Slip, ...]) -> Judgement:
    """A slip is told where the value is doubted already: odds above 1 say nothing of a usual value."""
    told = slips if standing is not Standing.USUAL else ()
    return Judgement(event_id, standing, (*reasons, *(f"likely a slip, {s}" for s in told[:2])), told)


def _with_duplicate(found: Judgement, event: Event, others: Sequence[Event], within_h: float) -> Judgement:
    reach_us = within_h * MICROSECONDS_PER_HOUR
    near = [e for e in others if -reach_us <= e.time_us - event.time_us <= reach_us]
    twin = next((e for e in near if _is_double(event, e)), None)
    if twin is None:
        return found
    minutes = abs(event.time_us - twin.time_us) / MICROSECONDS_PER_HOUR * 60.0
    said = (
        f"the same {event.payload.kind} stands in the chart as {twin.id!r}, {minutes:.0f} min apart: likely one "
        "recorded twice; confirm it if both are true"
    )
    return Judgement(event.id, Standing.HELD, (*found.reasons, said), found.slips, twin.id)


def _is_double(event: Event, other: Event) -> bool:
    """Readings beyond a limit of the assay all say that limit: only those of one moment can be one."""
    censored = isinstance(event.payload, LabMeasured) and event.payload.censoring is not Censoring.NONE
    if censored and event.time_us != other.time_us:
        return False
    match event.payload, other.payload:
        case DoseGiven() as a, DoseGiven() as b:
            return (a.drug, a.route) == (b.drug, b.route) and _same(a.amount_mg, b.amount_mg)
        case (LabMeasured() as a, LabMeasured() as b) | (ImageMeasured() as a, ImageMeasured() as b):
            lesion = isinstance(a, ImageMeasured) and isinstance(b, ImageMeasured) and a.lesion != b.lesion
            return a.analyte == b.analyte and _same(a.value, b.value) and not lesion and _read_alike(a, b)
        case _:
            return False


def _read_alike(a: LabMeasured | ImageMeasured, b: LabMeasured | ImageMeasured) -> bool:
    """A value, and a limit that it lies beyond, are two findings."""
    return getattr(a, "censoring", None) is getattr(b, "censoring", None)


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= SAME * max(abs(a), abs(b))
