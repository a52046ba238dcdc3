"""Ways out of the body: who clears where, and by which law.

    InVivo            plasma clearance of the reference person, back-calculated; with a Km it saturates
    Linear            CLint of an assay or of the whole organ
    MichaelisMenten   Vmax or kcat, and Km
    FromLiver         the gut wall does what a liver row does, by its content of the enzyme
    Availability      the gut wall's CLint is what lets this fraction through

How each becomes a capacity in one person is `elimination`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PMOL_MIN_TO_UMOL_H = 60e-6
UL_MIN_TO_L_H = 60e-6


@dataclass(frozen=True)
class SourcedQuantity:
    """A number in bench units with where it came from; `cv` is its spread between people or assays."""

    value: float
    unit: str
    origin: str
    method: str = "measured"
    cv: float = 0.0


class Assay(StrEnum):
    """What an in vitro number refers to; ORGAN: the whole organ of the reference person."""

    RECOMBINANT = "recombinant"
    MICROSOMES = "microsomes"
    HEPATOCYTES = "hepatocytes"
    ORGAN = "liver"


@dataclass(frozen=True)
class InVivo:
    """Plasma clearance, L/h or (`per_weight`) L/h/kg.

    unchanged  fraction of a total clearance that is excreted in urine, where it is known
    shares     (enzyme, share of the liver's part) of a total clearance; the rest is OTHER
    """

    clearance: SourcedQuantity
    per_weight: bool = False
    km: SourcedQuantity | None = None
    unchanged: float | None = None
    shares: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Linear:
    """CLint in the unit of its assay; `facilitated`: it acts on the liver's unbound fraction, raised by
    protein-facilitated uptake."""

    clint: SourcedQuantity
    assay: Assay = Assay.ORGAN
    fu_inc: float = 1.0
    facilitated: bool = False


@dataclass(frozen=True)
class MichaelisMenten:
    """Vmax or kcat in the unit of its assay; Km, umol/L, of which `fu_inc` is unbound."""

    maximum: SourcedQuantity
    km: SourcedQuantity
    assay: Assay = Assay.ORGAN
    fu_inc: float = 1.0
    facilitated: bool = False


@dataclass(frozen=True)
class FromLiver:
    """As clearance row `source` does in the liver; `unbound_km` is that row's, umol/L."""

    source: int = -1
    unbound_km: float | None = None


@dataclass(frozen=True)
class Availability:
    """Fraction `fg` escaping the gut wall."""

    fg: SourcedQuantity
    km: SourcedQuantity | None = None


InVitro = Linear | MichaelisMenten
ClearanceLaw = InVivo | Linear | MichaelisMenten | FromLiver | Availability


@dataclass(frozen=True)
class Clearance:
    """One way out of the body or into a metabolite.

    organ   liver | gut | kidney | bile | plasma | total (split between liver and kidney by `settle`)
    share   fraction of this route that forms `forms` (a drug id)
    """

    organ: str
    law: ClearanceLaw
    enzyme: str = ""
    transporter: str = ""
    scalar: float = 1.0
    forms: str = ""
    share: float = 1.0
    name: str = ""

    @property
    def actor(self) -> str:
        """The enzyme or transporter that does it, "" where none is named."""
        return self.enzyme or self.transporter


def unbound_km(law: ClearanceLaw) -> float | None:
    """Km of unbound drug, umol/L; None of a law that does not saturate."""
    match law:
        case MichaelisMenten():
            return law.km.value * law.fu_inc
        case InVivo() | Availability():
            return law.km.value if law.km is not None else None
        case FromLiver():
            return law.unbound_km
        case Linear():
            return None


def stated(law: ClearanceLaw) -> float:
    """The number a law is known by, in the unit it is kept in: clearance, CLint over fu_inc, Vmax or Fg."""
    match law:
        case InVivo():
            return law.clearance.value
        case Linear():
            return law.clint.value / law.fu_inc
        case MichaelisMenten():
            return law.maximum.value
        case Availability():
            return law.fg.value
        case FromLiver():
            raise AssertionError("a gut wall that follows the liver has no number of its own")


def plasma_clearance_of(law: InVivo, weight_kg: float) -> float:
    """Plasma clearance (L/h) of a person of `weight_kg`."""
    return law.clearance.value * (weight_kg if law.per_weight else 1.0)


def to_organ(law: InVitro) -> float:
    """From the assay's unit per minute to umol/h (Vmax) or L/h (CLint)."""
    return PMOL_MIN_TO_UMOL_H if isinstance(law, MichaelisMenten) else UL_MIN_TO_L_H


def takes_up(law: ClearanceLaw) -> bool:
    """Whether the liver's CLint,u behind this law holds its protein-facilitated uptake."""
    return isinstance(law, InVivo) or (isinstance(law, InVitro) and law.facilitated)
