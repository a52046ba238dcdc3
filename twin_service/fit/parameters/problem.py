"""What is fitted to what: parameters with bounds and scale, measurements, and a way to predict them.

    -ln L(theta) = sum over rows of 0.5 ((y - f)/s)^2 + ln s + 0.5 ln 2 pi + ln |slope of the transformation|

y, f and s on the scale of the observable (as it is, ln or log10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode

Floats = NDArray[np.float64]
Scale = Literal["lin", "log", "log10"]
HALF_LOG_2PI: Final = 0.5 * float(np.log(2 * np.pi))
LN10: Final = float(np.log(10.0))


@dataclass(frozen=True)
class Free:
    """A parameter to estimate, searched on `scale` inside [low, high] (natural values)."""

    name: str
    low: float
    high: float
    start: float
    scale: Scale = "log10"

    def to_scale(self, value: float) -> float:
        return float(np.log10(value) if self.scale == "log10" else np.log(value) if self.scale == "log" else value)

    def from_scale(self, x: float) -> float:
        return float(10.0**x if self.scale == "log10" else np.exp(x) if self.scale == "log" else x)


@dataclass(frozen=True)
class Measured:
    """One row: an observable under a condition at a time, its noise SD as a number or a parameter's name.

    proportional   a share of the prediction that adds to the SD (in quadrature), for untransformed values
    """

    observable: str
    condition: str
    time: float
    value: float
    sd: float | str
    transformation: Scale = "lin"
    proportional: float = 0.0


# names -> values, then (observable, condition, times) -> predictions
Predict = Callable[[dict[str, float], str, str, Floats], Floats]


@dataclass(frozen=True)
class Problem:
    """`predict` gives the observable (untransformed) of a condition at times; `fixed` are the other parameters."""

    name: str
    free: tuple[Free, ...]
    rows: tuple[Measured, ...]
    predict: Predict
    fixed: tuple[tuple[str, float], ...] = ()

    @classmethod
    def create(
        cls,
        name: str,
        free: Sequence[Free],
        rows: Sequence[Measured],
        *,
        predict: Predict,
        fixed: Sequence[tuple[str, float]] = (),
    ) -> Problem:
        """A checked problem. Raises Refusal for bounds that are wrong or values a transformation cannot take."""
        for f in free:
            if not f.low < f.high or not f.low <= f.start <= f.high or (f.scale != "lin" and f.low <= 0):
                raise _refuse(
                    f"{name}: parameter {f.name} in [{f.low:g}, {f.high:g}] from {f.start:g}, {f.scale}: "
                    "expected low < high, start between them, positive for a log scale"
                )
        for i, r in enumerate(rows):
            if not np.isfinite(r.value) or (r.transformation != "lin" and r.value <= 0):
                raise _refuse(
                    f"{name}: row {i}, {r.observable} at {r.time:g} is {r.value:g}, which "
                    f"{r.transformation} cannot take"
                )
        if not rows:
            raise _refuse(f"{name}: no measurements")
        return cls(name, tuple(free), tuple(rows), predict, tuple(fixed))

    def values(self, x: Floats) -> dict[str, float]:
        """All parameters by name at search point `x` (scaled)."""
        return dict(self.fixed) | {f.name: f.from_scale(v) for f, v in zip(self.free, x, strict=True)}

    def objective(self, x: Floats) -> float:
        """-ln L; infinite where the model cannot be solved."""
        values = self.values(x)
        total = 0.0
        for (observable, condition), rows in self.groups().items():
            predicted = self.predict(values, observable, condition, np.array([r.time for r in rows]))
            if not np.all(np.isfinite(predicted)):
                return float("inf")
            total += sum(_row(r, float(f), values) for r, f in zip(rows, predicted, strict=True))
        return total

    def groups(self) -> dict[tuple[str, str], list[Measured]]:
        """Rows by observable and condition, each in order of time."""
        groups: dict[tuple[str, str], list[Measured]] = {}
        for r in sorted(self.rows, key=lambda r: r.time):
            groups.setdefault((r.observable, r.condition), []).append(r)
        return groups


def _row(r: Measured, f: float, values: dict[str, float]) -> float:
    sd = values[r.sd] if isinstance(r.sd, str) else r.sd
    if r.proportional:
        sd = float(np.hypot(sd, r.proportional * f))
    if sd <= 0 or (r.transformation != "lin" and f <= 0):
        return float("inf")
    if r.transformation == "lin":
        y, g, slope = r.value, f, 0.0
    elif r.transformation == "log":
        y, g, slope = float(np.log(r.value)), float(np.log(f)), float(np.log(r.value))
    else:
        y, g, slope = float(np.log10(r.value)), float(np.log10(f)), float(np.log(r.value * LN10))
    return 0.5 * ((y - g) / sd) ** 2 + float(np.log(sd)) + HALF_LOG_2PI + slope


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field="problem", reason="BAD_PROBLEM")
