"""What a treatment is for: targets, and how each is measured on a simulated course."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.exposure import DAY_H, area, hours_above

FloatArray = NDArray[np.float64]
Metric = Literal[
    "trough",
    "peak",
    "average",
    "auc",
    "fraction_above",
    "minimum",
    "maximum",
    "final",
    "auc_day",
    "auc_interval",
    "auc_over_mic",
    "time_above_mic",
    "peak_over_mic",
]
OVER_MIC = ("auc_over_mic", "time_above_mic", "peak_over_mic")


@dataclass(frozen=True)
class Target:
    """`metric` of `output` between `from_h` and `to_h` of the forecast should lie in [low, high].

    trough    value just before each planned dose and at the end; the worst of them counts
    peak      largest value; minimum, maximum, final as named
    auc       area of the window; average: that over its length; auc_day: area of its last 24 h;
              auc_interval: area between its last two doses
    fraction_above  share of time above `threshold`
    auc_over_mic (of the last 24 h), time_above_mic (share of the window), peak_over_mic: of `unbound` times the output,
              for each minimum inhibitory concentration of `mics` (concentration, share of isolates)
    """

    output: str
    metric: Metric
    low: float = -np.inf
    high: float = np.inf
    from_h: float = 0.0
    to_h: float = np.inf
    threshold: float = 0.0
    name: str = ""
    mics: tuple[tuple[float, float], ...] = ()
    unbound: float = 1.0

    @property
    def label(self) -> str:
        return self.name or f"{self.metric} of {self.output}"

    @property
    def marks_h(self) -> tuple[float, ...]:
        """Hours at which the course must be known exactly; an open end is the horizon's."""
        return tuple(h for h in (self.from_h, self.to_h, self.to_h - DAY_H) if 0 < h < np.inf)


def measure(target: Target, times_h: FloatArray, values: FloatArray, dose_times_h: FloatArray) -> FloatArray:
    """The metric of each member, (N,), from `values` (N, nt) on `times_h` (nt,), hours from the forecast's start.

    A metric over MIC takes the target's one MIC; with a distribution use `measure_each`.
    """
    if len(target.mics) > 1:
        raise _refuse(f"target {target.label}: a distribution of MICs is judged for one twin, not here")
    return np.asarray(measure_each(target, times_h, values, dose_times_h)[:, 0])


def measure_each(target: Target, times_h: FloatArray, values: FloatArray, dose_times_h: FloatArray) -> FloatArray:
    """The metric of each member at each MIC of the target, (N, M); M = 1 for metrics that need none."""
    t, v = _window(target, times_h, values)
    if target.metric not in OVER_MIC:
        return _plain(target, t, v, dose_times_h)[:, None]
    if not target.mics:
        raise _refuse(f"target {target.label}: needs a minimum inhibitory concentration or a distribution of them")
    free = target.unbound * v
    mics = np.array([m for m, _ in target.mics])
    if target.metric == "time_above_mic":
        span = t[-1] - t[0]
        return np.stack([hours_above(t, free, m) / span for m in mics], axis=1)
    exposure = free.max(axis=1) if target.metric == "peak_over_mic" else _last_day(target, t, free)
    return np.asarray(exposure[:, None] / mics)


def _window(target: Target, times_h: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    inside = (times_h >= target.from_h) & (times_h <= target.to_h)
    t, v = times_h[inside], values[:, inside]
    if len(t) > 1 and t[-1] == t[-2]:
        # a dose at the very end belongs to what comes after it
        t, v = t[:-1], v[:, :-1]
    if len(t) < 2:
        raise _refuse(
            f"target {target.name or target.metric}: its window holds fewer than two "
            "time points; widen it or lengthen the horizon",
            "EMPTY_WINDOW",
        )
    return t, v


def _plain(target: Target, t: FloatArray, v: FloatArray, dose_times_h: FloatArray) -> FloatArray:
    metric = target.metric
    if metric == "trough":
        before = dose_times_h[(dose_times_h > t[0]) & (dose_times_h <= t[-1])]
        at = np.append(np.searchsorted(t, before - 1e-8), len(t) - 1)
        return np.asarray(v[:, np.unique(np.clip(at, 0, len(t) - 1))].min(axis=1))
    if metric in ("peak", "maximum"):
        return np.asarray(v.max(axis=1))
    if metric == "minimum":
        return np.asarray(v.min(axis=1))
    if metric == "final":
        return np.asarray(v[:, -1])
    if metric == "fraction_above":
        return np.asarray(hours_above(t, v, target.threshold) / (t[-1] - t[0]))
    if metric == "auc_day":
        return _last_day(target, t, v)
    if metric == "auc_interval":
        return _last_interval(target, t, v, dose_times_h)
    return area(t, v) if metric == "auc" else area(t, v) / (t[-1] - t[0])


def _last_day(target: Target, t: FloatArray, v: FloatArray) -> FloatArray:
    begin = t[-1] - DAY_H
    if begin < t[0] - 1e-9:
        raise _refuse(
            f"target {target.label}: the area of 24 h needs a window of at least 24 h; this one has {t[-1] - t[0]:g} h",
            "EMPTY_WINDOW",
        )
    return _area_from(t, v, begin)


def _last_interval(target: Target, t: FloatArray, v: FloatArray, dose_times_h: FloatArray) -> FloatArray:
    given = np.unique(dose_times_h[(dose_times_h >= t[0] - 1e-9) & (dose_times_h <= t[-1] + 1e-9)])
    if len(given) < 2:
        raise _refuse(
            f"target {target.label}: the area of a dosing interval needs two doses in its window", "EMPTY_WINDOW"
        )
    upto = t <= given[-1] + 1e-8
    last = np.flatnonzero(upto)
    # the value after the dose that ends the interval is not part of it
    keep = last[:-1] if len(last) > 1 and t[last[-1]] == t[last[-2]] else last
    return _area_from(t[keep], v[:, keep], float(given[-2]))


def _area_from(t: FloatArray, v: FloatArray, begin: float) -> FloatArray:
    """Area from `begin` on; where it lies between two points, by the line between them."""
    inside = t >= begin - 1e-8
    if t[inside][0] > begin + 1e-8:
        k = int(np.argmax(inside))
        share = (begin - t[k - 1]) / (t[k] - t[k - 1])
        first = v[:, k - 1] + share * (v[:, k] - v[:, k - 1])
        t, v = np.append(begin, t[inside]), np.concatenate([first[:, None], v[:, inside]], axis=1)
        return area(t, v)
    return area(t[inside], v[:, inside])


def _refuse(message: str, reason: str = "BAD_TARGET") -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field="targets", reason=reason)
