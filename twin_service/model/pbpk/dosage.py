"""The nouns of a dosage form and its way into the blood, in bench units (h, L, umol, cm)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RELEASE_LAWS: Final = ("solution", "first_order", "zero_order", "weibull", "particle")


@dataclass(frozen=True)
class Formulation:
    """How a dosage form lets the drug go.

    solution     at once
    first_order  a(t) = 1 - exp(-ln2 t/t50)                       time to half released t50, h
    zero_order   a(t) = t/(2 t50)
    weibull      a(t) = 1 - exp(-ln2 (t/t50)^shape)               shape 1 is first order, above 1 sigmoid
    particle     Noyes-Whitney from spheres of `radius_um` in fluid of the drug's solubility
    lag_h before anything is released (an enteric coat); `available` is the fraction ever released.
    """

    id: str
    law: str
    t50_h: float = 0.0
    shape: float = 1.0
    lag_h: float = 0.0
    available: float = 1.0
    radius_um: float = 0.0
    origin: str = ""

    @property
    def is_solid(self) -> bool:
        """Whether undissolved drug travels down the gut."""
        return self.law != "solution"

    @property
    def ages(self) -> bool:
        """Whether the rate of release depends on the time since the dose."""
        return self.law == "zero_order" or (self.law == "weibull" and self.shape != 1.0)


@dataclass(frozen=True)
class Absorption:
    """What the gut does with a drug.

    peff                 human jejunal permeability, cm/h; `ka` (1/h) overrides it
    solubility           umol/L in water, at `solubility_ph`; without that pH it is taken as it stands everywhere
    salt_limit           most a charged form may dissolve beyond the neutral one (solubility of the salt), 1
    solubilization       moles of drug a mole of bile salt takes up per mole a mole of water does, 1 (0: none)
    bile_factor          solubility in the fed over the fasted state where no solubilization is given, 1
    precipitation_per_h  rate at which drug beyond `supersaturation` x solubility falls out in the intestine
    precipitate_um       radius of the particles that fall out
    bile_stored          share of what is excreted into bile that waits in the gallbladder for a meal, 1
    """

    peff: float | None = None
    ka: float | None = None
    fraction_absorbed: float = 1.0
    solubility: float | None = None
    solubility_ph: float | None = None
    salt_limit: float = 1000.0
    solubilization: float = 0.0
    bile_factor: float = 1.0
    fu_gut: float = 1.0
    gut_scalar: float = 1.0
    colon_factor: float = 0.1
    precipitation_per_h: float = 0.0
    supersaturation: float = 1.0
    precipitate_um: float = 10.0
    bile_stored: float = 0.0
    sc_ka: float | None = None
    im_ka: float | None = None
    sc_available: float = 1.0
    im_available: float = 1.0
    peff_assumed: bool = False

    @property
    def precipitates(self) -> bool:
        return self.precipitation_per_h > 0.0 and self.solubility is not None
