"""What is known of a compound before it is given to man: chemistry, animal studies, in vitro clearances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twin_service.model.pbpk.record import DrugRecord

HUMAN_KG: Final = 70.0


@dataclass(frozen=True)
class TimeCourse:
    """Plasma levels after one intravenous dose: hours and mg/L, the dose in mg/kg."""

    time_h: tuple[float, ...]
    conc_mg_l: tuple[float, ...]
    dose_mg_kg: float


@dataclass(frozen=True)
class AnimalStudy:
    """Intravenous pharmacokinetics in one species; plasma clearance mL/min/kg, Vss L/kg, unbound fraction 1."""

    species: str
    weight_kg: float
    clearance_ml_min_kg: float | None = None
    vss_l_kg: float | None = None
    fup: float | None = None
    bioavailability: float | None = None
    course: TimeCourse | None = None


@dataclass(frozen=True)
class InVitroClearance:
    """Intrinsic clearance in an incubation of human material.

    clint         uL/min/mg of microsomal protein, or uL/min/10^6 hepatocytes
    fu_inc        unbound in the incubation; None: calculated from logP and the concentration
    concentration mg protein/mL, or 10^6 cells/mL
    uptake, efflux, bile   permeability-surface products of the hepatocyte, uL/min/10^6 cells (extended clearance)
    """

    system: str
    clint: float
    concentration: float | None
    fu_inc: float | None
    uptake: float | None = None
    efflux: float | None = None
    bile: float = 0.0


@dataclass(frozen=True)
class Compound:
    """The chemistry as a drug record without a way out, and everything measured before man."""

    chemistry: DrugRecord
    animals: tuple[AnimalStudy, ...] = ()
    in_vitro: tuple[InVitroClearance, ...] = ()
    renal_ml_min_kg: float | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def fup(self) -> float:
        return self.chemistry.fup

    def study(self, species: str) -> AnimalStudy | None:
        """The first study in `species`."""
        return next((a for a in self.animals if a.species == species), None)
