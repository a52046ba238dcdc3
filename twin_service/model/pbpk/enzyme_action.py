"""What a drug does to an enzyme or transporter, by type; concentrations are unbound, umol/L.

Two touch what the enzyme does at the moment (`competing`, `blocking`: I/Ki), three how much of it there is (`loss`,
`fold` of synthesis); an inactivator also competes. How they add up over drugs is `interaction`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twin_service.model.pbpk.clearance import SourcedQuantity


@dataclass(frozen=True)
class Competitive:
    ki: SourcedQuantity


@dataclass(frozen=True)
class Noncompetitive:
    ki: SourcedQuantity


@dataclass(frozen=True)
class MechanismBased:
    """`ki` is K_I, `kinact` 1/h."""

    ki: SourcedQuantity
    kinact: SourcedQuantity


@dataclass(frozen=True)
class Induction:
    """`emax` fold above baseline."""

    emax: SourcedQuantity
    ec50: SourcedQuantity


@dataclass(frozen=True)
class Suppression:
    """`emax` fraction below baseline, at most 1."""

    emax: SourcedQuantity
    ec50: SourcedQuantity


Turnover = MechanismBased | Induction | Suppression
EnzymeAction = Competitive | Noncompetitive | Turnover


@dataclass(frozen=True)
class Interaction:
    """`act` on enzyme or transporter `target` in `organs`."""

    target: str
    act: EnzymeAction
    organs: tuple[str, ...] = ("liver", "gut")


def competing(act: EnzymeAction, i: Any) -> Any:
    """I/Ki that raises the Km of others; None of an action that does not."""
    return i / act.ki.value if isinstance(act, Competitive | MechanismBased) else None


def blocking(act: EnzymeAction, i: Any) -> Any:
    """I/Ki that lowers the Vmax of others; None of an action that does not."""
    return i / act.ki.value if isinstance(act, Noncompetitive) else None


def loss(act: MechanismBased, i: Any) -> Any:
    """Loss of enzyme beyond its natural one, 1/h: kinact I/(K_I + I)."""
    return act.kinact.value * i / (act.ki.value + i)


def fold(act: Induction | Suppression, i: Any) -> Any:
    """Relative change of synthesis, of either sign: Emax I/(EC50 + I)."""
    return act.emax.value * i / (act.ec50.value + i)
