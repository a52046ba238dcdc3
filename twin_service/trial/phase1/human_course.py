"""What a dose is expected to do in man before anyone had it: one compartment, with the doubt of its parameters.

    into the vessels   C = D/V exp(-k t)                          C_max = D/V
    by mouth           C = F D k_a/(V (k_a - k)) (exp(-k t) - exp(-k_a t)),   t_max = log(k_a/k)/(k_a - k)
    AUC = F D / CL

From animals: CL = CL_a (W/W_a)^b, V likewise with exponent 1; three species or more give their own exponents. The
doubt of clearance is what such scaling missed by in compounds whose human value is known: a geometric mean fold error
of 2.33 with three species and 1.96 with the monkey alone (the project's table of human clearance from animals), as a
log-normal: sigma = log(GMFE) sqrt(pi/2). Boxenbaum 1982, doi:10.1007/BF01062336; Mahmood 2007,
doi:10.1016/j.addr.2007.05.015
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.trial.adjust.ancova import refuse

FloatArray = NDArray[np.float64]
GMFE_THREE_SPECIES, GMFE_ONE_SPECIES = 2.33, 1.96
EXPONENT_CLEARANCE, EXPONENT_VOLUME = 0.75, 1.0


@dataclass(frozen=True)
class HumanPk:
    """One person's or the typical kinetics: L/h, L, 1/h (0: into the vessels), share absorbed, share unbound."""

    clearance: float
    volume: float
    absorption_per_h: float = 0.0
    bioavailability: float = 1.0
    fu: float = 1.0
    clearance_cv: float = 0.0
    volume_cv: float = 0.0
    origin: str = "stated in the plan"

    @property
    def half_life_h(self) -> float:
        return float(np.log(2)) * self.volume / self.clearance


class AnimalPk(NamedTuple):
    """Kinetics of one species: weight kg, clearance L/h, volume L, of the whole animal."""

    species: str
    weight_kg: float
    clearance: float
    volume: float


class KineticDraws(NamedTuple):
    """Kinetics that could be true, (n,) each."""

    clearance: FloatArray
    volume: FloatArray


def from_animals(animals: tuple[AnimalPk, ...], weight_kg: float, like: HumanPk) -> HumanPk:
    """`like` with clearance and volume scaled from `animals` to a person of `weight_kg`."""
    if not animals:
        raise refuse("animal_pk", "human kinetics need a clearance and a volume, or animals to scale them from")
    log_w = np.log([a.weight_kg for a in animals])
    log_cl, log_v = np.log([a.clearance for a in animals]), np.log([a.volume for a in animals])
    if len(animals) >= 3:
        b_cl, b_v = (float(np.polyfit(log_w, y, 1)[0]) for y in (log_cl, log_v))
        gmfe = GMFE_THREE_SPECIES
        how = f"allometry of {len(animals)} species, exponents {b_cl:.2f} and {b_v:.2f}"
    else:
        b_cl, b_v, gmfe = EXPONENT_CLEARANCE, EXPONENT_VOLUME, GMFE_ONE_SPECIES
        how = f"allometry of {' and '.join(a.species for a in animals)}, exponents 0.75 and 1"
    target = np.log(weight_kg)
    clearance = float(np.exp(np.mean(log_cl + b_cl * (target - log_w))))
    volume = float(np.exp(np.mean(log_v + b_v * (target - log_w))))
    sigma = np.log(gmfe) * np.sqrt(np.pi / 2)
    cv = float(np.sqrt(np.expm1(sigma**2)))
    return replace(
        like,
        clearance=clearance,
        volume=volume,
        clearance_cv=like.clearance_cv or cv,
        origin=f"{how}; fold error {gmfe}",
    )


def draw(pk: HumanPk, n: int, rng: np.random.Generator) -> KineticDraws:
    """`n` possible kinetics: log-normal about the typical ones as medians."""
    s_cl, s_v = (np.sqrt(np.log1p(cv**2)) for cv in (pk.clearance_cv, pk.volume_cv))
    z = rng.standard_normal((2, n))
    return KineticDraws(pk.clearance * np.exp(s_cl * z[0]), pk.volume * np.exp(s_v * z[1]))


def exposure(pk: HumanPk, dose_umol: float, draws: KineticDraws | None = None) -> tuple[FloatArray, FloatArray]:
    """C_max (umol/L) and AUC (umol h/L) of one dose, for each draw, or for the typical person (1,)."""
    clearance = draws.clearance if draws else np.array([pk.clearance])
    volume = draws.volume if draws else np.array([pk.volume])
    dose = dose_umol * pk.bioavailability
    auc = dose / clearance
    if pk.absorption_per_h == 0:
        return dose / volume, auc
    t = time_of_peak(pk, KineticDraws(clearance, volume))
    return dose / volume * np.exp(-clearance / volume * t), auc


def time_of_peak(pk: HumanPk, draws: KineticDraws) -> FloatArray:
    """h after an oral dose; 0 into the vessels. At the peak k_a A_gut = k V C, so C_max = F D/V exp(-k t_max)."""
    if pk.absorption_per_h == 0:
        return np.zeros_like(draws.clearance)
    k, ka = draws.clearance / draws.volume, pk.absorption_per_h
    alike = np.abs(ka / k - 1) < 1e-9
    return np.asarray(np.where(alike, 1 / k, np.log(ka / k) / np.where(alike, 1.0, ka - k)))


def concentration(pk: HumanPk, dose_umol: float, times: FloatArray, draws: KineticDraws | None = None) -> FloatArray:
    """Concentration (umol/L) at `times` (t,) h, (n, t)."""
    clearance = draws.clearance if draws else np.array([pk.clearance])
    volume = draws.volume if draws else np.array([pk.volume])
    k, dose, ka = (clearance / volume)[:, None], dose_umol * pk.bioavailability, pk.absorption_per_h
    if ka == 0:
        return np.asarray(dose / volume[:, None] * np.exp(-k * times))
    gap = np.where(np.abs(ka - k) < 1e-9 * ka, 1e-9 * ka, ka - k)
    return np.asarray(dose * ka / (volume[:, None] * gap) * (np.exp(-k * times) - np.exp(-(k + gap) * times)))
