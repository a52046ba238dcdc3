"""The plan file of `twin first-dose`: what is known of a drug before the first person takes it.

title = "..."
[drug]             name, molar_mass, protein (true: given by weight), route = "iv" or "oral", fu
[person]           weight
[[toxicology]]     species, finding ("NOAEL", "HNSTD", "STD10"), dose, cmax, auc, fu, relevant
[scaling]          by ("surface area", "exponent", "weight"), exponent
[safety]           reasons, factor
[target]           kd, kd_cv, concentration, concentration_cv, half_life, complex_half_life, start, effect, limit
[[potency]]        assay, concentration
[[active_dose]]    species, dose, what
[kinetics]         clearance, volume, absorption, bioavailability, clearance_cv, volume_cv
[[animal_kinetics]] species, weight, clearance, volume
[escalation]       increment, increment_after, dose_max, exposure_share, round_to, cohort,
                   effect_delay, levels_max, exceed_max
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from twin_service.trial.phase1.conversion import DoseFinding, Scaling
from twin_service.trial.phase1.plan_file import (
    Clearance,
    Concentration,
    DosePerWeight,
    Exposure,
    Hours,
    Kilograms,
    Liters,
    Mass,
    MolarMass,
    PerHour,
    PlanTable,
)

Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class DrugPart(PlanTable):
    """The drug; `fu`: share unbound in plasma."""

    name: str = Field(min_length=1, max_length=64)
    molar_mass: MolarMass = Field(gt=0)
    protein: bool = False
    route: Literal["iv", "oral"] = "oral"
    fu: Share = 1.0


class PersonPart(PlanTable):
    """Whom doses are expressed for."""

    weight: Kilograms = Field(default=60.0, gt=20, lt=200)


class ToxicologyPart(PlanTable):
    """One animal study: the dose of its finding, and the exposure there (mean of the group, total drug)."""

    species: str
    finding: DoseFinding = DoseFinding.NOAEL
    dose: DosePerWeight = Field(gt=0)
    cmax: Concentration | None = Field(default=None, gt=0)
    auc: Exposure | None = Field(default=None, gt=0)
    fu: Share | None = None
    relevant: bool = True


class ScalingPart(PlanTable):
    """How doses cross species; unset: by weight for proteins, by surface area otherwise."""

    by: Scaling | None = None
    exponent: Annotated[float, Field(gt=0.5, le=1)] = 0.67


class SafetyPart(PlanTable):
    """What raises the factor, or the factor itself."""

    reasons: tuple[str, ...] = ()
    factor: Annotated[float, Field(ge=1)] | None = None


class TargetPart(PlanTable):
    """The target and the shares of it that may be held at the start, are needed for an effect, must not be passed."""

    kd: Concentration = Field(gt=0)
    kd_cv: Annotated[float, Field(ge=0, le=3)] = 0.0
    concentration: Concentration | None = Field(default=None, ge=0)
    concentration_cv: Annotated[float, Field(ge=0, le=3)] = 0.0
    half_life: Hours | None = Field(default=None, gt=0)
    complex_half_life: Hours | None = Field(default=None, gt=0)
    start: Annotated[float, Field(gt=0, lt=1)] = 0.1
    effect: Annotated[float, Field(gt=0, lt=1)] | None = None
    limit: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _has_target(self) -> TargetPart:
        if self.concentration is None:
            raise ValueError(
                "occupancy needs the target's concentration (target.concentration); "
                'state it, or "0 nmol/L" where the target binds a negligible share of the drug'
            )
        return self


class PotencyPart(PlanTable):
    """A concentration with a small effect in vitro (EC10, EC20, ...), unbound."""

    assay: str
    concentration: Concentration = Field(gt=0)


class ActiveDosePart(PlanTable):
    """A pharmacologically active dose in an animal."""

    species: str
    dose: DosePerWeight = Field(gt=0)
    what: str = "pharmacologically active dose"


class KineticsPart(PlanTable):
    """Expected in man. Clearance and volume may be left to the animals."""

    clearance: Clearance | None = Field(default=None, gt=0)
    volume: Liters | None = Field(default=None, gt=0)
    absorption: PerHour | None = Field(default=None, gt=0)
    bioavailability: Share = 1.0
    clearance_cv: Annotated[float, Field(ge=0, le=3)] = 0.0
    volume_cv: Annotated[float, Field(ge=0, le=3)] = 0.0


class AnimalKineticsPart(PlanTable):
    """Of the whole animal."""

    species: str
    weight: Kilograms = Field(gt=0)
    clearance: Clearance = Field(gt=0)
    volume: Liters = Field(gt=0)


class EscalationPart(PlanTable):
    """Steps and limits. `increment` holds below the dose that is expected to act, `increment_after` from there on;
    `exposure_share`: share of the animals' safe exposure that no group mean may pass."""

    increment: Annotated[float, Field(gt=1, le=10)] = 3.0
    increment_after: Annotated[float, Field(gt=1, le=10)] = 2.0
    dose_max: Mass | None = Field(default=None, gt=0)
    exposure_share: Share = 1.0
    round_to: Mass | None = Field(default=None, gt=0)
    cohort: Annotated[int, Field(ge=2, le=20)] = 6
    effect_delay: Hours = Field(default=0.0, ge=0)
    levels_max: Annotated[int, Field(ge=1, le=30)] = 12
    exceed_max: Share = 0.1


class FirstDosePlan(PlanTable):
    """The whole file."""

    title: str = ""
    drug: DrugPart
    person: PersonPart = PersonPart()
    toxicology: tuple[ToxicologyPart, ...] = ()
    scaling: ScalingPart = ScalingPart()
    safety: SafetyPart = SafetyPart()
    target: TargetPart | None = None
    potency: tuple[PotencyPart, ...] = ()
    active_dose: tuple[ActiveDosePart, ...] = ()
    kinetics: KineticsPart = KineticsPart()
    animal_kinetics: tuple[AnimalKineticsPart, ...] = ()
    escalation: EscalationPart = EscalationPart()

    @model_validator(mode="after")
    def _can_be_answered(self) -> FirstDosePlan:
        wrong = []
        if not (self.toxicology or self.target or self.active_dose or self.potency):
            wrong.append("nothing to start from: give toxicology, a target, potencies or an active dose")
        known = self.kinetics.clearance is not None and self.kinetics.volume is not None
        if not known and not self.animal_kinetics:
            wrong.append("kinetics: give clearance and volume, or [[animal_kinetics]] to scale them from")
        if self.drug.route == "oral" and self.kinetics.absorption is None:
            wrong.append("kinetics.absorption: an oral drug needs its rate of absorption")
        for k, study in enumerate(self.toxicology):
            if study.cmax is None and study.auc is None:
                wrong.append(
                    f"toxicology[{k}] ({study.species}): a {study.finding.value} without exposure caps nothing; "
                    "give cmax or auc of that dose"
                )
        if wrong:
            raise ValueError(";; ".join(wrong))
        return self
