"""Animal doses as human ones, and the safety factor between them.

    surface area    HED = dose_animal Km_animal / Km_human                                     [mg/kg]
    exponent        HED = dose_animal (W_animal / W_human)^(1 - b)                             [mg/kg]
    weight          HED = dose_animal      (proteins above 100 kDa given into the vessels)     [mg/kg]
    starting dose   HED / factor:  NOAEL 10 and more; HNSTD 6 (non-rodent) and STD10 10 (rodent) for anticancer drugs

FDA 2005, Estimating the maximum safe starting dose in initial clinical trials, table 1 and section VII (safety factor);
ICH S9 2009, note 2 (HNSTD, STD10). Reasons raise the factor by half a logarithm each, as uncertainty factors are set
in toxicology (IPCS 2005, harmonization project document 2); the plan may state a factor of its own.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from twin_service.trial.adjust.ancova import refuse

HUMAN_KM = 37.0
DEFAULT_FACTOR, HALF_LOG, FACTOR_MAX = 10.0, 10**0.5, 1000.0


class AnimalScale(NamedTuple):
    """Reference weight (kg) and Km, weight over surface area (kg/m^2)."""

    weight_kg: float
    km: float
    rodent: bool = False


SPECIES = MappingProxyType(
    {
        "mouse": AnimalScale(0.02, 3, True),
        "hamster": AnimalScale(0.08, 5, True),
        "rat": AnimalScale(0.15, 6, True),
        "ferret": AnimalScale(0.3, 7),
        "guinea pig": AnimalScale(0.4, 8, True),
        "rabbit": AnimalScale(1.8, 12),
        "dog": AnimalScale(10, 20),
        "monkey": AnimalScale(3, 12),
        "marmoset": AnimalScale(0.35, 6),
        "squirrel monkey": AnimalScale(0.6, 7),
        "baboon": AnimalScale(12, 20),
        "micro-pig": AnimalScale(20, 27),
        "mini-pig": AnimalScale(40, 35),
    }
)


class Scaling(Enum):
    """How a dose crosses species."""

    SURFACE_AREA = "surface area"
    EXPONENT = "exponent"
    WEIGHT = "weight"


class DoseFinding(Enum):
    """What the animal dose means."""

    NOAEL = "NOAEL"
    HNSTD = "HNSTD"
    STD10 = "STD10"


REASONS = MappingProxyType(
    {
        "steep dose response": "a small step past the safe dose is a large one in harm",
        "severe toxicity": "the harm seen in animals is grave or disabling",
        "nonmonitorable toxicity": "no sign in man would warn of it in time",
        "toxicity without warning": "it came without premonitory signs",
        "irreversible toxicity": "it did not recover",
        "unexplained mortality": "animals died and nobody knows why",
        "variable bioavailability": "the same dose gives very different exposures",
        "variable response": "animals differed widely in the dose or level that harmed",
        "nonlinear kinetics": "exposure does not follow the dose",
        "inadequate data": "few dose levels, wide spacing, or few animals",
        "novel target": "nobody has touched this target in man before",
        "limited animal models": "the animals may not show what man will",
    }
)


@dataclass(frozen=True)
class SafetyFactor:
    """What the human equivalent dose is divided by, and why."""

    value: float
    reasons: tuple[str, ...]


def species_named(name: str, *, path: str = "species") -> AnimalScale:
    """The species of the table; "monkey (cynomolgus)" is monkey. Raises Refusal naming the nearest."""
    key = name.lower().split("(")[0].strip()
    key = {"cynomolgus": "monkey", "rhesus": "monkey", "minipig": "mini-pig", "cynomolgus monkey": "monkey"}.get(
        key, key
    )
    if key not in SPECIES:
        near = difflib.get_close_matches(key, SPECIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(SPECIES)}"
        raise refuse(path, f"species {name!r} is unknown; {hint}")
    return SPECIES[key]


def human_equivalent_dose(
    dose_mg_per_kg: float,
    species: AnimalScale,
    scaling: Scaling = Scaling.SURFACE_AREA,
    *,
    human_weight_kg: float = 60.0,
    exponent: float = 0.67,
) -> float:
    """Human equivalent dose, mg/kg. `human_weight_kg` and `exponent` matter for scaling by exponent."""
    if not dose_mg_per_kg > 0:
        raise refuse("dose", "expected a positive dose")
    if scaling is Scaling.SURFACE_AREA:
        return dose_mg_per_kg * species.km / HUMAN_KM
    if scaling is Scaling.EXPONENT:
        return dose_mg_per_kg * float((species.weight_kg / human_weight_kg) ** (1 - exponent))
    return dose_mg_per_kg


def safety_factor(
    finding: DoseFinding, species: AnimalScale, reasons: tuple[str, ...], given: float | None
) -> SafetyFactor:
    """The factor by rule, or as `given`. Raises Refusal for a reason that is not listed, or a factor below one."""
    for reason in reasons:
        if reason not in REASONS:
            near = difflib.get_close_matches(reason, REASONS, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {'; '.join(REASONS)}"
            raise refuse("safety.reasons", f"{reason!r} is not a reason of the rule; {hint}")
    if given is not None:
        if not given >= 1:
            raise refuse("safety.factor", "a factor below one is no safety")
        return SafetyFactor(given, ("stated in the plan", *reasons))
    if finding is DoseFinding.HNSTD:
        if species.rodent:
            raise refuse("toxicology.finding", "HNSTD is defined in a non-rodent (ICH S9); use STD10 in rodents")
        return SafetyFactor(6.0, ("one sixth of the HNSTD in a non-rodent (ICH S9)",))
    if finding is DoseFinding.STD10:
        return SafetyFactor(10.0, ("one tenth of the dose severely toxic to 10 % of the animals (ICH S9)",))
    value = min(DEFAULT_FACTOR * HALF_LOG ** len(reasons), FACTOR_MAX)
    return SafetyFactor(value, ("default of 10 (FDA 2005)", *(f"{r}: {REASONS[r]}" for r in reasons)))
