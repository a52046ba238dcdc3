"""Numbers as a reader wants them: three significant digits, no exponent where none is needed, shares in percent."""

from __future__ import annotations

import math
from typing import Final

UNKNOWN: Final = "\N{EN DASH}"


def number(value: float, digits: int = 3) -> str:
    """Significant digits without an exponent between 0.001 and 99,999; a dash for what is not known."""
    if not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def interval_text(estimate: float, low: float, high: float) -> str:
    """Estimate (low to high)."""
    return f"{number(estimate)} ({number(low)} to {number(high)})"


def percent(share: float, digits: int = 0) -> str:
    """A share; "<1 %" rather than "0 %" where it is not nothing."""
    if not math.isfinite(share):
        return UNKNOWN
    if 0 < share < 0.005 and digits == 0:
        return "<1 %"
    return f"{100 * share:.{digits}f} %"


def probability(p: float) -> str:
    """A p-value."""
    return UNKNOWN if not math.isfinite(p) else "below 0.001" if p < 0.001 else f"{p:.3f}"
