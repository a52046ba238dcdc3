"""Unit strings of library files: one exact conversion when a file is loaded.

A unit is a product of UCUM-like terms (`umol/L`, `mL/min/kg`, `pmol/mg`, `{cells}/uL`, `L2`); annotations in braces
carry no dimension. Drug mass and amount convert into one another through the molar mass. "kg" of body or tissue and
"mg" of protein keep the dimension mass, so that `pmol/mg` cannot be mistaken for `pmol/L`.

A closed table instead of the UCUM registry, which costs a second of every start and floats that differ in their last
digit by the path taken: factors are ratios of integers, rounded once. The tests hold every term against UCUM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final

from twin_service.units.spelling import spelled

Dimension = Mapping[str, int]


# term -> (factor to h, L, g, mol, m, Hg, ...; dimension)
_TIME: Final[Dimension] = {"time": 1}
_NUMBER: Final[Dimension] = {}
_MOLAR: Final[Dimension] = {"amount": 1, "volume": -1}


def _prefixed(base: str, dimension: Dimension, prefixes: tuple[str, ...]) -> dict[str, tuple[Fraction, Dimension]]:
    power = {"k": 3, "": 0, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15}
    return {p + base: (Fraction(10) ** power[p], dimension) for p in prefixes}


_TERMS: Final[Mapping[str, tuple[Fraction, Dimension]]] = {
    "1": (Fraction(1), _NUMBER),
    "%": (Fraction(1, 100), _NUMBER),
    **{f"10^{n}": (Fraction(10) ** n, _NUMBER) for n in (3, 6, 9, 12)},
    "ms": (Fraction(1, 3_600_000), _TIME),
    "s": (Fraction(1, 3600), _TIME),
    "min": (Fraction(1, 60), _TIME),
    "h": (Fraction(1), _TIME),
    "d": (Fraction(24), _TIME),
    "wk": (Fraction(168), _TIME),
    "mo": (Fraction(1461, 2), _TIME),
    "a": (Fraction(8766), _TIME),
    **_prefixed("L", {"volume": 1}, ("", "d", "m", "u")),
    **_prefixed("g", {"mass": 1}, ("k", "", "m", "u", "n", "p")),
    **_prefixed("mol", {"amount": 1}, ("", "m", "u", "n", "p", "f")),
    **_prefixed("M", _MOLAR, ("", "m", "u", "n", "p")),
    **_prefixed("m", {"length": 1}, ("", "d", "c", "m", "u", "n")),
    **{f"10^-{n}cm": (Fraction(1, 10 ** (n + 2)), {"length": 1}) for n in (4, 5, 6, 7)},
    "Da": (Fraction(1), {"mass": 1, "amount": -1}),
    "kDa": (Fraction(1000), {"mass": 1, "amount": -1}),
    "10^6cells": (Fraction(10**6), {"cells": 1}),
    "Mcells": (Fraction(10**6), {"cells": 1}),
    "A2": (Fraction(1), {"area": 1}),
    "mm[Hg]": (Fraction(1), {"pressure": 1}),
    "U": (Fraction(1), {"activity": 1}),
    "uC": (Fraction(1), {"charge": 1}),
    "uF": (Fraction(1), {"capacitance": 1}),
}
# What papers write beside the spellings of the ward; a term of this table, not a whole unit.
_ALIASES: Final = {
    "l": "L",
    "ml": "mL",
    "ul": "uL",
    "year": "a",
    "y": "a",
    "Å2": "A2",
    "A^2": "A2",
    "1e6cells": "10^6cells",
    "millioncells": "10^6cells",
    "1e-4cm": "10^-4cm",
    "1e-5cm": "10^-5cm",
    "1e-6cm": "10^-6cm",
    "10-6cm": "10^-6cm",
    "": "1",
    "fraction": "1",
}
_FACTOR: Final = re.compile(r"([./]?)([^./]+)")
_EXPONENT: Final = re.compile(r"^(.*?[A-Za-z\]])(-?\d+)$")
_NAMES: Final = {
    "umol/L": "concentration",
    "L/h": "volume per time",
    "1/h": "a rate (1/time)",
    "h": "time",
    "L": "volume",
    "1": "a plain number",
    "g/mol": "mass per amount",
    "L/kg": "volume per body mass",
    "cm/h": "length per time",
}


class UnitError(ValueError):
    """A unit string that is unknown, or that has another dimension than expected."""


@lru_cache(maxsize=4096)
def conversion(source: str, target: str, molar_mass_g_mol: float | None = None) -> float:
    """The factor that turns a value in `source` into `target`; drug mass and amount meet through the molar mass.

    Raises UnitError saying what was expected and what to write.
    """
    if source == target:
        return 1.0
    factor, dimension = _parsed(source)
    factor_t, dimension_t = _parsed(target)
    ratio = factor / factor_t
    if dimension != dimension_t and molar_mass_g_mol:
        power = dimension.get("mass", 0) - dimension_t.get("mass", 0)
        if _in_amount(dimension) == _in_amount(dimension_t):
            # 1 g of drug is 1/molar_mass mol; mass of body or protein on both sides cancels
            return float(ratio / Fraction(molar_mass_g_mol) ** power)
    if dimension != dimension_t:
        raise UnitError(
            f"unit {source!r} is {_say(dimension)}, expected {_NAMES.get(target, _say(dimension_t))}; write {target}"
        )
    return float(ratio)


def _in_amount(dimension: Dimension) -> Dimension:
    moved = {k: n for k, n in dimension.items() if k != "mass"}
    moved["amount"] = moved.get("amount", 0) + dimension.get("mass", 0)
    return _clean(moved)


@lru_cache(maxsize=4096)
def _parsed(unit: str) -> tuple[Fraction, Dimension]:
    """(factor, dimension) of a unit string; raises UnitError for an unknown term."""
    factor, dimension = Fraction(1), dict[str, int]()
    text = re.sub(r"\{[^}]*\}", "1", unit).replace("10*", "10^").replace(" ", "").replace("·", ".")
    for sign, term in _FACTOR.findall(text):
        name, power = _split(unit, term)
        power = -power if sign == "/" else power
        scale, powers = _TERMS[name]
        factor *= scale**power
        for key, n in powers.items():
            dimension[key] = dimension.get(key, 0) + power * n
    return factor, _clean(dimension)


def _split(unit: str, term: str) -> tuple[str, int]:
    """`L2` -> ("L", 2); a term that is a known name as it stands, or is spelled another way, has power 1."""
    for name in (term, _ALIASES.get(term, ""), spelled(term).replace("10*", "10^")):
        if name in _TERMS:
            return name, 1
    match = _EXPONENT.match(term)
    if match and match.group(1) in _TERMS:
        return match.group(1), int(match.group(2))
    raise UnitError(f"unit {unit!r}: {term!r} is unknown; known: {', '.join(_TERMS)}")


def _say(dimension: Dimension) -> str:
    """`{"amount": 1, "volume": -1}` as amount/volume."""
    top = ".".join(k for k, v in sorted(dimension.items()) if v > 0)
    bottom = "".join(f"/{k}" for k, v in sorted(dimension.items()) if v < 0)
    return (top or ("1" if bottom else "a plain number")) + bottom


def _clean(dimension: Dimension) -> Dimension:
    return {k: v for k, v in dimension.items() if v}
