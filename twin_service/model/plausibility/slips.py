"""Which slip of the pen or the unit would make an unlikely number a likely one, and with what odds.

What is usual, [low, high], is read as the middle 95 % of a lognormal; a true value lies in it but for a share `STRANGE`
that is ten times as wide. A slip of factor f, written = f meant, has prior r:

    odds = r phi(ln(v/f)) / [(1 - STRANGE) phi(ln v) + STRANGE phi_wide(ln v)]

The rates are assumptions in the order of what is reported: tenfold slips near one in a thousand orders (Lesar 2002,
Ann Pharmacother 36:1833, counts them in hospital), unit slips about half of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

STRANGE: Final = 1e-3
TENFOLD: Final = 1e-3
UNIT: Final = 5e-4
POUND_KG, INCH_CM = 0.45359237, 2.54


class Slip(NamedTuple):
    """A way to have written `factor` times what was meant; `odds` of it against the value as it stands."""

    name: str
    factor: float
    rate: float
    meant: float = 0.0
    odds: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}: {self.meant:.3g} was meant, odds {self.odds:.2g} to 1"


DOSE_SLIPS: Final = (
    Slip("tenfold too much", 10.0, TENFOLD),
    Slip("tenfold too little", 0.1, TENFOLD),
    Slip("hundredfold too much", 100.0, TENFOLD / 10.0),
    Slip("hundredfold too little", 0.01, TENFOLD / 10.0),
    Slip("mg written for ug", 1000.0, UNIT),
    Slip("ug written for mg", 0.001, UNIT),
)
READING_SLIPS: Final = (
    Slip("tenfold too much", 10.0, TENFOLD),
    Slip("tenfold too little", 0.1, TENFOLD),
    Slip("a unit a thousandfold larger", 1000.0, UNIT),
    Slip("a unit a thousandfold smaller", 0.001, UNIT),
)
WEIGHT_SLIPS: Final = (
    Slip("lb written for kg", 1.0 / POUND_KG, 10.0 * UNIT),
    Slip("converted from lb although it was kg", POUND_KG, UNIT),
    Slip("tenfold too much", 10.0, TENFOLD),
    Slip("tenfold too little", 0.1, TENFOLD),
    Slip("g written for kg", 1000.0, 4.0 * UNIT),
)
HEIGHT_SLIPS: Final = (
    Slip("inches written for cm", 1.0 / INCH_CM, 10.0 * UNIT),
    Slip("m written for cm", 0.01, 10.0 * UNIT),
    Slip("mm written for cm", 10.0, UNIT),
)


def molar_slips(molar_mass: float | None) -> tuple[Slip, ...]:
    """mg/dL and umol/L taken for one another, for an analyte whose molar mass (g/mol) is known."""
    if not molar_mass:
        return ()
    # x mg/dL are x 1e4/M umol/L
    factor = 1e4 / molar_mass
    return (Slip("mg/dL written as umol/L", 1.0 / factor, UNIT), Slip("umol/L written as mg/dL", factor, UNIT))


def likely_slips(value: float, usual: tuple[float, float], candidates: Iterable[Slip]) -> tuple[Slip, ...]:
    """The candidates more likely than the value as it stands, likeliest first; none for a value that is not positive.

    `usual` wider than a decade is narrowed to its upper one, where adults' values lie.
    """
    low, high = max(usual[0], usual[1] / 10.0), usual[1]
    if value <= 0.0 or not 0.0 < low < high < math.inf:
        return ()
    center, sd = 0.5 * math.log(low * high), max(math.log(high / low) / (2.0 * 1.96), 0.1)
    at = math.log(value) - center
    as_written = (1.0 - STRANGE) * _density(at, sd) + STRANGE * _density(at, sd + math.log(10.0) / 2.0)
    found = []
    for slip in candidates:
        odds = slip.rate * _density(at - math.log(slip.factor), sd) / as_written
        if odds > 1.0:
            found.append(slip._replace(meant=value / slip.factor, odds=odds))
    return tuple(sorted(found, key=lambda s: -s.odds))


def _density(x: float, sd: float) -> float:
    return math.exp(-0.5 * (x / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi))
