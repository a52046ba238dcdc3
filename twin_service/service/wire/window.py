"""Which clinical times can be true: not far ahead of the server's clock, not before anyone alive was born."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import MICROSECONDS_PER_HOUR
from twin_service.settings import Settings

HOURS_PER_YEAR = 8766.0


@dataclass(frozen=True)
class AcceptedTimes:
    """Times between `past_us` and `future_us` are accepted; `now_us` is when the call came."""

    now_us: int
    past_us: int
    future_us: int

    @classmethod
    def around(cls, now_us: int, settings: Settings) -> AcceptedTimes:
        past = settings.past_tolerance_y * HOURS_PER_YEAR * MICROSECONDS_PER_HOUR
        return cls(now_us, now_us - round(past), now_us + round(settings.future_tolerance_h * MICROSECONDS_PER_HOUR))

    def check(self, time_us: int, path: str) -> int:
        """`time_us`; raises Refusal when it cannot be true."""
        if time_us > self.future_us:
            raise Refusal(
                RefusalCode.INVALID,
                "lies in the future; a finding has happened already. Check the clock and the time zone",
                field=path,
                reason="FUTURE_TIME",
            )
        if time_us < self.past_us:
            raise Refusal(
                RefusalCode.INVALID, "lies further back than a life; check the date", field=path, reason="PAST_TIME"
            )
        return time_us
