"""How assays scatter, and what was read: the arrays on which every estimator works.

"normal"  y ~ N(f, additive^2 + (proportional f)^2)
"log"     ln y ~ N(ln f, proportional^2)
"power"   y ~ N(f, additive^2 + (proportional f^power)^2)
"sum"     y ~ N(f, (additive + proportional f)^2)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

BELOW, SEEN, ABOVE = -1, 0, 1


@dataclass(frozen=True)
class Noise:
    """One assay's error law; additive in the unit of the observation."""

    kind: Literal["normal", "log", "power", "sum"] = "normal"
    additive: float = 0.0
    proportional: float = 0.0
    power: float = 1.0


class Scaled(NamedTuple):
    """Predictions on the scale on which the noise is Gaussian.

    f       prediction, shape of the input
    df      derivative of f with respect to the natural prediction
    v       variance of the noise
    dv      derivative of v with respect to the natural prediction
    """

    f: FloatArray
    df: FloatArray
    v: FloatArray
    dv: FloatArray


@dataclass(frozen=True)
class ObservedReadings:
    """What was read at one instant or over a whole timeline.

    values      (ny,)  in the observables' units; NaN: missing
    noise       ny laws
    censoring   (ny,)  -1 below `lower`, 0 seen, +1 above `upper`
    lower       (ny,)  limit of quantification, NaN where none
    upper       (ny,)  upper limit of the range, NaN where none
    """

    values: FloatArray
    noise: tuple[Noise, ...]
    censoring: NDArray[np.int8]
    lower: FloatArray
    upper: FloatArray

    @classmethod
    def create(
        cls,
        values: ArrayLike,
        noise: Sequence[Noise],
        *,
        censoring: ArrayLike | None = None,
        lower: ArrayLike | None = None,
        upper: ArrayLike | None = None,
    ) -> ObservedReadings:
        """Checked observations. Raises ValueError where lengths differ or a censored row has no limit.

        A censored row without a limit of its own takes its value as the limit.
        """
        y = np.atleast_1d(np.array(values, dtype=np.float64))
        ny = len(y)
        flags = np.zeros(ny, dtype=np.int8) if censoring is None else np.array(censoring, dtype=np.int8)
        low = np.full(ny, np.nan) if lower is None else np.array(lower, dtype=np.float64)
        high = np.full(ny, np.nan) if upper is None else np.array(upper, dtype=np.float64)
        if not len(noise) == len(flags) == len(low) == len(high) == ny:
            raise ValueError(f"{ny} values, {len(noise)} laws, {len(flags)} flags: expected one of each per value")
        if not flags.any():
            return cls(y, tuple(noise), flags, low, high)
        low = np.where((flags == BELOW) & np.isnan(low), y, low)
        high = np.where((flags == ABOVE) & np.isnan(high), y, high)
        if np.any(np.isnan(np.where(flags == BELOW, low, np.where(flags == ABOVE, high, 0.0)))):
            raise ValueError("a censored observation needs its limit")
        return cls(y, tuple(noise), flags, low, high)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def limits(self) -> FloatArray:
        """The limit of each censored row and the value of each seen one, (ny,)."""
        if not self.censoring.any():
            return self.values
        return np.where(self.censoring == BELOW, self.lower, np.where(self.censoring == ABOVE, self.upper, self.values))

    def rows(self, keep: NDArray[np.bool_]) -> ObservedReadings:
        laws = tuple(n for n, k in zip(self.noise, keep, strict=True) if k)
        return ObservedReadings(self.values[keep], laws, self.censoring[keep], self.lower[keep], self.upper[keep])

    def targets(self) -> FloatArray:
        """Readings (or limits) on the scale on which the noise is Gaussian, (ny,)."""
        y = self.limits.copy()
        log = np.array([n.kind == "log" for n in self.noise], dtype=bool)
        if not log.any():
            return y
        with np.errstate(divide="ignore", invalid="ignore"):
            y[log] = np.log(y[log])
        return y

    def scaled(self, f: ArrayLike) -> Scaled:
        """Predictions `f` (..., ny) on the Gaussian scale, with noise variance and derivatives."""
        f = np.asarray(f, dtype=np.float64)
        kind = self.noise[0].kind if self.noise else "normal"
        if kind != "power" and all(n.kind == kind for n in self.noise):
            return _scaled(
                f, kind, np.array([n.additive for n in self.noise]), np.array([n.proportional for n in self.noise])
            )
        parts = [scaled(f[..., j], law) for j, law in enumerate(self.noise)]
        return Scaled(*(np.stack(p, axis=-1) for p in zip(*parts, strict=True)))


def scaled(f: FloatArray, law: Noise) -> Scaled:
    """One column of `Observed.scaled`."""
    a, b = law.additive, law.proportional
    if law.kind != "power":
        return _scaled(f, law.kind, a, b)
    size = np.maximum(np.abs(f), np.finfo(np.float64).tiny)
    slope = 2.0 * law.power * b**2 * size ** (2.0 * law.power - 1.0) * np.sign(f)
    return Scaled(f, np.ones_like(f), a**2 + b**2 * size ** (2.0 * law.power), slope)


def _scaled(f: FloatArray, kind: str, a: FloatArray | float, b: FloatArray | float) -> Scaled:
    """All columns of one kind at once; `a` and `b` are numbers or one for each column."""
    if kind == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            ln = np.where(f > 0.0, np.log(np.where(f > 0.0, f, 1.0)), -np.inf)
            return Scaled(ln, 1.0 / f, b**2 * np.ones_like(f), np.zeros_like(f))
    if kind == "normal":
        return Scaled(f, np.ones_like(f), a**2 + b**2 * f**2, 2.0 * b**2 * f)
    sd = a + b * np.abs(f)
    return Scaled(f, np.ones_like(f), sd**2, 2.0 * sd * b * np.sign(f))


BEYOND = 1e12  # standard deviations of the assay: squared and weighed, more than that ends double precision


class Usable(NamedTuple):
    """Which rows can inform, and a sentence for each kind that cannot."""

    keep: NDArray[np.bool_]
    warnings: tuple[str, ...]


def usable(observed: ObservedReadings, f: ArrayLike) -> Usable:
    """Rows of `observed` that can be used where the typical prediction is `f` (ny,)."""
    scale = observed.scaled(f)
    missing = np.isnan(observed.limits)
    log = np.array([n.kind == "log" for n in observed.noise], dtype=bool)
    improper = ~missing & log & (observed.limits <= 0.0)
    seen = observed.censoring == SEEN
    silent = ~missing & ~improper & ((scale.v <= 0.0) | (log & ~np.isfinite(scale.f))) & np.isfinite(np.asarray(f))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        distance = np.abs(observed.targets() - scale.f) / np.sqrt(scale.v)
    infinite = ~missing & ~improper & ~silent & seen & (np.isinf(observed.values) | (distance > BEYOND))
    warnings = []
    if improper.any():
        warnings.append(f"{int(improper.sum())} zero or negative readings cannot be used with a logarithmic error law")
    if silent.any():
        warnings.append(
            f"{int(silent.sum())} readings ignored: the model predicts exactly zero there "
            "(no dose before them), so they cannot be explained"
        )
    if infinite.any():
        warnings.append(f"{int(infinite.sum())} readings are infinite or beyond any scale and were ignored")
    return Usable(~(missing | improper | silent | infinite), tuple(warnings))
