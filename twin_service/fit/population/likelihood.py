"""What one reading adds to -2 ln L, with every derivative that the estimators ask for.

    seen       d = ln v + (y - f)^2 / v                       f prediction, v(f, s) variance of the assay
    below      d = -2 ln Phi((limit - f) / sqrt v)            above: -2 ln Phi((f - limit) / sqrt v)
    lognormal  the same in ln y and ln f, + 2 ln y            so that objectives of all laws are densities of y
    count      d = 2 (f - y ln f + ln y!)                     Poisson

The constant ln 2 pi is left out, as NONMEM does. s are log standard deviations. c is half the expected curvature of d
(with respect to f) given f: 1/v + v'^2/(2 v^2). Beal 2001, doi:10.1023/A:1012299115260 (M3); Wang 2007,
doi:10.1007/s10928-007-9060-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_ndtr

Floats = NDArray[np.float64]
LOG_2PI = float(np.log(2.0 * np.pi))


class Variance(NamedTuple):
    """v, dv/df, d2v/df2 (N, n); dv/ds and d2v/df ds (S, N, n)."""

    v: Floats
    v1: Floats
    v2: Floats
    vs: Floats
    v1s: Floats


class Terms(NamedTuple):
    """d, d_f, d_ff, c, c_f (N, n); d_s, d_fs, c_s (S, N, n). Zero where nothing was read."""

    d: Floats
    df: Floats
    dff: Floats
    c: Floats
    cf: Floats
    ds: Floats
    dfs: Floats
    cs: Floats


class ResidualLaw(Protocol):
    """How readings of one observable scatter about their prediction; `sizes` log standard deviations belong to it."""

    @property
    def sizes(self) -> int: ...
    def terms(self, y: Floats, censored: NDArray[np.int8], f: Floats, s: Floats) -> Terms: ...


@dataclass(frozen=True)
class NormalLaw:
    """v = exp(2 s_a) [+] exp(2 s_p) |f|^(2 power). `sds_add`: v = (exp s_a + exp s_p |f|)^2 instead."""

    additive: bool
    proportional: bool
    power: float = 1.0
    sds_add: bool = False

    @property
    def sizes(self) -> int:
        return int(self.additive) + int(self.proportional)

    def variance(self, f: Floats, s: Floats) -> Variance:
        parts = [self._additive(f, s[0])] if self.additive else []
        if self.proportional:
            parts.append(self._proportional(f, s[-1]))
        v, v1, v2 = (np.sum([p[k] for p in parts], axis=0) if len(parts) > 1 else parts[0][k] for k in range(3))
        vs, v1s = np.array([2.0 * p[0] for p in parts]), np.array([2.0 * p[1] for p in parts])
        if self.sds_add and len(parts) == 2:
            # the cross term 2 a b |f|
            cross = 2.0 * np.exp(s[0] + s[1])
            v, v1 = v + cross * np.abs(f), v1 + cross * np.sign(f)
            vs, v1s = vs + cross * np.abs(f), v1s + cross * np.sign(f)
        return Variance(v, v1, v2, vs, v1s)

    def terms(self, y: Floats, censored: NDArray[np.int8], f: Floats, s: Floats) -> Terms:
        return normal_terms(y, censored, f, self.variance(f, s))

    def _additive(self, f: Floats, s: float) -> tuple[Floats, Floats, Floats]:
        zero = np.zeros_like(f)
        return np.full_like(f, np.exp(2.0 * s)), zero, zero

    def _proportional(self, f: Floats, s: float) -> tuple[Floats, Floats, Floats]:
        b = np.exp(2.0 * s)
        if self.power == 1.0:
            return b * f * f, 2.0 * b * f, np.full_like(f, 2.0 * b)
        m, size = 2.0 * self.power, np.maximum(np.abs(f), 1e-300)
        v = b * size**m
        return v, m * v / size * np.sign(f), m * (m - 1.0) * v / size**2


@dataclass(frozen=True)
class LognormalLaw:
    """ln y ~ N(ln f, exp(2 s))."""

    sizes: int = 1

    def terms(self, y: Floats, censored: NDArray[np.int8], f: Floats, s: Floats) -> Terms:
        e, zero = np.exp(2.0 * s[0]), np.zeros_like(f)
        flat = Variance(np.full_like(f, e), zero, zero, np.full((1, *f.shape), 2.0 * e), zero[None])
        with np.errstate(all="ignore"):
            ln_y, f = np.log(np.maximum(y, 1e-300)), np.where(f > 0.0, f, np.nan)
            t = normal_terms(ln_y, censored, np.log(f), flat)
        d = t.d + np.where(censored == 0, 2.0 * ln_y, 0.0)
        return Terms(
            d, t.df / f, (t.dff - t.df) / f**2, t.c / f**2, (t.cf - 2.0 * t.c) / f**3, t.ds, t.dfs / f, t.cs / f**2
        )


@dataclass(frozen=True)
class PoissonLaw:
    """y is a count with mean f."""

    sizes: int = 0

    def terms(self, y: Floats, censored: NDArray[np.int8], f: Floats, s: Floats) -> Terms:
        f, none = np.maximum(f, 1e-300), np.zeros((0, *f.shape))
        d = 2.0 * (f - y * np.log(f) + gammaln(y + 1.0))
        return Terms(d, 2.0 * (1.0 - y / f), 2.0 * y / f**2, 1.0 / f, -1.0 / f**2, none, none, none)


@dataclass(frozen=True)
class HazardLaw:
    """Time to event: one row with the cumulative hazard (y = 0), one more with the hazard at the event (y = 1).

    d = 2 H, and -2 ln h at the event. Holford 2013, doi:10.1038/psp.2013.18.
    """

    sizes: int = 0

    def terms(self, y: Floats, censored: NDArray[np.int8], f: Floats, s: Floats) -> Terms:
        event, none, zero = y > 0.5, np.zeros((0, *f.shape)), np.zeros_like(f)
        g = np.where(event, np.maximum(f, 1e-300), 1.0)
        return Terms(
            np.where(event, -2.0 * np.log(g), 2.0 * f),
            np.where(event, -2.0 / g, 2.0),
            np.where(event, 2.0 / g**2, 0.0),
            np.where(event, 1.0 / g**2, 0.0),
            np.where(event, -2.0 / g**3, zero),
            none,
            none,
            none,
        )


def normal_terms(y: Floats, censored: NDArray[np.int8], f: Floats, v: Variance) -> Terms:
    """Terms of readings seen and, where flagged -1 or 1, of readings below or above the limit in `y`."""
    t = _seen(y, f, v)
    if not censored.any():
        return t
    beyond = _beyond(y, np.where(censored < 0, 1.0, -1.0), f, v)
    flags = censored != 0
    return Terms(*(np.where(flags, b, a) for a, b in zip(t, beyond, strict=True)))


def _seen(y: Floats, f: Floats, variance: Variance) -> Terms:
    v, v1, v2, vs, v1s = variance
    r, i = y - f, 1.0 / v
    i2, r2 = i * i, r * r
    i3, free = i2 * i, i - r2 * i2
    return Terms(
        np.log(v) + r2 * i,
        v1 * free - 2.0 * r * i,
        v2 * free - v1 * v1 * i2 + 2.0 * i + 4.0 * r * v1 * i2 + 2.0 * r2 * v1 * v1 * i3,
        i + 0.5 * (v1 * i) ** 2,
        (v1 * v2 - v1) * i2 - (v1 * i) ** 3,
        vs * free,
        v1s * free + vs * (2.0 * r * i2 - v1 * i2 + 2.0 * r2 * v1 * i3),
        (v1 * v1s - vs) * i2 - v1 * v1 * vs * i3,
    )


def _beyond(limit: Floats, sign: Floats, f: Floats, variance: Variance) -> Terms:
    v, v1, v2, vs, v1s = variance
    a, w = sign * (limit - f), 1.0 / np.sqrt(v)
    w3, w5 = w**3, w**5
    u, uf = a * w, -sign * w - 0.5 * a * w3 * v1
    uff = sign * w3 * v1 + 0.75 * a * w5 * v1 * v1 - 0.5 * a * w3 * v2
    us = -0.5 * a * w3 * vs
    ufs = 0.5 * sign * w3 * vs + 0.75 * a * w5 * v1 * vs - 0.5 * a * w3 * v1s
    tail = log_ndtr(u)
    lam = np.exp(-0.5 * (u * u + LOG_2PI) - tail)
    bend = lam * (u + lam)
    slope = lam * (1.0 - (u + lam) * (u + 2.0 * lam))
    return Terms(
        -2.0 * tail,
        -2.0 * lam * uf,
        2.0 * bend * uf * uf - 2.0 * lam * uff,
        bend * uf * uf,
        slope * uf**3 + 2.0 * bend * uf * uff,
        -2.0 * lam * us,
        2.0 * bend * us * uf - 2.0 * lam * ufs,
        slope * us * uf * uf + 2.0 * bend * uf * ufs,
    )


@dataclass(frozen=True)
class Readings:
    """Padded tables of N subjects with at most n readings each; `laws[law]` is how a reading scatters.

    y, seen   (N, n)   value (or limit), 1.0 for a reading and 0.0 for padding
    law       (N, n)   index into `laws`
    censored  (N, n)   -1 below the limit in y, 0 seen, 1 above it
    """

    y: Floats
    seen: Floats
    law: NDArray[np.intp]
    censored: NDArray[np.int8]
    laws: tuple[ResidualLaw, ...]

    @property
    def sizes(self) -> int:
        return sum(law.sizes for law in self.laws)

    @property
    def spans(self) -> Sequence[slice]:
        """Which entries of s belong to each law."""
        ends = np.cumsum([0, *(law.sizes for law in self.laws)])
        return [slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True)]

    def rows(self, who: NDArray[np.intp]) -> Readings:
        return Readings(self.y[who], self.seen[who], self.law[who], self.censored[who], self.laws)


def terms_of(readings: Readings, f: Floats, s: Floats) -> Terms:
    """Terms of all readings, zero where there is none. f (N, n)."""
    m, single = readings.seen, len(readings.laws) == 1
    with np.errstate(all="ignore"):
        if single:
            t = readings.laws[0].terms(readings.y, readings.censored, f, s)
            return t if m.all() else Terms(*(np.where(m > 0.0, x, 0.0) for x in t))
        total = _nothing(readings.sizes, f)
        for k, (law, span) in enumerate(zip(readings.laws, readings.spans, strict=True)):
            mine = (readings.law == k) & (m > 0.0)
            t = law.terms(readings.y, readings.censored, f, s[span])
            for into, x in zip(total[:5], t[:5], strict=True):
                into[mine] = x[mine]
            for into, x in zip(total[5:], t[5:], strict=True):
                into[span] = np.where(mine, x, 0.0)
    return total


def _nothing(sizes: int, f: Floats) -> Terms:
    return Terms(*(np.zeros_like(f) for _ in range(5)), *(np.zeros((sizes, *f.shape)) for _ in range(3)))
