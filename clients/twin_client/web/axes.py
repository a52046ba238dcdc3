"""Where things lie in a picture: past and future share the width, each with a scale of its own; values upward."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM = 64.0, 150.0, 30.0, 92.0
WIDTH, HEIGHT = 960.0, 420.0
SHARE_PAST = 0.45
DECADES_MAX = 4.0


@dataclass(frozen=True)
class TimeAxis:
    """Hours from the origin onto x. The past [start, now] takes 45 % of the width, the future the rest."""

    start: float
    now: float
    end: float

    @property
    def x_now(self) -> float:
        return LEFT + SHARE_PAST * (WIDTH - LEFT - RIGHT)

    @property
    def compression(self) -> float:
        """Hours a pixel holds in the past over those in the future."""
        past = (self.now - self.start) / SHARE_PAST
        return past / ((self.end - self.now) / (1 - SHARE_PAST))

    def x(self, hour: float) -> float:
        if hour <= self.now:
            return LEFT + (self.x_now - LEFT) * (hour - self.start) / max(self.now - self.start, 1e-9)
        return self.x_now + (WIDTH - RIGHT - self.x_now) * (hour - self.now) / (self.end - self.now)

    def inside(self, hour: float) -> bool:
        return self.start <= hour <= self.end


@dataclass(frozen=True)
class ValueAxis:
    """Values onto y, linear from 0 or logarithmic."""

    low: float
    high: float
    log: bool

    def y(self, value: float) -> float:
        span = HEIGHT - TOP - BOTTOM
        if self.log:
            v = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            v = (value - self.low) / (self.high - self.low)
        return TOP + span * (1 - min(max(v, 0.0), 1.0))

    def ticks(self) -> list[float]:
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            steps = (1, 2, 5) if last - first < 3 else (1,)
            marks = [m * 10.0**d for d in range(first - 1, last + 1) for m in steps]
            return [m for m in marks if self.low <= m <= self.high]
        step = _step((self.high - self.low) / 5)
        return [k * step for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def value_axis(values: Iterable[float], *, log: bool) -> ValueAxis:
    """The axis that shows all `values`; a logarithmic one spans at most four decades."""
    finite = [v for v in values if math.isfinite(v)]
    high = max(finite, default=1.0) or 1.0
    if not log:
        return ValueAxis(min(0.0, min(finite, default=0.0)), 1.06 * high, False)
    floor = high / 10**DECADES_MAX
    low = min((v for v in finite if v > floor), default=floor)
    return ValueAxis(max(low / 1.3, floor), 1.3 * high, True)


def time_ticks(axis: TimeAxis) -> list[float]:
    """Hours to mark: whole steps of each half, never in each other's way."""
    past = _hour_step((axis.now - axis.start) / 3)
    future = _hour_step((axis.end - axis.now) / 4)
    back = [axis.now - k * past for k in range(1, 20) if axis.now - k * past >= axis.start]
    ahead = [axis.now + k * future for k in range(1, 30) if axis.now + k * future <= axis.end + 1e-9]
    return sorted([*back, axis.now, *ahead])


def line(xs: Sequence[float], ys: Sequence[float]) -> str:
    """The points as an SVG path."""
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


def ribbon(xs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> str:
    """The area between two curves as an SVG path."""
    back = "L".join(f"{x:.1f},{y:.1f}" for x, y in zip(reversed(xs), list(reversed(low)), strict=True))
    return f"{line(xs, high)}L{back}Z"


def _step(rough: float) -> float:
    scale = 10.0 ** math.floor(math.log10(max(rough, 1e-12)))
    return next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= rough * 0.999)


def _hour_step(rough: float) -> float:
    return next((s for s in (1, 2, 3, 6, 12, 24, 48, 72, 168, 336, 672, 2016) if s >= rough * 0.999), 8760.0)
