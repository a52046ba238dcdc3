"""What is fitted to what: parameters with bounds and scale, measurements, and a way to predict them.

    -ln L(theta) = sum over rows of 0.5 ((y - f)/s)^2 + ln s + 0.5 ln 2 pi - ln |slope of the transformation|

y, f and s on the scale of the observable (as it is, ln or log10); a Laplace law has |y - f|/s + ln 2 s instead. What is
minimized adds -ln of each prior density.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode

Floats = NDArray[np.float64]
HALF_LOG_2PI: Final = 0.5 * float(np.log(2 * np.pi))
LN10: Final = float(np.log(10.0))


class CoordinateScale(Enum):
    """As it is, natural logarithm, decimal logarithm: of a search coordinate or of an observable."""

    LIN = "lin"
    LOG = "log"
    LOG10 = "log10"

    def of(self, value: float) -> float:
        """`value` on this scale."""
        if self is CoordinateScale.LIN:
            return float(value)
        return float(np.log(value) if self is CoordinateScale.LOG else np.log10(value))

    def inverse(self, x: float) -> float:
        """The value that lies at `x` of this scale."""
        if self is CoordinateScale.LIN:
            return float(x)
        return float(np.exp(x) if self is CoordinateScale.LOG else 10.0**x)

    def log_slope(self, value: float) -> float:
        """-ln of the derivative of this scale at `value`, which a density in `value` carries."""
        if self is CoordinateScale.LIN:
            return 0.0
        return float(np.log(value) if self is CoordinateScale.LOG else np.log(value * LN10))


class NoiseLaw(Enum):
    """Distribution of what is measured about what is predicted, on the observable's scale."""

    NORMAL = "normal"
    LAPLACE = "laplace"

    def surprise(self, residual: float, spread: float) -> float:
        """-ln of the density at `residual`; `spread` is the SD of a normal, the scale b of a Laplace law."""
        z = residual / spread
        if self is NoiseLaw.NORMAL:
            return 0.5 * z**2 + float(np.log(spread)) + HALF_LOG_2PI
        return abs(z) + float(np.log(2.0 * spread))


@dataclass(frozen=True)
class Free:
    """A parameter to estimate, searched on `scale` inside [low, high] (natural values).

    penalty   -ln of a prior density at a natural value, up to a constant
    nominal   whether `start` was given, not chosen from the bounds
    """

    name: str
    low: float
    high: float
    start: float
    scale: CoordinateScale = CoordinateScale.LOG10
    penalty: Callable[[float], float] | None = None
    nominal: bool = True

    def to_scale(self, value: float) -> float:
        return self.scale.of(value)

    def from_scale(self, x: float) -> float:
        return self.scale.inverse(x)


@dataclass(frozen=True)
class MeasuredRow:
    """One row: an observable under a condition at a time, its noise as a number or a parameter's name.

    proportional   a share of the prediction that adds to the SD (in quadrature), for untransformed values
    spread         a predicted quantity that is the noise; `sd` is then not read
    title          what a person calls the observable; its name where empty
    """

    observable: str
    condition: str
    time: float
    value: float
    sd: float | str
    transformation: CoordinateScale = CoordinateScale.LIN
    proportional: float = 0.0
    law: NoiseLaw = NoiseLaw.NORMAL
    spread: str = ""
    title: str = ""


# names -> values, then (observable, condition, times) -> predictions
Predict = Callable[[dict[str, float], str, str, Floats], Floats]


@dataclass(frozen=True)
class Problem:
    """`predict` gives the observable (untransformed) of a condition at times; `fixed` are the other parameters."""

    name: str
    free: tuple[Free, ...]
    rows: tuple[MeasuredRow, ...]
    predict: Predict
    fixed: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def create(
        cls,
        name: str,
        free: Sequence[Free],
        rows: Sequence[MeasuredRow],
        *,
        predict: Predict,
        fixed: Sequence[tuple[str, float]] = (),
        notes: Sequence[str] = (),
    ) -> Problem:
        """A checked problem. Raises Refusal for bounds that are wrong or values a transformation cannot take."""
        for f in free:
            if (
                not f.low < f.high
                or not f.low <= f.start <= f.high
                or (f.scale is not CoordinateScale.LIN and f.low <= 0)
            ):
                raise _refuse(
                    f"{name}: parameter {f.name} in [{f.low:g}, {f.high:g}] from {f.start:g}, {f.scale.value}: "
                    "expected low < high, start between them, positive for a log scale"
                )
        for i, r in enumerate(rows):
            if not np.isfinite(r.value) or (r.transformation is not CoordinateScale.LIN and r.value <= 0):
                raise _refuse(
                    f"{name}: row {i}, {r.observable} at {r.time:g} is {r.value:g}, which "
                    f"{r.transformation.value} cannot take"
                )
        if not rows:
            raise _refuse(f"{name}: no measurements")
        return cls(name, tuple(free), tuple(rows), predict, tuple(fixed), tuple(notes))

    def values(self, x: Floats) -> dict[str, float]:
        """All parameters by name at search point `x` (scaled)."""
        return dict(self.fixed) | {f.name: f.from_scale(v) for f, v in zip(self.free, x, strict=True)}

    def objective(self, x: Floats) -> float:
        """-ln L and the priors' share; infinite where the model cannot be solved."""
        values = self.values(x)
        prior = sum(f.penalty(values[f.name]) for f in self.free if f.penalty is not None)
        return prior - self.log_likelihood(values)

    def log_likelihood(self, values: dict[str, float]) -> float:
        """ln L at parameters by name; minus infinity where the model cannot be solved."""
        total = 0.0
        for (observable, condition), rows in self.groups().items():
            times = np.array([r.time for r in rows])
            predicted = self.predict(values, observable, condition, times)
            spreads = self.spreads(values, rows, predicted)
            if not (np.all(np.isfinite(predicted)) and np.all(spreads > 0.0)):
                return float("-inf")
            total -= sum(_row(r, float(f), float(s)) for r, f, s in zip(rows, predicted, spreads, strict=True))
        return total

    def spreads(self, values: dict[str, float], rows: Sequence[MeasuredRow], predicted: Floats) -> Floats:
        """The noise of `rows` (one observable, one condition) at parameters `values`, as their law takes it."""
        sd = np.array([values[r.sd] if isinstance(r.sd, str) else r.sd for r in rows])
        found = np.hypot(sd, np.array([r.proportional for r in rows]) * predicted)
        for name in sorted({r.spread for r in rows} - {""}):
            here = np.array([r.spread == name for r in rows])
            times = np.array([r.time for r in rows])[here]
            found[here] = self.predict(values, name, rows[0].condition, times)
        return np.asarray(found, float)

    def start(self) -> dict[str, float]:
        """All parameters by name where the search begins: the nominal values."""
        return dict(self.fixed) | {f.name: f.start for f in self.free}

    def groups(self) -> dict[tuple[str, str], list[MeasuredRow]]:
        """Rows by observable and condition, each in order of time."""
        groups: dict[tuple[str, str], list[MeasuredRow]] = {}
        for r in sorted(self.rows, key=lambda r: r.time):
            groups.setdefault((r.observable, r.condition), []).append(r)
        return groups


def _row(r: MeasuredRow, f: float, spread: float) -> float:
    if r.transformation is not CoordinateScale.LIN and f <= 0.0:
        return float("inf")
    residual = r.transformation.of(r.value) - r.transformation.of(f)
    return r.law.surprise(residual, spread) + r.transformation.log_slope(r.value)


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field="problem", reason="BAD_PROBLEM")
