"""UCUM codes at the door: the line from one unit to another, by pint and ucumvert.

Equal dimensions are not equal meanings, so three traps of plain dimensional analysis are walled off: annotations that
carry meaning (`mL/min/{1.73_m2}` is not mL/min), arbitrary units (`[IU]/L` has the dimension of a cell count) and pure
numbers (`mmol/mol`, `mg/kg` and `%` all have none). UCUM: doi:10.1197/jamia.M0998.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any, NamedTuple

from twin_service.units.spelling import meant, spelled

_INDEXED = re.compile(r"\{1\.73[_ .]?m2\}")
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_BRACKET = re.compile(r"\[[^\]]*\]")
_EQUIVALENT = re.compile(r"(?<![a-zA-Z])[munkp]?eq(?![a-zA-Z])")
_PHYSICAL_BRACKETS = frozenset({"[Hg]", "[in_i]", "[ft_i]", "[lb_av]", "[oz_av]", "[degF]", "[in_us]", "[ft_us]"})
_PURE_NUMBERS = frozenset({"1", "%", "10*0"})
# The unit registry is built once and is not safe to use by two threads; what it finds is cached and is.
_PARSING = threading.Lock()


class Line(NamedTuple):
    """canonical = scale * given / divisor + offset; the divisor keeps 1400 g from becoming 1.4000000000000001 kg."""

    scale: float
    offset: float
    divisor: float = 1.0

    def of(self, value: float) -> float:
        return self.scale * value / self.divisor + self.offset


@lru_cache(maxsize=4096)
def line_between(unit: str, to: str, molar_mass: float | None) -> Line:
    """The line from `unit` to `to`; `unit` may be a ward's spelling where its UCUM reading does not fit.

    Raises ValueError with a sentence that says what is wrong and what to write.
    """
    if unit == to:
        return Line(1.0, 0.0)
    with _PARSING:
        try:
            return _new_line(unit, to, molar_mass)
        except ValueError as error:
            code, choices = spelled(unit), meant(unit)
            if choices:
                raise ValueError(f"{error}; {choices}") from None
            if code == unit:
                raise
            try:
                return _new_line(code, to, molar_mass)
            except ValueError as second:
                raise ValueError(f"{second} (read from {unit!r})") from None


def _new_line(unit: str, to: str, molar_mass: float | None) -> Line:
    if bool(_INDEXED.search(unit)) != bool(_INDEXED.search(to)):
        raise ValueError(f"{unit!r} and {to!r} differ by body surface area, which is not a unit; expected {to}")
    _refuse_other_meanings(unit, to)
    given, wanted = parsed(unit), parsed(to)
    if given.dimensionality != wanted.dimensionality:
        power = given.dimensionality.get("[substance]", 0) - wanted.dimensionality.get("[substance]", 0)
        molar = parsed("g/mol") * (molar_mass or 1.0)
        if abs(power) != 1 or (given * molar**power).dimensionality != wanted.dimensionality:
            raise ValueError(f"{unit!r} is not a unit of this quantity; expected {to} or one that converts to it")
        if molar_mass is None:
            raise ValueError(f"{unit!r} needs a molar mass to become {to}, and none is known; send {to}")
        given = given * molar**power
    zero, one = (
        type(given)(x * given.magnitude, given.units).to(wanted.units).magnitude / wanted.magnitude for x in (0.0, 1.0)
    )
    scale = float(one - zero)
    inverse = round(1.0 / scale)
    if inverse > 1 and abs(inverse * scale - 1.0) < 1e-12:
        return Line(1.0, float(zero), float(inverse))
    return Line(scale, float(zero))


def _refuse_other_meanings(unit: str, to: str) -> None:
    """Codes whose dimension says less than their meaning: arbitrary units, equivalents, pure numbers."""
    for pattern, what in ((_BRACKET, "an arbitrary unit"), (_EQUIVALENT, "an equivalent, which depends on valence")):
        marks = [m for m in pattern.findall(unit) if m not in _PHYSICAL_BRACKETS]
        if marks and marks != pattern.findall(to):
            raise ValueError(f"{unit!r} holds {what}; expected {to} or one that converts to it")
    bare, bare_to = _strip(unit), _strip(to)
    if bare_to in _PURE_NUMBERS and bare not in _PURE_NUMBERS:
        raise ValueError(f"{unit!r} is not a plain number; expected {to}")


def _strip(unit: str) -> str:
    """The code without its annotations; a code of annotations only is the number 1."""
    bare = _ANNOTATION.sub("", unit).replace("//", "/").rstrip("/.")
    return bare or "1"


@lru_cache(maxsize=1)
def _registry() -> Any:
    # a second of start-up that a process without readings never pays
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


@lru_cache(maxsize=4096)
def parsed(unit: str) -> Any:
    """The pint quantity of a UCUM code; raises ValueError where it is none."""
    bare = _strip(unit)
    if len(bare) > 64:
        raise ValueError("a unit of more than 64 characters is not one; expected a UCUM code")
    try:
        return _registry().from_ucum(bare)
    except Exception:
        # The parser has no common error type; whatever it raises means that the code is not UCUM.
        raise ValueError(f"{unit!r} is not a UCUM unit code (case matters: 'mg/L', '10*9/L', 'mm[Hg]')") from None
