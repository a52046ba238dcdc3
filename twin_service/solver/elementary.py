"""exp, log and pow as vector code, about one unit in the last place.

exp  k = round(x/ln 2), r = x - k ln 2 in two parts (Cody & Waite 1980), Taylor polynomial of degree 13 on |r| < 0.35,
     scaled by 2^k in two factors so that results below the normal range round once.
log  x = 2^k m with sqrt(1/2) <= m < sqrt(2); log m = 2 atanh(s), s = (m-1)/(m+1), as an odd series; the sum is kept
     as a high and a low part, because pow multiplies its error by the exponent.
pow  exp(y log|x|) with both parts of the product; sign and zeros as C99 has them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from twin_service.solver.writer import FunctionWriter

_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits
_LN2_HIGH = float.fromhex("0x1.62e42fefa3800p-1")  # the last bits are zero: k * _LN2_HIGH is exact
_LN2_LOW = float.fromhex("0x1.ef35793c76730p-45")
_HALF_ROOT_BITS = 0x3FE6A09E667F3BCD  # sqrt(1/2)


class Parts(NamedTuple):
    high: str
    low: str


def exp(w: FunctionWriter, x: str) -> str:
    x = w.select(w.compare("olt", x, w.number(-746.0)), w.number(-746.0), x)
    x = w.select(w.compare("ogt", x, w.number(710.0)), w.number(710.0), x)
    shifted = w.fma(x, w.number(1.0 / math.log(2.0)), w.number(_ROUND))
    k = w.sub(shifted, w.number(_ROUND))
    r = w.fma(k, w.number(-_LN2_LOW), w.fma(k, w.number(-_LN2_HIGH), x))
    whole = w.integral("sub", w.bits(shifted), _bits(_ROUND))
    half = w.integral("ashr", whole, 1)
    rest = w.emit(f"sub {w.integer} {whole}, {half}")
    result = polynomial(w, r, [1.0 / math.factorial(i) for i in range(14)])
    return w.mul(w.mul(result, _two_to(w, half)), _two_to(w, rest))


def log(w: FunctionWriter, x: str) -> str:
    parts = _log_parts(w, x)
    return _log_special(w, x, parts.high)


def power(w: FunctionWriter, x: str, y: str) -> str:
    base = w.intrinsic("fabs", x)
    parts = _log_parts(w, base)
    high = _log_special(w, base, parts.high)
    product = w.mul(y, high)
    tail = w.fma(y, parts.low, w.fma(y, high, w.neg(product)))
    main = exp(w, product)
    refined = w.fma(main, tail, main)
    usable = w.logic("and", w.compare("ord", refined, refined), w.compare("olt", main, w.number(math.inf)))
    result = _signed(w, x, y, w.select(usable, refined, main))
    return w.select(w.compare("oeq", y, w.number(0.0)), w.number(1.0), result)


def integer_power(w: FunctionWriter, x: str, n: int) -> str:
    """x**n by repeated squaring, n > 0."""
    result, square = "", x
    while n:
        if n & 1:
            result = w.mul(result, square) if result else square
        n >>= 1
        if n:
            square = w.mul(square, square)
    return result


def rough_reciprocal(w: FunctionWriter, x: str) -> str:
    """1/x for positive normal x to 2e-4: enough for an error norm, and much cheaper than a division.

    The first guess reverses the exponent bits; two Newton steps square its error of 0.12 twice.
    """
    guess = w.unbits(w.emit(f"sub {w.integer} {w.whole(0x7FDE623822FC16E6)}, {w.bits(x)}"))
    for _ in range(2):
        residual = w.fma(w.neg(x), guess, w.number(1.0))
        guess = w.fma(guess, residual, guess)
    return guess


def polynomial(w: FunctionWriter, x: str, coefficients: list[float]) -> str:
    """sum_i coefficients[i] * x**i, paired (Estrin) to shorten the chain of dependent operations."""
    terms = [w.number(c) for c in coefficients]
    while len(terms) > 1:
        pairs = [w.fma(terms[i + 1], x, terms[i]) for i in range(0, len(terms) - 1, 2)]
        if len(terms) % 2:
            pairs.append(terms[-1])
        terms = pairs
        if len(terms) > 1:
            x = w.mul(x, x)
    return terms[0]


def _bits(x: float) -> int:
    import struct

    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def _two_to(w: FunctionWriter, k: str) -> str:
    return w.unbits(w.integral("shl", w.integral("add", k, 1023), 52))


def _log_parts(w: FunctionWriter, x: str) -> Parts:
    """log(x) = high + low for positive finite x."""
    tiny = w.compare("olt", x, w.number(2.3e-308))
    scaled = w.select(tiny, w.mul(x, w.number(2.0**54)), x)
    bits = w.bits(scaled)
    k = w.integral("ashr", w.integral("sub", bits, _HALF_ROOT_BITS), 52)
    m = w.unbits(w.emit(f"sub {w.integer} {bits}, {w.integral('shl', k, 52)}"))
    exponent = w.sub(w.unbits(w.integral("add", k, _bits(_ROUND))), w.number(_ROUND))
    exponent = w.select(tiny, w.sub(exponent, w.number(54.0)), exponent)
    f = w.sub(m, w.number(1.0))
    d = w.add(m, w.number(1.0))
    lost = w.sub(m, w.sub(d, w.number(1.0)))
    inverse = w.div(w.number(1.0), d)
    s = w.mul(f, inverse)
    residual = w.fma(w.neg(s), lost, w.fma(w.neg(s), d, f))
    s2 = w.mul(s, s)
    series = polynomial(w, s2, [2.0 / (2 * i + 3) for i in range(11)])
    small = w.fma(w.mul(s2, s), series, w.mul(w.mul(residual, inverse), w.number(2.0)))
    twice = w.add(s, s)
    large = w.mul(exponent, w.number(_LN2_HIGH))
    high = w.add(large, twice)
    rounding = w.sub(twice, w.sub(high, large))
    low = w.add(w.fma(exponent, w.number(_LN2_LOW), small), rounding)
    total = w.add(high, low)
    return Parts(total, w.sub(low, w.sub(total, high)))


def _log_special(w: FunctionWriter, x: str, value: str) -> str:
    zero, infinity = w.number(0.0), w.number(math.inf)
    value = w.select(w.compare("oeq", x, zero), w.number(-math.inf), value)
    value = w.select(w.compare("oeq", x, infinity), infinity, value)
    return w.select(w.compare("oge", x, zero), value, w.number(math.nan))


def _signed(w: FunctionWriter, x: str, y: str, value: str) -> str:
    """The power of a negative base: defined for whole exponents only, negative for odd ones."""
    whole = w.compare("oeq", w.intrinsic("floor", y), y)
    half = w.mul(y, w.number(0.5))
    odd = w.logic("and", whole, w.compare("une", w.intrinsic("floor", half), half))
    mirrored = w.select(odd, w.neg(value), value)
    defined = w.select(whole, mirrored, w.number(math.nan))
    return w.select(w.compare("olt", x, w.number(0.0)), defined, value)
