"""FHIR Timing -> the instants at which an order gives its dose, or a reason why they are not known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from twin_client.ehr.fields import HOUR_UNITS, instant
from twin_client.ehr.reading import HoldError

DOSES_MAX = 1000
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RANGES = ("countMax", "durationMax", "frequencyMax", "periodMax")
# HL7 v3 GTSAbbreviation: times a day that a code stands for
CODES = {"QD": 1, "BID": 2, "TID": 3, "QID": 4, "Q4H": 6, "Q6H": 4, "Q8H": 3, "Q12H": 2, "Q24H": 1}


def dose_times(timing: Any, zone: tzinfo | None) -> tuple[list[datetime], float]:
    """When each dose is given, and how long it takes [h]; 0 where the timing says no length.

    zone   the patient's: times of day are local, and an instant in UTC does not say where that is
    """
    if not isinstance(timing, dict):
        raise HoldError("timing is missing", "send from when until when, and how often")
    if timing.get("event"):
        if timing.get("repeat"):
            raise HoldError("timing says both event and repeat", "send one of them")
        return sorted(instant(t, "timing.event") for t in timing["event"]), 0.0
    repeat = timing.get("repeat") or {}
    for name in RANGES:
        if name in repeat and repeat[name] != repeat.get(name.removesuffix("Max")):
            raise HoldError(f"timing.repeat.{name} leaves a range", "send MedicationAdministration, or one number")
    bounds = repeat.get("boundsPeriod")
    if not bounds or "start" not in bounds:
        raise HoldError("timing.repeat.boundsPeriod is missing", "send from when until when")
    start = instant(bounds["start"], "boundsPeriod.start")
    end = instant(bounds["end"], "boundsPeriod.end") if bounds.get("end") else None
    count = int(repeat.get("count") or 0)
    if end is None and not count:
        raise HoldError("the order has no end", "send boundsPeriod.end or count")
    _check_code(timing.get("code"), repeat)
    found = _bounded(_instants(repeat, start, zone), end, count)
    if not found:
        raise HoldError("the order stands for no dose", "correct its bounds")
    return found, _length_h(repeat)


def _bounded(times: Iterator[datetime], end: datetime | None, count: int) -> list[datetime]:
    found: list[datetime] = []
    for when in times:
        if (end is not None and when >= end) or (count and len(found) == count):
            break
        found.append(when)
        if len(found) > DOSES_MAX:
            raise HoldError(
                f"the order stands for more than {DOSES_MAX} doses", f"send orders of at most {DOSES_MAX} doses"
            )
    return found


def _instants(repeat: dict[str, Any], start: datetime, zone: tzinfo | None) -> Iterator[datetime]:
    """Instants without an end."""
    unit, frequency = repeat.get("periodUnit"), repeat.get("frequency")
    if not (frequency and repeat.get("period") and unit in HOUR_UNITS):
        raise HoldError("timing.repeat does not say how often", "send frequency, period and periodUnit")
    interval = timedelta(hours=float(repeat["period"]) * HOUR_UNITS[unit] / float(frequency))
    days, hours = repeat.get("dayOfWeek") or [], repeat.get("timeOfDay") or []
    if not days and not hours:
        return _every(start, interval)
    daily = unit == "d" and float(repeat["period"]) == 1.0
    weekly = (
        unit == "wk" and float(repeat["period"]) == 1.0 and days and int(frequency) == len(days) * max(1, len(hours))
    )
    if not weekly and not (daily and int(frequency) == max(1, len(hours))):
        raise HoldError(
            "timing.repeat says days or times of day that do not fit its frequency and period",
            "send frequency and period of those days and times",
        )
    strange = [d for d in days if d not in DAYS]
    if strange:
        raise HoldError(f"dayOfWeek {strange[0]!r} is unknown", f"send one of {', '.join(DAYS)}")
    own = start.tzinfo if start.utcoffset() else None
    place = zone or own
    if hours and place is None:
        raise HoldError(
            "times of day are local, and the order's start in UTC does not say where",
            "read with zone=, e.g. Europe/Berlin",
        )
    clock = sorted(_clock(t) for t in hours) if hours else [start.astimezone(place or start.tzinfo).time()]
    return _on_days(start, place or start.tzinfo, {DAYS.index(d) for d in days} or set(range(7)), clock)


def _every(start: datetime, interval: timedelta) -> Iterator[datetime]:
    k = 0
    while True:
        yield start + k * interval
        k += 1


def _on_days(start: datetime, place: tzinfo | None, days: set[int], clock: list[time]) -> Iterator[datetime]:
    day: date = start.astimezone(place).date()
    while True:
        if day.weekday() in days:
            for t in clock:
                when = datetime.combine(day, t, tzinfo=place)
                if when >= start:
                    yield when
        day += timedelta(days=1)


def _clock(text: Any) -> time:
    try:
        return time.fromisoformat(str(text))
    except ValueError:
        raise HoldError(f"timeOfDay {text!r} is unreadable", "send hh:mm:ss") from None


def _length_h(repeat: dict[str, Any]) -> float:
    length, unit = repeat.get("duration"), repeat.get("durationUnit")
    if length is None:
        return 0.0
    if unit not in HOUR_UNITS:
        raise HoldError("timing.repeat.duration has no unit", "send durationUnit")
    return float(length) * HOUR_UNITS[unit]


def _check_code(code: Any, repeat: dict[str, Any]) -> None:
    """A code beside `repeat` must say the same."""
    for coding in (code or {}).get("coding") or ():
        said = str(coding.get("code"))
        if said not in CODES:
            raise HoldError(f"timing.code {said} is not understood", "send timing.repeat without a code")
        a_day = 24.0 * float(repeat["frequency"]) / (float(repeat["period"]) * HOUR_UNITS[repeat["periodUnit"]])
        if abs(a_day - CODES[said]) > 1e-6:
            raise HoldError(f"timing.code {said} and timing.repeat contradict each other", "correct one of them")
