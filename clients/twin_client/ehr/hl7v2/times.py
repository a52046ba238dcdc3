"""HL7 times: YYYYMMDDHHMM[SS[.S...]][+/-ZZZZ], local ones by the site map's zone or by the offset that MSH-7 says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from twin_client.ehr.reading import HoldError

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?([+-]\d{4})?$")


@dataclass(frozen=True)
class Clock:
    """Where times without an offset are: the site's zone first, then what the message's own time says."""

    site: tzinfo | None
    message: tzinfo | None = None

    def instant(self, text: str, what: str) -> datetime:
        """A point in time. Raises HoldError for a bare date, a time nobody knows where, or an hour that comes twice."""
        found = _TIME.fullmatch(text.strip())
        if not text.strip():
            raise HoldError(f"{what} is missing", "send the time at which it happened")
        if found is None:
            raise HoldError(f"{what} is unreadable", "send YYYYMMDDHHMM with +/-ZZZZ")
        year, month, day, hour, minute, second, fraction, offset = found.groups()
        if hour is None:
            raise HoldError(f"{what} has no time of day", "send YYYYMMDDHHMM with +/-ZZZZ")
        try:
            local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
        except ValueError:
            raise HoldError(f"{what} is no time of the calendar", "correct it") from None
        local = local.replace(microsecond=int((fraction or "0").ljust(6, "0")))
        return local.replace(tzinfo=_offset(offset)) if offset else self._placed(local, what)

    def _placed(self, local: datetime, what: str) -> datetime:
        zone = self.site or self.message
        if zone is None:
            raise HoldError(f"{what} has no time zone", "send +/-ZZZZ, or say zone in the site map")
        early, late = (local.replace(tzinfo=zone, fold=f) for f in (0, 1))
        if early.utcoffset() != late.utcoffset():
            back = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
            why = "comes twice" if back == local else "does not exist"
            raise HoldError(f"the hour of {what} {why} on the day the clocks change", "send +/-ZZZZ")
        return early


def offset_of(text: str) -> tzinfo | None:
    """The offset that a time says, None where it says none."""
    found = _TIME.fullmatch(text.strip())
    return _offset(found[8]) if found and found[8] else None


def _offset(text: str) -> tzinfo:
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[3:5])))
