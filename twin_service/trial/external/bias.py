"""How much bias would it take: a grid of unmeasured confounders, and outcomes that treatment cannot have changed.

    observed RR = true RR * (p1 (G - 1) + 1)/(p0 (G - 1) + 1)

p1, p0 prevalence of the confounder in treated and controls, G its risk ratio. Schneeweiss 2006, doi:10.1002/pds.1200;
negative controls Lipsitch 2010, doi:10.1097/EDE.0b013e3181d61eeb
"""

from __future__ import annotations

from typing import NamedTuple

from twin_service.trial.adjust.ancova import refuse

PREVALENCES = (0.1, 0.3, 0.5, 0.7)
STRENGTHS = (1.5, 2.0, 3.0, 5.0)


class BiasCell(NamedTuple):
    """The ratio left after a confounder of prevalence p1 and p0 and strength G is taken out."""

    treated_share: float
    control_share: float
    strength: float
    ratio: float


def bias_array(ratio: float) -> tuple[BiasCell, ...]:
    """The array approach over PREVALENCES and STRENGTHS."""
    if not ratio > 0:
        raise refuse("ratio", f"{ratio:g}; expected a positive ratio")
    return tuple(
        BiasCell(p1, p0, g, ratio * (p0 * (g - 1) + 1) / (p1 * (g - 1) + 1))
        for g in STRENGTHS
        for p1 in PREVALENCES
        for p0 in PREVALENCES
        if p1 != p0
    )
